"""A server that is a WSGI application of this process."""

from __future__ import annotations

import sys
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, cast

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Reply, Request, Response
from greenlb.model import Backend, LogTarget, Wsgi
from greenlb.net.sockets import Stream
from greenlb.protocol.wsgi import Application, Environ, Errors, mounted
from greenlb.proxy.coded import Coded
from greenlb.proxy.serving import Serving, template
from greenlb.proxy.upload import Cut
from greenlb.proxy.upstream.network import Upstream

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.http_mode import HttpConnection

_WARNING = 4


class _Nowhere:
    """What an application has in the place of a stream."""

    facts = None


class AppUpstream(Upstream):
    """What an exchange with an application has in the place of a connection.  ``application`` is None in
    processes that do not serve."""

    __slots__ = ("_log", "_processes", "_targets", "app", "application", "errors", "label")

    def __init__(self, app: Wsgi, state: ServerState) -> None:
        backend = state.backend
        self.app = app
        self.state = state
        self.stream = cast(Stream, _Nowhere())
        self.application: Application | None = None
        self.ends = ("", 0, state.server.address)
        self.label = f"{backend.model.name}/{state.server.name} ({app})"
        self._log = backend.plane.log
        self._targets: tuple[LogTarget, ...] = backend.model.log_targets or backend.plane.settings.log_targets
        self._processes = backend.plane.settings.workers != 0
        self.errors = Errors(self._say)

    def _say(self, line: str) -> None:
        """A line that the application wrote to ``wsgi.errors``."""
        if self._targets:
            self._log.event(_WARNING, f"{self.label}: {line}", self._targets)
        else:
            sys.stderr.write(f"{self.label}: {line}\n")

    def template(self, conn: HttpConnection) -> Environ:
        """What all requests of a client's connection have in their environ."""
        known = conn.environ
        if known is None or known[0] is not self:
            made = template(conn.client, self.app.mount, self.errors, processes=self._processes)
            known = conn.environ = (self, made)
        return known[1]

    def __repr__(self) -> str:
        return f"<AppUpstream {self.label}>"


class AppCall(Serving):
    """An exchange with an application that is a server: what the backend does to answers it does to this
    one's."""

    __slots__ = ("abort", "backend", "name")

    def __init__(
        self, conn: HttpConnection, x: Exchange, request: Request, backend: LiveBackend, label: str
    ) -> None:
        timeout = backend.model.timeouts.server
        if x.wishes is not None and x.wishes.timeouts is not None:
            timeout = x.wishes.timeouts.get("server", timeout)
        super().__init__(conn, x, request, timeout)
        self.backend = backend
        self.abort = backend.model.abortonclose
        self.name = label

    def judge(self, response: Response) -> Reply | None:
        fields = response.fields
        if fields.lower.find(b"\r\ndate:") < 0:  # who has a clock says the time (RFC 9110 section 6.6.1)
            fields.append(_date())
        return self.conn.live.judge_response(self.x, response, self.backend)

    def announce(self, size: int) -> None:
        live = self.conn.live
        if live.model.logasap:
            self.x.bytes_out += size
            live.log_now(self.x, self.backend)
            self.x.bytes_out -= size

    def failure(self, begun: bool) -> Cut:
        return Cut("S", "D") if begun else Cut("S", "H", 500)


class CodedAppCall(Coded, AppCall):
    """The same where answers may be compressed."""

    __slots__ = ()


def call(
    conn: HttpConnection, x: Exchange, request: Request, backend: LiveBackend, upstream: AppUpstream
) -> bool:
    """Let an application answer, for which a slot is taken.  True when the client's connection may carry
    another request.  Raises Cut."""
    try:
        mount = upstream.app.mount
        if mount and not mounted(mount, request):
            return conn.answer(x, replies.make(404))
        if request.method == b"CONNECT":  # a good answer to it would be a tunnel (RFC 9110 section 9.3.6)
            return conn.answer(x, replies.make(501))
        assert upstream.application is not None
        if backend.model.name_header:
            request.fields.set(backend.model.name_header, upstream.state.server.name.encode())
        running = (CodedAppCall if backend.compresses else AppCall)(conn, x, request, backend, upstream.label)
        return running.run(upstream.application, upstream.template(conn))
    finally:
        upstream.state.release()


def kind(model: Backend, compresses: bool) -> str:
    """What its servers are: ``network``, ``applications`` or ``mixed``; whether to be ``careful``, and
    whether answers may be compressed."""
    apps = sum(server.app is not None for server in model.servers)
    if apps and apps == len(model.servers):
        return "applications"
    careful = "careful " if model.abortonclose or set(model.retry_on) - {"conn-failure"} else ""
    first = "naming " * bool(model.name_header) + "compressing " * compresses
    return first + careful + ("mixed" if apps else "network")


_dated = (0, b"")


def _date() -> bytes:
    """The Date field, made once a second."""
    global _dated
    now = int(time.time())
    if _dated[0] != now:
        _dated = (now, b"Date: " + formatdate(now, usegmt=True).encode() + b"\r\n")
    return _dated[1]
