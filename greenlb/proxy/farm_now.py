"""The farm as rules ask about it: this process's own state and, by the board, that of all others.

Made for what rules name, and for nothing else; ``FarmNow.keep`` moves the rates on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from greenlb.exchange import Exchange
from greenlb.model import Frontend, Server
from greenlb.net import timers
from greenlb.observe.stats import Books
from greenlb.policy.farm import PERIOD, Handle, Rate

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.plane import Plane


def ramp(server: Server, sessions: Callable[[], int], fullconn: int) -> Callable[[], int]:
    """How many exchanges a server with ``minconn`` gets at a time: its maxconn when its backend has
    ``fullconn``, less in proportion before, never below minconn."""
    low, high = server.minconn, server.maxconn

    def limit() -> int:
        load = sessions()
        return high if load >= fullconn else max(low, load * high // fullconn)

    return limit


UNLIMITED = -1
"""What is left where there is no limit, as HAProxy says it."""


class _Rated:
    """``rate`` is there where it is asked for."""

    def __init__(self) -> None:
        self._rates: dict[str, Rate] = {}

    def started(self) -> int:
        """All that have ever begun."""
        raise NotImplementedError

    def rate(self) -> int:
        return self._rates["rate"].value()


class FrontendNow(_Rated):
    """A frontend.  ``count`` is to be called for each request where ``request_rate`` is asked for."""

    def __init__(self, model: Frontend, books: Books) -> None:
        super().__init__()
        blocks = [books.bind(bind) for bind in model.binds]
        self._board = books.board
        self._own = books.cells
        self._now = [block.scur for block in blocks]
        self._all = [block.stot for block in blocks]
        self._requests = [block.req_tot for block in blocks]
        self._counted = 0

    def sessions(self) -> int:
        return sum(map(self._board.total, self._now))

    def started(self) -> int:
        return sum(map(self._board.total, self._all))

    def requested(self) -> int:
        """Requests: here from when they were read, elsewhere once they were answered."""
        return self._counted + sum(self._board.total(cell) - self._own[cell] for cell in self._requests)

    def count(self, x: Exchange) -> None:
        self._counted += 1

    def request_rate(self) -> int:
        return self._rates["request_rate"].value()


class ServerNow(_Rated):
    """A server."""

    def __init__(self, state: ServerState, books: Books) -> None:
        super().__init__()
        block = books.server(state.server)
        self.state = state
        self._total = books.board.total
        self._scur, self._qcur, self._stot = block.scur, block.qcur, block.stot
        self.gauges = [block.scur, block.qcur]

    def up(self) -> bool:
        return self.state.up

    def sessions(self) -> int:
        return self._total(self._scur)

    def queued(self) -> int:
        return self.state.queued

    def ended(self) -> int:
        return self._total(self._stot)

    def started(self) -> int:
        return self.ended() + self.sessions()

    def free(self) -> int:
        state = self.state
        return max(0, state.limit - self.sessions()) if state.maxconn else UNLIMITED

    def room(self) -> int | None:
        """How many more it takes beside what it has; None: as many as there are."""
        return self.free() if self.state.maxconn else None

    def slots(self) -> int | None:
        """How many more it and its queue take, likewise."""
        state = self.state
        if not state.maxconn or not state.server.maxqueue:
            return None
        return state.maxconn - self.sessions() + state.server.maxqueue - self.queued()

    def weight(self) -> int:
        return self.state.weight

    def user_weight(self) -> int:
        return self.state.user_weight

    def initial_weight(self) -> int:
        return self.state.server.weight


class BackendNow(_Rated):
    """A backend."""

    def __init__(self, live: LiveBackend, books: Books) -> None:
        super().__init__()
        self._live = live
        self._servers = [ServerNow(state, books) for state in live.states]
        block = books.backend(live.model)
        self._total = books.board.total
        self._qcur, self._stot = block.qcur, block.stot
        self._own = books.cells
        self._gauges = [cell for server in self._servers for cell in server.gauges] + [block.qcur]

    def usable(self) -> int:
        return sum(state.chosen for state in self._live.states)

    def sessions(self) -> int:
        gauge = self._live.gauge
        if gauge is not None:
            return gauge.total()
        # A worker that has no others may have a former one: what is with a server or waits for one there.
        elsewhere = sum(self._total(cell) - self._own[cell] for cell in self._gauges)
        return self._live.connections + elsewhere

    def queued(self) -> int:
        return self._total(self._qcur) + sum(server.queued() for server in self._servers)

    def started(self) -> int:
        ended = self._total(self._stot) + sum(server.ended() for server in self._servers)
        return ended + self.sessions()

    def free(self) -> int:
        return _sum(server.room() for server in self._servers if server.state.chosen)

    def slots(self) -> int:
        return _sum(server.slots() for server in self._servers if server.state.up)


def _sum(parts: Iterable[int | None]) -> int:
    """What is left in all, when all have a limit."""
    left = 0
    for part in parts:
        if part is None:
            return UNLIMITED
        left += part
    return left


class FarmNow:
    """What a process tells its rules."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._frontends: dict[str, FrontendNow] = {}
        self._rates: list[Rate] = []
        self._timer: Any = None

    def frontend(self, handle: Handle) -> FrontendNow:
        (model,) = (each for each in self._plane.config.frontends if each.name == handle.name)
        now = FrontendNow(model, self._plane.books)
        self._rate(now, handle, "rate", now.started)
        self._rate(now, handle, "request_rate", now.requested)
        if "request_rate" in handle.asked:
            self._frontends[handle.name] = now
        return now

    def backend(self, handle: Handle) -> BackendNow:
        now = BackendNow(self._plane.backends[handle.name], self._plane.books)
        self._rate(now, handle, "rate", now.started)
        return now

    def server(self, handle: Handle) -> ServerNow:
        live = self._plane.backends[handle.backend]
        state = next(state for state in live.states if state.server.name == handle.name)
        now = ServerNow(state, self._plane.books)
        self._rate(now, handle, "rate", now.started)
        return now

    def _rate(self, now: _Rated, handle: Handle, question: str, count: Callable[[], int]) -> None:
        if question in handle.asked:
            rate = now._rates[question] = Rate(count)
            rate.start()
            self._rates.append(rate)

    def counter(self, frontend: Frontend) -> Callable[[Exchange], None] | None:
        """What a frontend calls for each request, where somebody asks for their rate."""
        now = self._frontends.get(frontend.name)
        return None if now is None else now.count

    def session_rate(self, frontend: Frontend) -> Rate:
        """The rate of a frontend's new connections."""
        rate = Rate(FrontendNow(frontend, self._plane.books).started)
        rate.start()
        self._rates.append(rate)
        self.keep()
        return rate

    def keep(self) -> None:
        """Move the rates on from now on, if there are any."""
        if self._rates and self._timer is None:
            self._timer = timers.every(PERIOD, self._tick, ref=False)

    def _tick(self) -> None:
        for rate in self._rates:
            rate.tick()
