"""Actions: what the rules of http and tcp do.  One module a family, one row each."""

from __future__ import annotations

from greenlb.policy.actions import (
    answers,
    bodies,
    connections,
    counters,
    fields,
    python,
    queueing,
    redirect,
    services,
    state,
    target,
)
from greenlb.policy.actions.words import Action
from greenlb.policy.vocabulary import nearest

TABLE: dict[str, Action] = {
    row.name: row
    for family in (
        fields,
        target,
        answers,
        bodies,
        redirect,
        connections,
        counters,
        queueing,
        python,
        services,
        state,
    )
    for row in family.ROWS
}

FINAL = frozenset(
    (
        "accept",
        "allow",
        "close",
        "deny",
        "redirect",
        "reject",
        "return",
        "silent-drop",
        "tarpit",
        "use-service",
    )
)
"""Actions behind which no rule of the list is asked."""

_TRACKING = "stick tables have gpc0 and gpt0 alone"
_RUNTIME = "patterns and maps are fixed once they are loaded"

REFUSED: dict[str, str] = {
    "add-acl": _RUNTIME,
    "del-acl": _RUNTIME,
    "del-map": _RUNTIME,
    "set-map": _RUNTIME,
    "cache-use": "there is no cache",
    "cache-store": "there is no cache",
    "do-resolve": "names are resolved at start",
    "early-hint": "only the server's own 103 answers are passed on",
    "normalize-uri": "it is experimental in HAProxy",
    "sc-inc-gpc": _TRACKING,
    "sc-inc-gpc1": _TRACKING,
    "sc-set-gpt": _TRACKING,
    "send-spoe-group": "there is no SPOE",
    "set-dst": "servers are reached at their configured addresses",
    "set-dst-port": "servers are reached at their configured addresses",
    "set-mark": "packets are not marked",
    "set-nice": "requests have no priorities",
    "set-src-port": "the port of a connection is what it is",
    "set-timeout": "timeouts belong to sections",
    "set-tos": "packets are not marked",
    "strict-mode": "a rewrite that fails is always an error",
    "wait-for-handshake": "a request is read after the handshake",
}
"""Actions of HAProxy that have no meaning here, or none so far: why."""


def find(word: str, keyword: str) -> Action:
    """The action that a rule of the list ``keyword`` (``http-request`` ...) begins with.  Raises
    ValueError."""
    name = word.partition("(")[0]
    row = TABLE.get(name)
    if row is None:
        known = [other for other, action in TABLE.items() if keyword in action.stages]
        if name in REFUSED:
            raise ValueError(f"'{keyword} {name}' is not supported: {REFUSED[name]}")
        raise ValueError(f"unknown action '{name}' for {keyword}{nearest(name, known)}")
    if keyword not in row.stages:
        raise ValueError(f"'{name}' is not an action of {keyword}, but of {row.stages[0]}")
    return row
