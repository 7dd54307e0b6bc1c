"""What operators have made of frontends: cells that control writes and every worker reads.

A worker that takes a dead one's place finds there what the others were told.  A reload begins anew: what is
written in the configuration holds again.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from greenlb.board import GENERATION, Board
from greenlb.model import Config, Global
from greenlb.proxy.frontend import LiveFrontend
from greenlb.proxy.listener import Listener
from greenlb.proxy.ratelimits import KINDS, RateLimits, configured

OPEN, PAUSED, STOPPED = range(3)
"""Whether a frontend accepts; what is stopped stays so."""

_STATE, _MAXCONN, _SIZE = range(3)
_UNSET: Final = 0
_ALL: Final = ""
"""The name that stands for the process's own ``maxconn``."""
RATES: Final = {kind: f"rate {kind}" for kind in KINDS}
"""And those for limits of rates: their ``maxconn`` is the limit.  No section's name has a blank."""
_MOST: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class FrontendState:
    """``maxconn`` None is the configuration's."""

    state: int = OPEN
    maxconn: int | None = None


class FrontendStates:
    """The states of a configuration's frontends; the name "" has the ``maxconn`` of all together,
    those of RATES have limits of how often all together accept."""

    def __init__(self, config: Config, board: Board, row: int = 0) -> None:
        self._cells = board.row(row)
        names = [_ALL, *RATES.values(), *(frontend.name for frontend in config.frontends)]
        self._places = {name: board.place(f"frontend {_SIZE}:{name}", _SIZE) for name in names}

    @staticmethod
    def width(config: Config) -> int:
        """How many cells a row needs for them."""
        return (len(config.frontends) + 1 + len(RATES)) * _SIZE

    def reset(self) -> None:
        """As they are configured."""
        for name in self._places:
            self.write(name, FrontendState())

    def read(self, name: str) -> FrontendState:
        place = self._places[name]
        maxconn = self._cells[place + _MAXCONN]
        return FrontendState(self._cells[place + _STATE], None if maxconn == _UNSET else maxconn - 1)

    def write(self, name: str, state: FrontendState) -> None:
        place = self._places[name]
        self._cells[place + _STATE] = state.state
        self._cells[place + _MAXCONN] = _UNSET if state.maxconn is None else state.maxconn + 1
        self._cells[GENERATION] += 1


class FrontendFollower:
    """Keeps the frontends of a process as it is written that they are; ``maxconn`` is the process's own."""

    def __init__(
        self,
        lives: Iterable[LiveFrontend],
        listeners: Iterable[Listener],
        states: FrontendStates,
        maxconn: int,
    ) -> None:
        self._maxconn = maxconn
        self._states = states
        listeners = list(listeners)
        self._lives = [(live, [each for each in listeners if each.live is live]) for live in lives]
        self._known = {live.model.name: FrontendState() for live, _ in self._lives}
        self._all = FrontendState()
        self._limits: dict[str, int] = {}
        self._rates = RateLimits(self._lives[0][0].plane) if self._lives else None
        self._follow_rates()

    def follow(self) -> None:
        """Take up what has changed."""
        for live, listeners in self._lives:
            name = live.model.name
            before, after = self._known[name], self._states.read(name)
            if before == after:
                continue
            self._known[name] = after
            if after.state != before.state:
                _turn(listeners, after.state)
            if after.maxconn != before.maxconn and live.door is not None:
                live.door.resize(live.model.maxconn if after.maxconn is None else after.maxconn or _MOST)
        self._follow_all()

    def _follow_all(self) -> None:
        before, self._all = self._all, self._states.read(_ALL)
        if self._all.maxconn != before.maxconn and self._lives:
            plane = self._lives[0][0].plane
            plane.door.resize(self._maxconn if self._all.maxconn is None else self._all.maxconn)
        self._follow_rates()

    def _follow_rates(self) -> None:
        rates = self._rates
        if rates is None:
            return
        for kind, limit in limits(self._lives[0][0].plane.settings, self._states).items():
            if self._limits.get(kind, 0) != limit:
                self._limits[kind] = limit
                rates.limit(kind, limit)
        for live, _ in self._lives:
            live.rates = rates if rates.any else None


def limits(settings: Global, states: FrontendStates) -> dict[str, int]:
    """How often all frontends together may accept just now, by kind; 0: as often as somebody comes."""
    told = {kind: states.read(name).maxconn for kind, name in RATES.items()}
    return {
        kind: told[kind] or 0 if told[kind] is not None else most
        for kind, most in configured(settings).items()
    }


def _turn(listeners: Iterable[Listener], state: int) -> None:
    for listener in listeners:
        if state == STOPPED:
            listener.close()
        elif state == PAUSED:
            listener.paused = True
            listener.stop_accepting()
        else:
            listener.paused = False
            listener.resume()


def gate(sockets: Iterable[socket.socket], state: int) -> None:
    """Have the kernel refuse connections, in place of keeping them for later, or take them again; of unix
    sockets it keeps them.  One process alone does this: to end what does not listen any more marks the
    socket, and with it all connections that it will have, as ended (inet_shutdown() of Linux)."""
    for sock in sockets:
        if sock.family == socket.AF_UNIX:
            continue
        with contextlib.suppress(OSError):  # it is closed
            if state == PAUSED:
                sock.shutdown(socket.SHUT_RD)
            elif state == OPEN:
                sock.listen(socket.SOMAXCONN)
