"""How the servers of a farm stand: the one place where that is changed, and how a process follows it.

``FarmState`` writes, in control, or with ``workers = 0`` in the one process that there is; ``Follower``
makes a process's own servers so.  Whoever changes a server, be it a check, an operator or a name that
now means another address, calls ``FarmState.change``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple, Protocol

from greenlb.model import Server
from greenlb.observe.stats import Books
from greenlb.proxy.backend import LiveBackend, ServerState
from greenlb.proxy.health import Health
from greenlb.proxy.standing import (
    DRAIN_BITS,
    INHERITED_DRAIN,
    INHERITED_MAINTENANCE,
    MAINTENANCE_BITS,
    Standing,
    Standings,
)

UNLIMITED: Final = 1 << 22
"""Slots of a server whose ``maxconn`` became 0."""

Moved = Mapping[str, int]
"""How many queued exchanges a change has sent elsewhere, by ``backend/server``."""


_RAMPED: Final = frozenset(("roundrobin", "leastconn", "random"))
"""Algorithms that let a server have a part of its weight (slowstart)."""
_FINE: Final = 16
"""Where a server of a backend has a part of its weight, all weights are so many times as large."""


class Turn(NamedTuple):
    """What came of a server's turn: exchanges that are active there, that left its queue for another's,
    and that still wait."""

    active: int
    moved: int
    queued: int


class Counted(Protocol):
    """A server with the count of its checks."""

    @property
    def state(self) -> ServerState: ...
    @property
    def health(self) -> Health: ...


class Follower:
    """Keeps a process's servers as it is written that they stand."""

    def __init__(self, backends: Iterable[LiveBackend], standings: Standings) -> None:
        self._standings = standings
        self._generation = -1
        self.turned: Callable[[LiveBackend, ServerState], None] = lambda backend, state: None
        """Called when a server went down or came back."""
        self._states: list[tuple[LiveBackend, ServerState]] = [
            (backend, state) for backend in backends for state in backend.states
        ]
        self._contexts = {id(state): state.tls for _, state in self._states}

    def follow(self) -> dict[str, int]:
        """Take up what has changed; how many queued exchanges that sent elsewhere, by server."""
        moved: dict[str, int] = {}
        generation = self._standings.generation
        if generation == self._generation:
            return moved
        self._generation = generation
        standings = [self._standings.read(state.server) for _, state in self._states]
        ramped = {
            id(backend)
            for (backend, _), standing in zip(self._states, standings, strict=True)
            if standing.throttle and backend.model.balance.algorithm in _RAMPED
        }
        for (backend, state), standing in zip(self._states, standings, strict=True):
            server = state.server
            weight = standing.effective_weight(server, _FINE if id(backend) in ramped else 1)
            up = standing.up(server)
            state.throttle = standing.throttle
            state.user_weight = server.weight if standing.weight is None else standing.weight
            address = standing.address or server.address
            tls = None if standing.plain else self._contexts[id(state)]
            if address != state.address or tls is not state.tls:
                state.tls = tls
                backend.move(state, address)
            limit = server.maxconn if standing.maxconn is None else standing.maxconn
            if limit != state.maxconn and state.slots is not None:
                state.maxconn = limit
                state.slots.resize(limit or UNLIMITED)
                backend.serve(state)
            if weight != state.weight:
                state.weight = weight
                backend.rebuild()
            if up is not state.up:
                moved[f"{backend.model.name}/{server.name}"] = backend.set_up(state, up)
                self.turned(backend, state)
        return moved


class FarmState:
    """How the servers of ``backends``, which are this process's own, stand in all processes.  ``tell`` lets
    the others follow and gives what each of them has moved; there may be none."""

    def __init__(
        self,
        backends: Iterable[LiveBackend],
        standings: Standings,
        books: Books,
        tell: Callable[[], Iterable[Moved]] = lambda: (),
    ) -> None:
        backends = list(backends)
        self.standings = standings
        self._books = books
        self._tell = tell
        self.follower = Follower(backends, standings)
        self._names = {
            id(state.server): f"{backend.model.name}/{state.server.name}"
            for backend in backends
            for state in backend.states
        }
        self._checked: dict[int, Counted] = {}
        by_name = {self._names[id(state.server)]: state.server for b in backends for state in b.states}
        self._trackers: dict[int, list[Server]] = {}
        for server in by_name.values():
            if server.track:
                self._trackers.setdefault(id(by_name[server.track]), []).append(server)
        self.recovered: Callable[[Server], None] = lambda server: None
        """Called when a server may be used again."""

    def resume(self, checked: Iterable[Counted]) -> None:
        """Go on from how the servers stood when the process before this one ended, with its checks."""
        self._checked = {id(each.state.server): each for each in checked}
        for _, server in self.standings.servers():
            if id(server) in self._trackers:
                self._write_trackers(server)
        self.follower.follow()
        for each in self._checked.values():
            self._recount(each)
            self.counted(each)

    def read(self, server: Server) -> Standing:
        """How a server stands."""
        return self.standings.read(server)

    def change(self, servers: Iterable[Server], **changes: Any) -> list[Turn]:
        """Change fields of the servers' Standing in all processes; what came of it, a Turn for each."""
        servers = list(servers)
        down = [server for server in servers if not self.standings.read(server).up(server)]
        for server in servers:
            self._write(server, changes)
            self._write_trackers(server)
            if id(server) in self._checked:
                self._recount(self._checked[id(server)])
        moves = [self.follower.follow(), *self._tell()]
        for server in down:
            if server.slowstart and self.standings.read(server).up(server):
                self.recovered(server)
        return [self._turn(server, moves) for server in servers]

    def trackers(self, server: Server) -> list[Server]:
        """The servers that track this one, and those that track them."""
        found = list(self._trackers.get(id(server), ()))
        for tracker in found:
            found += self._trackers.get(id(tracker), ())
        return found

    def counted(self, checked: Counted) -> None:
        """A check has moved a server's count, and the server stays as it is."""
        self._write(checked.state.server, {"health": checked.health.count})

    def write(self, server: Server, changes: Mapping[str, Any]) -> None:
        """Write what changes nothing for traffic."""
        self._write(server, changes)

    def _write(self, server: Server, changes: Mapping[str, Any]) -> None:
        before = self.standings.read(server)
        after = replace(before, **changes)
        if after != before:
            self.standings.write(server, after)

    def _recount(self, checked: Counted) -> None:
        count = self.standings.read(checked.state.server).health
        if count is not None:
            checked.health.resume(count)

    def _write_trackers(self, server: Server) -> None:
        """Maintenance and drain of a server are those of all that track it."""
        admin = self.standings.read(server).admin
        inherited = (INHERITED_MAINTENANCE if admin & MAINTENANCE_BITS else 0) | (
            INHERITED_DRAIN if admin & DRAIN_BITS else 0
        )
        for tracker in self._trackers.get(id(server), ()):
            own = self.standings.read(tracker).admin & ~(INHERITED_MAINTENANCE | INHERITED_DRAIN)
            self._write(tracker, {"admin": own | inherited})
            self._write_trackers(tracker)

    def _turn(self, server: Server, moves: Iterable[Moved]) -> Turn:
        block, board = self._books.server(server), self._books.board
        moved = sum(each.get(self._names[id(server)], 0) for each in moves)
        return Turn(board.total(block.scur), moved, board.total(block.qcur))
