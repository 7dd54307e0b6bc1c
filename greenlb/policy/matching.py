"""Match methods: how a condition compares a value with its patterns (``-m str``, ``_beg``, ``_reg`` ...).

Patterns are compiled when the configuration is read into one test over a value, a single C call where
that can be had: a set look-up, a prefix tuple, one regular expression.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any, NamedTuple

from greenlb.policy.addresses import matcher, parse_network
from greenlb.policy.regex import compile_regex
from greenlb.policy.vocabulary import Kind, octets

Test = Callable[[Any], object]
"""True-ish when the value matches."""


class Pattern(NamedTuple):
    """One pattern as written, and whether ``-i`` stood before it."""

    text: str
    ignore_case: bool = False
    resolve: bool = True


@dataclass(frozen=True, slots=True)
class Method:
    """A match method.  Values are cast to ``takes`` first; ``compile`` makes the test of its patterns."""

    name: str
    takes: Kind
    doc: str
    compile: Callable[[Sequence[Pattern]], Test]


class Range(NamedTuple):
    low: int | None
    high: int | None


OPERATORS = ("eq", "ge", "gt", "le", "lt")


def parse_range(text: str) -> Range:
    """``N``, ``N:M``, ``N:``, ``:M`` (``-`` separates too).  Raises ValueError."""
    low, separator, high = text.partition(":") if ":" in text else text.partition("-")
    try:
        first = int(low) if low else None
        last = int(high) if high else None
    except ValueError:
        raise ValueError(f"'{text}' is not a number, a range N:M, or one of {', '.join(OPERATORS)}") from None
    if not separator:
        last = first
    if (first is None and last is None) or (first is not None and last is not None and first > last):
        raise ValueError(f"'{text}' is not a valid range: expected N:M with N not above M")
    return Range(first, last)


def parse_ranges(texts: Sequence[str]) -> list[Range]:
    """Patterns of an integer match: each value after an operator is compared by that operator."""
    operator = "eq"
    ranges = []
    for text in texts:
        if text in OPERATORS:
            operator = text
            continue
        found = parse_range(text)
        if operator != "eq" and ":" not in text and "-" not in text and found.low is not None:
            number = found.low
            found = {
                "ge": Range(number, None),
                "gt": Range(number + 1, None),
                "le": Range(None, number),
                "lt": Range(None, number - 1),
            }[operator]
        ranges.append(found)
    return ranges


def _in_ranges(ranges: Sequence[Range]) -> Test:
    if ranges and all(r.low == r.high for r in ranges):
        return frozenset(r.low for r in ranges).__contains__
    if len(ranges) == 1:
        low, high = ranges[0]
        if low is None:
            return lambda value: value <= high
        if high is None:
            return lambda value: value >= low
        return lambda value: low <= value <= high

    def inside(value: int) -> bool:
        return any((low is None or low <= value) and (high is None or value <= high) for low, high in ranges)

    return inside


def _integers(patterns: Sequence[Pattern]) -> Test:
    return _in_ranges(parse_ranges([pattern.text for pattern in patterns]))


def _length(patterns: Sequence[Pattern]) -> Test:
    inside = _integers(patterns)
    return lambda value: inside(len(value))


def _addresses(patterns: Sequence[Pattern]) -> Test:
    return matcher(parse_network(pattern.text, pattern.resolve) for pattern in patterns)


def _hexadecimal(patterns: Sequence[Pattern]) -> Test:
    values = set()
    for pattern in patterns:
        try:
            values.add(bytes.fromhex(pattern.text))
        except ValueError:
            raise ValueError(f"'{pattern.text}' is not an even number of hexadecimal digits") from None
    return frozenset(values).__contains__


def _by_case(compile_texts: Callable[[list[bytes]], Test]) -> Callable[[Sequence[Pattern]], Test]:
    """A string method: the patterns after ``-i`` are compared in lower case, the others as they are."""

    def compile_patterns(patterns: Sequence[Pattern]) -> Test:
        exact = [octets(pattern.text) for pattern in patterns if not pattern.ignore_case]
        folded = [octets(pattern.text).lower() for pattern in patterns if pattern.ignore_case]
        plain = compile_texts(exact)
        if not folded:
            return plain
        insensitive = compile_texts(folded)
        if not exact:
            return lambda value: insensitive(value.lower())
        return lambda value: plain(value) or insensitive(value.lower())

    return compile_patterns


def _equal(texts: list[bytes]) -> Test:
    return frozenset(texts).__contains__


def _starts(texts: list[bytes]) -> Test:
    return methodcaller("startswith", tuple(texts))


def _ends(texts: list[bytes]) -> Test:
    return methodcaller("endswith", tuple(texts))


def _contains(texts: list[bytes]) -> Test:
    if len(texts) == 1:
        return methodcaller("__contains__", texts[0])
    return _search(b"|".join(map(re.escape, texts)), texts)


def _between(delimiters: bytes) -> Callable[[list[bytes]], Test]:
    """A pattern standing alone between delimiters or the value's ends.  Delimiters around the pattern
    are not part of it; a pattern of nothing but delimiters never matches."""
    outside = b"[^" + re.escape(delimiters) + b"]"

    def compile_texts(texts: list[bytes]) -> Test:
        bare = [text.strip(delimiters) for text in texts]
        words = [re.escape(text) for text in bare if text]
        return _search(b"(?<!" + outside + b")(?:" + b"|".join(words) + b")(?!" + outside + b")", words)

    return compile_texts


def _search(expression: bytes, texts: list[bytes]) -> Test:
    return re.compile(expression).search if texts else lambda value: None


def _regular(patterns: Sequence[Pattern]) -> Test:
    searches = [compile_regex(pattern.text, pattern.ignore_case).search for pattern in patterns]
    if len(searches) == 1:
        return searches[0]
    return lambda value: any(search(value) for search in searches)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("found", "any", "there is a value, whatever it is", lambda patterns: lambda value: True),
        Method("bool", "int", "a boolean is true, an integer is not zero", lambda patterns: bool),
        Method("int", "int", "an integer, a range N:M, or eq ge gt le lt and an integer", _integers),
        Method("ip", "ip", "an address or a network", _addresses),
        Method("bin", "bin", "octets written in hexadecimal", _hexadecimal),
        Method("len", "str", "the length as an integer", _length),
        Method("str", "str", "the whole string", _by_case(_equal)),
        Method("beg", "str", "the start of the string", _by_case(_starts)),
        Method("end", "str", "the end of the string", _by_case(_ends)),
        Method("sub", "str", "a part of the string", _by_case(_contains)),
        Method("dir", "str", "a part between slashes or question marks", _by_case(_between(b"/?"))),
        Method(
            "dom",
            "str",
            "a part between dots, colons, slashes or question marks",
            _by_case(_between(b"/?.:")),
        ),
        Method("reg", "str", "a regular expression", _regular),
    )
}

SUFFIXES = ("beg", "dir", "dom", "end", "len", "reg", "sub", "str")
"""Methods that may be appended to the name of any sample of strings: ``path_beg``."""

DEFAULT_METHOD: dict[str, str] = {"bool": "bool", "int": "int", "ip": "ip", "str": "str", "meth": "str"}
"""A kind's own method; binary and variables need ``-m``."""
