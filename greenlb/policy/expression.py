"""``name(argument,...),converter(argument,...)...``: the text of a sample expression taken apart."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = re.compile(r"[A-Za-z0-9_.+-]+")
_ESCAPES = {"\\": "\\", " ": " ", '"': '"', "'": "'", "r": "\r", "n": "\n", "t": "\t"}


class Call(NamedTuple):
    """A fetch or a converter as written.  ``column`` counts from 0 in the expression's text, ``text`` is that
    from there on."""

    name: str
    arguments: list[str]
    column: int
    text: str


def parse(text: str) -> list[Call]:
    """The fetch, then its converters.  Raises ValueError."""
    calls: list[Call] = []
    position = 0
    while position < len(text):
        word = _WORD.match(text, position)
        if word is None:
            what = "converter" if calls else "sample fetch"
            raise ValueError(f"'{text}': a {what} is expected at '{text[position:]}'")
        position = word.end()
        arguments: list[str] = []
        if text[position : position + 1] == "(":
            arguments, position = _arguments(text, position + 1)
        calls.append(Call(word.group(), arguments, word.start(), text[word.start() :]))
        if position < len(text) and text[position] != ",":
            raise ValueError(f"'{text}': a comma is expected after '{text[:position]}'")
        while text[position : position + 1] == ",":
            position += 1
    if not calls:
        raise ValueError("a sample fetch is expected")
    return calls


def _arguments(text: str, position: int) -> tuple[list[str], int]:
    """The arguments from after the opening parenthesis, and where the closing one ended.  Quotes and
    backslashes protect commas, parentheses and spaces."""
    arguments: list[str] = []
    current: list[str] = []
    quote = ""
    while position < len(text):
        c = text[position]
        position += 1
        if c in "\"'" and quote in ("", c):
            quote = "" if quote else c
        elif c == "\\" and quote != "'" and text[position : position + 1] in _ESCAPES:
            current.append(_ESCAPES[text[position]])
            position += 1
        elif not quote and c in ",)":
            arguments.append("".join(current))
            current = []
            if c == ")":
                return arguments, position
        else:
            current.append(c)
    raise ValueError(f"'{text}': a closing parenthesis is missing")
