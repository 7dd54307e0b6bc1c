"""A backend at work: its servers' state, slots and queues, and how an exchange gets an upstream.

``connect`` is where retry and redispatch begin and end: its caller gets a connection or a Refusal.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from greenlb.compression import compresses
from greenlb.exchange import Exchange
from greenlb.message import Reply
from greenlb.model import ALLOW, Address, Backend, Server
from greenlb.net.sockets import Timeout
from greenlb.net.tls import ClientContext, TlsServerFailure
from greenlb.policy import balance
from greenlb.policy.cookie import Persistence
from greenlb.proxy import ramps, steering
from greenlb.proxy.dialing import open_stream, socket_options
from greenlb.proxy.pool import Pool
from greenlb.proxy.retrying import next_try
from greenlb.proxy.slots import LocalSlots
from greenlb.proxy.upstream import wsgi
from greenlb.proxy.upstream.network import Upstream
from greenlb.proxy.watch import ClientGone, Watch

if TYPE_CHECKING:
    from greenlb.proxy.plane import Plane, TlsContexts
    from greenlb.proxy.shared import Gauge

_EXHAUSTED = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN)
)


class Refusal(Exception):
    """No upstream for this exchange; ``cause`` and ``phase`` as in exchange.ENDINGS."""

    def __init__(self, cause: str, phase: str) -> None:
        super().__init__(cause + phase)
        self.cause = cause
        self.phase = phase


class ServerState:
    """A server as it is now.  ``current`` counts the exchanges that this process has there, ``load`` those
    of all processes and those queued for it.  ``weight`` is the effective one,
    ``user_weight`` the one that was set; ``chosen``: the balance may choose it; ``slots`` are those of
    ``maxconn``, if there is one, and ``ramp`` says how many of them there are just now.  ``throttle`` is
    the per cent that it has while it starts slowly (0: all)."""

    __slots__ = (
        "_loads",
        "address",
        "app",
        "backend",
        "cells",
        "chosen",
        "current",
        "maxconn",
        "pool",
        "queue",
        "ramp",
        "scur",
        "server",
        "slots",
        "throttle",
        "tls",
        "up",
        "user_weight",
        "weight",
    )

    def __init__(self, server: Server, backend: LiveBackend, tls: ClientContext | None) -> None:
        self.server = server
        self.address = server.address  # where it is now: operators and names may move it
        self.backend = backend
        self.tls = tls
        self.weight = self.user_weight = server.weight
        self.up = not server.disabled
        self.chosen = False
        self.maxconn = server.maxconn
        self.ramp: Callable[[], int] | None = None
        self.throttle = 0
        self.current = 0
        shared = backend.plane.shared
        serve = partial(backend.serve, self)
        self.slots = shared.slots(backend.model, server, serve)
        self.queue = shared.queue(server, serve)
        self.pool = Pool()
        self.app = wsgi.AppUpstream(server.app, self) if server.app is not None else None
        books = backend.plane.books
        block = books.server(server)
        self.cells = books.cells
        self.scur = block.scur
        self._loads = shared.loads(books.board, block.scur, 2)  # qcur is the next column

    @property
    def load(self) -> int:
        loads = self._loads
        return self.current + len(self.queue) if loads is None else sum(loads())

    @property
    def limit(self) -> int:
        """How many exchanges it gets at a time just now; 0: as many as there are."""
        return self.maxconn if self.ramp is None else self.ramp()

    @property
    def queued(self) -> int:
        """How many wait for it alone, in all processes."""
        loads = self._loads
        return len(self.queue) if loads is None else sum(loads()[1::2])

    @property
    def sessions(self) -> int:
        """The exchanges that it has now, in all processes."""
        loads = self._loads
        return self.current if loads is None else sum(loads()[::2])

    def room(self) -> bool:
        """Whether the ramp lets it have one more."""
        return self.sessions < self.limit

    @property
    def usable(self) -> bool:
        return self.up

    def name(self, x: Exchange) -> bytes | None:
        """The name to ask the server's TLS for (``sni``).  A connection that was made for one name is not
        used for another."""
        tls = self.server.tls
        return None if tls is None or tls.sni is None else tls.sni(x)

    def take(self) -> bool:
        """Give the server an exchange that did not wait: not when it is full or others wait for it."""
        slots = self.slots
        if slots is not None and (self.queue or not slots.take()):
            return False
        self.current += 1
        self.cells[self.scur] += 1
        return True

    def enter(self) -> None:
        """An exchange for which there is a slot begins."""
        self.current += 1
        self.cells[self.scur] += 1

    def release(self) -> None:
        """It ended: its slot goes to whoever waited longest for it."""
        self.current -= 1
        self.cells[self.scur] -= 1
        if self.slots is not None:
            self.backend.hand_on(self, self.slots)

    def __repr__(self) -> str:
        return f"<ServerState {self.backend.model.name}/{self.server.name} {'up' if self.up else 'down'}>"


class LiveBackend:
    """``connections`` counts the exchanges in this backend now (HAProxy's beconn); ``gauge`` those in all
    processes, where there are several."""

    gauge: Gauge | None = None

    def __init__(self, model: Backend, plane: Plane, contexts: TlsContexts) -> None:
        self.model = model
        self.plane = plane
        self.states = [ServerState(server, self, contexts.of_server(server)) for server in model.servers]
        self._state_of = {id(state.server): state for state in self.states}
        self._limited = [state for state in self.states if state.slots is not None]
        self.balancer = balance.make(model.balance, plane.shared.tick(model))
        self.closes = model.connection != "keep-alive"  # its connections, after each exchange
        self.persistence = Persistence(model.cookie, model.servers, model.persist) if model.cookie else None
        self.queue = plane.shared.queue(model, self._serve_all)
        self.connections = 0
        self.compresses = compresses(plane.config, model)
        self.kind = wsgi.kind(model, self.compresses)
        self._socket_options = socket_options(model)
        self._retries = model.retries if "conn-failure" in model.retry_on else 0
        self.repeats = model.retries if set(model.retry_on) - {"conn-failure"} else 0
        self._steered = bool(model.use_server or model.persist_rules or plane.config.steered)
        ramps.add(self, self._limited)
        self.rebuild()

    def rebuild(self) -> None:
        """Take note that a server's state or weight changed."""
        chosen = balance.usable([s for s in self.states if s.up], self.model.allbackups)
        self.balancer.rebuild(chosen)
        for state in self.states:
            state.chosen = state in chosen
        if self.queue:
            for state in chosen:
                self.serve(state)

    def set_up(self, state: ServerState, up: bool) -> int:
        """Put a server in or out of use; how many queued exchanges were sent elsewhere."""
        state.up = up
        self.rebuild()
        moved = 0
        if not up:
            state.pool.clear()
            moved = self._send_elsewhere(state)
        else:
            self.serve(state)
        return moved

    def _send_elsewhere(self, state: ServerState) -> int:
        """Those who wait for ``state`` alone have another server chosen, if they may have one (HAProxy's
        rule); how many there were."""
        if self.model.redispatch is None or self.model.persist:
            return 0
        gone = state.queue.release(lambda place: place.forced)
        self.plane.books.cells[self.plane.books.server(state.server).qcur] -= len(gone)
        for place in gone:
            place.give(_ELSEWHERE)
        return len(gone)

    def move(self, state: ServerState, address: Address) -> None:
        """A server is somewhere else now; what is connected to where it was is not used again."""
        state.address = address
        state.pool.retire()
        state.pool = Pool()
        if self.persistence is not None:
            self.persistence.moved(state.server, address)

    def state_of(self, server: Server) -> ServerState:
        return self._state_of[id(server)]

    def named(self, name: str) -> ServerState | None:
        """The server of that name."""
        return next((state for state in self.states if state.server.name == name), None)

    def load_of(self, server: Server) -> int:
        """The exchanges that a server has now."""
        return self._state_of[id(server)].current

    def judge(self, x: Exchange) -> Reply | None:
        """The request through this backend's rules: None, or our own answer to it."""
        for rule in self.model.request_rules:
            verdict = rule(x)
            if verdict is not None:
                return None if verdict is ALLOW else verdict  # type: ignore[return-value]
        return None

    def persistent(self, x: Exchange) -> ServerState | None:
        """The server that the request's cookie names, else the one that its key in a stick table belongs
        to, if it may be used."""
        if self._steered:
            return steering.choose(self, x, self._is_usable)
        server = None
        if self.persistence is not None:
            server = self.persistence.request(x, self._is_usable)
        if self.model.stick is not None:
            found = self.model.stick.match(x, self._is_usable, server is not None)
            if found is not None:
                server = x.kept = found
        return None if server is None else self._state_of[id(server)]

    def _is_usable(self, server: Server) -> bool:
        return self._state_of[id(server)].up

    # -- slots -----------------------------------------------------------------------------------

    def hand_on(self, state: ServerState, slots: LocalSlots) -> None:
        """Pass a slot of ``state`` to the first in its queue, else to the first in the backend's; give it
        back when there is none, or one waits longer in another process."""
        if self._waits_for(state) and slots.turn():
            self._begin_next(state)
        else:
            slots.give()

    def serve(self, state: ServerState) -> None:
        """Give the free slots of ``state`` to those who wait."""
        slots = state.slots
        while self._waits_for(state) and (slots is None or slots.claim()):
            self._begin_next(state)

    def _serve_all(self) -> None:
        for state in self._limited:
            self.serve(state)

    def _waits_for(self, state: ServerState) -> bool:
        """Whom no cookie binds, a server gets that the balance may choose: not one that drains, and a
        backup when it is due (HAProxy's rule)."""
        return bool(state.queue or (self.queue and state.chosen))

    def _begin_next(self, state: ServerState) -> None:
        own, common = state.queue, self.queue
        if own and not (common and state.chosen and common.first() < own.first()):
            place = own.next()
        else:
            place = common.next()
        if place is not None:
            state.enter()
            place.give(state)

    def _take(
        self, x: Exchange, state: ServerState | None, avoid: ServerState | None, watch: Watch | None
    ) -> ServerState:
        """A slot: on ``state`` if the exchange is bound to it, else where the balance says.  Raises
        Refusal."""
        bound = state
        while True:
            if state is None:
                state = self.balancer.pick(x, avoid)  # type: ignore[assignment]
                if state is None:
                    raise Refusal("S", "C")
            if state.take():
                return state
            alone = bound is not None or self.balancer.binds(state)
            if alone and 0 < state.server.maxqueue <= state.queued:
                self._leave_full(x, state, bound is not None)
            else:
                given = self._wait(x, state, alone, watch)
                if isinstance(given, ServerState):
                    return given
            bound = state = None

    def _leave_full(self, x: Exchange, state: ServerState, bound: bool) -> None:
        """The queue of ``state`` is as long as ``maxqueue`` allows: go elsewhere.  Raises Refusal when the
        exchange must not."""
        x.server = state.server
        if not bound or self.model.redispatch is None or (x.wishes is not None and x.wishes.forced):
            raise Refusal("S", "Q")
        self._note_left(x, state)

    def _note_left(self, x: Exchange, state: ServerState) -> None:
        """It goes elsewhere without a try: a redispatch, but no retry."""
        x.redispatched = True
        self.plane.books.cells[self.plane.books.server(state.server).wredis] += 1

    def _wait(
        self, x: Exchange, state: ServerState, bound: bool, watch: Watch | None
    ) -> ServerState | _Elsewhere:
        """Wait for ``state``: in its queue if the exchange is bound to it, else in the backend's."""
        queue = state.queue if bound else self.queue
        books = self.plane.books
        qcur = (books.server(state.server) if bound else books.backend(self.model)).qcur
        wishes = x.wishes
        place = queue.join() if wishes is None else queue.join(wishes.priority)
        place.forced = wishes is not None and wishes.forced
        books.cells[qcur] += 1
        self._look_again(state, bound)
        try:
            timeout = self.model.timeouts.queue
            given: ServerState | _Elsewhere
            if watch is None:
                given = place.wait(timeout)
            else:
                with watch.calling(partial(place.abandon, _GONE)):
                    given = place.wait(timeout)
        except Timeout:
            x.served = time.monotonic()
            if bound:
                x.server = state.server
            raise Refusal("s", "Q") from None
        except Exception:  # it is ended from outside, perhaps when a slot was given just now
            if isinstance(place.given, ServerState):
                place.given.release()
            raise
        finally:
            if place.given is not _ELSEWHERE:
                books.cells[qcur] -= 1
            ahead = queue.leave(place)
            if bound:
                x.queue_server = ahead
            else:
                x.queue_backend = ahead
        if given is _GONE:
            x.served = time.monotonic()
            raise Refusal("C", "Q")
        if given is _ELSEWHERE:
            self._note_left(x, state)
        return given

    def _look_again(self, state: ServerState, bound: bool) -> None:
        """A slot may have come free in another process before it could know that we wait.  For one who may
        go anywhere, that other servers looked full may have been news of yesterday."""
        slots = state.slots
        if slots is not None and slots.turn():
            self.serve(state)
            if not bound and self.queue:
                for other in self._limited:
                    if other.load < other.limit:
                        self.serve(other)

    # -- connecting ------------------------------------------------------------------------------

    def connect(
        self,
        x: Exchange,
        bound: ServerState | None,
        held: Upstream | None,
        fresh: bool = False,
        avoid: ServerState | None = None,
        watch: Watch | None = None,
    ) -> Upstream:
        """An upstream for ``x``, with a slot of its server, which the caller releases: ``held`` (the client's
        own) if it fits, else an idle one, else a new one.  ``bound``: the server a cookie names.  ``fresh``:
        do not reuse.  ``avoid``: who failed.  ``watch`` ends it when the client goes.  Raises Refusal."""
        # the same server once more: that is still the time it takes to connect
        again = bound is not None and bound is avoid
        while True:
            state = self._take(x, bound, avoid, watch)
            if avoid is not None:
                self._note_retry(x, avoid, state)
            x.server = state.server
            if x.kept is not None and x.kept is not state.server:
                _forsake(x)
            if not again:
                x.served = time.monotonic()
            name = None if state.tls is None else state.name(x)
            upstream = state.app or (None if fresh else self._reuse(x, state, held, name))
            if upstream is not None:
                x.reused = True
                x.connected = x.served
                x.ends = upstream.ends
                x.server_tls = upstream.stream.facts
                return upstream
            try:
                stream = open_stream(x, state, name, self._socket_options, watch)
            except Timeout:
                cause = "s"
            except ClientGone:
                state.release()
                raise Refusal("C", "C") from None
            except OSError as error:
                cause = "R" if error.errno in _EXHAUSTED else "S"
                if isinstance(error, TlsServerFailure) and error.mismatch:
                    x.retries = self.model.retries  # it is the wrong server: trying again is no use
            except BaseException:
                state.release()
                raise
            else:
                x.connected = time.monotonic()
                upstream = Upstream(state, stream, name)
                x.ends = upstream.ends
                x.server_tls = stream.facts
                return upstream
            state.release()
            x.ends = ("", 0, state.address)
            if x.retries >= self._retries or cause == "R":
                raise Refusal(cause, "C")
            x.retries += 1
            avoid = state
            bound = next_try(self, x, state, bound is not None, cause)
            again = bound is state

    def _note_retry(self, x: Exchange, before: ServerState, state: ServerState) -> None:
        """Count a second try: a redispatch of the server that is left, or a retry of the one that stays."""
        books = self.plane.books
        block = books.server(before.server)
        if state is before:
            books.cells[block.wretr] += 1
        else:
            x.redispatched = True
            books.cells[block.wredis] += 1

    def _reuse(
        self, x: Exchange, state: ServerState, held: Upstream | None, name: bytes | None
    ) -> Upstream | None:
        if held is not None and held.pool is state.pool and held.name == name and held.stream.silent():
            return held
        reuse = self.model.reuse
        if state.server.send_proxy is not None:  # its connections are one client's each
            return None
        if reuse == "never" or (reuse == "safe" and not x.client.exchanges):
            # The first request of a connection cannot be repeated behind the client's back, so it is
            # never risked on a connection that may have died (http-reuse safe).
            return None
        return state.pool.take(name)


def _forsake(x: Exchange) -> None:
    """Its cookie's server could not be reached."""
    x.kept = None
    if x.cookie_in == "V":
        x.cookie_in = "D"


class _Elsewhere:
    """Given to a place instead of a slot: its server is gone, choose another; or its client is."""


_ELSEWHERE: Final = _Elsewhere()
_GONE: Final = _Elsewhere()
