"""What comes before a connection's mode: a PROXY protocol header, then TLS."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from greenlb.exchange import Client
from greenlb.net import greenlets
from greenlb.net.sockets import Stream, Timeout
from greenlb.net.tls import HandshakeFailure, ServerContext
from greenlb.protocol import proxyline

if TYPE_CHECKING:
    from greenlb.proxy.frontend import LiveFrontend

_PEEK: Final = 4096


class _Ended(Exception):
    """No connection comes of this.  ``empty``: the client said nothing (``option dontlognull``)."""

    def __init__(self, text: str, empty: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.empty = empty


class Opening:
    """A connection before its mode: parked until the client speaks, then a greenlet of its own."""

    __slots__ = ("client", "live", "stream", "tls")

    def __init__(self, stream: Stream, client: Client, live: LiveFrontend, tls: ServerContext | None) -> None:
        self.stream = stream
        self.client = client
        self.live = live
        self.tls = tls

    def start(self) -> None:
        self.stream.park(self.wake, self.live.handshake_timeout)

    def wake(self) -> None:
        greenlets.run(self.run)

    def run(self) -> None:
        live, client = self.live, self.client
        try:
            if client.expects_proxy:
                self._read_header()
            if self.tls is not None:
                self._shake_hands(self.tls)
        except _Ended as ended:
            self._fail(ended.text, ended.empty)
        except Exception as error:
            live.plane.log.failure("unexpected error before a connection's first byte", error)
            self._fail("unknown connection error")
        else:
            client.handshake = time.monotonic() - client.accepted
            client.ready = client.accepted + client.handshake
            live.serve(self.stream, client, busy=True)

    # -- the PROXY header ------------------------------------------------------------------------

    def _read_header(self) -> None:
        """Raises _Ended."""
        client = self.client
        data = b""
        try:
            while (header := proxyline.read(data + self._peek(data))) is None:
                data += self._take(_PEEK)
            self._take(header.size - len(data))
        except proxyline.Refused as refused:
            raise _Ended(str(refused)) from None
        except Timeout:
            raise _Ended(proxyline.LATE, empty=True) from None
        except OSError:
            raise _Ended(proxyline.ABORTED, empty=not data) from None
        client.proxied = header
        ends = header.ends
        if ends is not None:
            client.src, client.src_port = ends.src, ends.src_port
            client.dst, client.dst_port = ends.dst, ends.dst_port

    def _peek(self, before: bytes) -> bytes:
        """What has come behind ``before``, left where it is, so that TLS finds its own bytes.  Raises
        _Ended, Timeout, OSError."""
        stream = self.stream
        while True:
            if stream.timed_out:
                raise Timeout
            try:
                data = stream.sock.recv(_PEEK, socket.MSG_PEEK)
            except BlockingIOError:
                stream.wait_readable(self._left())
                continue
            if not data:
                raise _Ended(proxyline.TRUNCATED if before else proxyline.EMPTY, empty=not before)
            return data

    def _take(self, size: int) -> bytes:
        """At most ``size`` bytes of those that were seen: all of a header that is not whole is its own."""
        self.stream.readable = False
        return self.stream.sock.recv(size) if size > 0 else b""

    def _left(self) -> float | None:
        timeout = self.live.handshake_timeout
        if timeout is None:
            return None
        return max(0.0, self.client.accepted + timeout - time.monotonic())

    # -- TLS -------------------------------------------------------------------------------------

    def _shake_hands(self, tls: ServerContext) -> None:
        """Raises _Ended."""
        try:
            if self.stream.timed_out:
                raise Timeout
            self.stream = stream = tls.accept(self.stream, self.live.handshake_timeout)
        except HandshakeFailure as failure:
            self._count("ssl_failed_handshake")
            raise _Ended(failure.text, failure.empty) from None
        except Timeout:
            self._count("ssl_failed_handshake")
            raise _Ended("Timeout during SSL handshake", empty=True) from None
        except OSError:
            self._count("ssl_failed_handshake")
            raise _Ended("Connection closed during SSL handshake") from None
        self.client.tls = facts = stream.facts
        self._count("ssl_sess")
        self._count("ssl_cur")
        if facts.resumed:
            self._count("ssl_reused_sess")

    def _count(self, counter: str) -> None:
        self.live.plane.books.count(self.client, counter)

    def _fail(self, text: str, empty: bool = False) -> None:
        self.stream.close()
        live = self.live
        if not (empty and live.model.dontlognull):
            live.plane.log.client_error(self.client, text)
        live.leave(self.client)
