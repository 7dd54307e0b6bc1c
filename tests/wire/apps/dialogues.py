"""A WSGI application for each thing that PEP 3333 lets one do, behind wsgiref's validator."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from wsgiref.validate import validator

CLOSED: list[str] = []
TEXT = [("Content-Type", "text/plain")]


def facts(environ, start_response):
    """What of the environ is text, as JSON."""
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({k: v for k, v in environ.items() if isinstance(v, str)}).encode()]


def echo(environ, start_response):
    start_response("200 OK", TEXT)
    return iter(lambda: environ["wsgi.input"].read(7), b"")


def lines(environ, start_response):
    body = environ["wsgi.input"]
    start_response("200 OK", TEXT)
    return iter([str([body.readline(), *body.readlines(1), *body]).encode()])


def unread(environ, start_response):
    start_response("413 Content Too Large", TEXT)
    return iter([b"no"])


def written(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"one ")
    write(b"two ")
    return iter([b"three"])


def corrected(environ, start_response):
    start_response("200 OK", TEXT)
    try:
        raise ValueError("before anything was sent")
    except ValueError:
        start_response("503 Later", TEXT, sys.exc_info())
    return iter([b"sorry"])


def too_late(environ, start_response):
    write = start_response("200 OK", TEXT)
    write(b"begun")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Error", TEXT, sys.exc_info())
    return iter([b"never"])


def counted(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])
    return Told("counted", [b"12", b"34", b"5678", b"9"])


def short(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", "50")])
    return iter([b"12"])


def fails(environ, start_response):
    raise RuntimeError("a secret of the application's")


def breaks(environ, start_response):
    start_response("200 OK", TEXT)
    yield b"begun"
    raise RuntimeError("a secret of the application's")


def splits(environ, start_response):
    start_response("200 OK", [*TEXT, ("X-A", "1\r\nX-B: 2")])
    return iter([b""])


def nothing(environ, start_response):
    start_response("204 No Content", [])
    return iter([])


def file(environ, start_response):
    start_response("200 OK", [*TEXT, ("Content-Length", str(Path(__file__).stat().st_size))])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def big(environ, start_response):
    """More than a socket takes at once, from a file."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    opened = tempfile.TemporaryFile()  # noqa: SIM115
    opened.write(bytes(range(256)) * 40000)
    opened.seek(256)
    return environ["wsgi.file_wrapper"](opened)


def events(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    return Told("events", forever(b"data: x\n\n", 3600.0))


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return Told("endless", forever(b"x" * 65536, 0.0))


def slow(environ, start_response):
    time.sleep(3600.0)
    return facts(environ, start_response)


def hold(environ, start_response):
    """Answer when a second request of this kind has come."""
    global held
    held += 1
    while held % 2:
        time.sleep(0.01)
    return facts(environ, start_response)


held = 0


def blocks(environ, start_response):
    """Compute for longer than is good for the others."""
    end = time.monotonic() + 1.6
    while time.monotonic() < end:
        pass
    return facts(environ, start_response)


def closed(environ, start_response):
    start_response("200 OK", TEXT)
    return iter([",".join(CLOSED).encode()])


def says(environ, start_response):
    environ["wsgi.errors"].write("a line for the log\n")
    environ["wsgi.errors"].flush()
    return facts(environ, start_response)


def forever(data: bytes, pause: float) -> Iterator[bytes]:
    while True:
        yield data
        time.sleep(pause)


class Told:
    """An iterable that tells when it is closed."""

    def __init__(self, name, pieces):
        self.name = name
        self.pieces = iter(pieces)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.pieces)

    def close(self):
        CLOSED.append(self.name)


healthy = True


def turn(environ, start_response):
    """/turn/ill or /turn/well: what /health says from now on."""
    global healthy
    healthy = environ["PATH_INFO"].endswith("well")
    return facts(environ, start_response)


def health(environ, start_response):
    start_response("200 OK" if healthy else "503 Ill", TEXT)
    return iter([environ["REMOTE_ADDR"].encode()])


def dispatch(environ, start_response):
    """By the first part of the path."""
    name = environ["PATH_INFO"].strip("/").partition("/")[0] or "facts"
    return globals()[name](environ, start_response)


application = validator(dispatch)
"""For everything that keeps to the contract."""


def lawless(environ, start_response):
    """Without the validator, for what it would stop itself."""
    return dispatch(environ, start_response)


def stubborn(environ, start_response):
    """What goes wrong is an answer, as in most frameworks."""
    try:
        return dispatch(environ, start_response)
    except Exception:
        start_response("500 It went wrong", TEXT)
        return [b"sorry"]


def factory():
    return application


nothing_to_call = 3
