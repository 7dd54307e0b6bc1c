"""The runtime sockets at work: clients are heard and answered.

A client has a greenlet.  What it says is kept up to the length of a command, an answer goes out as fast
as it is taken, and who says or takes nothing for the session's timeout is left: so none holds up anybody
but itself.  As many are served at a time as ``stats maxconn`` says; the rest wait in the kernel.
"""

from __future__ import annotations

import _socket
import errno
import socket
from collections.abc import Iterable
from typing import Any, Final

from gevent import get_hub

from greenlb.admin.runtime.lines import Reader, TooLong
from greenlb.admin.runtime.runtime import Runtime
from greenlb.admin.runtime.session import Session
from greenlb.net import greenlets
from greenlb.net.sockets import READ, Stream, Timeout
from greenlb.proxy.queue import pause

_MORE: Final = "+ "
_PIECE: Final = 4096
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_BREATH: Final = 0.1
"""Seconds without accepting after descriptors ran out."""


class Server:
    """Answers on ``sockets``, listening ones with the level of their clients."""

    def __init__(self, runtime: Runtime, sockets: Iterable[tuple[socket.socket, str]]) -> None:
        self._runtime = runtime
        self._sockets = list(sockets)
        self._free = runtime.farm.config.settings.runtime_maxconn
        self._watchers: list[tuple[Any, socket.socket, str]] = []
        self._accepting = False

    def start(self) -> None:
        """Accept from now on; safe to call twice."""
        if self._watchers:
            return
        for sock, level in self._sockets:
            sock.setblocking(False)
            self._watchers.append((get_hub().loop.io(sock.fileno(), READ, ref=False), sock, level))
        self._accept_on()

    def stop(self) -> None:
        """Accept no more; who is there is served."""
        self._accept_off()
        for watcher, sock, _ in self._watchers:
            watcher.close()
            sock.close()
        self._watchers.clear()

    def _accept_on(self) -> None:
        if not self._accepting:
            self._accepting = True
            for watcher, sock, level in self._watchers:
                watcher.start(self._accept, sock, level)

    def _accept_off(self) -> None:
        self._accepting = False
        for watcher, _, _ in self._watchers:
            watcher.stop()

    def _accept(self, sock: socket.socket, level: str) -> None:
        """Called by the hub: somebody is there."""
        try:
            fd, _ = sock._accept()  # type: ignore[attr-defined]  # no socket object made twice
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._accept_off()
                greenlets.run(self._breathe)
            return
        client = _socket.socket(sock.family, socket.SOCK_STREAM, 0, fileno=fd)
        client.setblocking(False)
        self._free -= 1
        if self._free <= 0:
            self._accept_off()
        greenlets.run(lambda: self._serve(Stream(client), self._runtime.session(level)))

    def _breathe(self) -> None:
        pause(_BREATH)
        if self._free > 0:
            self._accept_on()

    def _serve(self, stream: Stream, session: Session) -> None:
        try:
            self._converse(stream, session)
        except (Timeout, TooLong, OSError):
            pass  # it said, or took, nothing for too long; it never ends a line; it went away
        finally:
            stream.close()
            self._free += 1
            self._accept_on()

    def _converse(self, stream: Stream, session: Session) -> None:
        """Answer until the client has said all.  Raises Timeout, TooLong, OSError."""
        reader = Reader()
        while data := stream.recv(_PIECE, session.timeout):
            for line in reader.feed(data):
                if line.whole:
                    said = self._runtime.answer(session, line)
                    if session.ended:
                        return
                    said += self._runtime.prompt * session.interactive
                else:
                    said = _MORE * session.interactive
                stream.send(said.encode(errors="surrogateescape"), session.timeout)
            if reader.empty and not session.interactive:
                return
