"""A connection to a server that speaks the uwsgi protocol.

It takes what a connection to an HTTP server would take, and sends a packet in the place of the head.  A
connection carries one request.
"""

from __future__ import annotations

import _socket
from typing import Final

from greenlb.exchange import Exchange
from greenlb.message import CHUNKED
from greenlb.net.sockets import Stream
from greenlb.protocol.http1 import ChunkedBody
from greenlb.protocol.uwsgi import TooLarge, packet, variables
from greenlb.protocol.wsgi import Body, Errors, environ
from greenlb.proxy.serving import template
from greenlb.proxy.upload import Cut

MOST_CHUNKED: Final = 8 << 20
"""How large a chunked body may be: it has to be here before the packet can tell its length."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_ERRORS = Errors(lambda line: None)  # never sent: it is no string
_EMPTY = Body(0, b"", lambda: b"")


class UwsgiStream(Stream):
    """The connection for ``x``."""

    __slots__ = ("_begun", "_chunks", "_gathered", "_promise", "_size", "_x")

    def __init__(self, sock: _socket.socket, x: Exchange) -> None:
        super().__init__(sock)
        request = x.request
        assert request is not None
        self._x = x
        self._begun = False  # the head came, and was left out
        self._chunks = ChunkedBody() if request.length == CHUNKED else None
        self._gathered: list[bytes] = []
        self._size = 0
        # Nobody behind this protocol would say it.
        self._promise = _CONTINUE if request.expect_continue and request.length else b""

    def _packet(self, length: int | None = None) -> bytes:
        x = self._x
        request, client = x.request, x.client
        assert request is not None
        made = environ(template(client, "", _ERRORS, processes=True), request, _EMPTY)
        if x.src != client.src:  # somebody trusted named another, and not his port
            made["REMOTE_ADDR"] = x.src
            del made["REMOTE_PORT"]
        try:
            return packet(variables(made, length))
        except TooLarge:
            raise Cut("P", "H", 431) from None

    def send(self, data: bytes, timeout: float | None = None) -> None:
        """As a connection to an HTTP server.  Raises Timeout, OSError, Cut."""
        chunks = self._chunks
        first = not self._begun
        if first:
            self._begun = True
            data = data[data.index(b"\r\n\r\n") + 4 :]
        if chunks is None:
            super().send(self._packet() + data if first else data, timeout)
            return
        gathered = self._gathered
        before = len(gathered)
        chunks.feed(data, gathered)
        self._size += sum(map(len, gathered[before:]))
        if self._size > MOST_CHUNKED:
            raise Cut("P", "H", 413)
        if chunks.done:
            super().send(b"".join([self._packet(self._size), *gathered]), timeout)
            gathered.clear()

    def recv(self, size: int = 65536, timeout: float | None = None) -> bytes:
        """As of any stream.  Raises Timeout, OSError."""
        if self._promise:
            promise, self._promise = self._promise, b""
            return promise
        return super().recv(size, timeout)

    def silent(self) -> bool:
        """It never carries another request."""
        return False
