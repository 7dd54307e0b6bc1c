"""Converters that set and unset a variable on the way."""

from __future__ import annotations

from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.variables import conditional, setter
from greenlb.policy.vocabulary import Argument, Convert, Converter


def _set(name: str, conditions: tuple[str, ...]) -> Convert:
    put = conditional(name, conditions)
    return lambda x, value: value if put(x, value) else None


def _unset(name: str) -> Convert:
    put = setter(name)

    def convert(x: Exchange, value: Any) -> Any:
        put(x, None)
        return value

    return convert


ROWS = (
    Converter(
        "set-var",
        "any",
        "any",
        "Keeps the value in a variable too, if the conditions hold (ifset, ifnotset, ifexists, ifnotexists, "
        "ifempty, ifnotempty; ifgt, iflt: the variable is an integer greater or less than the value).",
        _set,
        (Argument("name"), Argument("condition...", "rest", True)),
    ),
    Converter("unset-var", "any", "any", "Takes a variable away.", _unset, (Argument("name"),)),
)
