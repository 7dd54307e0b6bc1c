"""Actions: what the rules of http and tcp do.  One module a family, one row each."""

from __future__ import annotations

from greenlb.policy.actions import (
    answers,
    bodies,
    connections,
    counters,
    fields,
    packets,
    patterns,
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
        packets,
        patterns,
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
        "auth",
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

REFUSED: dict[str, str] = {
    "cache-use": "there is no cache",
    "cache-store": "there is no cache",
    "do-resolve": "servers have their names looked up while greenlb runs ('resolvers'), clients do not",
    "expect-netscaler-cip": "NetScaler's protocol is not read: use 'expect-proxy layer4'",
    "normalize-uri": "it is experimental in HAProxy",
    "send-spoe-group": "there is no SPOE",
    "set-nice": "requests are served as they come; for queues there is 'set-priority-class'",
    "switch-mode": "a frontend has one mode: bind each protocol to a port of its own",
}
"""Actions of HAProxy that have no meaning here: why."""

_PACKETS = "use it in 'tcp-request session'"

MISPLACED: dict[tuple[str, str], str] = {
    ("tcp-request content", "use-service"): "services speak HTTP: use 'http-request use-service'",
    ("tcp-request connection", "set-mark"): _PACKETS,
    ("tcp-request connection", "set-tos"): _PACKETS,
}
"""(rule list, action): actions that HAProxy has in that list too, and why they are not in it here."""


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
    if (keyword, name) in MISPLACED:
        raise ValueError(f"'{keyword} {name}' is not supported: {MISPLACED[keyword, name]}")
    if keyword not in row.stages:
        raise ValueError(f"'{name}' is not an action of {keyword}, but of {row.stages[0]}")
    return row
