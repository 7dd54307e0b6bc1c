"""``greenlb explain``: a log line in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from greenlb.exchange import CAUSES, ENDINGS, PHASES
from greenlb.observe.logline import LogLine, parse

TIMERS: Final = {
    "TR": ("until the request's head was whole", "no whole request came"),
    "Tw": ("in queues, and in pauses between tries", "it did not get as far as a queue or a server"),
    "Tc": ("connecting to the server", "no connection to a server was made"),
    "Tr": ("until the head of the server's answer", "no whole head of an answer came"),
    "Ta": ("from the request's first byte to the answer's last", ""),
    "Tt": ("from the connection's beginning to its end", ""),
}
"""By HAProxy's names: what a timer tells, and what -1 does."""

REQUEST_COOKIES: Final = {
    "N": "the request had no persistence cookie",
    "I": "the request's cookie named no known server",
    "D": "the request's cookie named a server that was down",
    "V": "the request's cookie named a server that could be used",
    "E": "the request's cookie was not used for too long (maxidle)",
    "O": "the request's cookie was given too long ago (maxlife)",
    "U": "the request's cookie was not asked: another rule decided",
    "-": "persistence by cookie did not apply",
}
RESPONSE_COOKIES: Final = {
    "N": "the answer had no persistence cookie, and none was put in",
    "I": "a cookie was put into the answer",
    "U": "the date in the cookie was renewed",
    "P": "the server's own cookie was passed on",
    "R": "the server's own cookie was rewritten",
    "D": "the server's own cookie was taken out",
    "-": "nothing was done to the answer's cookies",
}

SERVERS: Final = {
    "<NOSRV>": "no server was reached",
    "<STATS>": "the statistics page answered",
}


def run(words: Sequence[str]) -> int:
    """Explain the lines given, or those of standard input.  Raises ValueError: one is none that is known."""
    given = (
        [" ".join(words)] if words and list(words) != ["-"] else [line for line in sys.stdin if line.strip()]
    )
    print("\n".join(explain(line) for line in given), end="")
    return 0


def explain(line: str) -> str:
    """A line in words.  Raises ValueError: it is none that is known."""
    return "\n".join(_paragraphs(parse(line))) + "\n"


def _paragraphs(line: LogLine) -> Iterator[str]:
    if line.kind == "connect":
        where = f"frontend '{line.frontend}' in mode {line.message.lower()}"
        yield f"{_client(line)} connected to {line.to}, {where}."
        yield "This is the line of a frontend without a log format: it says nothing of what came of it."
        return
    if line.kind == "error":
        yield f"{_client(line)} connected to bind '{line.to}' of frontend '{line.frontend}' at {line.date}."
        yield f"It ended before there was a request: {line.message}."
        return
    yield _heading(line)
    yield ""
    yield from _timers(line)
    yield ""
    yield from _ending(line)
    yield ""
    yield from _load(line)
    if line.captures:
        yield f"Captured: {line.captures}"
    if line.tls_facts:
        yield f"TLS: {line.tls_facts} (errors of connection, handshake, certificate, authority; resumed;"
        yield "     name, version, cipher)"


def _client(line: LogLine) -> str:
    if line.client == "unix":
        return f"A client of unix socket number {line.port}"
    return f"The client {line.client}, port {line.port},"


def _heading(line: LogLine) -> str:
    what = f"asked {line.request!r}" if line.kind == "http" else "was passed through"
    if line.request == "<BADREQ>":
        what = "sent no request that could be read"
    over = " over TLS" if line.tls else ""
    said = f"{_client(line)} {what} at {line.date}, on frontend '{line.frontend}'{over}."
    if line.server in SERVERS:
        said += f"\n{SERVERS[line.server][0].upper()}{SERVERS[line.server][1:]}"
        said += "" if line.backend == line.frontend else f"; the backend was '{line.backend}'"
    else:
        said += f"\nServer '{line.server}' of backend '{line.backend}' was chosen"
    if line.kind == "http":
        got = "nothing" if line.status == -1 else f"status {line.status}"
        said += f"; the client got {got}, {line.size} bytes"
    else:
        said += f"; the client got {line.size} bytes"
    return said + (
        " so far: the line was written at the answer's head (option logasap)." if line.early else "."
    )


def _timers(line: LogLine) -> Iterator[str]:
    for name, value in (line.timers or {}).items():
        spent, missing = TIMERS[name]
        yield f"  {name} {f'{value} ms':>10}  {spent if value >= 0 else missing}"


def _ending(line: LogLine) -> Iterator[str]:
    cause, phase = line.flags[0], line.flags[1]
    ending = ENDINGS.get((cause, phase))
    if cause == phase == "-":
        yield f"Flags {line.flags}: it ended as it should."
    else:
        when = PHASES.get(phase, "")
        yield f"Flags {line.flags}: {CAUSES.get(cause, 'an unknown cause')}{f', {when}' if when else ''}."
        if ending is not None:
            yield f"  {cause}{phase}  {ending.doc}"
    if len(line.flags) == 4:
        yield f"  {line.flags[2]}   {REQUEST_COOKIES.get(line.flags[2], 'unknown')}"
        yield f"  {line.flags[3]}   {RESPONSE_COOKIES.get(line.flags[3], 'unknown')}"


def _load(line: LogLine) -> Iterator[str]:
    process, frontend, backend, server = line.counts
    yield (
        f"Connections then: {process} of the process, {frontend} of the frontend, {backend} of the backend,"
        f" {server} of the server."
    )
    if line.redispatched:
        yield f"It was tried {line.retries + 1} times, the last time at another server than before."
    elif line.retries:
        yield f"It was tried {line.retries + 1} times."
    for ahead, whose in zip(line.queues, ("server's", "backend's"), strict=True):
        if ahead:
            yield f"{ahead} were ahead of it in the {whose} queue."
