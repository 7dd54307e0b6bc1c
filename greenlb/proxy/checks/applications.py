"""The check of a server that is a WSGI application: it is called with what another server would be sent."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Mapping

from greenlb.exchange import Client
from greenlb.message import Response
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.net.sockets import Timeout
from greenlb.protocol.http1 import BadMessage, head_end, parse_request
from greenlb.protocol.wsgi import Body, Call, environ, mounted
from greenlb.proxy.checks.probes import DialogueProbe
from greenlb.proxy.checks.wire import patience
from greenlb.proxy.serving import template
from greenlb.proxy.upstream.wsgi import AppUpstream
from greenlb.script import Connect

Inquire = Callable[[str, bytes, float], bytes | None]
"""Calls the application that ``backend/server`` names with a request, in a process that has it, and gives
its answer as it would go over a wire; None when there was none within so many seconds.  An empty request
only asks whether the application is there: so is the answer."""

_MOST = 1 << 16
_FRONTEND = Frontend("health-checks", 1, NOWHERE, mode="http")
_CLIENT = Client(_FRONTEND, Bind("health-check", Address(""), NOWHERE), "127.0.0.1", 0, "127.0.0.1", 0)


class ApplicationWire:
    """The Wire of one check."""

    def __init__(self, name: str, inquire: Inquire, seconds: float) -> None:
        self.layer = 4
        self.tls = False
        self._name = name
        self._inquire = inquire
        self._seconds = seconds
        self._deadline = 0.0
        self._said = b""
        self._answer: bytes | None = None

    def connect(self, step: Connect, port: int) -> None:
        self.layer = 4
        self._said, self._answer = b"", None
        there = self._inquire(self._name, b"", self._seconds)
        if there is None:
            raise Timeout
        if there:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        self.layer = 7
        self._deadline = time.monotonic() + self._seconds

    def send(self, data: bytes) -> None:
        self._said += data

    def receive(self, size: int) -> bytes:
        if self._answer is None:
            self._answer = self._ask(self._said)
        piece, self._answer = self._answer[:size], self._answer[size:]
        return piece

    def _ask(self, request: bytes) -> bytes:
        left = self._deadline - time.monotonic()
        answer = self._inquire(self._name, request, left) if left > 0 else None
        if answer is None:
            raise Timeout
        return answer

    def close(self) -> None:
        """There is nothing to close."""


class ApplicationProbe(DialogueProbe):
    """A script that is played with an application."""

    inquire: Inquire

    def wire(self) -> ApplicationWire:
        model = self._backend.model
        name = f"{model.name}/{self._state.server.name}"
        seconds = model.timeouts.check or patience(model, self.check.inter)
        return ApplicationWire(name, self.inquire, seconds)


class _Gathered:
    """The Sink of an answer that goes nowhere but into a check."""

    def __init__(self) -> None:
        self.data = b""

    def begin(self, response: Response, data: bytes, last: bool) -> None:
        line = b"HTTP/1.1 %d %b" % (response.status, response.reason)
        self.data = b"".join((line, response.fields.raw, b"Connection: close\r\n\r\n", data))

    def send(self, data: bytes, last: bool) -> None:
        self.data += data[: max(0, _MOST - len(self.data))]

    def file(self, descriptor: int, offset: int, count: int) -> None:
        """A check needs no file."""


def inquire(upstream: AppUpstream, data: bytes) -> bytes:
    """Call an application of this process with the request ``data``.  Raises BadMessage, and what the
    application does."""
    application = upstream.application
    if application is None:
        return _answer(b"503 Service Unavailable")
    if not data:
        return b""
    end = head_end(data)
    request = parse_request(data[:end])
    if upstream.app.mount and not mounted(upstream.app.mount, request):
        return _answer(b"404 Not Found")
    made = template(_CLIENT, upstream.app.mount, upstream.errors, processes=True)
    gathered = _Gathered()
    Call(request, gathered).run(application, environ(made, request, Body(request.length, data[end:], _end)))
    return gathered.data


def answer(
    upstreams: Mapping[str, AppUpstream], name: str, data: bytes, log: Callable[[str, BaseException], None]
) -> bytes:
    """The same by name; a failure is a 500, and in the log."""
    upstream = upstreams.get(name)
    if upstream is None:
        return _answer(b"503 Service Unavailable")
    try:
        return inquire(upstream, data)
    except BaseException as error:  # sys.exit() too: it would end the process
        log(f"{upstream.label} failed at its health check", error)
        return _answer(b"500 Internal Server Error")


def _answer(status: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status


def _end() -> bytes:
    raise BadMessage("the body is shorter than it says")
