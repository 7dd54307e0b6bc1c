"""``slowstart``: a server that came back gets its weight and its maxconn bit by bit.

Whoever runs the checks writes how much it has, in per cent, and all processes follow.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from greenlb.net import greenlets, timers

if TYPE_CHECKING:
    from greenlb.model import Server
    from greenlb.proxy.farm_state import FarmState

STEPS: Final = 20
"""In so many steps, at least a second apart (HAProxy's)."""


class Warming:
    """The servers of a farm that start slowly."""

    def __init__(self, farm: FarmState) -> None:
        self._farm = farm
        self._timers: dict[int, Any] = {}
        farm.recovered = self.begin

    def resume(self) -> None:
        """Go on where the process before this one ended."""
        for _, server in self._farm.standings.servers():
            done = self._farm.read(server).throttle
            if done:
                self._warm(server, time.monotonic() - server.slowstart * done / 100)

    def begin(self, server: Server) -> None:
        """A server may be used again."""
        self._warm(server, time.monotonic())

    def _warm(self, server: Server, since: float) -> None:
        self._stop(server)
        self._farm.change([server], throttle=1)

        def look() -> None:
            greenlets.run(lambda: self._step(server, since))

        step = max(1.0, server.slowstart / STEPS)
        self._timers[id(server)] = timers.every(step, look, first=min(step, server.slowstart))

    def _step(self, server: Server, since: float) -> None:
        if id(server) not in self._timers:
            return
        standing = self._farm.read(server)
        done = int(100 * (time.monotonic() - since) / server.slowstart)
        if done >= 100 or not standing.up(server):
            self._stop(server)
            done = 0
        self._farm.change([server], throttle=max(1, done) if done or id(server) in self._timers else 0)

    def _stop(self, server: Server) -> None:
        timer = self._timers.pop(id(server), None)
        timers.end(timer)

    def stop(self) -> None:
        """No more steps."""
        for timer in self._timers.values():
            timers.end(timer)
        self._timers.clear()
