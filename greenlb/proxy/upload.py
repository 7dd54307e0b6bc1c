"""A request's body on its way to the server, while the answer is awaited or already passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gevent import get_hub
from greenlet import GreenletExit, getcurrent, greenlet

from greenlb.exchange import Cut as Cut
from greenlb.exchange import Exchange
from greenlb.message import CHUNKED, Request
from greenlb.net.sockets import Stream, Timeout
from greenlb.protocol.http1 import BadMessage, ChunkedBody

if TYPE_CHECKING:
    from greenlb.proxy.http_mode import HttpConnection


class Upload:
    """``going``: some of the body has not been sent yet.  ``cut``: why it never will be.  ``started``: a
    greenlet has carried some of it, which is gone and cannot be sent again, unless it was ``kept`` (None: it
    was not, or was more than ``room`` bytes)."""

    __slots__ = (
        "_chunks",
        "_conn",
        "_greenlet",
        "_left",
        "_server",
        "_timeout",
        "_waiter",
        "cut",
        "going",
        "kept",
        "room",
        "started",
        "x",
    )

    def __init__(self, conn: HttpConnection, x: Exchange, request: Request) -> None:
        self._conn = conn
        self.x = x
        self._left = request.length  # of a counted body
        self._chunks = ChunkedBody() if request.length < 0 else None
        self._greenlet: greenlet | None = None
        self._waiter: greenlet | None = None
        self._server: Stream
        self._timeout: float | None = None
        self.going = True
        self.started = False
        self.kept: bytes | None = None
        self.room = 0
        self.cut: Cut | None = None

    def first(self) -> bytes:
        """What is already here of the body.  Raises Cut."""
        conn = self._conn
        body = self._passable(conn.buffer, "R")
        self.x.bytes_in += len(body)
        return body

    def _passable(self, data: bytes, phase: str) -> bytes:
        """What of ``data`` may pass on; the rest goes to the connection's buffer.  Raises Cut."""
        chunks = self._chunks
        if chunks is None:
            taken = min(len(data), self._left)
            self._left -= taken
            self.going = self._left > 0
        else:
            try:
                taken = chunks.feed(data)
            except BadMessage:
                raise Cut("P", phase, 400) from None
            self.going = not chunks.done
        self._conn.buffer = data[taken:]
        self._conn.rest = CHUNKED if self.going else 0
        return data[:taken]

    def keep(self, room: int) -> None:
        """Keep what is carried, up to ``room`` bytes, so that it can be sent again."""
        self.kept = b"" if room > 0 else None
        self.room = room

    def start(self, server: Stream, timeout: float | None) -> None:
        """Carry the rest to ``server`` in a greenlet; ``timeout`` is the server's."""
        self._server = server
        self._timeout = timeout
        self.started = True
        self._greenlet = carrier = greenlet(self._run, get_hub())
        get_hub().loop.run_callback(carrier.switch)

    def _run(self) -> None:
        try:
            while self.going:
                self._carry()
            self._server.expire_in(self._timeout)
        except Cut as cut:
            self.cut = cut
            if cut.cause != "S":  # of a server that stopped reading, the answer may still come
                self._server.interrupt()
        except GreenletExit:
            return
        except Exception as error:
            self._conn.live.plane.log.failure("unexpected error while a request body was relayed", error)
            self.cut = Cut("I", "H")
            self._server.interrupt()
        if self._waiter is not None:
            get_hub().loop.run_callback(self._finished)

    def _finished(self) -> None:
        if self._waiter is not None:  # it may have been ended meanwhile
            self._waiter.switch()

    def _carry(self) -> None:
        """One piece.  Raises Cut."""
        conn = self._conn
        size = 65536 if self._chunks is not None else min(65536, self._left)
        try:
            data = conn.stream.recv(size, conn.live.model.timeouts.client)
        except Timeout:
            raise self._broken("c") from None
        except OSError:
            data = b""
        if not data:
            raise self._broken("C")
        body = self._passable(conn.buffer + data, "R" if self.x.answered < 0 else "D")
        if body:
            self.x.bytes_in += len(body)
            if self.kept is not None:
                self.kept = self.kept + body if len(self.kept) + len(body) <= self.room else None
            try:
                self._server.send(body, self._timeout)
            except Timeout:
                raise self._broken("s") from None
            except OSError:
                raise self._broken("S") from None

    def _broken(self, cause: str) -> Cut:
        return Cut(cause, "H" if self.x.answered < 0 else "D")

    def finish(self) -> None:
        """Wait until the body is sent or cut."""
        if self.going and self.cut is None:
            self._waiter = getcurrent()
            try:
                get_hub().switch()
            finally:
                self._waiter = None

    def stop(self) -> None:
        """End it before anything else: from here on nobody but the caller waits on the client's stream."""
        carrier, self._greenlet = self._greenlet, None
        if carrier is not None and not carrier.dead:
            carrier.parent = getcurrent()
            carrier.throw()
            carrier.parent = get_hub()  # a wake-up of it may still be under way, and must not reach us
