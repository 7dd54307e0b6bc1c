"""How a server stands, in the words of HAProxy's statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from greenlb.model import Server
from greenlb.proxy.checks.runner import Checked
from greenlb.proxy.health import STATUSES, Health, Result
from greenlb.proxy.standing import AGENT_CHECK, DRAIN_BITS, HEALTH_CHECK, MAINTENANCE_BITS, Standing

INHERITED, RESOLUTION = 2, 32
"""Bits of ``admin``: in maintenance as the server that it tracks, or because its name has no address."""

Value = int | str | None


@dataclass(frozen=True, slots=True)
class Stand:
    """A server as it is: ``up`` is what its checks say, ``source`` the checks that it goes by, be they its
    own or those of the server that it tracks."""

    server: Server
    standing: Standing
    up: bool
    source: Checked | None

    @property
    def maintained(self) -> bool:
        return bool(self.standing.admin & MAINTENANCE_BITS)

    @property
    def drained(self) -> bool:
        return bool(self.standing.admin & DRAIN_BITS)

    @property
    def running(self) -> bool:
        """It answers, and nobody has taken it away."""
        return self.up and not self.maintained

    @property
    def weight(self) -> int:
        return self.standing.user_weight(self.server)

    @property
    def effective_weight(self) -> int:
        """The same, as long as it does not start slowly."""
        return -(-self.weight * (self.standing.throttle or 100) // 100)

    @property
    def balanced(self) -> bool:
        """Whether it gets what nothing else decides."""
        return self.running and not self.drained and not self.standing.stopping and self.weight > 0

    @property
    def own(self) -> Checked | None:
        """Its own checks."""
        source = self.source
        return source if source is not None and source.state.server is self.server else None

    @property
    def check(self) -> Health | None:
        """What its checks count; None: it has none, or they are switched off."""
        source = self.source
        if source is None or not source.enabled or self.standing.paused & HEALTH_CHECK:
            return None
        return source.health

    @property
    def agent(self) -> Health | None:
        source = self.source
        if source is None or source.agent is None or self.standing.paused & AGENT_CHECK:
            return None
        return source.agent.health

    @property
    def status(self) -> str:
        """As the column of that name has it."""
        if self.standing.admin & RESOLUTION:
            return "MAINT (resolution)"
        if self.standing.admin & INHERITED:
            return f"MAINT (via {self.server.track})"
        if self.maintained:
            return "MAINT"
        if not self.up:
            return self._down()
        check = self.check
        word = "UP"
        if self.drained:
            if self.agent is not None:
                return "DRAIN (agent)"
            word = "DRAIN"
        elif self.standing.stopping:
            word = "NOLB"
        elif check is None:
            return "no check"
        if check is None or check.count == check.check.rise + check.check.fall - 1:
            return word
        return f"{word} {check.count - check.check.rise + 1}/{check.check.fall}"

    def _down(self) -> str:
        if self.agent is not None and not self.agent.count:
            return "DOWN (agent)"
        check = self.check
        if check is not None and check.count:
            return f"DOWN {check.count}/{check.check.rise}"
        return "DOWN"


_COARSE: Final = ("MAINT", "DRAIN", "NOLB", "DOWN")


def coarse(status: str) -> str:
    """A server's status as metrics have it."""
    return next((word for word in _COARSE if status.startswith(word)), "UP")


def told_of_checks(stand: Stand) -> dict[str, Value]:
    """The columns of a server's checks and of its agent."""
    own = stand.own
    told: dict[str, Value] = {}
    if own is None:
        return told
    if stand.check is not None and not stand.maintained:
        told |= _told("check", own.running, own.last, own.health)
        told["last_chk"] = own.last.info if own.last is not None else ""
    if stand.agent is not None and own.agent is not None:
        told |= _told("agent", own.agent.running, own.agent.last, own.agent.health)
        told["last_agt"] = own.agent.last.info if own.agent.last is not None else ""
    return told


def _told(kind: str, running: bool, last: Result | None, health: Health) -> dict[str, Value]:
    name = last.status if last is not None else "INI"
    status = STATUSES[name]
    told: dict[str, Value] = {
        f"{kind}_status": f"* {name}" if running else name,
        f"{kind}_desc": status.description,
        f"{kind}_rise": health.check.rise,
        f"{kind}_fall": health.check.fall,
        f"{kind}_health": health.count,
    }
    if last is not None:
        if status.coded:
            told[f"{kind}_code"] = last.code
        if last.duration >= 0:
            told[f"{kind}_duration"] = last.duration
    return told
