"""``greenlb test``: do requests go where they should?  For people's own continuous integration.

The cases are an INI file, a section each::

    [the shop is for customers]
    request = GET https://shop.example.com/cart
    src = 192.0.2.7
    with = Cookie: SERVERID=s1
    backend = shop
    server = s1
    header X-Forwarded-Proto = https
    no header X-Debug =
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from configparser import ConfigParser, Error
from typing import Final

from greenlb.cli import route
from greenlb.cli.configuration import facts
from greenlb.cli.files import expand
from greenlb.message import Fields
from greenlb.process.rehearsal import Outcome, Rehearsal

QUESTIONS: Final = {
    "request": "[METHOD] URL",
    "src": "the client's address",
    "frontend": "the frontend it comes to; without it, the first that listens on the URL's port",
    "with": "NAME: VALUE, a header field of the request, one a line",
}
"""What a case may ask with."""

_EXPECTED: Final[Mapping[str, tuple[str, Callable[[Outcome], str]]]] = {
    "backend": ("the backend's name", lambda o: o.backend),
    "server": ("the server that would be tried first", lambda o: o.servers[0] if o.servers else ""),
    "status": ("the status of our own answer", lambda o: _status(o)),
}
"""What a case may expect beside header fields."""


def run(words: Sequence[str]) -> int:
    """Run the cases and print those that fail.  1 when one does."""
    if len(words) < 2:
        raise ValueError("expected a configuration and a file of cases")
    *files, cases = words
    parser = ConfigParser(interpolation=None, delimiters=("=",), strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case
    try:
        with open(cases, encoding="utf-8-sig") as file:
            parser.read_file(file)
    except Error as error:
        raise ValueError(f"{cases}: {error}") from None
    rehearsal = Rehearsal(expand(files), facts())
    failed = 0
    for name in parser.sections():
        wrong = list(_differences(rehearsal, parser[name]))
        failed += bool(wrong)
        for line in wrong:
            print(f"{name}: {line}")
    total = len(parser.sections())
    print(f"{total} case{'s' * (total != 1)}, {failed} failed")
    return int(bool(failed))


def _differences(rehearsal: Rehearsal, case: Mapping[str, str]) -> Iterator[str]:
    """What is not as a case expects."""
    words = ["-f", "x", *case.get("request", "").split()]
    for name in ("src", "frontend"):
        words += [f"--{name}", case[name]] if name in case else []
    for header in case.get("with", "").splitlines():
        words += ["-H", header] if header else []
    try:
        outcome = rehearsal.run(route.parse(words).wanted())
    except ValueError as error:
        yield str(error)
        return
    for name, expected in case.items():
        if name in QUESTIONS:
            continue
        yield from _difference(name, expected, outcome)


def _difference(name: str, expected: str, outcome: Outcome) -> Iterator[str]:
    word, header, field = name.partition("header ")
    if header and word in ("", "no "):
        values = [value.decode("latin-1") for value in _fields(outcome).get_all(field.lower().encode())]
        if word and values:
            yield f"expected no header {field}, got '{values[0]}'"
        elif not word and expected not in values:
            yield f"expected header {field} '{expected}', got {', '.join(map(repr, values)) or 'none'}"
    elif name in _EXPECTED:
        got = _EXPECTED[name][1](outcome)
        if got != expected:
            yield f"expected {name} '{expected}', got '{got or 'none'}'"
    else:
        known = [*QUESTIONS, *_EXPECTED, "header NAME", "no header NAME"]
        yield f"'{name}' is not known: expected one of {', '.join(known)}"


def _status(outcome: Outcome) -> str:
    if outcome.reply is not None:
        return str(outcome.reply.status)
    return "503" if outcome.reason else ""


def _fields(outcome: Outcome) -> Fields:
    """The fields of our own answer, or else of what a server would get."""
    if outcome.reply is not None:
        return outcome.reply.fields
    return Fields(outcome.head[outcome.head.find(b"\r\n") : -2] if outcome.head else b"\r\n")
