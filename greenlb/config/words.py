"""The words of a value, cut, unquoted and unescaped as HAProxy does (its manual, section 2.2)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_ESCAPES = {" ": " ", "\t": "\t", "#": "#", "\\": "\\", "'": "'", '"': '"', "$": "$"} | {
    "r": "\r",
    "n": "\n",
    "t": "\t",
}
_BLANKS = " \t\r\n\v\f"
_PLAIN = re.compile(r"[^\s\\\"'#$]+", re.ASCII)
_BRACED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?:-([^}]*))?\}")
_BARE = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_HEX = re.compile(r"[0-9A-Fa-f]{2}")


def quote(word: str) -> str:
    r"""A word as it has to be written for ``split_words`` to read it."""
    if _PLAIN.fullmatch(word):
        return word
    if not word:
        return "''"
    if "'" not in word and not re.search(r"[\x00-\x1f\x7f\udc80-\udcff]", word):
        return f"'{word}'"
    return "".join(_quoted(character) for character in word)


def _quoted(character: str) -> str:
    if character in " \\\"'#$":
        return f"\\{character}"
    if character < " " or character == "\x7f" or "\udc80" <= character <= "\udcff":
        return "".join(f"\\x{octet:02x}" for octet in character.encode("utf-8", "surrogateescape"))
    return character


def split_words(
    text: str, environment: Mapping[str, str] | None = None, *, unquoted: bool = True
) -> list[str]:
    r"""Cut ``text`` at blanks into words.

    A backslash takes the meaning from a blank, ``#``, ``\``, ``$`` and quotes; ``\r``, ``\n``, ``\t`` and
    ``\xNN`` are the bytes they name (an octet above 7F as the surrogate that ``os.fsencode`` undoes);
    before anything else a backslash is itself, so a regular expression needs no doubled ones.  Between
    single quotes nothing is special; between double quotes backslashes and variables are.  ``#`` starts a
    comment.  ``${NAME}`` is the environment's (or ``${NAME-default}``), also ``$NAME`` between double
    quotes, and nowhere else unless ``unquoted``.  Raises ValueError: a quote left open, a variable that is
    not set, a bad ``\x``.
    """
    return _Splitter(text, os.environ if environment is None else environment, unquoted).split()


class _Splitter:
    def __init__(self, text: str, environment: Mapping[str, str], unquoted: bool) -> None:
        self.text = text
        self.environment = environment
        self.unquoted = unquoted
        self.at = 0

    def split(self) -> list[str]:
        words: list[str] = []
        word: list[str] | None = None  # None: between words; an empty list: an empty quoted word
        while self.at < len(self.text):
            plain = _PLAIN.match(self.text, self.at)
            if plain:
                piece = plain[0]
                self.at = plain.end()
            elif (character := self.text[self.at]) == "#":
                break
            elif character in _BLANKS:
                self.at += 1
                if word is not None:
                    words.append("".join(word))
                    word = None
                continue
            else:
                piece = self._special(character)
            word = [] if word is None else word
            word.append(piece)
        if word is not None:
            words.append("".join(word))
        return words

    def _special(self, character: str) -> str:
        if character == "\\":
            return self._escape()
        if character == "'":
            return self._single()
        if character == '"':
            return self._double()
        return self._variable(*([_BRACED] if self.unquoted else []))

    def _escape(self) -> str:
        follower = self.text[self.at + 1 : self.at + 2]
        if follower == "x":
            digits = _HEX.match(self.text, self.at + 2)
            if not digits:
                raise ValueError(f"expected two hexadecimal digits after '\\x' at column {self.at + 1}")
            self.at += 4
            return bytes([int(digits[0], 16)]).decode("utf-8", "surrogateescape")
        if follower in _ESCAPES and follower:
            self.at += 2
            return _ESCAPES[follower]
        self.at += 1
        return "\\"

    def _single(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise ValueError(f"the quote at column {self.at + 1} is not closed: expected another '")
        quoted = self.text[self.at + 1 : end]
        self.at = end + 1
        return quoted

    def _double(self) -> str:
        start = self.at
        self.at += 1
        pieces: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(pieces)
            if character == "\\":
                pieces.append(self._escape())
            elif character == "$":
                pieces.append(self._variable(_BRACED, _BARE))
            else:
                pieces.append(character)
                self.at += 1
        raise ValueError(f'the quote at column {start + 1} is not closed: expected another "')

    def _variable(self, *spellings: re.Pattern[str]) -> str:
        for spelling in spellings:
            found = spelling.match(self.text, self.at)
            if found:
                self.at = found.end()
                default = found[2] if spelling is _BRACED else None
                value = self.environment.get(found[1], default)
                if value is None:
                    raise ValueError(
                        f"the environment has no variable '{found[1]}'"
                        f" (${{{found[1]}-}} would be empty without it)"
                    )
                return value
        self.at += 1
        return "$"
