"""PCRE's spellings, and back-references."""

from __future__ import annotations

import re

import pytest

from greenlb.policy.regex import compile_regex, expand


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("^/a", b"/ab", True),
        ("^/A", b"/ab", False),
        ("(?i)^/A", b"/ab", True),
        (r"^\d+$", b"12", True),
        ("[[:upper:]]", b"aB", True),
        ("[[:upper:]]", b"ab", False),
        ("[^[:space:]x]", b" x", False),
        ("(?<year>[0-9]{4})-(?P=year)", b"2026-2026", True),
        ("(?<=a)b", b"ab", True),
        ("(?<!a)b", b"ab", False),
        ("é", "é".encode(), True),
    ],
)
def test_compile(pattern: str, text: bytes, matches: bool) -> None:
    assert bool(compile_regex(pattern).search(text)) is matches


def test_ignore_case() -> None:
    assert compile_regex("A", ignore_case=True).search(b"a")


@pytest.mark.parametrize("pattern", ["(", "[", "*", "[[:nope:]]", "(?<1>a)"])
def test_not_an_expression(pattern: str) -> None:
    with pytest.raises(ValueError, match="is not a valid regular expression"):
        compile_regex(pattern)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (b"plain", b"plain"),
        (rb"<\0>", b"<ab>"),
        (rb"\2\1", b"ba"),
        (rb"<\3>", b"<>"),
        (rb"<\9>", b"<>"),
        (rb"\x41\x20", b"A "),
        (rb"\\1", rb"\1"),
        (rb"\/", b"/"),
        (b"end\\", b"end\\"),
    ],
)
def test_expand(template: bytes, expected: bytes) -> None:
    match = re.search(rb"(a)(b)(c)?", b"xaby")
    assert match is not None
    assert expand(template, match) == expected
