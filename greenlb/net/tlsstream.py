"""A TLS connection as a Stream: pyOpenSSL's Connection straight on the non-blocking socket.

OpenSSL reads a record whole and hands its bytes out piece by piece, so bytes may wait inside it while
the socket has none.  ``readable`` is kept true for as long as that may be so, and ``park`` asks.
"""

from __future__ import annotations

import _socket
import errno
import os
import time
from collections.abc import Callable
from typing import Any, ClassVar, cast

from gevent import get_hub
from OpenSSL import SSL

from greenlb.exchange import TlsFacts
from greenlb.net import openssl
from greenlb.net.sockets import READ, WRITE, Stream, Timeout, wait_for

_BULK = 4096
"""A record of this size or more is a piece of something bigger: look for the next one at once."""


class HandshakeFailure(Exception):
    """A client's handshake failed.  ``text`` is the log's word for it; ``empty``: no whole ClientHello
    came before the end, as with a probe (``option dontlognull``); ``detail`` is OpenSSL's reason."""

    def __init__(self, text: str, *, empty: bool = False, detail: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.empty = empty
        self.detail = detail


class HandshakeTimeout(HandshakeFailure, Timeout):
    """A client's handshake was not done in time."""


class TlsStream(Stream):
    """One TLS connection.  ``facts`` is what the handshake settled.  ``truncated`` is set when the end
    came without the peer's close_notify: what is framed by the end alone may then be cut short
    (RFC 9112 section 9.8)."""

    __slots__ = (
        "_after_read",
        "_connection",
        "_failed",
        "_flusher",
        "_late",
        "_ssl",
        "facts",
        "truncated",
    )

    plain = False
    facts: TlsFacts
    remembers: ClassVar[frozenset[str]] = frozenset()
    """Of ``openssl.FACTS``: what log lines ask for, which may be written when the connection is gone."""

    def __init__(self, stream: Stream, context: SSL.Context) -> None:
        """Take ``stream``'s socket over; ``stream`` must not be used any more."""
        super().__init__(_release(stream))
        self.readable = stream.readable
        # Connection wants a socket for its file descriptor only.
        connection = SSL.Connection(context, cast(Any, self.sock))
        self._connection: SSL.Connection | None = connection
        self._ssl: openssl.Handle = openssl.handle(connection)
        self._late: openssl.Outcome | None = None
        self._after_read: Callable[[SSL.Connection], None] | None = None
        self._failed = True  # until the handshake is done
        self._flusher: Any = None
        self.facts = TlsFacts()
        self.truncated = False

    # -- handshake -------------------------------------------------------------------------------

    def handshake(self, timeout: float | None, *, server: bool) -> openssl.Outcome | None:
        """Shake hands within ``timeout`` seconds, as the ``server`` or the client.  None when done, else
        why not.  Raises Timeout."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if server:
            self.connection.set_accept_state()
        else:
            self.connection.set_connect_state()
        while True:
            result = openssl.do_handshake(self._ssl)
            if result == 1:
                self._failed = False
                return None
            outcome = openssl.outcome(self._ssl, result)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if outcome.wants == openssl.WANT_READ:
                self.readable = False
                self.wait_readable(left)
            elif outcome.wants == openssl.WANT_WRITE:
                self.wait_writable(left)
            else:
                return outcome

    @property
    def connection(self) -> SSL.Connection:
        """pyOpenSSL's object, until ``close``."""
        assert self._connection is not None
        return self._connection

    def ask(self, name: str) -> Any:
        """One of ``openssl.FACTS``."""
        return openssl.FACTS[name](self.connection)

    def after_first_read(self, call: Callable[[SSL.Connection], None]) -> None:
        """Call ``call`` once, when the first bytes have been read: TLS 1.3 sends its session tickets
        after the handshake (RFC 8446 section 4.6.1)."""
        self._after_read = call

    # -- waiting ---------------------------------------------------------------------------------

    def park(self, wake: Callable[[], Any], timeout: float | None = None) -> None:
        if self.closed:
            raise _closed()
        if openssl.pending(self._ssl):
            self._wake = wake
            self._deadline = 0.0
            self.timed_out = False
            get_hub().loop.run_callback(self._on_pending)
        else:
            super().park(wake, timeout)

    def _on_pending(self) -> None:
        wake = self._wake
        # It may be another's wait by now, and the bytes may be gone.
        if wake is not None and openssl.pending(self._ssl):
            self._wake = None
            wake()

    # -- bytes -----------------------------------------------------------------------------------

    def recv(self, size: int = 65536, timeout: float | None = None) -> bytes:
        while True:
            if not self.readable:
                self.wait_readable(timeout)
            if self.closed:
                raise _closed()
            buffer = openssl.new_buffer("char[]", size)
            count = openssl.read(self._ssl, buffer, size)
            if count > 0:
                if count < _BULK or count == size:
                    # Less than asked for: OpenSSL holds nothing more of this record.
                    self.readable = count == size
                else:
                    count = self._gather(buffer, count, size)
                if self._after_read is not None:
                    self._first_read()
                return cast(bytes, openssl.view(buffer, count)[:])
            outcome = self._outcome(count)
            if outcome.wants == openssl.WANT_READ:
                self.readable = False
            elif outcome.wants == openssl.WANT_WRITE:
                self.wait_writable(timeout)
            else:
                return self._ended(outcome)

    def recv_nowait(self, size: int) -> bytes | None:
        if self.closed:
            raise _closed()
        buffer = openssl.new_buffer("char[]", size)
        count = openssl.read(self._ssl, buffer, size)
        if count > 0:
            self.readable = count == size
            if self._after_read is not None:
                self._first_read()
            return cast(bytes, openssl.view(buffer, count)[:])
        outcome = self._outcome(count)
        if outcome.wants in (openssl.WANT_READ, openssl.WANT_WRITE):
            self.readable = False
            return None
        return self._ended(outcome)

    def _gather(self, buffer: Any, count: int, size: int) -> int:
        """Fill ``buffer`` with the records that have come already; how much it holds then."""
        while count < size:
            more = openssl.read(self._ssl, buffer + count, size - count)
            if more <= 0:
                outcome = openssl.outcome(self._ssl, more)
                self.readable = outcome.wants not in (openssl.WANT_READ, openssl.WANT_WRITE)
                if self.readable:
                    self._late = outcome  # an end or an error, for the next call
                return count
            count += more
        self.readable = True
        return count

    def _outcome(self, result: int) -> openssl.Outcome:
        """Why a read gave ``result``: what ``_gather`` ran into, or what OpenSSL says now."""
        if self._late is None:
            return openssl.outcome(self._ssl, result)
        openssl.clear_errors()
        return self._late

    def _ended(self, outcome: openssl.Outcome) -> bytes:
        """The end of the peer's bytes, b"".  Raises OSError where they broke off with an error."""
        self.readable = True
        if outcome.wants == openssl.FAILED:
            self._failed = True
            raise failure(outcome)
        self.truncated = outcome.wants == openssl.CUT
        return b""

    def send(self, data: bytes, timeout: float | None = None) -> None:
        size = len(data)
        if not size:
            return
        # Without SSL_MODE_ENABLE_PARTIAL_WRITE one call takes all, or is made again with the same bytes.
        source = openssl.from_buffer(data)
        while not self.closed:
            count = openssl.write(self._ssl, source, size)
            if count > 0:
                return
            outcome = openssl.outcome(self._ssl, count)
            if outcome.wants == openssl.WANT_WRITE:
                self.wait_writable(timeout)
            elif outcome.wants == openssl.WANT_READ:
                wait_for(self.fd, READ, timeout)
            else:
                self._failed = True
                raise failure(outcome)
        raise _closed()

    def send_nowait(self, data: bytes | memoryview) -> int:
        if self.closed:
            raise _closed()
        count = openssl.write(self._ssl, openssl.from_buffer(data), len(data))
        if count > 0:
            return count
        outcome = openssl.outcome(self._ssl, count)
        if outcome.wants == openssl.WANT_WRITE:
            return 0
        self._failed = True
        raise failure(outcome)

    def pending(self) -> bool:
        return not self.closed and bool(openssl.pending(self._ssl))

    def _first_read(self) -> None:
        call, self._after_read = self._after_read, None
        if call is not None:
            call(self.connection)

    # -- ending ----------------------------------------------------------------------------------

    def shutdown_write(self) -> None:
        """Send close_notify, then the TCP end.  Where the socket takes no more now, the hub sends both
        when it does."""
        if self._failed or self.closed or self._flusher is not None:
            return
        if self._notify():
            super().shutdown_write()
            return
        self._flusher = get_hub().loop.io(self.fd, WRITE)
        self._flusher.start(self._flush)

    def _flush(self) -> None:
        if self._notify():
            self._drop_flusher()
            super().shutdown_write()

    def _drop_flusher(self) -> None:
        if self._flusher is not None:
            self._flusher.stop()
            self._flusher.close()
            self._flusher = None

    def _notify(self) -> bool:
        """Send close_notify (RFC 8446 section 6.1).  False: the socket is full."""
        result = openssl.shutdown(self._ssl)
        return result >= 0 or openssl.outcome(self._ssl, result).wants != openssl.WANT_WRITE

    def close(self) -> None:
        """Close at once, with a close_notify when the socket takes it; safe to call twice."""
        if self.closed:
            return
        self._drop_flusher()
        if not self._failed:
            self._notify()
        # OpenSSL's memory goes before the descriptor's number can be another connection's.
        self.facts.ask = self._last_words() if self.remembers and self.facts.version else None
        self._after_read = self._ssl = self._connection = None
        super().close()

    def _last_words(self) -> Callable[[str], Any]:
        """What is remembered of the connection."""
        return {name: self.ask(name) for name in self.remembers}.get

    def reset(self) -> None:
        self._failed = True  # no close_notify: what the peer got is not the whole
        super().reset()

    def vanish(self) -> None:
        self._failed = True
        super().vanish()


def failure(outcome: openssl.Outcome) -> OSError:
    """The OSError for a broken TLS connection: the socket's own, or EPROTO with OpenSSL's reason."""
    if outcome.errno:
        return OSError(outcome.errno, os.strerror(outcome.errno))
    if outcome.wants in (openssl.CUT, openssl.CLOSED):
        return OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    return OSError(errno.EPROTO, f"TLS: {outcome.reason or 'protocol error'}")


def _closed() -> OSError:
    return OSError(errno.EBADF, os.strerror(errno.EBADF))


def _release(stream: Stream) -> _socket.socket:
    """The socket of ``stream``, which is closed without it."""
    stream.closed = True
    stream._wake = None
    stream._reader.stop()
    stream._reader.close()
    if stream._timer is not None:
        stream._timer.stop()
        stream._timer.close()
    return stream.sock
