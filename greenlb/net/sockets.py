"""Streams over non-blocking sockets on gevent's hub; dialling.

A stream's read watcher is started once and left running: while somebody waits the readable event wakes
it, while nobody does the event is noted and the watcher stopped.  So a request and its answer cost no
``epoll_ctl``, and nothing is read before there is something to read.  A stream nobody reads from can be
*parked*: it then needs no greenlet, only a callback.

The timer is lazy: a wait only writes its deadline down, and the timer that is already running starts
itself again when it finds that the deadline has moved.
"""

from __future__ import annotations

import _socket
import array
import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import time
from collections.abc import Callable, Sequence
from typing import Any

from gevent import get_hub
from greenlet import getcurrent

from greenlb.exchange import TlsFacts
from greenlb.model import Address
from greenlb.net import timers

READ, WRITE = 1, 2
_LINGER_RESET = struct.pack("ii", 1, 0)
_waiting = array.array("i", [0])
_TCP_REPAIR = 19
_IP_BIND_ADDRESS_NO_PORT = 24


class Timeout(Exception):
    """A deadline passed before the socket was ready."""


class Stream:
    """One connected, non-blocking socket.

    ``readable`` is true when bytes (or the end) are known to wait; ``timed_out`` tells a parked
    callback which of its two events it is.  ``plain`` is true where the bytes on the socket are the
    bytes of the stream, so that splice(2) may carry them.
    """

    __slots__ = (
        "_armed",
        "_deadline",
        "_due",
        "_reader",
        "_timer",
        "_wake",
        "closed",
        "fd",
        "readable",
        "sock",
        "timed_out",
    )

    plain = True
    truncated = False  # of a TLS stream: its end came without close_notify
    facts: TlsFacts | None = None  # of a TLS stream: what the handshake settled

    def __init__(self, sock: _socket.socket) -> None:
        self.sock = sock
        self.fd = sock.fileno()
        self._reader: Any = get_hub().loop.io(self.fd, READ)
        self._armed = False
        self._wake: Callable[[], Any] | None = None
        self._timer: Any = None
        self._due = 0.0
        self._deadline = 0.0
        self.readable = False
        self.timed_out = False
        self.closed = False

    # -- waiting ---------------------------------------------------------------------------------

    def _on_readable(self) -> None:
        self.readable = True
        wake = self._wake
        if wake is not None:
            self._wake = None
            wake()
        else:
            self._reader.stop()
            self._armed = False

    def _on_timer(self) -> None:
        self._due = 0.0
        if self._wake is None or not self._deadline:
            return
        left = self._deadline - time.monotonic()
        if left > 0.0005:
            self._start_timer(left)
            return
        wake, self._wake = self._wake, None
        self.timed_out = True
        wake()

    def _start_timer(self, seconds: float) -> None:
        timers.end(self._timer)
        self._timer = timers.after(seconds, self._on_timer)
        self._due = time.monotonic() + seconds

    def park(self, wake: Callable[[], Any], timeout: float | None = None) -> None:
        """Call ``wake`` from the hub, once, when bytes come or ``timeout`` seconds pass (then
        ``timed_out`` is set).  Costs no greenlet.  ``wake`` must not block."""
        self._wake = wake
        self.timed_out = False
        if timeout is None:
            self._deadline = 0.0
        else:
            self._deadline = deadline = time.monotonic() + timeout
            if not self._due or self._due > deadline:
                self._start_timer(timeout)
        if not self._armed:
            self._armed = True
            self._reader.start(self._on_readable)

    def unpark(self) -> None:
        """Forget the callback of ``park``; a readable event from now on is only noted."""
        self._wake = None

    def flow(self, pull: Callable[[], Any]) -> None:
        """Call ``pull`` from the hub whenever there is something to read, until ``halt``.  It must not
        block."""
        self._wake = None
        self._deadline = 0.0
        self._reader.stop()
        self._reader.start(pull)
        self._armed = True

    def halt(self) -> None:
        """End ``flow``."""
        if not self.closed:
            self._reader.stop()
        self._armed = False

    def pending(self) -> bool:
        """Whether bytes wait here that the kernel does not know of any more."""
        return False

    def awaited_by(self, wake: Callable[[], Any]) -> bool:
        """Whether it is parked, and ``wake`` is to be called."""
        return self._wake == wake

    def wait_readable(self, timeout: float | None = None) -> None:
        """Let other greenlets run until bytes or the end wait.  Raises Timeout."""
        self.park(getcurrent().switch, timeout)
        try:
            get_hub().switch()
        finally:
            self._wake = None
        if self.timed_out:
            raise Timeout

    def expire_in(self, timeout: float | None) -> None:
        """Give the wait that is under way a new deadline, ``timeout`` seconds from now."""
        if timeout is not None:
            self._deadline = deadline = time.monotonic() + timeout
            if not self._due or self._due > deadline:
                self._start_timer(timeout)

    def interrupt(self) -> None:
        """End the wait that is under way as if its time were up."""
        wake, self._wake = self._wake, None
        if wake is not None:
            self.timed_out = True
            get_hub().loop.run_callback(wake)

    def wait_writable(self, timeout: float | None = None) -> None:
        """Let other greenlets run until the socket takes bytes.  Raises Timeout."""
        wait_for(self.fd, WRITE, timeout)

    # -- bytes -----------------------------------------------------------------------------------

    def recv(self, size: int = 65536, timeout: float | None = None) -> bytes:
        """What has come, at most ``size`` bytes; b"" is the end.  Raises Timeout, OSError."""
        while True:
            if not self.readable:
                self.wait_readable(timeout)
            try:
                data = self.sock.recv(size)
            except BlockingIOError:
                self.readable = False
                continue
            # A full buffer means that more is probably there: the next call tries at once.
            self.readable = len(data) == size
            return data

    def send(self, data: bytes, timeout: float | None = None) -> None:
        """Send all of ``data``; ``timeout`` is how long the peer may take nothing.  Raises Timeout,
        OSError."""
        try:
            sent = self.sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        while rest:
            self.wait_writable(timeout)
            with contextlib.suppress(BlockingIOError):
                rest = rest[self.sock.send(rest) :]

    def send_nowait(self, data: bytes | memoryview) -> int:
        """How many of the bytes were taken now.  What is left is to be offered again as it is.  Raises
        OSError."""
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def recv_nowait(self, size: int) -> bytes | None:
        """What is there now; None when nothing is; b"" at the end.  Raises OSError."""
        try:
            return self.sock.recv(size)
        except BlockingIOError:
            return None

    def silent(self) -> bool:
        """Whether nothing waits here, neither a byte nor the end, for who expects nothing: a byte that
        waits is lost.  The kernel is asked, as the hub may not have heard yet: bytes that came before a
        request would be taken for its answer."""
        try:
            if self.plain and not self.readable:
                fcntl.ioctl(self.fd, termios.FIONREAD, _waiting)
                return _waiting[0] == 0
            self.readable = self.recv_nowait(1) is not None
        except OSError:
            return False
        return not self.readable

    def unread(self) -> bool:
        """Whether bytes of the peer's wait in the kernel.  Nothing is read."""
        fcntl.ioctl(self.fd, termios.FIONREAD, _waiting)
        return _waiting[0] > 0

    # -- ending ----------------------------------------------------------------------------------

    def drain(self) -> None:
        """Throw away what has come: closing with bytes unread would send a reset in place of an end."""
        with contextlib.suppress(OSError):
            self.sock.recv(65536)

    def shutdown_write(self) -> None:
        """Tell the peer that no more bytes follow; reading goes on."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close at once; safe to call twice."""
        if self.closed:
            return
        self.closed = True
        self._wake = None
        self._reader.stop()
        self._reader.close()
        timers.end(self._timer)
        self.sock.close()

    def reset(self) -> None:
        """Close with a reset, so that the peer cannot take what it got for a whole."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
        self.close()

    def vanish(self) -> None:
        """Close without a word to the peer: it goes on believing in the connection.  Without the
        capability for that (CAP_NET_ADMIN) the reset is sent with a TTL of 1, so that it dies at the
        first router."""
        if self.closed:
            return
        try:
            self.sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
        except OSError:
            with contextlib.suppress(OSError):
                self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
            self.reset()
        else:
            self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} fd={self.fd}{' closed' if self.closed else ''}>"


def wait_for(fd: int, events: int, timeout: float | None = None) -> None:
    """Let other greenlets run until ``fd`` is ready.  Raises Timeout."""
    hub = get_hub()
    wake = getcurrent().switch
    watcher = hub.loop.io(fd, events)
    timer: Any = None
    fired: list[bool] = []

    def ready() -> None:
        watcher.stop()
        if timer is not None:
            timer.stop()
        wake()

    def late() -> None:
        fired.append(True)
        ready()

    watcher.start(ready)
    if timeout is not None:
        timer = timers.after(timeout, late)
    try:
        hub.switch()
    finally:
        watcher.stop()
        watcher.close()
        timers.end(timer)
    if fired:
        raise Timeout


def dial(
    address: Address,
    timeout: float | None = None,
    source: Address | None = None,
    options: Sequence[tuple[int, int, int]] = (),
    make: Callable[[_socket.socket], Stream] = Stream,
) -> Stream:
    """Connect to ``address`` (from the local address ``source``), with socket ``options`` set before;
    ``make`` makes the stream.  Raises Timeout, OSError."""
    if not address.host:  # the kernel would take that for this machine
        raise OSError(errno.EDESTADDRREQ, os.strerror(errno.EDESTADDRREQ))
    sock = _unconnected(address)
    try:
        for option in () if address.unix else options:
            sock.setsockopt(*option)
        if source is not None:
            # The port is chosen at connect: there are as many as pairs with the peer's address.
            sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((source.host, 0))
        if not address.unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _connect(sock, address, timeout)
        return make(sock)
    except BaseException:
        sock.close()
        raise


_RESET = struct.pack("ii", 1, 0)


def touch(address: Address, timeout: float | None = None) -> None:
    """See whether somebody listens at ``address``.  Our last ACK of the handshake is held back and the
    connection reset, so that the program there never hears of it.  Raises Timeout, OSError."""
    sock = _unconnected(address)
    try:
        if not address.unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        _connect(sock, address, timeout)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    finally:
        sock.close()


def _unconnected(address: Address) -> _socket.socket:
    family = socket.AF_UNIX if address.unix else socket.AF_INET6 if address.ipv6 else socket.AF_INET
    return _socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)


def _connect(sock: _socket.socket, address: Address, timeout: float | None) -> None:
    target: Any = address.host if address.unix else (address.host, address.port)
    error = sock.connect_ex(target)
    if error == errno.EINPROGRESS:
        wait_for(sock.fileno(), WRITE, timeout)
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))
