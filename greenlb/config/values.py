"""Kinds of value: what an option's words may be and what they mean.

A kind reads words and opens nothing: names are resolved and files read where the model is built.
What is not as expected is a ``ConfigError`` that says what was expected, what stood there and the
nearest known word; who calls adds the option's name and its place.
"""

from __future__ import annotations

import grp
import math
import pwd
import re
from collections.abc import Sequence
from typing import Any

from greenlb.model import Network
from greenlb.policy.addresses import parse_network
from greenlb.policy.vocabulary import nearest

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""What the name of a header field or a cookie is made of (RFC 9110 section 5.6.2)."""
NAME = re.compile(r"[A-Za-z0-9_:.-]+")
"""What HAProxy lets the name of a proxy, a server or an acl be made of."""

YES = ("yes", "on", "true", "1")
NO = ("no", "off", "false", "0")

LONGEST = 2147483647
"""HAProxy's longest time, in milliseconds (24.8 days)."""

_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0, "h": 3_600_000.0, "d": 86_400_000.0}
_SIZES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_NUMBER = re.compile(r"(\d+)([A-Za-z]*)", re.ASCII)


class ConfigError(ValueError):
    """A value that is not what its option takes."""


def one_of(words: Sequence[str]) -> str:
    """``'a', 'b' or 'c'``."""
    quoted = [f"'{word}'" for word in words]
    return " or ".join(part for part in (", ".join(quoted[:-1]), quoted[-1]) if part)


class Kind:
    """One kind of value.

    ``syntax`` is how the manual writes it (``TIME``), ``expected`` how a message does, ``unit`` what a
    bare number counts.  ``length`` is how many words it takes where keywords follow each other on one
    line (0: the keyword alone says it all).  ``direct``: what it reads is what the model holds.
    """

    syntax = "VALUE"
    expected = "a value"
    unit = ""
    length = 1
    direct = True

    def read(self, words: Sequence[str]) -> Any:
        """The meaning of all of an option's words.  Raises ConfigError."""
        if not words:
            raise ConfigError(f"expected {self.expected}")
        if len(words) > 1:
            raise ConfigError(f"expected one value, {self.expected}; '{words[1]}' is too much")
        return self.word(words[0])

    def word(self, text: str) -> Any:
        """The meaning of one word.  Raises ConfigError."""
        return text

    def wrong(self, text: str, hint: str = "") -> ConfigError:
        return ConfigError(f"expected {self.expected}, not '{text}'{hint}")


class Text(Kind):
    """One word, taken as it is."""

    def __init__(self, syntax: str = "TEXT", expected: str = "one word (quote it if it has blanks)") -> None:
        self.syntax = syntax
        self.expected = expected


class Sentence(Kind):
    """All words of the line as one text."""

    syntax = "TEXT..."

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def read(self, words: Sequence[str]) -> Any:
        if not words:
            raise ConfigError(f"expected {self.expected}")
        return " ".join(words)


class Matching(Kind):
    """One word that a regular expression matches whole."""

    def __init__(self, syntax: str, expected: str, pattern: str) -> None:
        self.syntax = syntax
        self.expected = expected
        self.pattern = re.compile(pattern)

    def word(self, text: str) -> Any:
        if not self.pattern.fullmatch(text):
            raise self.wrong(text)
        return text


class Line(Kind):
    """Words whose meaning is worked out where the model is built: rules, conditions, formats."""

    direct = False

    def __init__(self, syntax: str, expected: str) -> None:
        self.syntax = syntax
        self.expected = expected

    def read(self, words: Sequence[str]) -> Any:
        if not words:
            raise ConfigError(f"expected {self.expected}")
        return tuple(words)


class Token(Kind):
    """The name of a header field or a cookie, as bytes."""

    def __init__(self, syntax: str, expected: str) -> None:
        self.syntax = syntax
        self.expected = expected

    def word(self, text: str) -> Any:
        if not TOKEN.fullmatch(text):
            raise self.wrong(text)
        return text.encode("ascii")


class Duration(Kind):
    """A time as HAProxy writes it, read as seconds.  ``zero``: what 0 means (a timeout's is None, no
    limit), or an error when ``positive``."""

    def __init__(self, unit: str = "ms", *, positive: bool = False, whole_seconds: bool = False) -> None:
        self.syntax = "TIME"
        self.unit = {"ms": "milliseconds", "s": "seconds"}[unit]
        self.expected = f"a time such as 500ms, 5s or 1m (a bare number is {self.unit})"
        self.bare = unit
        self.positive = positive
        self.whole_seconds = whole_seconds

    def word(self, text: str) -> Any:
        found = _NUMBER.fullmatch(text)
        unit = found[2] or self.bare if found else ""
        if not found or unit not in _UNITS:
            raise self.wrong(text)
        milliseconds = math.ceil(int(found[1]) * _UNITS[unit])
        if milliseconds > LONGEST:
            raise ConfigError(f"'{text}' is too long: the longest time is {LONGEST} ms (24.8 days)")
        if self.positive and not milliseconds:
            raise ConfigError(f"'{text}' must be more than 0")
        return math.ceil(milliseconds / 1000) if self.whole_seconds else milliseconds / 1000


class Timeout(Duration):
    """A time after which something is given up; 0 is never (None)."""

    def word(self, text: str) -> Any:
        return super().word(text) or None


class Size(Kind):
    """A number of bytes; ``k``, ``m`` and ``g`` are powers of 1024."""

    syntax = "SIZE"
    unit = "bytes"

    def __init__(self, low: int = 0, high: int = 1 << 31) -> None:
        self.low, self.high = low, high
        self.expected = f"a size from {low} to {high} bytes, such as 16384 or 16k"

    def word(self, text: str) -> Any:
        found = _NUMBER.fullmatch(text)
        if not found or found[2].lower() not in _SIZES:
            raise self.wrong(text)
        size = int(found[1]) * _SIZES[found[2].lower()]
        if not self.low <= size <= self.high:
            raise self.wrong(text)
        return size


class Integer(Kind):
    """A whole number within bounds."""

    syntax = "NUMBER"

    def __init__(self, low: int = 0, high: int = LONGEST, unit: str = "") -> None:
        self.low, self.high, self.unit = low, high, unit
        self.expected = f"a number from {low} to {high}" if high < LONGEST else f"a number of at least {low}"

    def word(self, text: str) -> Any:
        if not re.fullmatch(r"-?\d+", text, re.ASCII) or not self.low <= int(text) <= self.high:
            raise self.wrong(text)
        return int(text)


class Automatic(Integer):
    """A whole number, or ``auto``, which is read as None."""

    syntax = "NUMBER|auto"

    def __init__(self, low: int = 0, high: int = LONGEST, unit: str = "") -> None:
        super().__init__(low, high, unit)
        self.expected += ", or auto"

    def word(self, text: str) -> Any:
        return None if text == "auto" else super().word(text)


class Account(Kind):
    """A user or a group of this machine by its name, read as its number."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.syntax = what.upper()
        self.expected = f"the name of a {what} of this machine"

    def word(self, text: str) -> Any:
        try:
            return pwd.getpwnam(text).pw_uid if self.what == "user" else grp.getgrnam(text).gr_gid
        except KeyError:
            raise ConfigError(f"there is no {self.what} '{text}' on this machine") from None


class Choice(Kind):
    """One of some words; ``refused`` are HAProxy's that greenlb does not have, with why."""

    def __init__(self, *words: str, refused: Sequence[str] = ()) -> None:
        self.words = words
        self.refused = refused
        self.syntax = "|".join(words)
        self.expected = one_of(words)

    def word(self, text: str) -> Any:
        if text in self.refused:
            raise ConfigError(
                f"'{text}' is not supported by this version of greenlb; expected {self.expected}"
            )
        if text not in self.words:
            raise self.wrong(text, nearest(text, self.words))
        return text


class Flag(Kind):
    """Yes or no; on a line of keywords the word alone says ``meaning``."""

    syntax = "yes|no"
    expected = "yes or no"
    length = 0

    def __init__(self, meaning: object = True) -> None:
        self.meaning = meaning

    def word(self, text: str) -> Any:
        if text.lower() in YES:
            return True
        if text.lower() in NO:
            return False
        raise self.wrong(text)


class Switch(Kind):
    """``yes``, ``no``, or arguments of its own: ``option redispatch = 2``.  Read as None for no, ``on``
    for yes, and otherwise as ``inner`` reads it.  A word that both could be is ``inner``'s."""

    def __init__(self, inner: Kind, on: object, *, direct: bool = True) -> None:
        self.inner = inner
        self.on = on
        self.direct = direct
        self.syntax = f"yes|no|{inner.syntax}"
        self.expected = f"yes, no or {inner.expected}"
        self.unit = inner.unit

    def read(self, words: Sequence[str]) -> Any:
        if not words:
            raise ConfigError(f"expected {self.expected}")
        if len(words) == 1 and (words[0].isalpha() or not isinstance(self.inner, Integer)):
            if words[0].lower() in YES:
                return self.on
            if words[0].lower() in NO:
                return None
        try:
            return self.inner.read(words)
        except ConfigError:
            if len(words) == 1 and isinstance(self.inner, Choice | Integer):
                known = self.inner.words if isinstance(self.inner, Choice) else ()
                raise self.wrong(words[0], nearest(words[0], ["yes", "no", *known])) from None
            raise


class Networks(Kind):
    """Addresses and networks, several to a line."""

    syntax = "NETWORK..."
    expected = "addresses or networks such as 10.0.0.0/8 or 2001:db8::/32"

    def read(self, words: Sequence[str]) -> Any:
        if not words:
            raise ConfigError(f"expected {self.expected}")
        return tuple(self.network(word) for word in words)

    def word(self, text: str) -> Any:
        return self.network(text)

    def network(self, text: str) -> Network:
        try:
            return parse_network(text, resolve=False)
        except ValueError:
            raise self.wrong(text) from None


class Listed(Kind):
    """Words separated by commas: the protocols of ``alpn``."""

    def __init__(self, syntax: str, expected: str) -> None:
        self.syntax = syntax
        self.expected = expected

    def word(self, text: str) -> Any:
        words = tuple(text.split(","))
        if not all(words):
            raise self.wrong(text)
        return words
