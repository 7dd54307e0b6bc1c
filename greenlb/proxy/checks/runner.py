"""Runs the checks of a process, and turns the servers that they turn."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from gevent import get_hub

from greenlb.model import Address, LogTarget
from greenlb.net import greenlets
from greenlb.proxy import health
from greenlb.proxy.checks import tcp
from greenlb.proxy.health import Farm, Health, Result

if TYPE_CHECKING:
    from greenlb.model import Check
    from greenlb.proxy.backend import LiveBackend, ServerState

Event = Callable[[int, str, Sequence[LogTarget]], None]
Probe = Callable[[Address, float], Result]


class Turn(NamedTuple):
    """What came of a server's turn: exchanges that are active there, that left its queue for another's,
    and that still wait."""

    active: int
    moved: int
    queued: int


Switch = Callable[["Checked"], Turn]
"""Puts a server in or out of use, as its health says."""


def switch_here(checked: Checked) -> Turn:
    """In this process, which is the only one."""
    state = checked.state
    moved = checked.backend.set_up(state, checked.health.up)
    return Turn(state.current, moved, len(state.queue))


class Checked:
    """One server that is checked.  ``last`` is how its last check ended."""

    __slots__ = ("_address", "_patience", "_probe", "_runner", "_timer", "backend", "health", "last", "state")

    def __init__(self, runner: Runner, backend: LiveBackend, state: ServerState, check: Check) -> None:
        self._runner = runner
        self.backend = backend
        self.state = state
        self.health = Health(check)
        self.last: Result | None = None
        self._probe = runner.probe
        if check.send_proxy is not None:
            self._probe = partial(tcp.probe, send_proxy=check.send_proxy)
        self._address = tcp.target(state.server, check)
        self._patience = tcp.patience(backend.model, check)
        self._timer: Any = None

    def wait(self, seconds: float) -> None:
        """Take the next turn in so many seconds."""
        self._timer = timer = get_hub().loop.timer(seconds)
        timer.start(self._wake)

    def _wake(self) -> None:
        self.stop()
        greenlets.run(self._turn)

    def _turn(self) -> None:
        try:
            self.last = result = self._probe(self._address, self._patience)
            before = self.health.count
            turned = self.health.take(result.passed)
            if turned:
                self._runner.turned(self, result)
            elif self.health.count != before:
                self._runner.counted(self)
        finally:
            if self._runner.running:
                self.wait(self._runner.spread(self.health.interval))

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None


class Runner:
    """Checks every server of ``backends`` that is to be checked.

    ``event`` logs; ``listens`` names the backends that are one with a frontend; ``spread`` is
    ``spread-checks``, the per cent by which an interval may be shorter or longer.  ``switch`` carries a
    turn out, ``counted`` is told of a count that moved without one.
    """

    def __init__(
        self,
        backends: Iterable[LiveBackend],
        event: Event,
        listens: Collection[str] = (),
        spread: int = 0,
        probe: Probe = tcp.probe,
        switch: Switch = switch_here,
        counted: Callable[[Checked], None] = lambda checked: None,
    ) -> None:
        self.probe = probe
        self.counted = counted
        self._switch = switch
        self.running = False
        self._event = event
        self._listens = listens
        self._spread = spread / 100
        self.checked = [
            Checked(self, backend, state, state.server.check)
            for backend in backends
            for state in backend.states
            if state.server.check is not None and not state.server.disabled
        ]

    def start(self) -> None:
        self.running = True
        delays = health.first_delays([checked.health.interval for checked in self.checked])
        for checked, delay in zip(self.checked, delays, strict=True):
            checked.wait(delay)

    def stop(self) -> None:
        """No more turns; one that is under way still counts."""
        self.running = False
        for checked in self.checked:
            checked.stop()

    def spread(self, interval: float) -> float:
        """``interval``, made shorter or longer by chance."""
        return interval * (1 + self._spread * random.uniform(-1, 1)) if self._spread else interval

    def turned(self, checked: Checked, result: Result) -> None:
        """Put the server in or out of use, and say so."""
        backend = checked.backend
        model, server = backend.model, checked.state.server
        before = _farm(backend)
        turn = self._switch(checked)
        farm = _farm(backend)
        if checked.health.up:
            line = health.up_line(model, server, result, farm, turn.moved, turn.queued)
            self._event(health.NOTICE, line, model.log_targets)
            return
        line = health.down_line(model, server, result, farm, turn.active, turn.moved, turn.queued)
        self._event(health.ALERT, line, model.log_targets)
        if any(before) and not any(farm):
            line = health.empty_line(model, model.name in self._listens)
            self._event(health.EMERGENCY, line, model.log_targets)


def _farm(backend: LiveBackend) -> Farm:
    usable = [state.server.backup for state in backend.states if state.up and state.weight > 0]
    return Farm(usable.count(False), usable.count(True))
