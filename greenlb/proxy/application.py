"""One request to a backend with WSGI applications among its servers, as ``forward`` is to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenlb.exchange import Exchange
from greenlb.message import Request
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.forward import Forward, ToApplication
from greenlb.proxy.upstream import wsgi
from greenlb.proxy.watch import Watch

if TYPE_CHECKING:
    from greenlb.proxy.http_mode import HttpConnection


class MixedForward(Forward):
    """To a backend of network servers and applications: which it will be is known when one is chosen, after
    retries perhaps."""

    __slots__ = ()

    def run(self) -> bool:
        conn, x, request = self.conn, self.x, self.request
        buffer, received = conn.buffer, x.bytes_in
        try:
            return super().run()
        except ToApplication as to:
            if self.upload is not None:  # what was taken of the body is the application's now
                kept = self.upload.kept or b""
                first = buffer[: x.bytes_in - received - len(kept)]
                conn.buffer = first + kept + conn.buffer
                conn.rest, x.bytes_in = request.length, received
            return wsgi.call(conn, x, request, self.backend, to.upstream)


class AppForward:
    """To a backend of applications only."""

    __slots__ = ("backend", "conn", "request", "x")

    def __init__(self, conn: HttpConnection, x: Exchange, request: Request, backend: LiveBackend) -> None:
        self.conn = conn
        self.x = x
        self.request = request
        self.backend = backend

    def run(self) -> bool:
        """True when the client's connection may carry another request.  Raises Cut, Refusal."""
        backend, x = self.backend, self.x
        self.conn.live.forwardfor(x, backend)
        watch = Watch(self.conn.stream) if backend.model.abortonclose else None
        upstream = backend.connect(x, backend.persistent(x), None, watch=watch)
        assert isinstance(upstream, wsgi.AppUpstream)
        return wsgi.call(self.conn, x, self.request, backend, upstream)
