"""Lists of patterns and maps that stand in files: read with the configuration, changed while it runs.

A ``Reference`` is one file's content, whoever uses it: an acl by ``-f``, a ``map_*`` converter.  Each use
looks into it through a ``Finder``, which is built for its match method: a dictionary, a table of prefixes, or
compiled patterns.  A change goes to every finder at once; those that are compiled are compiled again when
they are asked next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

from greenlb.policy.addresses import Networks, parse_address
from greenlb.policy.files import lines, pairs
from greenlb.policy.vocabulary import octets

Read = Callable[[str], Any]
"""Makes of a value's text what a look-up gives.  Raises ValueError."""
_BREATH = 64
"""Patterns that are read in one go where somebody asks what a value finds: an expression takes 0.1 ms."""


class Finder(Protocol):
    """``find`` gives what the first pattern that fits stands for, or None."""

    find: Callable[[Any], Any]

    def add(self, key: str, value: str) -> None:
        """Raises ValueError for a key or a value that it cannot read; then nothing changed."""

    def change(self, key: str, value: str) -> None:
        """Another value for a key that is there, which keeps its place.  Raises as ``add``."""

    def remove(self, key: str) -> None: ...

    def clear(self) -> None: ...


class Exact:
    """Whole strings; ``fold``: whatever their case."""

    __slots__ = ("_fold", "_known", "_read", "find")

    def __init__(self, read: Read, fold: bool = False) -> None:
        self._known: dict[bytes, Any] = {}
        self._read = read
        self._fold = fold
        known = self._known
        self.find: Callable[[Any], Any] = known.get
        if fold:
            self.find = lambda value: known.get(value.lower())

    def _key(self, key: str) -> bytes:
        return octets(key).lower() if self._fold else octets(key)

    def add(self, key: str, value: str) -> None:
        self._known.setdefault(self._key(key), self._read(value))

    def change(self, key: str, value: str) -> None:
        self._known[self._key(key)] = self._read(value)

    def remove(self, key: str) -> None:
        self._known.pop(self._key(key), None)

    def clear(self) -> None:
        self._known.clear()


class Prefixes:
    """The longest prefix of a string."""

    __slots__ = ("_read", "_sizes", "_tables", "find")

    def __init__(self, read: Read) -> None:
        self._read = read
        self._tables: dict[int, dict[bytes, Any]] = {}
        self._sizes: list[int] = []
        self.find: Callable[[Any], Any] = self._find

    def _find(self, text: bytes) -> Any:
        longest = len(text)
        for size in self._sizes:
            value = self._tables[size].get(text[:size]) if size <= longest else None
            if value is not None:
                return value
        return None

    def add(self, key: str, value: str) -> None:
        found, text = self._read(value), octets(key)
        if len(text) not in self._tables:
            self._tables[len(text)] = {}
            self._sizes = sorted(self._tables, reverse=True)
        self._tables[len(text)].setdefault(text, found)

    def change(self, key: str, value: str) -> None:
        text = octets(key)
        self._tables[len(text)][text] = self._read(value)

    def remove(self, key: str) -> None:
        text = octets(key)
        self._tables.get(len(text), {}).pop(text, None)

    def clear(self) -> None:
        self._tables.clear()
        self._sizes.clear()


class Surrounding:
    """The smallest network around an address."""

    __slots__ = ("_networks", "_read", "find")

    def __init__(self, read: Read) -> None:
        self._networks: Networks[Any] = Networks()
        self._read = read
        self.find: Callable[[Any], Any] = self._networks.find

    def add(self, key: str, value: str) -> None:
        self._networks.add(key, self._read(value))

    def change(self, key: str, value: str) -> None:
        found = self._read(value)
        self._networks.remove(key)
        self._networks.add(key, found)

    def remove(self, key: str) -> None:
        self._networks.remove(key)

    def clear(self) -> None:
        self._networks.clear()


class Ordered:
    """Patterns of any method, tried in their order.  ``compile`` makes a test of one; ``result`` makes what a
    look-up gives of the pattern's value and what the test gave."""

    __slots__ = ("_compile", "_read", "_result", "_tests", "find")

    def __init__(
        self,
        read: Read,
        compile: Callable[[str], Callable[[Any], Any]],
        result: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self._read = read
        self._compile = compile
        self._result = result
        self._tests: dict[str, tuple[Callable[[Any], Any], Any]] = {}
        self.find: Callable[[Any], Any] = self._find

    def _find(self, candidate: Any) -> Any:
        for test, value in self._tests.values():
            found = test(candidate)
            if found:
                return value if self._result is None else self._result(value, found)
        return None

    def add(self, key: str, value: str) -> None:
        if key not in self._tests:
            self._tests[key] = self._compile(key), self._read(value)

    def change(self, key: str, value: str) -> None:
        self._tests[key] = self._compile(key), self._read(value)

    def remove(self, key: str) -> None:
        self._tests.pop(key, None)

    def clear(self) -> None:
        self._tests.clear()


class Combined:
    """Patterns of which only matters that one fits: ``compile`` makes one test of all of them, again after
    each change, when it is asked next."""

    __slots__ = ("_compile", "_keys", "find")

    def __init__(self, compile: Callable[[Sequence[str]], Callable[[Any], Any]]) -> None:
        self._compile = compile
        self._keys: dict[str, None] = {}
        self.find: Callable[[Any], Any] = self._find_anew

    def _find_anew(self, value: Any) -> Any:
        test = self._compile(list(self._keys)) if self._keys else _nothing
        self.find = lambda value: True if test(value) else None
        return self.find(value)

    def add(self, key: str, value: str) -> None:
        self._compile([key])  # whether it can be read
        self._keys[key] = None
        self.find = self._find_anew

    def change(self, key: str, value: str) -> None:
        """It has no values."""

    def remove(self, key: str) -> None:
        self._keys.pop(key, None)
        self.find = self._find_anew

    def clear(self) -> None:
        self._keys.clear()
        self.find = self._find_anew


def _nothing(value: Any) -> None:
    return None


class Way(NamedTuple):
    """How a use looks into a reference: by ``method``, ``fold`` whatever the case, for a value of the kind
    ``gives``; ``make`` makes such a finder."""

    method: str
    fold: bool
    gives: str
    make: Callable[[Read], Finder]

    @property
    def indexed(self) -> bool:
        """Whether it finds a key without trying one after the other."""
        return self.method == "ip" or (self.method in ("str", "beg") and not self.fold)

    def value(self, text: str) -> Any:
        """What is looked for, as samples give it; None: ``text`` is no such thing."""
        if self.method == "ip":
            return parse_address(text)
        if self.method in ("int", "len"):
            return int(text) if text.removeprefix("-").isdecimal() else None
        return octets(text)


class Reference:
    """One file's patterns.  ``number`` is its id (``#3`` at the runtime socket), its own or what ``-u`` says;
    ``is_map``: its lines are keys and values; ``uses`` says who looks into it, for people.  Of a key that
    comes twice the first value counts."""

    def __init__(self, number: int, path: str) -> None:
        self.number = number
        self.path = path
        self.is_map = False
        self.uses: list[str] = []
        self._entries: dict[str, str] = {}
        self._finders: list[Finder] = []
        self._ways: dict[tuple[str, bool, str], Way] = {}
        self.staged: list[Any] = []  # edits of which the rest is on its way

    def __len__(self) -> int:
        return len(self._entries)

    def items(self) -> Iterator[tuple[str, str]]:
        """(key, value) in the order of the file; without a map the values are empty."""
        return iter(list(self._entries.items()))

    def look(self, finder: Finder, way: Way) -> Finder:
        """Fill ``finder``, which looks in that ``way``, and keep it up to date.  Raises ValueError: a line
        that it cannot read."""
        self._ways.setdefault(way[:3], way)
        for key, value in self._entries.items():
            finder.add(key, value)
        self._finders.append(finder)
        return finder

    def ask(self, text: str) -> Iterator[tuple[Way, str | None] | None]:
        """The key that each use finds for a value.  It looks through all of them, and gives None now and
        then, so that others may run."""
        for way in self._ways.values():
            value = way.value(text)
            finder = way.make(str)
            for number, key in enumerate(list(self._entries)):
                if number % _BREATH == _BREATH - 1:
                    yield None
                finder.add(key, key)
            yield way, None if value is None else finder.find(value)

    def note_use(self, use: str) -> None:
        """``acl at file 'x' line 3``."""
        if use not in self.uses:
            self.uses.append(use)

    def get(self, key: str) -> str | None:
        """The value of a key, as it was written; None when there is no such key."""
        return self._entries.get(key)

    def add(self, key: str, value: str = "") -> None:
        """A further entry.  Raises ValueError when a use cannot read it; then nothing changed."""
        if key in self._entries:
            return
        for number, finder in enumerate(self._finders):
            try:
                finder.add(key, value)
            except ValueError:
                for done in self._finders[:number]:
                    done.remove(key)
                raise
        self._entries[key] = value

    def delete(self, key: str) -> bool:
        """False: there is no such key."""
        if self._entries.pop(key, None) is None:
            return False
        for finder in self._finders:
            finder.remove(key)
        return True

    def set(self, key: str, value: str) -> bool:
        """Another value for a key.  False: there is no such key.  Raises ValueError, and then nothing
        changed."""
        before = self._entries.get(key)
        if before is None:
            return False
        for number, finder in enumerate(self._finders):
            try:
                finder.change(key, value)
            except ValueError:
                for done in self._finders[:number]:
                    done.change(key, before)
                raise
        self._entries[key] = value
        return True

    def clear(self) -> None:
        self._entries.clear()
        for finder in self._finders:
            finder.clear()

    def read(self, path: str, as_map: bool) -> None:
        """Take up a file's lines.  Raises ValueError when it cannot be read."""
        found: Mapping[str, str] | Iterator[tuple[str, str]]
        found = iter(pairs(path)) if as_map else ((line, "") for line in lines(path))
        for key, value in found:
            self._entries.setdefault(key, value)
        self.is_map = as_map


class Patterns:
    """All references of a configuration: by path, so that what uses the same file shares it.  A file that
    is read as a map and as a list is two."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bool], Reference] = {}

    def __iter__(self) -> Iterator[Reference]:
        return iter(self._known.values())

    def __len__(self) -> int:
        return len(self._known)

    def reference(self, path: str, as_map: bool) -> Reference:
        """What a file holds, read once.  Raises ValueError when it cannot be read."""
        reference = self._known.get((path, as_map))
        if reference is None:
            taken = {known.number for known in self}
            reference = Reference(next(number for number in count() if number not in taken), path)
            reference.read(path, as_map)
            self._known[path, as_map] = reference
        return reference

    def number(self, reference: Reference, number: int) -> None:
        """Give it an id.  Raises ValueError when another has that."""
        other = next((known for known in self if known.number == number and known is not reference), None)
        if other is not None:
            raise ValueError(f"'-u {number}' is the id of '{other.path}' already")
        reference.number = number

    def map(self, path: str) -> Reference:
        return self.reference(path, as_map=True)

    def find(self, name: str, as_map: bool) -> Reference | None:
        """By ``#number`` or by path; None when there is none of that kind."""
        for reference in self:
            if reference.is_map == as_map and name in (f"#{reference.number}", reference.path):
                return reference
        return None
