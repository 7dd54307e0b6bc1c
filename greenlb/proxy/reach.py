"""What rules reach of a client's connection beyond its heads: the first part of bodies, the kernel's figures.

One of these exists where some rule reads such a thing (``Config.reads``); elsewhere nobody pays for it.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import TYPE_CHECKING

from greenlb.exchange import Exchange
from greenlb.message import CHUNKED, Response
from greenlb.net.sockets import Stream, Timeout
from greenlb.protocol.http1 import BadMessage, ChunkedBody
from greenlb.proxy.upload import Cut

if TYPE_CHECKING:
    from greenlb.proxy.forward import Forward
    from greenlb.proxy.http_mode import HttpConnection
    from greenlb.proxy.plane import Plane

_TCP_INFO_SIZE = 104
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Reach:
    """``connection`` is set in mode http.  The server's side is there while response rules run."""

    __slots__ = ("_data", "_forward", "_plane", "_response", "_stream", "connection", "ends")

    def __init__(self, plane: Plane, stream: Stream) -> None:
        self._plane = plane
        self._stream = stream
        self.connection: HttpConnection | None = None
        self.ends: tuple[int, str, int] | None = None
        self._forward: Forward | None = None
        self._response: Response | None = None
        self._data = b""

    @property
    def stopping(self) -> bool:
        return self._plane.stopping

    def tcp_info(self) -> bytes | None:
        """``struct tcp_info``; None where the client's socket is none of TCP."""
        try:
            return self._stream.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_SIZE)
        except OSError:
            return None

    def set_option(self, level: int, option: int, value: int) -> None:
        """Of the client's socket.  What the kernel does not let us set stays as it is, as in HAProxy."""
        with contextlib.suppress(OSError):
            sock = self._stream.sock
            if (level, option) == (socket.IPPROTO_IP, socket.IP_TOS) and sock.family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, value)
            sock.setsockopt(level, option, value)

    def hint(self, x: Exchange, fields: bytes) -> None:
        """Send a 103 with these fields (RFC 8297).  Raises Cut."""
        conn = self.connection
        if conn is not None:
            data = b"HTTP/1.1 103 Early Hints\r\n" + fields + b"\r\n"
            self._send_interim(conn, data)
            x.bytes_out += len(data)

    # -- the request's body ----------------------------------------------------------------------

    def body(self, x: Exchange) -> bytes:
        """What of it is here and not on its way yet, decoded."""
        conn, request = self.connection, x.request
        if conn is None or request is None or x.bytes_in > request.head_size:
            return b""
        return _part(conn.buffer, request.length)

    def wait_for_body(self, x: Exchange, seconds: float | None, least: int) -> None:
        """Until ``least`` bytes are here (0: all), or the buffer is full.  ``seconds`` None: timeout
        http-request.  A client that waits for a 100 gets it (RFC 9110 section 10.1.1).  Raises Cut: too
        late, broken off, or invalid."""
        conn, request = self.connection, x.request
        if conn is None or request is None or not request.length or x.bytes_in > request.head_size:
            return
        if seconds is None:
            seconds = conn.live.model.timeouts.http_request
        deadline = None if seconds is None else time.monotonic() + seconds
        limit = conn.live.head_limit - request.head_size
        arriving = _Arriving(request.length)
        while True:
            try:
                size = arriving.look(conn.buffer)
            except BadMessage:
                raise Cut("P", "R", 400) from None
            if size is not None:
                conn.rest = size
            if size is not None or (least and arriving.here >= least) or len(conn.buffer) >= limit:
                break
            if request.expect_continue:
                request.expect_continue = False
                request.fields.remove(b"expect")
                self._send_interim(conn, _CONTINUE)
            conn.buffer += self._more(conn, x, limit - len(conn.buffer), deadline)
        x.head_done = time.monotonic()

    def _send_interim(self, conn: HttpConnection, data: bytes) -> None:
        """Raises Cut."""
        try:
            conn.stream.send(data, conn.live.model.timeouts.client)
        except Timeout:
            raise Cut("c", "R", 408) from None
        except OSError:
            raise Cut("C", "R", 400) from None

    def _more(self, conn: HttpConnection, x: Exchange, size: int, deadline: float | None) -> bytes:
        cut = Cut("C", "R", 400)
        try:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            data = conn.stream.recv(size, left)
        except Timeout:
            data, cut = b"", Cut("c", "R", 408)
        except OSError:
            data = b""
        if not data:
            x.head_done = -1.0  # the request never was whole
            raise cut
        return data

    # -- the response's body ---------------------------------------------------------------------

    def hold(self, forward: Forward, data: bytes, response: Response) -> None:
        """Response rules are about to run; ``data`` came behind the head."""
        self._forward, self._data, self._response = forward, data, response

    def release(self) -> bytes:
        """They have run: the bytes that are to be relayed."""
        data, self._data, self._forward, self._response = self._data, b"", None, None
        return data

    def response_body(self, x: Exchange) -> bytes:
        """What of it is here, decoded."""
        return b"" if self._response is None else _part(self._data, self._response.length)

    def wait_for_response_body(self, x: Exchange, seconds: float | None, least: int) -> None:
        """Until ``least`` bytes are here (0: all), the server ends it, or the buffer is full.  Raises Cut."""
        forward, response = self._forward, self._response
        if forward is None or response is None or not response.length:
            return
        deadline = None if seconds is None else time.monotonic() + seconds
        limit = forward.conn.live.head_limit - response.head_size
        arriving = _Arriving(response.length)
        while True:
            try:
                size = arriving.look(self._data)
            except BadMessage:
                raise Cut("P", "H") from None
            if size is not None or (least and arriving.here >= least) or len(self._data) >= limit:
                return
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                data = forward.upstream.stream.recv(limit - len(self._data), left)
            except Timeout:
                raise Cut("s", "H") from None
            except OSError:
                data = b""
            if not data:  # relaying what there is will meet the end again, and say what it means
                return
            self._data += data


class _Arriving:
    """A body that is waited for; what was looked at is not looked at again, in however small pieces it comes.
    ``here`` counts the bytes that have come, decoded."""

    __slots__ = ("_chunks", "_length", "_taken", "here")

    def __init__(self, length: int) -> None:
        self._length = length
        self._chunks = ChunkedBody() if length == CHUNKED else None
        self._taken = 0
        self.here = 0

    def look(self, data: bytes) -> int | None:
        """How many bytes of ``data``, all that has come, the whole body takes; None while some are missing.
        Raises BadMessage."""
        chunks = self._chunks
        if chunks is None:
            length = self._length
            self.here = len(data) if length < 0 else min(len(data), length)
            return length if 0 <= length == self.here else None
        pieces: list[bytes] = []
        self._taken += chunks.feed(data[self._taken :], pieces)
        self.here += sum(map(len, pieces))
        return self._taken if chunks.done else None


def _part(data: bytes, length: int) -> bytes:
    """What there is of a body; of one that is invalid, nothing: who relays it says so."""
    if length >= 0:
        return data[:length]
    if length != CHUNKED:  # it goes on until the connection ends
        return data
    pieces: list[bytes] = []
    try:
        ChunkedBody().feed(data, pieces)
    except BadMessage:
        return b""
    return b"".join(pieces)
