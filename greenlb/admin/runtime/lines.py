"""What a client of the runtime says, cut into commands.

A command ends with a line or with ``;``.  A backslash takes the meaning from what follows it.  A line that
ends with ``<<`` has a payload: the lines after it, up to an empty one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

LONGEST: Final = 16384
"""Bytes of a command, as in HAProxy."""
MOST_PAYLOAD: Final = 1 << 20
"""Bytes of a payload: a certificate with a long chain takes a few thousand."""
PAYLOAD: Final = "<<"


class TooLong(Exception):
    """More than there is room for, and no end of it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One command as it was said, with its payload; where ``whole`` is False it only says that a line of a
    payload is waited for."""

    text: str
    payload: str = ""
    whole: bool = True


@dataclass(slots=True)
class Reader:
    """Takes bytes as they come, gives Lines as they are whole."""

    _data: bytes = b""
    _searched: int = 0
    _escaped: bool = False
    _command: str | None = None  # whose payload is being read
    _payload: list[str] = field(default_factory=list)
    _size: int = 0

    @property
    def empty(self) -> bool:
        """Whether nothing has begun."""
        return not self._data and self._command is None

    def feed(self, data: bytes) -> Iterator[Line]:
        """More has come.  Raises TooLong."""
        self._data += data
        while (line := self._next()) is not None:
            yield line
        if len(self._data) > LONGEST or self._size > MOST_PAYLOAD:
            raise TooLong

    def _next(self) -> Line | None:
        return self._next_command() if self._command is None else self._next_of_payload()

    def _next_command(self) -> Line | None:
        data = self._data
        for place in range(self._searched, len(data)):
            byte = data[place]
            if self._escaped:
                self._escaped = False
            elif byte == 0x5C:  # a backslash
                self._escaped = True
            elif byte in b"\n;":
                text = self._take(place)
                if byte == 0x0A and text.endswith(PAYLOAD):
                    self._command = text.removesuffix(PAYLOAD)
                    return Line("", whole=False)
                return Line(text)
        self._searched = len(data)
        return None

    def _next_of_payload(self) -> Line | None:
        place = self._data.find(b"\n")
        if place < 0:
            return None
        text = self._take(place)
        if text:
            self._payload.append(text + "\n")
            self._size += len(text)
            if self._size > MOST_PAYLOAD:
                raise TooLong
            return Line("", whole=False)
        line = Line(self._command or "", "".join(self._payload))
        self._command, self._payload, self._size = None, [], 0
        return line

    def _take(self, place: int) -> str:
        piece, self._data = self._data[:place], self._data[place + 1 :]
        self._searched = 0
        self._escaped = False
        return piece.removesuffix(b"\r").decode(errors="surrogateescape")


def split(text: str) -> list[str]:
    """The words of a command: blanks are between them, a backslash before one makes it part of a word."""
    words: list[str] = []
    word: list[str] = []
    escaped = begun = False
    for letter in text:
        if not escaped and letter == "\\":
            escaped = True
        elif not escaped and letter in " \t":
            if begun:
                words.append("".join(word))
                word.clear()
            begun = False
        else:
            word.append(letter)
            begun = True
            escaped = False
    return [*words, "".join(word)] if begun else words
