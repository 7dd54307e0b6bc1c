"""From a listening socket to a mode: accept, admit, shake hands, hand over.

A frontend that is at its ``maxconn``, or at the global one, stops accepting; the rest wait in the kernel's
backlog.
"""

from __future__ import annotations

import _socket
import errno
import socket
from typing import TYPE_CHECKING, Any, Final

from gevent.server import StreamServer

from greenlb.exchange import Client
from greenlb.model import Bind
from greenlb.net import timers
from greenlb.net.sockets import Stream
from greenlb.net.tls import ServerContext
from greenlb.proxy.opening import Opening

if TYPE_CHECKING:
    from greenlb.proxy.frontend import LiveFrontend

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PAUSE: Final = 0.1
"""Seconds without accepting after descriptors ran out: accept must not spin."""


class Listener(StreamServer):
    """One bind at work: a gevent StreamServer that hands each connection on without a greenlet."""

    def __init__(
        self, sock: socket.socket, bind: Bind, live: LiveFrontend, tls: ServerContext | None
    ) -> None:
        super().__init__(sock)
        self.bind = bind
        self.live = live
        self.tls = tls
        self.local = sock.getsockname()
        # What is set on a listening socket, its connections inherit.
        if sock.family != socket.AF_UNIX:
            for option in live.model.keepalive:
                sock.setsockopt(*option)
        unix = sock.family == socket.AF_UNIX
        if live.model.smart_accept and not unix:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
        wildcard = not unix and self.local[0] in ("0.0.0.0", "::")
        self._wildcard = wildcard
        self._alarmed = False
        self.paused = False  # by an operator
        self.pace = live.plane.shared.pace(self)

    # -- StreamServer's hooks --------------------------------------------------------------------

    def start(self) -> None:
        self.live.plane.shared.begin()
        super().start()

    def close(self) -> None:
        if self.started:
            self.live.plane.shared.end()
        if self.pace is not None:
            self.pace.stop()
        super().close()

    def full(self) -> bool:
        """Shall we stop accepting?  If not, a place is taken for whom ``do_read`` accepts."""
        pace = self.pace
        if pace is not None and pace.yields():
            return True
        return not self.live.admit(self)

    def resume(self) -> None:
        if self.started and not self.paused and not self.live.plane.stopping:
            self.start_accepting()

    def accept_some(self, most: int) -> int:
        """Accept up to ``most`` connections at once; how many there were."""
        for count in range(most):
            accepted = self.do_read() if self.started and not self.paused and self.live.admit(self) else None
            if accepted is None:
                return count
            self.handle(*accepted)
        return most

    def do_read(self) -> Any:
        """(socket, peer address), or None when there is nobody to accept."""
        try:
            fd, address = self.socket._accept()  # type: ignore[attr-defined]  # no socket object made twice
        except OSError as error:
            self.live.dismiss()
            if error.errno in _EXHAUSTED:
                self._out_of_descriptors(error)
            return None  # nobody was there, or was gone before we took it (ECONNABORTED and the like)
        self._alarmed = False
        sock = _socket.socket(self.socket.family, socket.SOCK_STREAM, 0, fileno=fd)
        return sock, address

    def do_handle(self, *args: Any) -> None:
        self.handle(*args)  # at once, in the hub: a greenlet begins when the client has spoken

    def handle(self, sock: _socket.socket, address: Any) -> None:
        """Admit one connection.  Must not block."""
        try:
            sock.setblocking(False)
            stream = Stream(sock)
            client = self._client(sock, address)
        except OSError:
            sock.close()
            self.live.dismiss()
            return
        live = self.live
        live.enter(client)
        if live.model.connection_rules and not live.accepts(stream, client):
            return
        if client.expects_proxy or self.tls is not None:
            Opening(stream, client, live, self.tls).start()
        else:
            live.serve(stream, client)

    def do_close(self, *args: Any) -> None:
        args[0].close()

    # -- details ---------------------------------------------------------------------------------

    def _client(self, sock: _socket.socket, address: Any) -> Client:
        if self.socket.family == socket.AF_UNIX:
            return Client(self.live.model, self.bind, "unix", 1, self.bind.address.host, 0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        local = sock.getsockname() if self._wildcard else self.local
        source, target = address[0], local[0]
        if self.socket.family == socket.AF_INET6:  # a v4 client on a v6 socket is a v4 client
            source, target = source.removeprefix("::ffff:"), target.removeprefix("::ffff:")
        return Client(self.live.model, self.bind, source, address[1], target, local[1])

    def _out_of_descriptors(self, error: OSError) -> None:
        """Stop for a moment, and say so once until accepting works again."""
        if not self._alarmed:
            self._alarmed = True
            self.live.plane.log.event(
                2,
                f"Proxy {self.live.model.name} reached system FD limit: {error.strerror}.",
                self.live.model.log_targets,
            )
        self.stop_accepting()
        self._timer: Any = timers.after(_PAUSE, self.resume)  # the base class's: stop_accepting ends it
