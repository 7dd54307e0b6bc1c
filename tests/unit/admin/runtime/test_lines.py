"""What a client says, cut into commands, however it comes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.admin.runtime.lines import LONGEST, MOST_PAYLOAD, Line, Reader, TooLong, split


def lines(*pieces: bytes) -> list[Line]:
    reader = Reader()
    return [line for piece in pieces for line in reader.feed(piece)]


def texts(*pieces: bytes) -> list[str]:
    return [line.text for line in lines(*pieces) if line.whole]


def test_lines_and_semicolons_end_a_command() -> None:
    assert texts(b"a;b\nc\r\nd") == ["a", "b", "c"]
    assert texts(b"a\\;b\n", b"c\\", b";d;") == ["a\\;b", "c\\;d"]


def test_a_payload_goes_to_an_empty_line() -> None:
    said = lines(b"set <<\none;two\n\nnext\n")
    assert said == [Line("", whole=False), Line("", whole=False), Line("set ", "one;two\n"), Line("next")]
    assert [line.payload for line in lines(b"a <<\n\n") if line.whole] == [""]


def test_whether_something_has_begun() -> None:
    reader = Reader()
    assert reader.empty
    list(reader.feed(b"a"))
    assert not reader.empty
    list(reader.feed(b" <<\n"))
    assert not reader.empty
    list(reader.feed(b"\n"))
    assert reader.empty


def test_there_is_a_limit() -> None:
    with pytest.raises(TooLong):
        lines(b"x" * LONGEST, b"x")
    with pytest.raises(TooLong):
        lines(b"a <<\n", *[b"y" * 1000 + b"\n"] * (MOST_PAYLOAD // 1000 + 2))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  \t", []),
        (" a\tb  c ", ["a", "b", "c"]),
        (r"a\ b", ["a b"]),
        (r"\ ", [" "]),
        (r"a\\ b", ["a\\", "b"]),
        (r"a\;b", ["a;b"]),
        ('"a b"', ['"a', 'b"']),
        ("a\\", ["a"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert split(text) == words


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_how_it_comes_makes_no_difference(pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    assert lines(*pieces) == lines(whole)


@given(st.text(alphabet="ab \t\\;<\n", max_size=60))
def test_anything_is_cut_without_an_error(text: str) -> None:
    for line in lines(text.encode()):
        split(line.text)
