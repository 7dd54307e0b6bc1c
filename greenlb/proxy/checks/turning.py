"""What checks' ends make of servers, and what is said and counted of it."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from greenlb.model import LogTarget, Server
from greenlb.observe.stats import Books
from greenlb.proxy import health
from greenlb.proxy.farm_state import FarmState, Turn
from greenlb.proxy.health import Farm, Outcome, Result
from greenlb.proxy.standing import DRAIN, DRAIN_BITS, MAINTENANCE, MAINTENANCE_BITS
from greenlb.proxy.warming import Warming

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.checks.agent import Report
    from greenlb.proxy.checks.runner import AgentChecked, Checked
    from greenlb.script import Observe

Event = Callable[[int, str, Sequence[LogTarget]], None]
_ADMIN = {"ready": 0, "drain": DRAIN, "maint": MAINTENANCE}


class Turning:
    """Puts servers in and out of use.  ``event`` logs, ``failure`` logs what should not be; ``listens`` names
    the backends that are one with a frontend."""

    def __init__(
        self,
        backends: Iterable[LiveBackend],
        farm: FarmState,
        books: Books,
        event: Event,
        failure: Callable[[str, BaseException], None],
        listens: Collection[str] = (),
    ) -> None:
        self.farm = farm
        self.failure = failure
        self._books = books
        self._event = event
        self._listens = listens
        self._places: dict[int, tuple[LiveBackend, ServerState]] = {
            id(state.server): (backend, state) for backend in backends for state in backend.states
        }
        self._checked: dict[int, Checked] = {}
        self.timed_out: Callable[[Server], None] = lambda server: None
        """Called when a check could not connect in time."""
        self._named = {f"{b.model.name}/{s.server.name}": s.server for b, s in self._places.values()}
        self.warming = Warming(farm)
        self._empty: set[str] = set()  # backends that are known to have lost all servers

    def resume(self, checked: Iterable[Checked]) -> None:
        """Go on from how the servers stood when the process before this one ended."""
        checked = list(checked)
        self._checked = {id(each.state.server): each for each in checked}
        self.farm.resume([each for each in checked if each.enabled])
        self.warming.resume()
        for each in checked:
            count = self.farm.read(each.state.server).agent
            if each.agent is not None and count is not None:
                each.agent.health.resume(count)

    # -- ends of checks --------------------------------------------------------------------------

    def check_ended(self, checked: Checked, result: Result) -> None:
        """A health check of a server has ended."""
        state = checked.state
        previous, checked.last = checked.last, result
        before = checked.health.count
        outcome = result.outcome
        if outcome is Outcome.FAILED and before:
            self._count(state.server, "chkfail")
        if outcome is not Outcome.NEUTRAL:
            checked.health.take(result.passed)
        moved = checked.health.count != before
        self._log_check(checked, previous, result, moved)
        changes: dict[str, Any] = {"health": checked.health.count} if moved else {}
        if result.passed:
            changes["stopping"] = outcome is Outcome.CONDITIONAL
        self._stand(checked.backend, state, changes, result)
        if result.status == "L4TOUT":
            self.timed_out(state.server)

    def agent_ended(self, agent: AgentChecked, result: Result, report: Report | None) -> None:
        """An agent has said something, or has not."""
        server = agent.state.server
        previous, agent.last = agent.last, result
        if report is not None:
            self._obey(agent, report)
        if result.outcome is Outcome.NEUTRAL:
            return
        if result.status == "L7OK":
            agent.health.fill()
        elif result.status == "L7STS":
            agent.health.drop()
        self._log_check(agent, previous, result, False)
        if result.status not in ("L7OK", "L7STS"):
            return  # that it does not answer says nothing of its server
        if agent.health.count != self.farm.read(server).agent:
            self._stand(agent.backend, agent.state, {"agent": agent.health.count}, result)

    def _obey(self, agent: AgentChecked, report: Report) -> None:
        """What an agent may decide as an operator does."""
        server = agent.state.server
        standing = self.farm.read(server)
        changes: dict[str, Any] = {}
        if report.weight is not None:
            weight = min(256, -(-server.weight * report.weight // 100))
            changes["weight"] = None if weight == server.weight else weight
        if report.maxconn is not None:
            changes["maxconn"] = report.maxconn
        if report.admin:
            changes["admin"] = standing.admin & ~(MAINTENANCE | DRAIN) | _ADMIN[report.admin]
        if changes and replace(standing, **changes) != standing:
            self.administer(agent.backend, agent.state, changes)

    def _log_check(
        self, checked: Checked | AgentChecked, previous: Result | None, result: Result, moved: bool
    ) -> None:
        model, server = checked.backend.model, checked.state.server
        if not model.log_health_checks or result.outcome is Outcome.NEUTRAL:
            return
        if moved or previous is None or previous.status != result.status:
            drained = self.farm.read(server).user_weight(server) == 0
            is_agent = checked is not self._checked.get(id(server))
            line = health.check_line(model, server, result, checked.health, is_agent, drained)
            self._event(health.NOTICE, line, model.log_targets)

    # -- observation -----------------------------------------------------------------------------

    def observed(self, name: str, errors: int, last: str) -> None:
        """Traffic has seen so many errors in a row of ``backend/server``."""
        server = self._named.get(name)
        if server is None:
            return
        checked, observe = self._checked.get(id(server)), server.observe
        if checked is None or observe is None or self.farm.read(server).admin & MAINTENANCE_BITS:
            return
        self._count(server, "hanafail")
        self._suspect(checked, observe, f"Detected {errors} consecutive errors, last one was: {last}")
        if checked.health.check.fastinter is not None:
            checked.hurry(checked.health.check.fastinter)

    def _suspect(self, checked: Checked, observe: Observe, why: str) -> None:
        if observe.on_error == "fastinter":
            return
        if observe.on_error == "sudden-death":
            checked.health.endanger(2)
        elif observe.on_error == "mark-down":
            checked.health.endanger(1)
        self.check_ended(checked, Result("HANA", why, -1))

    # -- turns -----------------------------------------------------------------------------------

    def _stand(
        self,
        backend: LiveBackend,
        state: ServerState,
        changes: dict[str, Any],
        result: Result | None,
        via: str = "",
    ) -> None:
        """Write what a check or a tracked server says; when that turns the server, say so."""
        server = state.server
        before = self.farm.read(server)
        after = replace(before, **changes)
        was, now = before.healthy(server), after.healthy(server)
        if not now:
            changes["stopping"] = False
        after = replace(before, **changes)
        if after == before:
            return
        if before.admin & MAINTENANCE_BITS or (was is now and before.stopping is after.stopping):
            self.farm.write(server, changes)
            return
        seconds = int(time.monotonic())
        changes["changed"] = seconds
        if now and not was and before.changed:
            self._count(server, "downtime", seconds - before.changed)
        usable = _farm(backend)
        (turn,) = self.farm.change([server], **changes)
        if result is not None and backend.model.log_health_checks:
            result = None  # its line has told why
        gentle = before.stopping or bool(before.admin & DRAIN_BITS)
        self._say(backend, server, (usable, turn, via, gentle), (now, after.stopping), result)
        self._follow(backend, server, now, after.stopping)

    def _say(
        self,
        backend: LiveBackend,
        server: Server,
        turned: tuple[Farm, Turn, str, bool],
        stands: tuple[bool, bool],
        result: Result | None,
    ) -> None:
        model, (usable, turn, via, gentle), (up, stopping) = backend.model, turned, stands
        farm = _farm(backend)
        if not up:
            self._count(server, "chkdown")
            counts = turn.active, turn.moved, turn.queued
            line = health.down_line(model, server, result, farm, *counts, via)
            self._event(health.NOTICE if gentle else health.ALERT, line, model.log_targets)
        else:
            make = health.stopping_line if stopping else health.up_line
            line = make(model, server, result, farm, turn.moved, turn.queued, via)
            self._event(health.NOTICE, line, model.log_targets)
        self._note_farm(backend, usable)

    def _note_farm(self, backend: LiveBackend, before: Farm) -> None:
        """Has the backend lost its last server, or got its first?"""
        model, now, seconds = backend.model, _farm(backend), int(time.monotonic())
        if any(now):
            self._empty.discard(model.name)
        if any(before) is any(now) or model.name in self._empty:
            return  # or another turn, while this one waited for the workers, has seen it
        cells, block = self._books.cells, self._books.backend(model)
        changed = block.named("changed")
        if any(now):
            if cells[changed]:
                cells[block.named("downtime")] += seconds - cells[changed]
        else:
            self._empty.add(model.name)
            cells[block.named("chkdown")] += 1
            line = health.empty_line(model, model.name in self._listens)
            self._event(health.EMERGENCY, line, model.log_targets)
        cells[changed] = seconds

    def _follow(self, backend: LiveBackend, server: Server, up: bool, stopping: bool) -> None:
        """Turn the servers that track this one."""
        for tracker in self.farm.trackers(server):
            place, state = self._places[id(tracker)]
            changes: dict[str, Any] = {"health": int(up), "stopping": stopping}
            self._stand(place, state, changes, None, f" via {tracker.track}")

    def stand(self, backend: LiveBackend, state: ServerState, changes: dict[str, Any], why: str) -> None:
        """Write what an operator says of a server's health; when that turns the server, say so and
        ``why``."""
        self._stand(backend, state, changes, None, why)

    def administer(self, backend: LiveBackend, state: ServerState, changes: dict[str, Any]) -> None:
        """Do what an operator asks, or an agent, and say so."""
        server, model = state.server, backend.model
        usable = _farm(backend)
        before = self.farm.read(server)
        (turn,) = self.farm.change([server], **changes)
        after = self.farm.read(server)
        in_maintenance = bool(before.admin & MAINTENANCE), bool(after.admin & MAINTENANCE)
        in_drain = bool(before.admin & DRAIN), bool(after.admin & DRAIN)
        healthy = after.healthy(server)
        for severity, line in health.admin_lines(
            model, server, in_maintenance, in_drain, healthy, _farm(backend), turn
        ):
            self._event(severity, line, model.log_targets)
        self._note_farm(backend, usable)

    def weigh(self, backend: LiveBackend, state: ServerState, weight: int | None) -> None:
        """Give a server the weight that an operator asks for; None is the configuration's."""
        server = state.server
        self.farm.change([server], weight=weight)
        if self.farm.read(server).admin & (DRAIN | MAINTENANCE) == DRAIN:
            self._event(*health.still_drained(backend.model, server), backend.model.log_targets)

    def _count(self, server: Server, counter: str, amount: int = 1) -> None:
        self._books.cells[self._books.server(server).named(counter)] += amount

    # -- send-state ------------------------------------------------------------------------------

    def status_header(self, checked: Checked) -> bytes:
        """The value of X-Haproxy-Server-State."""
        backend, state, count = checked.backend, checked.state, checked.health
        server, standing = state.server, self.farm.read(state.server)
        word = "NOLB" if standing.stopping else "UP"
        if not standing.healthy(server):
            word = f"DOWN {count.distance}" if count.count else "DOWN"
        elif not count.whole:
            word += f" {count.distance}"
        address = state.address
        total = sum(each.weight for each in backend.states if each.up)
        weight = 0 if standing.admin & DRAIN_BITS else standing.user_weight(server)
        text = (
            f"{word}; address={address.host}; port={address.port or ''}; "
            f"name={backend.model.name}/{server.name};"
            f" node={socket.gethostname()}; weight={weight}/{total};"
            f" scur={state.current}/{backend.connections}; qcur={len(state.queue)}"
        )
        if standing.throttle:
            text += f"; throttle={standing.throttle}%"
        return text.encode("latin-1", "replace")


def _farm(backend: LiveBackend) -> Farm:
    usable = [state.server.backup for state in backend.states if state.up and state.weight > 0]
    return Farm(usable.count(False), usable.count(True))
