"""Converters that set and unset a variable on the way."""

from __future__ import annotations

from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.variables import setter
from greenlb.policy.vocabulary import Argument, Convert, Converter


def _set(name: str) -> Convert:
    put = setter(name)

    def convert(x: Exchange, value: Any) -> Any:
        put(x, value)
        return value

    return convert


def _unset(name: str) -> Convert:
    put = setter(name)

    def convert(x: Exchange, value: Any) -> Any:
        put(x, None)
        return value

    return convert


ROWS = (
    Converter("set-var", "any", "any", "Keeps the value in a variable too.", _set, (Argument("name"),)),
    Converter("unset-var", "any", "any", "Takes a variable away.", _unset, (Argument("name"),)),
)
