"""``greenlb route``: which rules a request meets, what a server would get, and which server that is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from greenlb.cli.configuration import facts
from greenlb.cli.files import expand
from greenlb.process.rehearsal import Outcome, Rehearsal, Wanted

_METHOD: Final = re.compile(r"[A-Z]+")
_PORTS: Final = {"http": 80, "https": 443}
USAGE: Final = "-f FILE [--tls] [--src IP] [--frontend NAME] [METHOD] URL [-H 'NAME: VALUE']..."


@dataclass(slots=True)
class Query:
    """A command line, read."""

    files: list[str] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    method: str = "GET"
    url: str = ""
    tls: bool = False
    src: str = "127.0.0.1"
    frontend: str = ""

    def wanted(self) -> Wanted:
        """The request.  Raises ValueError: the URL is none."""
        parts = urlsplit(self.url if "//" in self.url else f"//{self.url}")
        scheme = parts.scheme or ("https" if self.tls else "http")
        if scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"expected a URL such as https://example.com/path, not '{self.url}'")
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        named = any(header.partition(":")[0].strip().lower() == "host" for header in self.headers)
        lines = [f"{self.method} {target} HTTP/1.1", *([] if named else [f"Host: {parts.netloc}"])]
        lines += [f"{name}:{value}" for name, _, value in (h.partition(":") for h in self.headers)]
        head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")
        tls = self.tls or scheme == "https"
        return Wanted(head, parts.hostname, parts.port or _PORTS[scheme], tls, self.src, self.frontend)


def parse(words: Sequence[str]) -> Query:
    """A command line.  Raises ValueError."""
    query = Query()
    rest = iter(words)

    def value(flag: str) -> str:
        found = next(rest, None)
        if found is None:
            raise ValueError(f"{flag} needs a value after it")
        return found

    for word in rest:
        if word == "-f":
            query.files.append(value(word))
        elif word == "-H":
            header = value(word)
            if ":" not in header:
                raise ValueError(f"expected -H 'NAME: VALUE', not '{header}'")
            query.headers.append(header)
        elif word == "--tls":
            query.tls = True
        elif word in ("--src", "--frontend"):
            setattr(query, word[2:], value(word))
        elif _METHOD.fullmatch(word):
            query.method = word
        elif word.startswith("-") or query.url:
            raise ValueError(f"'{word}' is not expected.  Usage : greenlb route {USAGE}")
        else:
            query.url = word
    if not query.files or not query.url:
        raise ValueError(
            f"{'-f FILE' if not query.files else 'a URL'} is missing.  Usage : greenlb route {USAGE}"
        )
    return query


def run(words: Sequence[str]) -> int:
    """Print what would become of a request.  1 when nothing would serve it."""
    query = parse(words)
    outcome = Rehearsal(expand(query.files), facts()).run(query.wanted())
    sys.stdout.write("\n".join(told(outcome)) + "\n")
    return 1 if outcome.reason else 0


def told(outcome: Outcome) -> Iterator[str]:
    """The lines that tell an outcome."""
    yield f"frontend  {outcome.frontend} ({outcome.bind})"
    if outcome.asked:
        yield "rules"
        for asked in outcome.asked:
            mark = "+" if asked.matched else "-"
            end = f"  => {asked.verdict}" if asked.verdict else ""
            yield f"  {mark} {asked.where}: {asked.text}{end}"
    if outcome.backend:
        yield f"backend   {outcome.backend}"
    if outcome.reply is not None:
        yield from _answer(outcome)
        return
    if outcome.servers:
        first = " (the client's own)" if outcome.kept else ""
        yield f"servers   {outcome.servers[0]}{first}{''.join(f', {name}' for name in outcome.servers[1:])}"
    if outcome.head:
        yield "head"
        yield from _indented(outcome.head)
    if outcome.reason:
        yield f"outcome   {outcome.reason}"


def _answer(outcome: Outcome) -> Iterator[str]:
    reply = outcome.reply
    assert reply is not None
    if reply.action and reply.action != "tarpit":
        yield f"answer    none: {reply.action}"
        return
    yield f"answer    {reply.status} {reply.reason.decode('latin-1')}".rstrip()
    if reply.raw is None:
        yield from _indented(reply.fields.raw[2:])


def _indented(head: bytes) -> Iterator[str]:
    for line in head.decode("latin-1").split("\r\n"):
        if line:
            yield f"  {line}"
