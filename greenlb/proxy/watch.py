"""Is the client still there?  ``option abortonclose`` asks while its exchange waits."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Any, Final

from gevent import get_hub
from greenlet import getcurrent

from greenlb.net import timers
from greenlb.net.sockets import Stream

AGAIN: Final = 0.5
"""Seconds between two looks at a client that has sent more than is read yet: its end is behind that."""
_ENDED: Final = frozenset((4, 5, 6, 7, 8, 9, 11))
"""States of TCP in which the peer has sent its FIN or a reset (tcp_states.h), CLOSE_WAIT among them."""


class ClientGone(Exception):
    """The client closed while its exchange waited."""


class Watch:
    """Looks at a client's connection without reading from it."""

    __slots__ = ("_reader", "_stream", "_then", "_timer")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._then: Callable[[], Any] | None = None
        self._reader: Any = None
        self._timer: Any = None

    @contextlib.contextmanager
    def calling(self, then: Callable[[], Any]) -> Iterator[None]:
        """``then`` is called from the hub, once, when the client closes meanwhile."""
        loop = get_hub().loop
        self._then = then
        self._reader = loop.io(self._stream.fd, 1)
        self._reader.start(self._look)
        try:
            yield
        finally:
            self._then = None
            for watcher in (self._reader, self._timer):
                if watcher is not None:
                    watcher.stop()
                    watcher.close()
            self._reader = self._timer = None

    def throwing(self) -> contextlib.AbstractContextManager[None]:
        """ClientGone is raised in the running greenlet, where it waits, when the client closes meanwhile."""
        throw = getcurrent().throw
        return self.calling(lambda: throw(ClientGone))

    def _look(self) -> None:
        if gone(self._stream):
            then, self._then = self._then, None
            self._reader.stop()
            if self._timer is not None:
                self._timer.stop()
            if then is not None:
                then()
        elif self._timer is None:  # there are bytes, and they stay: to wait for more would be to spin
            self._reader.stop()
            self._timer = timers.every(AGAIN, self._look)


def gone(stream: Stream) -> bool:
    """Whether the client of ``stream`` has closed, or at least its half of the connection."""
    sock = stream.sock
    try:
        if not sock.recv(1, socket.MSG_PEEK):
            return True
    except BlockingIOError:
        return False
    except OSError:
        return True
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _ENDED
    except OSError:  # a unix socket
        return False
