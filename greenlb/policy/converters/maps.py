"""Maps: a file of keys and values, read with the configuration, looked up by a match method.

``map_beg`` takes the longest prefix and ``map_ip`` the smallest network; the others take the first key
of the file that matches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlb.policy.addresses import parse_address
from greenlb.policy.matching import METHODS, Pattern
from greenlb.policy.patterns import Exact, Finder, Ordered, Prefixes, Read, Reference, Surrounding, Way
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.vocabulary import Argument, Convert, Converter, Kind, octets


def _by(method: str) -> Callable[[Read], Finder]:
    compile_patterns = METHODS[method].compile
    return lambda read: Ordered(read, lambda key: compile_patterns([Pattern(key)]))


def _substitution(read: Read) -> Finder:
    return Ordered(read, lambda key: compile_regex(key).search, expand)


_FINDERS: dict[str, tuple[Kind, Callable[[Read], Finder], str]] = {
    "str": ("str", Exact, "equal to the string"),
    "beg": ("str", Prefixes, "that begins the string, the longest"),
    "end": ("str", _by("end"), "that ends the string"),
    "sub": ("str", _by("sub"), "within the string"),
    "dir": ("str", _by("dir"), "between slashes in the string"),
    "dom": ("str", _by("dom"), "between dots in the string"),
    "reg": ("str", _by("reg"), "whose expression matches the string"),
    "int": ("int", _by("int"), "that is the integer or a range around it"),
    "ip": ("ip", Surrounding, "that is the smallest network around the address"),
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
    way: Way, read: Read, made: Callable[[Read], Finder] | None = None
) -> Callable[[Reference, str | None], Convert]:
    def make(reference: Reference, default: str | None) -> Convert:
        try:
            finder = reference.look((made or way.make)(read), way)
        except ValueError as error:
            raise ValueError(f"map '{reference.path}': {error}") from None
        if default is None:
            return lambda x, value: finder.find(value)
        fallback = read(default)

        def convert(x: Any, value: Any) -> Any:
            found = finder.find(value)
            return fallback if found is None else found

        return convert

    return make


def _rows() -> list[Converter]:
    arguments = (Argument("map_file", "map"), Argument("default_value", "str", True))
    rows = []
    outputs: tuple[tuple[str, Kind, Callable[[str], Any], str], ...] = (
        ("", "str", _text, "The value"),
        ("_int", "int", _integer, "The integer"),
        ("_ip", "ip", _address, "The address"),
    )
    for name, (takes, made, which) in _FINDERS.items():
        for suffix, gives, read, what in outputs:
            doc = f"{what} that a file gives the key {which}."
            rows.append(
                Converter(
                    f"map_{name}{suffix}",
                    takes,
                    gives,
                    doc,
                    _make(Way(name, False, gives, made), read),
                    arguments,
                )
            )
    plain = Way("str", False, "str", _FINDERS["str"][1])
    matched = Way("reg", False, "str", _FINDERS["reg"][1])
    rows.append(Converter("map", "str", "str", "The same as map_str.", _make(plain, _text), arguments))
    doc = "The value that a file gives the expression that matches the string, its \\1 filled in."
    rows.append(Converter("map_regm", "str", "str", doc, _make(matched, _text, _substitution), arguments))
    return rows


ROWS = tuple(_rows())
