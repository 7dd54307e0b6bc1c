"""Maps: a file of keys and values, read with the configuration, looked up by a match method.

``map_beg`` takes the longest prefix and ``map_ip`` the smallest network; the others take the first key
of the file that matches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from greenlb.policy.addresses import lookup, parse_address, parse_network
from greenlb.policy.files import pairs
from greenlb.policy.matching import METHODS, Pattern
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.vocabulary import Argument, Convert, Converter, Kind, octets

Find = Callable[[Any], Any]


def _exact(rows: Sequence[tuple[str, Any]]) -> Find:
    known: dict[bytes, Any] = {}
    for key, value in rows:
        known.setdefault(octets(key), value)
    return known.get


def _prefix(rows: Sequence[tuple[str, Any]]) -> Find:
    known: dict[bytes, Any] = {}
    for key, value in rows:
        known.setdefault(octets(key), value)
    sizes = sorted({len(key) for key in known}, reverse=True)

    def find(text: bytes) -> Any:
        for size in sizes:
            value = known.get(text[:size]) if size <= len(text) else None
            if value is not None:
                return value
        return None

    return find


def _network(rows: Sequence[tuple[str, Any]]) -> Find:
    return lookup({parse_network(key, resolve=False): value for key, value in reversed(rows)})


def _first(method: str, rows: Sequence[tuple[str, Any]]) -> Find:
    tests = [(METHODS[method].compile([Pattern(key)]), value) for key, value in rows]

    def find(candidate: Any) -> Any:
        for test, value in tests:
            if test(candidate):
                return value
        return None

    return find


def _substitution(rows: Sequence[tuple[str, Any]]) -> Find:
    expressions = [(compile_regex(key).search, value) for key, value in rows]

    def find(text: bytes) -> bytes | None:
        for search, template in expressions:
            match = search(text)
            if match is not None:
                return expand(template, match)
        return None

    return find


_FINDERS: dict[str, tuple[Kind, Callable[[Sequence[tuple[str, Any]]], Find], str]] = {
    "str": ("str", _exact, "equal to the string"),
    "beg": ("str", _prefix, "that begins the string, the longest"),
    "end": ("str", partial(_first, "end"), "that ends the string"),
    "sub": ("str", partial(_first, "sub"), "within the string"),
    "dir": ("str", partial(_first, "dir"), "between slashes in the string"),
    "dom": ("str", partial(_first, "dom"), "between dots in the string"),
    "reg": ("str", partial(_first, "reg"), "whose expression matches the string"),
    "int": ("int", partial(_first, "int"), "that is the integer or a range around it"),
    "ip": ("ip", _network, "that is the smallest network around the address"),
}


def _text(value: str) -> bytes:
    return octets(value)


def _integer(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ValueError(f"an integer is expected, got '{value}'") from None


def _address(value: str) -> Any:
    address = parse_address(value)
    if address is None:
        raise ValueError(f"an IP address is expected, got '{value}'")
    return address


def _make(
    finder: Callable[[Sequence[tuple[str, Any]]], Find], read: Callable[[str], Any]
) -> Callable[..., Convert]:
    def make(path: str, default: str | None) -> Convert:
        try:
            find = finder([(key, read(value)) for key, value in pairs(path)])
        except ValueError as error:
            raise ValueError(f"map '{path}': {error}") from None
        fallback = None if default is None else read(default)

        def convert(x: Any, value: Any) -> Any:
            found = find(value)
            return fallback if found is None else found

        return convert

    return make


def _rows() -> list[Converter]:
    arguments = (Argument("map_file"), Argument("default_value", "str", True))
    rows = []
    outputs: tuple[tuple[str, Kind, Callable[[str], Any], str], ...] = (
        ("", "str", _text, "The value"),
        ("_int", "int", _integer, "The integer"),
        ("_ip", "ip", _address, "The address"),
    )
    for name, (takes, finder, which) in _FINDERS.items():
        for suffix, gives, read, what in outputs:
            doc = f"{what} that a file gives the key {which}."
            rows.append(Converter(f"map_{name}{suffix}", takes, gives, doc, _make(finder, read), arguments))
    plain = _FINDERS["str"][1]
    rows.append(Converter("map", "str", "str", "The same as map_str.", _make(plain, _text), arguments))
    doc = "The value that a file gives the expression that matches the string, its \\1 filled in."
    rows.append(Converter("map_regm", "str", "str", doc, _make(_substitution, _text), arguments))
    return rows


ROWS = tuple(_rows())
