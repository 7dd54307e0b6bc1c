"""Actions that change lists of patterns and maps while greenlb runs: ``add-acl``, ``set-map`` and their like.

A change counts in the process that the rule ran in; those of the runtime socket count in all.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy.actions.words import BOTH, Action, Value, Words
from greenlb.policy.logformat import compile_format
from greenlb.policy.patterns import Reference

Change = Callable[[Reference, str, str], object]


def _put(reference: Reference, key: str, value: str) -> None:
    if not reference.set(key, value):
        reference.add(key, value)


def changing(change: Change, as_map: bool, valued: bool = False) -> Callable[[Words], Rule]:
    """``NAME(FILE) KEY [VALUE]``: both are formats."""

    def compile_action(words: Words) -> Rule:
        name, bracket, path = words.action.partition("(")
        if not bracket or not path.endswith(")") or path == ")":
            raise ValueError(f"'{name}' expects the path of its file between parentheses, as '{name}(FILE)'")
        path = path[:-1]
        patterns = words.scope.patterns
        key = _text(words, "a key")
        value = _text(words, "a value") if valued else None
        found = patterns.find(path, as_map) if path.startswith("#") else patterns.reference(path, as_map)
        if found is None:
            raise ValueError(f"'{name}': there is no list with the number {path}")
        reference = found

        def rule(x: Exchange) -> None:
            what = key(x).decode("utf-8", "surrogateescape")
            text = "" if value is None else value(x).decode("utf-8", "surrogateescape")
            with suppress(ValueError):  # a key that some use of the list cannot read is in none
                change(reference, what, text)

        return rule

    return compile_action


def _text(words: Words, what: str) -> Value:
    return compile_format(words.take(what), words.scope)


ROWS = (
    Action(
        "add-acl",
        BOTH,
        "(<file>) <key fmt>",
        "Adds a pattern to a list that acls read from a file.",
        changing(lambda reference, key, value: reference.add(key), as_map=False),
    ),
    Action(
        "del-acl",
        BOTH,
        "(<file>) <key fmt>",
        "Takes a pattern out of such a list.",
        changing(lambda reference, key, value: reference.delete(key), as_map=False),
    ),
    Action(
        "set-map",
        BOTH,
        "(<file>) <key fmt> <value fmt>",
        "Sets the value of a key of a map, which gets the key if it lacks it.",
        changing(_put, as_map=True, valued=True),
    ),
    Action(
        "del-map",
        BOTH,
        "(<file>) <key fmt>",
        "Takes a key out of a map.",
        changing(lambda reference, key, value: reference.delete(key), as_map=True),
    ),
)
