"""Runs the checks of a process: each at its time, in a greenlet of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenlb.model import Check, Config, Frontend, ServerTls
from greenlb.net import greenlets, timers
from greenlb.net.tls import ClientContext
from greenlb.proxy import health
from greenlb.proxy.checks import agent
from greenlb.proxy.checks.applications import ApplicationProbe, Inquire
from greenlb.proxy.checks.external import ExternalProbe
from greenlb.proxy.checks.probes import PLAIN, DialogueProbe, Probe, agent_script
from greenlb.proxy.checks.python import PythonProbe
from greenlb.proxy.health import Health, Result
from greenlb.proxy.standing import AGENT_CHECK, HEALTH_CHECK, MAINTENANCE_BITS
from greenlb.script import External, PythonCheck

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.checks.turning import Turning

Contexts = Callable[[ServerTls], ClientContext | None]
"""The TLS context of a check."""


class Recurring:
    """A question that is asked again and again.  ``last`` is how it ended last time, ``running`` whether it
    is being asked now; ``bit`` is the one that pauses it."""

    bit = HEALTH_CHECK

    def __init__(self, runner: Runner, backend: LiveBackend, state: ServerState, check: Check) -> None:
        self.runner = runner
        self.backend = backend
        self.state = state
        self.check = check
        self.health = Health(check)
        self.last: Result | None = None
        self.running = False
        self.probe: Probe | None = None
        self._timer: Any = None
        self._due = 0.0

    def aim(self, **changes: Any) -> None:
        """Ask elsewhere from the next turn on: other fields of its Check (``address``, ``port``)."""
        self.check = replace(self.check, **changes)
        if isinstance(self.probe, DialogueProbe):
            self.probe.check = self.check

    def wait(self, seconds: float) -> None:
        """Take the next turn in so many seconds."""
        self.stop()
        self._due = time.monotonic() + seconds
        self._timer = timers.after(seconds, self._wake)

    def hurry(self, seconds: float) -> None:
        """Take it then at the latest."""
        if self._timer is not None and self._due > time.monotonic() + seconds:
            self.wait(seconds)

    def _wake(self) -> None:
        self.stop()
        greenlets.run(self._turn)

    def _turn(self) -> None:
        runner = self.runner
        try:
            if self.probe is not None and not self._paused():
                self.running = True
                try:
                    result = self.probe()
                finally:
                    self.running = False
                if runner.running and not self._paused():
                    self.ended(result)
        except Exception as error:  # a bug must cost one turn, not all that follow
            runner.turning.failure("unexpected error in a health check", error)
        finally:
            if runner.running:
                self.wait(runner.spread(self.health.interval))

    def _paused(self) -> bool:
        standing = self.runner.turning.farm.read(self.state.server)
        return bool(standing.paused & self.bit or standing.admin & MAINTENANCE_BITS)

    def ended(self, result: Result) -> None:
        """A turn is over."""
        raise NotImplementedError

    def end(self) -> None:
        """No more turns."""
        self.stop()

    def stop(self) -> None:
        """Forget the next turn."""
        timers.end(self._timer)
        self._timer = None


class AgentChecked(Recurring):
    """The agent of one server."""

    bit = AGENT_CHECK

    def _paused(self) -> bool:
        # In maintenance too: it may be the agent that ends it.
        return bool(self.runner.turning.farm.read(self.state.server).paused & self.bit)

    def say(self, text: bytes) -> None:
        """Send so much to the agent from the next turn on."""
        if isinstance(self.probe, DialogueProbe):
            self.probe.script = agent_script(text)

    def ended(self, result: Result) -> None:
        report = None
        if result.status == "L7OK":
            report = agent.read(result.info.encode("latin-1"))
            result = report.result(result.duration)
        self.runner.turning.agent_ended(self, result, report)


class Checked(Recurring):
    """One server that is checked, or has an agent, or both; ``health`` says nothing where there is no
    ``check``."""

    def __init__(self, runner: Runner, backend: LiveBackend, state: ServerState) -> None:
        server = state.server
        super().__init__(runner, backend, state, server.check or Check())
        self.enabled = server.check is not None
        self.agent: AgentChecked | None = None
        if server.agent is not None:
            self.agent = AgentChecked(runner, backend, state, server.agent.check)
            self.agent.probe = DialogueProbe(
                backend, state, server.agent.check, agent_script(server.agent.send), {}
            )
        if server.check is not None:
            self.probe = self._probe(server.check)

    def _probe(self, check: Check) -> Probe:
        backend, state = self.backend, self.state
        script = backend.model.health_check or PLAIN
        if isinstance(script, PythonCheck):
            return PythonProbe(backend, state, self.runner.inquire)
        if isinstance(script, External):
            return ExternalProbe(backend, state, script, self.runner.frontends.get(backend.model.name))
        contexts = {}
        tls = (*(((0, check.tls),) if check.tls else ()), *check.step_tls)
        for number, each in tls:
            context = self.runner.contexts(each)
            if context is not None:
                contexts[number] = context
        turning = self.runner.turning
        probe = (DialogueProbe if state.app is None else ApplicationProbe)(
            *(backend, state, check, script, contexts),
            serving=lambda: state.up,
            status=lambda: turning.status_header(self),
        )
        if isinstance(probe, ApplicationProbe):
            probe.inquire = self.runner.inquire
        return probe

    def ended(self, result: Result) -> None:
        self.runner.turning.check_ended(self, result)

    def end(self) -> None:
        """No more turns; a program that runs is ended."""
        self.stop()
        if isinstance(self.probe, ExternalProbe):
            self.probe.stop()


class Runner:
    """Checks every server of ``backends`` that is to be checked, and asks every agent.

    ``turning`` is told how it went; ``contexts`` gives the TLS context of a check,
    ``inquire`` asks a server that is an application.
    """

    def __init__(
        self,
        backends: Iterable[LiveBackend],
        turning: Turning,
        config: Config,
        contexts: Contexts = lambda tls: None,
        inquire: Inquire = lambda name, data, seconds: None,
    ) -> None:
        self.turning = turning
        self.contexts = contexts
        self.inquire = inquire
        self.running = False
        self.frontends: dict[str, Frontend] = {frontend.name: frontend for frontend in config.frontends}
        self._spread = config.settings.spread_checks / 100
        self._most = config.settings.max_spread_checks
        self.checked = [
            Checked(self, backend, state)
            for backend in backends
            for state in backend.states
            if state.server.check is not None or state.server.agent is not None
        ]
        turning.resume(self.checked)

    def of(self, state: ServerState) -> Checked | None:
        """The checks of one server."""
        return next((checked for checked in self.checked if checked.state is state), None)

    def start(self) -> None:
        self.running = True
        turns = self._all()
        delays = health.first_delays([each.health.interval for each in turns], self._most)
        for each, delay in zip(turns, delays, strict=True):
            each.wait(delay)

    def _all(self) -> list[Recurring]:
        found: list[Recurring] = [checked for checked in self.checked if checked.enabled]
        return found + [checked.agent for checked in self.checked if checked.agent is not None]

    def stop(self) -> None:
        """No more turns; one that is under way does not count."""
        self.running = False
        self.turning.warming.stop()
        for each in self._all():
            each.end()

    def spread(self, interval: float) -> float:
        """``interval``, made shorter or longer by chance."""
        return interval * (1 + self._spread * random.uniform(-1, 1)) if self._spread else interval


def listens(config: Config) -> Collection[str]:
    """The names of the backends that are one with a frontend."""
    return {frontend.name for frontend in config.frontends}
