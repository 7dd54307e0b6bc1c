"""Which certificate a server name means.

HAProxy's rules: an exact name goes before a wildcard; a wildcard stands for exactly one label, the
first; of several certificates for one name the earlier line wins; a filter replaces the names that
stand in the certificate, and ``!name`` takes a name out of what its own line would match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class NameTable(Generic[T]):
    """Names -> the candidates for them, in the order they were added."""

    def __init__(self) -> None:
        self._exact: dict[str, list[T]] = {}
        self._wildcards: dict[str, list[T]] = {}  # keyed by what follows the star: ".example.com"
        self._excluded: dict[str, list[T]] = {}

    def add(self, candidate: T, names: Iterable[str], filters: Sequence[str] = ()) -> None:
        """Enter ``candidate`` under ``filters``, or under ``names`` (those of its certificate) where
        no filter says what to match.  ``!*`` leaves it out of the table: it can then only be the
        default."""
        wanted = [f for f in filters if not f.startswith("!")]
        excluded = [f[1:].lower() for f in filters if f.startswith("!")]
        if "*" in excluded:
            return
        for name in excluded:
            self._excluded.setdefault(name, []).append(candidate)
        for name in wanted or names:
            name = name.lower()
            table, key = (self._wildcards, name[1:]) if name.startswith("*") else (self._exact, name)
            if name not in excluded and candidate not in table.setdefault(key, []):
                table[key].append(candidate)

    def find(self, name: str) -> list[T]:
        """The candidates for ``name``, best first; empty when there is none."""
        name = name.lower()
        found = self._exact.get(name)
        if not found:
            dot = name.find(".")
            found = self._wildcards.get(name[dot:]) if dot >= 0 else None
        if not found:
            return []
        excluded = self._excluded.get(name, ())
        return [candidate for candidate in found if candidate not in excluded]

    def known(self) -> Iterable[str]:
        """Names that together bring out every answer ``find`` can give."""
        yield from self._exact
        yield from self._excluded
        yield from ("*" + suffix for suffix in self._wildcards)
