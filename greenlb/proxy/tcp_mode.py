"""One client connection in mode tcp: bytes that are not ours to read, from end to end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent

from greenlb.exchange import Client, Cut, Exchange
from greenlb.model import Proxy
from greenlb.net.limits import Limits
from greenlb.net.sockets import Stream
from greenlb.net.tunnel import ALWAYS, AUTO, NEVER, Ended, Tunnel
from greenlb.proxy import inspection
from greenlb.proxy.backend import LiveBackend, Refusal
from greenlb.proxy.inspection import Gate
from greenlb.proxy.upstream.network import Upstream
from greenlb.proxy.watch import Watch

if TYPE_CHECKING:
    from greenlb.proxy.frontend import LiveFrontend

HELLO_DELAY = 5.0
"""Seconds that a ServerHello is waited for where a stick rule wants it and nothing says how long."""


_FROM_OUTSIDE = frozenset("KDU")
"""Causes that have nothing to do with the connection: HAProxy tells no phase of them."""
_PASSED_ON = frozenset("-Cc")
"""Causes of which the client knows, or that have left nothing of it unread."""


class _Rejected(Exception):
    """A rule ended the connection; ``action`` says how."""

    def __init__(self, action: str) -> None:
        super().__init__(action)
        self.action = action


class TcpConnection:
    """The connection is the exchange: it begins at accept and is logged once, at its end.  A greenlet
    brings it to its server; from there on it is a tunnel on the hub."""

    __slots__ = ("_backend", "_upstream", "client", "greenlet", "live", "stream", "tunnel", "x")

    def __init__(self, stream: Stream, client: Client, live: LiveFrontend) -> None:
        self.stream = stream
        self.client = client
        self.live = live
        self.x = x = Exchange(client)
        x.start = x.head_done = client.accepted
        self._backend: LiveBackend | None = None
        self._upstream: Upstream | None = None
        self.greenlet: Any = None  # that brings it to its server
        self.tunnel: Tunnel | None = None

    @property
    def server_fd(self) -> int:
        """The descriptor of the server's connection, -1 while there is none."""
        return -1 if self._upstream is None else self._upstream.stream.fd

    def run(self) -> None:
        """Bring the connection to a server, or to its end."""
        live, x = self.live, self.x
        live.tcp_clients.add(self)
        self.greenlet = getcurrent()
        try:
            if live.greets:
                live.plane.log.connect(x)
            self._choose_backend()
            self._carry()
            self.greenlet = None
            return
        except Refusal as refusal:
            x.ended(refusal.cause, refusal.phase)
        except Cut as cut:
            x.ended(cut.cause, cut.phase)
        except _Rejected as rejected:
            if rejected.action == "silent-drop":
                self.stream.vanish()
        except BaseException as error:  # a bug must cost one connection, not the process
            live.plane.log.failure("unexpected error in a connection", error)
            x.ended("I", "D")
        if x.ahead is not None:
            x.bytes_in = len(x.ahead.data)
        self._close()

    # -- to the server ---------------------------------------------------------------------------

    def _choose_backend(self) -> None:
        """Raises Refusal, _Rejected."""
        live, x = self.live, self.x
        self._inspect(live.model)
        backend = live.route(x)
        if backend is None:
            raise Refusal("S", "C")
        backend.connections += 1
        self._backend = backend
        if backend.model.number != live.model.number:
            self._inspect(backend.model)

    def _inspect(self, proxy: Proxy) -> None:
        """The first bytes through a proxy's rules.  Raises Refusal, _Rejected."""
        rules = proxy.content_rules
        if not rules:
            return
        x = self.x
        if x.ahead is None:
            x.ahead = inspection.ahead(self.live.plane.settings)
        try:
            reply = inspection.inspect(x, rules, proxy.inspect_delay, self.stream)
        except OSError:
            self.live.route(x)  # for the log, as HAProxy has it
            raise Refusal("C", "R") from None
        x.ahead.final = not proxy.inspect_delay
        if reply is not None:
            x.ended(reply.cause, reply.phase)
            raise _Rejected(reply.action)

    def _carry(self) -> None:
        """Raises Refusal."""
        x, live, backend = self.x, self.live, self._backend
        assert backend is not None
        early = b""
        if x.ahead is not None:
            x.ahead.final = True
        bound = backend.persistent(x)
        watch = Watch(self.stream) if backend.model.abortonclose else None
        self._upstream = upstream = backend.connect(x, bound, None, fresh=True, watch=watch)
        if x.ahead is not None:
            early = x.ahead.release()
        gate = self._gate(backend)
        if live.model.logasap:
            x.answered = x.connected
            live.log_now(x, backend)
        self.tunnel = tunnel = Tunnel(
            self.stream, upstream.stream, live.limits(backend.model), self._ended, live.splices(backend.model)
        )
        tunnel.start(early, gate)

    def _gate(self, backend: LiveBackend) -> Gate | None:
        """What the server's first bytes have to pass, if anything: rules, and a stick rule's curiosity."""
        x, model, settings = self.x, backend.model, self.live.plane.settings
        stick = model.stick
        if stick is not None and not stick.wants_hello:
            stick.store(x)
            stick = None
        if stick is not None:
            rules = model.tcp_response_rules or (inspection.wait_for_hello,)
            keep = stick
            return Gate(x, rules, model.response_delay or HELLO_DELAY, settings, lambda: keep.store(x))
        if model.tcp_response_rules:
            return Gate(x, model.tcp_response_rules, model.response_delay, settings)
        return None

    # -- the end ---------------------------------------------------------------------------------

    def _ended(self, ended: Ended) -> None:
        """Called by the tunnel."""
        x, upstream = self.x, self._upstream
        x.bytes_in, x.bytes_out = ended.sent, ended.received
        if ended.cause != "-":
            x.ended(ended.cause, "-" if ended.cause in _FROM_OUTSIDE else "D")
            if ended.cause in "CS" and upstream is not None:  # a reset is passed on as a reset
                upstream.stream.reset()
                self.stream.reset()
        try:
            self._close()
        except Exception as error:  # it would end in the hub
            self.live.plane.log.failure("unexpected error at a connection's end", error)

    def _close(self) -> None:
        live, backend, upstream = self.live, self._backend, self._upstream
        self.x.end = time.monotonic()
        if upstream is not None:
            upstream.close()
            upstream.state.release()
        if backend is not None:
            backend.connections -= 1
        live.finish(self.x, backend)
        if self.x.cause not in _PASSED_ON and not self.stream.closed:
            self.stream.drain()
        self.stream.close()
        live.tcp_clients.discard(self)
        live.leave(self.client)


def limits(front: Proxy, back: Proxy) -> Limits:
    """How long a tunnel between the two waits for its sides."""
    client, server = front.timeouts, back.timeouts
    return Limits.of(client.client, server.server, server.tunnel, client.client_fin, server.server_fin)


def splices(front: Proxy, back: Proxy) -> tuple[str, str]:
    """When splice(2) carries what the client sends, and what the server does: each section may ask for it or
    rule it out."""
    auto = AUTO if front.splice_auto and back.splice_auto else NEVER

    def choice(said: tuple[bool | None, bool | None]) -> str:
        return ALWAYS if True in said else NEVER if False in said else auto

    return (
        choice((front.splice_request, back.splice_request)),
        choice((front.splice_response, back.splice_response)),
    )
