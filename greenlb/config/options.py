"""What an option is, and a table of them: the shape of everything in ``schema``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenlb.config.values import ConfigError, Kind
from greenlb.policy.vocabulary import nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option of a section, or one keyword of a line (``bind``, ``server``, ``cookie`` ...).

    ``doc`` is one or two plain sentences, ``default`` what holds without it, as one would write it.
    ``where`` names the sections it may stand in (``named defaults``: a ``defaults`` that has a name).
    ``field`` is what it fills in the model: of the proxy or the global section, ``timeouts.x`` of its
    timeouts, or of what the line makes.  ``http``: it needs mode http; in a tcp proxy it is ignored with
    a warning, even when it is inherited if ``warns``.  ``many``: it may be given several times, one item
    a line, order kept.  ``example`` is a value that works.
    """

    name: str
    kind: Kind
    doc: str
    where: tuple[str, ...] = ()
    field: str = ""
    default: str = ""
    http: bool = False
    warns: bool = False
    many: bool = False
    example: str = ""


class Table:
    """Options by name.

    ``what`` is what one is called in messages.  ``unsupported`` are HAProxy's that this version
    does not have, each with what to do instead, or empty.
    """

    def __init__(
        self, what: str, options: Iterable[Option], unsupported: Mapping[str, str] | None = None
    ) -> None:
        self.what = what
        self.options = {option.name: option for option in options}
        self.unsupported = unsupported or {}

    def __iter__(self) -> Iterator[Option]:
        return iter(self.options.values())

    def __contains__(self, name: str) -> bool:
        return name in self.options

    def __getitem__(self, name: str) -> Option:
        return self.options[name]

    def refusal(self, name: str) -> str | None:
        """Why a name of HAProxy's is refused, or None when it is none of those."""
        if name not in self.unsupported:
            return None
        instead = self.unsupported[name]
        return f"'{name}' is not supported by this version of greenlb{f': {instead}' if instead else ''}"

    def find(self, name: str) -> Option:
        """Raises ConfigError: not supported, or unknown."""
        option = self.options.get(name)
        if option is None:
            raise ConfigError(self.refusal(name) or f"unknown {self.what} '{name}'{self.near(name)}")
        return option

    def near(self, name: str) -> str:
        """The nearest known name, else all of them."""
        return nearest(name, self.options) or f": expected one of {', '.join(self.options)}"

    def read(self, words: Sequence[str], line: str = "") -> dict[str, Any]:
        """Read keywords that follow each other on one line: field -> value, for one that may be given
        many times a list.  ``line`` names the line in messages.  Raises ConfigError."""
        read: dict[str, Any] = {}
        rest = iter(words)
        try:
            for word in rest:
                option = self.find(word)
                value = self._value(option, rest)
                if option.many:
                    read.setdefault(option.field, []).append(value)
                else:
                    read[option.field] = value
        except ConfigError as error:
            raise ConfigError(f"{line}{error}") from None
        return read

    def _value(self, option: Option, rest: Iterator[str]) -> Any:
        kind = option.kind
        if kind.length == 0:
            return getattr(kind, "meaning", True)
        text = next(rest, None)
        if text is None:
            raise ConfigError(f"'{option.name}' expects {kind.expected}")
        try:
            return kind.word(text)
        except ConfigError as error:
            raise ConfigError(f"'{option.name}': {error}") from None


class Keywords(Kind):
    """Words of a table, read as a dict of fields."""

    direct = False

    def __init__(self, table: Table, syntax: str) -> None:
        self.table = table
        self.syntax = syntax
        self.expected = f"one of {', '.join(table.options)}"

    def read(self, words: Sequence[str]) -> Any:
        return self.table.read(words)
