"""Converters of strings: case, parts, replacements."""

from __future__ import annotations

import re
from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.kinds import cast, kind_of
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.variables import getter
from greenlb.policy.vocabulary import Argument, Convert, Converter, Fetch, octets


def _separators(index: int, delimiters: str) -> bytes:
    if index == 0:
        raise ValueError("an index counts from 1, or from -1 at the end: 0 is none")
    if not delimiters:
        raise ValueError("a list of separators is expected after the index")
    return octets(delimiters)


def _field(index: int, delimiters: str, count: int | None) -> Convert:
    """Fields are what stands between two separators, maybe nothing; the ``count`` (default 1, 0: the
    rest) goes on to the right, or to the left of a negative index."""
    between = re.compile(b"[" + re.escape(_separators(index, delimiters)) + b"]")
    wanted = 1 if count is None else count

    def convert(x: Exchange, value: bytes) -> bytes | None:
        starts = [0, *(match.end() for match in between.finditer(value))]
        if abs(index) > len(starts):
            return None
        ends = [start - 1 for start in starts[1:]] + [len(value)]
        return _span(value, starts, ends, index, wanted)

    return convert


def _word(index: int, delimiters: str, count: int | None) -> Convert:
    """Words are what separators do not touch, never empty; no such word gives an empty string."""
    inside = re.compile(b"[^" + re.escape(_separators(index, delimiters)) + b"]+")
    wanted = 1 if count is None else count

    def convert(x: Exchange, value: bytes) -> bytes:
        words = list(inside.finditer(value))
        if abs(index) > len(words):
            return b""
        return _span(value, [w.start() for w in words], [w.end() for w in words], index, wanted)

    return convert


def _span(value: bytes, starts: list[int], ends: list[int], index: int, count: int) -> bytes:
    """From part ``index`` over ``count`` parts; to the edge of the value when that is more than there are."""
    if index > 0:
        last = index + count - 2
        return value[starts[index - 1] : ends[last] if count and last < len(ends) else len(value)]
    first = len(starts) + index - count + 1
    return value[starts[first] if count and first >= 0 else 0 : ends[index]]


def _regsub(pattern: str, replacement: str, flags: str | None) -> Convert:
    unknown = set(flags or "") - {"i", "g"}
    if unknown:
        raise ValueError(f"regsub() knows the flags 'i' and 'g', got '{flags}'")
    regex = compile_regex(pattern, "i" in (flags or ""))
    template = octets(replacement)
    limit = 0 if "g" in (flags or "") else 1
    return lambda x, value: regex.sub(lambda match: expand(template, match), value, count=limit)


def as_text(value: Any) -> bytes:
    """A variable's value as a string."""
    convert = cast(kind_of(value), "str")
    text = value if convert is None else convert(value)
    return bytes(text)


def _optional_variable(name: str | None) -> Fetch:
    return getter(name) if name else lambda x: None


def _concat(start: str, name: str | None, end: str | None) -> Convert:
    before, variable, after = octets(start), _optional_variable(name), octets(end or "")

    def convert(x: Exchange, value: bytes) -> bytes:
        found = variable(x)
        return value + before + (b"" if found is None else as_text(found)) + after

    return convert


def _add_item(delimiter: str, name: str | None, suffix: str | None) -> Convert:
    between, variable, after = octets(delimiter), _optional_variable(name), octets(suffix or "")

    def convert(x: Exchange, value: bytes) -> bytes:
        found = variable(x)
        item = (b"" if found is None else as_text(found)) + after
        return value + between + item if value and item else value + item

    return convert


def _strcmp(name: str) -> Convert:
    variable = getter(name)

    def convert(x: Exchange, value: bytes) -> int | None:
        found = variable(x)
        if found is None:
            return None
        other = as_text(found)
        return (value > other) - (value < other)

    return convert


def _bytes(offset: int, length: int | None) -> Convert:
    if offset < 0 or (length is not None and length < 0):
        raise ValueError("bytes() takes an offset and a length of 0 or more")
    end = None if length is None else offset + length
    return lambda x, value: value[offset:end]


def _cut_crlf() -> Convert:
    return lambda x, value: re.split(rb"[\r\n]", value, maxsplit=1)[0]


def _iif(yes: str, no: str) -> Convert:
    true, false = octets(yes), octets(no)
    return lambda x, value: true if value else false


def _strip(left: bool, characters: str) -> Convert:
    removed = octets(characters)
    return (lambda x, value: value.lstrip(removed)) if left else (lambda x, value: value.rstrip(removed))


_PARTS = (Argument("index", "int"), Argument("delimiters"), Argument("count", "int", True))
_VARIABLE = (Argument("start"), Argument("var", "str", True), Argument("end", "str", True))

ROWS = (
    Converter("lower", "str", "str", "Turns A-Z into a-z.", lambda: lambda x, value: value.lower()),
    Converter("upper", "str", "str", "Turns a-z into A-Z.", lambda: lambda x, value: value.upper()),
    Converter("length", "str", "int", "The length in octets.", lambda: lambda x, value: len(value)),
    Converter("field", "str", "str", "The part at an index between single separators.", _field, _PARTS),
    Converter("word", "str", "str", "The word at an index; separators in a row count as one.", _word, _PARTS),
    Converter(
        "regsub",
        "str",
        "str",
        "Replaces the first match of a regular expression (flag g: all, i: ignoring case).",
        _regsub,
        (Argument("regex"), Argument("subst"), Argument("flags", "str", True)),
    ),
    Converter("concat", "str", "str", "Appends a string, a variable and a string.", _concat, _VARIABLE),
    Converter(
        "add_item",
        "str",
        "str",
        "Appends a variable and a suffix, after a delimiter where both sides have something.",
        _add_item,
        (Argument("delim"), Argument("var", "str", True), Argument("suffix", "str", True)),
    ),
    Converter(
        "ltrim",
        "str",
        "str",
        "Takes the given characters off the start.",
        lambda chars: _strip(True, chars),
        (Argument("chars"),),
    ),
    Converter(
        "rtrim",
        "str",
        "str",
        "Takes the given characters off the end.",
        lambda chars: _strip(False, chars),
        (Argument("chars"),),
    ),
    Converter("cut_crlf", "str", "str", "Cuts at the first CR or LF.", _cut_crlf),
    Converter(
        "bytes",
        "bin",
        "bin",
        "The octets from an offset on, all or so many.",
        _bytes,
        (Argument("offset", "int"), Argument("length", "int", True)),
    ),
    Converter(
        "strcmp",
        "str",
        "int",
        "Compares with a variable: negative, 0 or positive.",
        _strcmp,
        (Argument("var"),),
    ),
    Converter(
        "iif",
        "bool",
        "str",
        "One string for true, another for false.",
        _iif,
        (Argument("true"), Argument("false")),
    ),
)
