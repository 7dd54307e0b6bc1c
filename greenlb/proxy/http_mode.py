"""One client connection in mode http: its turns, each turn one exchange.

A busy connection is a greenlet; an idle one is a callback on the hub.  ``wake`` turns the one into the
other.  What a turn does with a server is in ``forward``.
"""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

from greenlet import getcurrent

from greenlb import replies
from greenlb.exchange import ENDINGS, Client, Exchange
from greenlb.message import Reply, Request, Service
from greenlb.net import greenlets
from greenlb.net.sockets import Stream, Timeout
from greenlb.protocol.http1 import BadMessage, head_end, parse_request
from greenlb.proxy import compressing, services
from greenlb.proxy.application import AppForward, MixedForward
from greenlb.proxy.backend import LiveBackend, Refusal
from greenlb.proxy.careful import CarefulForward, CarefulMixedForward
from greenlb.proxy.forward import Forward
from greenlb.proxy.naming import naming
from greenlb.proxy.queue import pause
from greenlb.proxy.upload import Cut
from greenlb.proxy.upstream.network import Upstream

if TYPE_CHECKING:
    from greenlb.proxy.frontend import LiveFrontend
    from greenlb.proxy.serving import Serving

# How a request can begin: empty lines (RFC 9112 section 2.2) and a method.
_EMPTY_LINES = re.compile(rb"\A(?:\r\n)++")
_BEGINNING = re.compile(rb"(?:\r\n)*[!#$%&'*+\-.^_`|~0-9A-Za-z]*+(?: |\Z)|\r\Z")
DRAIN_SECONDS: Final = 1.0
"""How long an idle connection is kept when its process is to end."""
_LINGER_SECONDS: Final = 1.0
_LINGER_BYTES: Final = 1 << 18
"""How long, and for how much, a refused client is listened to before the close."""

_NETWORK: Final[dict[str, type[Forward]]] = {
    "network": Forward,
    "mixed": MixedForward,
    "careful network": CarefulForward,
    "careful mixed": CarefulMixedForward,
    **compressing.FORWARDS,
}
_FORWARDS: Final[dict[str, type[Forward | AppForward]]] = {
    "applications": AppForward,
    **_NETWORK,
    **naming(_NETWORK),
}
"""By the kind of a backend, what carries a request there."""


class HttpConnection:
    """``buffer`` holds bytes read and not yet used; ``held`` a server connection that is this client's
    alone."""

    __slots__ = (
        "broken",
        "buffer",
        "client",
        "environ",
        "greenlet",
        "held",
        "live",
        "rest",
        "serving",
        "stream",
        "unread",
        "x",
    )

    server_fd = -1  # which of the server's connections carries it is known to what forwards

    def __init__(self, stream: Stream, client: Client, live: LiveFrontend) -> None:
        self.stream = stream
        self.client = client
        self.live = live
        self.buffer = b""
        self.held: Upstream | None = None
        self.greenlet: Any = None  # that serves it, while it is busy
        self.x: Exchange | None = None  # the one that runs
        self.rest = 0  # how much of the request's body was not taken, as Request.length
        self.unread = False  # the client may still be sending: close gently
        self.broken = False  # the client must see that its answer was cut: close with a reset
        self.serving: Serving | None = None  # what a WSGI application is doing for it
        self.environ: tuple[object, dict[str, Any]] | None = (
            None  # what all its requests to one have in common
        )

    # -- idle and busy ---------------------------------------------------------------------------

    def start(self) -> None:
        """Wait for the first request without a greenlet."""
        timeouts = self.live.model.timeouts
        self.stream.park(self.wake, timeouts.http_request)

    def wake(self) -> None:
        """Called by the hub: bytes came, or the connection was idle for too long."""
        stream = self.stream
        if stream.timed_out and (self.client.exchanges or self.live.plane.stopping):
            # While it drains, a request that has just come is still answered: its client was told of no end.
            if self.live.plane.stopping and stream.unread():
                stream.timed_out = False
                greenlets.run(self.run)
            else:
                self.close()
        else:
            greenlets.run(self.run)

    def run(self) -> None:
        """Serve requests until none is there; then park, or close."""
        stream = self.stream
        self.greenlet = getcurrent()
        try:
            while self._turn():
                if not self.buffer and not stream.readable:
                    stream.park(self.wake, self.live.keep_alive_timeout)
                    return
        except BaseException as error:  # a bug must cost one connection, not the process
            self.live.plane.log.failure("unexpected error in a client connection", error)
        if self.unread:
            self._linger()
        self.close()

    def _linger(self) -> None:
        """Let the client read our answer before we close: a close with bytes unread would reset the
        connection and may destroy the answer under way (RFC 9112 section 9.6)."""
        stream = self.stream
        stream.shutdown_write()
        deadline = time.monotonic() + _LINGER_SECONDS
        left = _LINGER_BYTES
        try:
            while left > 0 and (data := stream.recv(65536, max(0.0, deadline - time.monotonic()))):
                left -= len(data)
        except (Timeout, OSError):
            pass

    def close(self) -> None:
        if self.broken:
            self.stream.reset()
        else:
            self.stream.close()
        if self.held is not None:
            self.held.close()
            self.held = None
        self.live.clients.discard(self)
        self.live.leave(self.client)

    def drain(self) -> None:
        """No request is to follow the one that runs; an idle client has a moment left for its next one,
        whose answer announces the end.  To close at once could meet a request that is under way."""
        if self.serving is not None:
            self.serving.drain()
        elif self.stream.awaited_by(self.wake):
            self.stream.expire_in(DRAIN_SECONDS)

    def evict_held(self) -> None:
        """Called by the hub: the server ended the connection that this client alone may use."""
        if self.held is not None:
            self.held.close()
            self.held = None

    # -- one turn --------------------------------------------------------------------------------

    def _turn(self) -> bool:
        """One exchange from its first byte to its log line.  True: another may follow."""
        if self._gone():
            return False
        x = self.x = Exchange(self.client)
        live = self.live
        again = False
        backend: LiveBackend | None = None
        try:
            request = self._read_head(x)
            if live.greets:
                live.plane.log.connect(x)
            reply = live.judge(x, request)
            if reply is None:
                backend = live.route(x)
                if backend is not None:
                    backend.connections += 1
                    reply = backend.judge(x) if backend.model.number != live.model.number else None
                if reply is None:
                    again = self._forward(x, request, backend)
            if reply is not None:
                again = self.answer(x, reply)
        except Cut as cut:
            again = self._fail(x, cut.cause, cut.phase, cut.status)
        except Exception as error:
            live.plane.log.failure("unexpected error in an exchange", error)
            again = self._fail(x, "I", "R" if x.head_done < 0 else "H", None)
        finally:
            self.x = None
            x.end = self.client.ready = time.monotonic()
            if backend is not None:
                backend.connections -= 1
            live.finish(x, backend)
        self.client.exchanges += 1
        return again

    def _gone(self) -> bool:
        """Between two requests: did the client leave, rather than ask for more?"""
        if self.buffer or not self.client.exchanges:
            return False
        try:
            self.buffer = self.stream.recv(self.live.bufsize, self.live.model.timeouts.http_keep_alive)
        except (OSError, Timeout):
            return True
        return not self.buffer

    def _read_head(self, x: Exchange) -> Request:
        """The next request's head.  Raises Cut."""
        live = self.live
        data = self.buffer
        limit = live.head_limit
        deadline = 0.0
        searched = empty = 0
        while True:
            if data:
                if x.start < 0:
                    x.start = time.monotonic()
                try:
                    if data[0] == 0x0D:
                        empty += len(data)
                        data = _EMPTY_LINES.sub(b"", data)
                        empty -= len(data)
                        if empty > limit:
                            raise BadMessage("nothing but empty lines")
                    end = head_end(data, searched)
                    if end and end <= limit:
                        request = parse_request(data[:end], plain=live.plain_lane)
                        break
                    if end or len(data) > limit:
                        line = data.find(b"\r\n")
                        raise BadMessage("head too long", 414 if not 0 <= line < limit else 431)
                    if _BEGINNING.match(data) is None:
                        raise BadMessage("not a request")
                except BadMessage as bad:
                    self._note_bad(x, data)
                    raise Cut("P", "R", bad.status) from None
                searched = len(data)
            more = self._read_more(x, deadline)
            if not deadline and live.model.timeouts.http_request is not None:
                deadline = time.monotonic() + live.model.timeouts.http_request
            data += more
            x.bytes_in = len(data)
        self.buffer = data[end:]
        x.head_done = time.monotonic()
        x.bytes_in = request.head_size
        x.request = request
        self.rest = request.length
        x.request_line = request.line
        if request.fields.raw.count(b"\r\n") > live.maxhdr:
            raise Cut("P", "R", 431)
        return request

    def _read_more(self, x: Exchange, deadline: float) -> bytes:
        """More of a head.  Raises Cut: nothing at all came, too late, or the client went away."""
        stream, model = self.stream, self.live.model
        first = x.start < 0
        timeout = model.timeouts.http_request
        if deadline:
            timeout = max(0.0, deadline - time.monotonic())
        try:
            if first and stream.timed_out:  # woken from the park of a connection's first request
                raise Timeout
            data = stream.recv(self.live.bufsize, timeout)
        except Timeout:
            if first:
                x.start = self.client.accepted
            raise Cut("c", "R", 408 if not (first and model.ignore_probes) else 0) from None
        except OSError:
            data = b""
        if not data:
            if first:
                x.start = self.client.accepted
            raise Cut("C", "R", 400)
        return data

    def _note_bad(self, x: Exchange, data: bytes) -> None:
        x.bytes_in = len(data)
        self.buffer = b""
        self.live.plane.captures.request(x, data)

    # -- answering -------------------------------------------------------------------------------

    def _forward(self, x: Exchange, request: Request, backend: LiveBackend | None) -> bool:
        if backend is None:
            raise Cut("S", "C", 503)
        try:
            return _FORWARDS[backend.kind](self, x, request, backend).run()
        except Refusal as refusal:
            raise Cut(refusal.cause, refusal.phase) from None

    def answer(self, x: Exchange, reply: Reply) -> bool:
        """Send an answer of our own.  True: the connection goes on."""
        request = x.request
        if isinstance(reply, Service):
            return services.serve(self, x, reply)
        x.ended(reply.cause, reply.phase)
        if reply.action and self._unanswered(x, reply):
            return False
        if reply.standard:
            self.live.dress(reply, x)
        if self.live.finishing is not None:
            self.live.finishing.dress(x, reply)
        keep = (
            request is not None
            and 0 <= self.rest <= len(self.buffer)
            and request.keep_alive
            and not reply.close
            and reply.raw is None
            and self.live.keeps_alive
        )
        if keep:
            self.buffer = self.buffer[self.rest :]
        self._send_reply(x, reply, keep, request)
        return keep

    def _unanswered(self, x: Exchange, reply: Reply) -> bool:
        """What ``tarpit``, ``reject`` and ``silent-drop`` do; True: there is nothing to send."""
        if reply.action == "tarpit":
            timeouts = self.live.model.timeouts
            pause(timeouts.tarpit or timeouts.connect or 0.0)
            x.served = time.monotonic()  # HAProxy shows the delay as time in the queue
            return False
        if reply.action == "silent-drop":
            self.stream.vanish()
        return True

    def _fail(self, x: Exchange, cause: str, phase: str, status: int | None) -> bool:
        """End the exchange for a failure, with an answer when none was begun.  True: the connection goes
        on, because it was the server that failed."""
        begun = x.status >= 0
        x.ended(cause, phase)
        if begun:
            return False
        if status is None:
            status = ENDINGS[cause, phase].status
        if not status:
            return False
        reply = replies.make(status, cause, phase)
        reply.close |= cause not in "SsR" and phase != "H"
        counted = x.bytes_out
        keep = self.answer(x, reply)
        if x.request is None:
            x.bytes_out = counted  # HAProxy logs 0 bytes for what it answers to no request
        return keep

    def _send_reply(self, x: Exchange, reply: Reply, keep: bool, request: Request | None) -> None:
        data = replies.render(reply, keep=keep, request=request)
        x.status = reply.status
        try:
            self.stream.send(data, self.live.model.timeouts.client)
        except Timeout:
            x.ended("c", "D")
        except OSError:
            x.ended("C", "D")
        else:
            x.bytes_out += len(data)
            if not keep:
                self.unread = True
