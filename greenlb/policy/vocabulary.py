"""The shapes of the language's tables: one row for each sample fetch and converter.

A row says what the word is called, what it takes, what it gives, where it may stand, one sentence of
doc, and the function that compiles it.  The compiler, the error messages and the reference read the
same rows.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from greenlb.exchange import Exchange

Kind = Literal["bool", "int", "ip", "str", "bin", "meth", "any"]
"""The types of HAProxy's samples.  In Python: bool, int, an ipaddress object, bytes (str, bin, meth);
``any`` is known at run time only, as a variable's."""

Fetch = Callable[["Exchange"], Any]
"""Gives a value of its row's kind, or None when there is none."""
Occurrences = Callable[["Exchange"], Sequence[Any]]
"""All values of a fetch that may have several; a condition tries each of them."""
Convert = Callable[["Exchange", Any], Any]
"""Value in, value out, None when it cannot be converted."""

Needs = Literal["", "request", "response", "server", "bytes", "server bytes", "inspection"]
"""What must be known: nothing but the connection, an HTTP request, its response, or the server; in mode tcp
the first bytes of the client or of the server; or where the inspection of either mode stands."""
WAITING: frozenset[Needs] = frozenset(("bytes", "server bytes", "inspection"))
"""What may not have come yet: Undecided is then raised."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument between the parentheses.  ``kind`` is what its text must be: str, int, ipv4, ipv6,
    mask4 or mask6 (``/24``-like count or dotted), table (a stick table's name; own table: the section's
    own where it is left out), map (the file of one), userlist (the name of one), hook (module:function),
    rest (any number of them), or one of FARM.  One without a name is not written."""

    name: str
    kind: str = "str"
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """A sample fetch.  ``make`` takes the arguments' values (None for one left out); ``every`` likewise,
    for a fetch that may have several values at once; ``pattern`` rewrites what a condition compares its
    value with; ``reads`` names what the process has to keep at hand for it (READS), ``asks`` what it
    asks OpenSSL for (net.openssl.FACTS)."""

    name: str
    kind: Kind
    needs: Needs
    doc: str
    make: Callable[..., Fetch]
    arguments: tuple[Argument, ...] = ()
    aliases: tuple[str, ...] = ()
    every: Callable[..., Occurrences] | None = None
    pattern: Callable[[str], str] | None = None
    reads: str = ""
    asks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Converter:
    """A converter.  ``takes`` and ``gives`` are kinds; what comes in is cast to ``takes`` first."""

    name: str
    takes: Kind
    gives: Kind
    doc: str
    make: Callable[..., Convert]
    arguments: tuple[Argument, ...] = ()


READS = {
    "reach": "the client's connection",
    "body": "the bodies of requests",
    "response body": "the bodies of responses",
    "addresses": "the addresses of connections, which rules change for a request",
}
"""What costs each connection a little, so that it is there only where some rule reads it."""

FARM = ("frontend", "backend", "server", "backends", "servers")
"""Kinds of argument that name parts of the farm; the last two are all of them."""


class Misplaced(ValueError):
    """What is wrong, and ``fragment``, the piece of the line that is."""

    def __init__(self, message: str, fragment: str) -> None:
        super().__init__(message)
        self.fragment = fragment


@contextmanager
def blaming(fragment: str) -> Iterator[None]:
    """A ValueError of the block is about ``fragment``, unless it knows a smaller piece."""
    try:
        yield
    except Misplaced:
        raise
    except ValueError as error:
        raise Misplaced(str(error), fragment) from None


def octets(text: str) -> bytes:
    """Configuration text as it goes on the wire."""
    return text.encode("utf-8", "surrogateescape")


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)`` when something known is near ``word``, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{close[0]}'?)" if close else ""


def usage(row: Sample | Converter) -> str:
    """The word with its arguments as the documentation writes them: ``url_param([name[,delim]])``."""
    text, closing = "", ""
    named = [argument for argument in row.arguments if argument.name]
    for number, argument in enumerate(named):
        comma = "," if number else ""
        if argument.optional:
            text += "[" + comma + argument.name
            closing += "]"
        else:
            text += comma + argument.name
    return f"{row.name}({text}{closing})" if named else row.name


def read_arguments(
    row: Sample | Converter,
    texts: Sequence[str],
    table: Callable[[str], Any] | None = None,
    own: str = "",
    farm: Callable[[str, str, str], Any] | None = None,
    maps: Callable[[str], Any] | None = None,
    users: Callable[[str], Any] | None = None,
    hooks: Callable[[str], Any] | None = None,
) -> list[Any]:
    """The arguments' values, None for each one left out.  ``table`` finds a stick table, ``farm`` a part of
    the farm, ``maps`` reads a map, ``users`` finds a userlist, ``hooks`` makes the place of a function,
    ``own`` is the section's name.  Raises ValueError."""
    written = sum(bool(argument.name) for argument in row.arguments)
    if not written and texts == [""]:
        texts = []
    if len(texts) > written and not (row.arguments and row.arguments[-1].kind == "rest"):
        allowed = f"{written} argument(s)" if written else "no argument"
        raise ValueError(f"'{row.name}' takes {allowed}, got {len(texts)}: {usage(row)} expected")
    values: list[Any] = []
    for number, argument in enumerate(row.arguments):
        text = texts[number] if number < len(texts) else None
        if argument.kind == "rest":
            values.append(tuple(texts[number:]))
            continue
        if argument.kind in ("table", "own table") and table is not None:
            if not text and argument.kind == "own table":
                text = own
            if not text and not argument.optional:
                raise ValueError(f"'{row.name}' lacks the name of a table: {usage(row)} expected")
            values.append(table(text) if text else None)
            continue
        if argument.kind in FARM and farm is not None and (text or argument.optional):
            values.append(farm(argument.kind, text or "", own))
            continue
        finder = {"map": maps, "userlist": users, "hook": hooks}.get(argument.kind)
        if finder is not None and text:
            values.append(finder(text))
            continue
        if text is None or (text == "" and (argument.optional or argument.kind != "str")):
            if not argument.optional:
                raise ValueError(f"'{row.name}' lacks its argument '{argument.name}': {usage(row)} expected")
            values.append(None)
            continue
        try:
            values.append(_READERS[argument.kind](text))
        except ValueError:
            raise ValueError(
                f"argument '{argument.name}' of '{row.name}' must be {_EXPECTED[argument.kind]}, got '{text}'"
            ) from None
    return values


def _mask(text: str, bits: int) -> int:
    if text.removeprefix("/").isdigit():
        count = int(text.removeprefix("/"))
        if not 0 <= count <= bits:
            raise ValueError(text)
        return ((1 << count) - 1) << (bits - count)
    address = ipaddress.IPv4Address(text) if bits == 32 else ipaddress.IPv6Address(text)
    return int(address)


_READERS: dict[str, Callable[[str], Any]] = {
    "str": lambda text: text,
    "map": lambda text: text,
    "userlist": lambda text: text,
    "hook": lambda text: text,
    "int": int,
    "ipv4": ipaddress.IPv4Address,
    "ipv6": ipaddress.IPv6Address,
    "mask4": lambda text: _mask(text, 32),
    "mask6": lambda text: _mask(text, 128),
}

_EXPECTED = {
    "int": "an integer",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "mask4": "an IPv4 mask or a number of bits",
    "mask6": "an IPv6 mask or a number of bits",
}
