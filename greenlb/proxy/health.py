"""When checks turn a server, and what is said about it.

The counter, the intervals and the wording are HAProxy's: its users' alerts read these lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from greenlb.model import Backend, Check, Server

EMERGENCY, ALERT, NOTICE = 0, 1, 5
"""Severities (RFC 5424 section 6.2.1) of a farm without servers, of a server lost, of one regained."""


class Status(NamedTuple):
    """A way a check can end."""

    description: str
    passed: bool


STATUSES: Final = {
    "SOCKERR": Status("Socket error", False),
    "L4OK": Status("Layer4 check passed", True),
    "L4TOUT": Status("Layer4 timeout", False),
    "L4CON": Status("Layer4 connection problem", False),
}
"""By the name that the statistics show."""


class Result(NamedTuple):
    """How one check ended: a name of STATUSES, what the system said, how long it took in milliseconds."""

    status: str
    info: str = ""
    duration: int = 0

    @property
    def passed(self) -> bool:
        return STATUSES[self.status].passed

    @property
    def reason(self) -> str:
        """As the log's lines tell it: ``, reason: Layer4 timeout, check duration: 501ms``."""
        info = f', info: "{self.info}"' if self.info else ""
        return f", reason: {STATUSES[self.status].description}{info}, check duration: {self.duration}ms"


class Health:
    """The state of one checked server.

    ``count`` goes from 0 to ``rise + fall - 1``: the server is up from ``rise`` on.  A success of a server
    that is up takes it to the top, a failure of one that is down to 0, so that it takes ``fall`` failures,
    or ``rise`` successes, in a row to turn it.  At first it is up, and one failure from down: nothing is
    known of it yet.
    """

    __slots__ = ("_full", "check", "count")

    def __init__(self, check: Check) -> None:
        self.check = check
        self.count = check.rise
        self._full = check.rise + check.fall - 1

    @property
    def up(self) -> bool:
        return self.count >= self.check.rise

    def resume(self, count: int) -> None:
        """Go on from ``count``, which other checks, of other limits perhaps, have come to."""
        self.count = min(max(0, count), self._full)

    def take(self, passed: bool) -> bool:
        """Count a check's end.  True when it turned the server."""
        was_up = self.up
        self.count += 1 if passed else -1
        if passed and self.up:
            self.count = self._full
        elif not passed and not self.up:
            self.count = 0
        return self.up is not was_up

    @property
    def interval(self) -> float:
        """Seconds until the next check: ``downinter`` when it is surely down, ``fastinter`` while it is
        about to turn."""
        check = self.check
        if self.count == self._full:
            return check.inter
        other = check.downinter if self.count == 0 else check.fastinter
        return check.inter if other is None else other

    @property
    def text(self) -> str:
        """``3/3 UP``, ``1/3 UP``, ``1/2 DOWN``: how far it is from turning."""
        check = self.check
        if self.up:
            return f"{self.count - check.rise + 1}/{check.fall} UP"
        return f"{self.count}/{check.rise} DOWN"


SLOW: Final = 1.0
"""Only checks at least so many seconds apart decide how far the first ones are spread."""


def first_delays(intervals: Sequence[float]) -> list[float]:
    """How long each check of a process waits for its first turn, given the interval of each, so that they
    do not all come at once: they are spread over the shortest, each over its own if that is longer."""
    shortest = min((interval for interval in intervals if interval >= SLOW), default=0.0)
    return [max(shortest, interval) * place / len(intervals) for place, interval in enumerate(intervals)]


# --- lines -------------------------------------------------------------------------------------------


class Farm(NamedTuple):
    """How many servers of a backend may be used now."""

    active: int
    backup: int

    def servers(self, verb: str) -> str:
        on_backup = " Running on backup." if self.backup and not self.active else ""
        return f"{self.active} active and {self.backup} backup servers {verb}.{on_backup}"


def _named(backend: Backend, server: Server) -> str:
    return f"{'Backup ' if server.backup else ''}Server {backend.name}/{server.name}"


def down_line(
    backend: Backend,
    server: Server,
    result: Result | None,
    farm: Farm,
    sessions: int,
    requeued: int,
    queued: int,
) -> str:
    """A server is lost.  ``result`` None: the reason was told by ``check_line`` already."""
    reason = result.reason if result else ""
    return (
        f"{_named(backend, server)} is DOWN{reason}. {farm.servers('left')} "
        f"{sessions} sessions active, {requeued} requeued, {queued} remaining in queue."
    )


def up_line(
    backend: Backend, server: Server, result: Result | None, farm: Farm, requeued: int, queued: int
) -> str:
    """A server is back."""
    reason = result.reason if result else ""
    return (
        f"{_named(backend, server)} is UP{reason}. {farm.servers('online')} "
        f"{requeued} sessions requeued, {queued} total in queue."
    )


def check_line(backend: Backend, server: Server, result: Result, health: Health) -> str:
    """One check's end, for ``option log-health-checks``."""
    which = f"{'backup ' if server.backup else ''}server {backend.name}/{server.name}"
    end = "succeeded" if result.passed else "failed"
    return f"Health check for {which} {end}{result.reason}, status: {health.text}."


def empty_line(backend: Backend, is_listen: bool) -> str:
    """The last server is lost.  A ``listen`` section is a proxy of its own kind."""
    return f"{'proxy' if is_listen else 'backend'} {backend.name} has no server available!"
