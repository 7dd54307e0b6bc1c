"""Versions of maps and lists that are prepared beside the one in use (``prepare map``, ``commit map``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from greenlb.policy.patterns import Reference


class Versions:
    """Those of one file.  ``current`` is in use, ``next`` the last that was begun."""

    def __init__(self) -> None:
        self.current = 0
        self.next = 0
        self._begun: dict[int, dict[str, str]] = {}

    def begin(self) -> int:
        """A new one, without entries."""
        self.next += 1
        self._begun[self.next] = {}
        return self.next

    def add(self, version: int, entries: Mapping[str, str]) -> bool:
        """Of a key that comes twice the first value counts.  False: nobody began that version."""
        begun = self._begun.get(version)
        if begun is None:
            return False
        for key, value in entries.items():
            begun.setdefault(key, value)
        return True

    def clear(self, version: int) -> None:
        if version in self._begun:
            self._begun[version] = {}

    def entries(self, version: int | None, reference: Reference) -> Iterable[tuple[str, str]]:
        """What a version holds; None is the one in use."""
        if version is None or version == self.current:
            return reference.items()
        return self._begun.get(version, {}).items()

    def commit(self, version: int) -> None:
        """It is in use now; older ones are forgotten."""
        self.current = version
        self._begun = {number: held for number, held in self._begun.items() if number > version}


class AllVersions:
    """Those of all files."""

    def __init__(self) -> None:
        self._known: dict[int, Versions] = {}

    def of(self, reference: Reference) -> Versions:
        return self._known.setdefault(id(reference), Versions())
