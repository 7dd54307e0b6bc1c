"""When checks turn a server, and what is said about it.

The counter, the intervals and the wording are HAProxy's: its users' alerts read these lines.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from greenlb.model import Backend, Check, Server

EMERGENCY, ALERT, NOTICE = 0, 1, 5
"""Severities (RFC 5424 section 6.2.1) of a farm without servers, of a server lost, of one regained."""


class Outcome(enum.Enum):
    """What a check's end means for its server.  ``CONDITIONAL``: it goes on with whom it has, and gets nobody
    new.  ``NEUTRAL`` changes nothing."""

    UNKNOWN = enum.auto()
    NEUTRAL = enum.auto()
    FAILED = enum.auto()
    PASSED = enum.auto()
    CONDITIONAL = enum.auto()


class Status(NamedTuple):
    """A way a check can end.  ``coded``: what the server answered has a code."""

    description: str
    outcome: Outcome
    coded: bool = False


STATUSES: Final = {
    "UNK": Status("Unknown", Outcome.UNKNOWN),
    "INI": Status("Initializing", Outcome.UNKNOWN),
    "CHECKED": Status("No status change", Outcome.NEUTRAL),
    "HANA": Status("Health analyze", Outcome.FAILED),
    "SOCKERR": Status("Socket error", Outcome.FAILED),
    "L4OK": Status("Layer4 check passed", Outcome.PASSED),
    "L4TOUT": Status("Layer4 timeout", Outcome.FAILED),
    "L4CON": Status("Layer4 connection problem", Outcome.FAILED),
    "L6OK": Status("Layer6 check passed", Outcome.PASSED),
    "L6TOUT": Status("Layer6 timeout", Outcome.FAILED),
    "L6RSP": Status("Layer6 invalid response", Outcome.FAILED),
    "L7TOUT": Status("Layer7 timeout", Outcome.FAILED),
    "L7RSP": Status("Layer7 invalid response", Outcome.FAILED),
    "L7OK": Status("Layer7 check passed", Outcome.PASSED, True),
    "L7OKC": Status("Layer7 check conditionally passed", Outcome.CONDITIONAL, True),
    "L7STS": Status("Layer7 wrong status", Outcome.FAILED, True),
    "PROCERR": Status("External check error", Outcome.FAILED, True),
    "PROCTOUT": Status("External check timeout", Outcome.FAILED, True),
    "PROCOK": Status("External check passed", Outcome.PASSED, True),
}
"""By the name that the statistics show."""

LONGEST_INFO: Final = 127
"""Characters of ``info`` that are kept (HAProxy's limit)."""
_UNPRINTABLE: Final = re.compile(r'[^ -~]|"')


class Result(NamedTuple):
    """How one check ended: a name of STATUSES, what there is to say about it, how long it took in
    milliseconds (-1: it was no check), and the code that the server answered."""

    status: str
    info: str = ""
    duration: int = 0
    code: int = 0

    @property
    def outcome(self) -> Outcome:
        return STATUSES[self.status].outcome

    @property
    def passed(self) -> bool:
        return self.outcome in (Outcome.PASSED, Outcome.CONDITIONAL)

    @property
    def description(self) -> str:
        return STATUSES[self.status].description

    @property
    def reason(self) -> str:
        """As the log's lines tell it: ``, reason: Layer4 timeout, check duration: 501ms``."""
        code = f", code: {self.code}" if STATUSES[self.status].coded else ""
        info = f', info: "{_UNPRINTABLE.sub(_encoded, self.info)}"' if self.info else ""
        duration = f", check duration: {self.duration}ms" if self.duration >= 0 else ""
        return f", reason: {self.description}{code}{info}{duration}"


def _encoded(found: re.Match[str]) -> str:
    return "".join(f"<{octet:02X}>" for octet in found[0].encode("latin-1", "replace"))


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

    def fill(self) -> None:
        """Somebody who knows says that it is up."""
        self.count = self._full

    def drop(self) -> None:
        """And that it is down."""
        self.count = 0

    def endanger(self, left: int) -> None:
        """So many failures are to take it down, unless it takes fewer already."""
        self.count = min(self.count, self.check.rise + left - 1)

    def take(self, passed: bool) -> bool:
        """Count a check's end.  True when it turned the server."""
        was_up = self.up
        self.count = self.count + 1 if passed else max(0, self.count - 1)
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
    def whole(self) -> bool:
        """Whether nothing has been wrong lately."""
        return self.count == self._full

    @property
    def distance(self) -> str:
        """``1/3``: how far it is from turning."""
        check = self.check
        return f"{self.count - check.rise + 1}/{check.fall}" if self.up else f"{self.count}/{check.rise}"

    @property
    def text(self) -> str:
        """``3/3 UP``, ``1/3 UP``, ``1/2 DOWN``."""
        return f"{self.distance} {'UP' if self.up else 'DOWN'}"


SLOW: Final = 1.0
"""Only checks at least so many seconds apart decide how far the first ones are spread."""


def first_delays(intervals: Sequence[float], most: float | None = None) -> list[float]:
    """How long each check of a process waits for its first turn, given the interval of each, so that they
    do not all come at once: they are spread over the shortest, each over its own if that is longer, and over
    ``most`` seconds if that is set and shorter."""
    shortest = min((interval for interval in intervals if interval >= SLOW), default=0.0)
    widths = [max(shortest, interval) for interval in intervals]
    if most is not None:
        widths = [min(width, most) for width in widths]
    return [width * place / len(intervals) for place, width in enumerate(widths)]


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


def stopping_line(
    backend: Backend,
    server: Server,
    result: Result | None,
    farm: Farm,
    requeued: int,
    queued: int,
    via: str = "",
) -> str:
    """A server gets nobody new from now on."""
    reason = result.reason if result else via
    return (
        f"{_named(backend, server)} is stopping{reason}. {farm.servers('online')} "
        f"{requeued} sessions requeued, {queued} total in queue."
    )


def down_line(
    backend: Backend,
    server: Server,
    result: Result | None,
    farm: Farm,
    sessions: int,
    requeued: int,
    queued: int,
    via: str = "",
) -> str:
    """A server is lost.  ``result`` None: the reason was told by ``check_line`` already, or it is another
    server's: ``via``."""
    reason = result.reason if result else via
    return (
        f"{_named(backend, server)} is DOWN{reason}. {farm.servers('left')} "
        f"{sessions} sessions active, {requeued} requeued, {queued} remaining in queue."
    )


def up_line(
    backend: Backend,
    server: Server,
    result: Result | None,
    farm: Farm,
    requeued: int,
    queued: int,
    via: str = "",
) -> str:
    """A server is back."""
    reason = result.reason if result else via
    return (
        f"{_named(backend, server)} is UP{reason}. {farm.servers('online')} "
        f"{requeued} sessions requeued, {queued} total in queue."
    )


def check_line(
    backend: Backend,
    server: Server,
    result: Result,
    health: Health,
    agent: bool = False,
    drained: bool = False,
) -> str:
    """One check's end, for ``option log-health-checks``."""
    which = f"{'backup ' if server.backup else ''}server {backend.name}/{server.name}"
    conditionally = "conditionally " if result.outcome is Outcome.CONDITIONAL else ""
    end = "succeeded" if result.passed else "failed"
    text = health.text.replace("UP", "DRAIN") if drained else health.text
    kind = "Agent" if agent else "Health"
    return f"{kind} check for {which} {conditionally}{end}{result.reason}, status: {text}."


def empty_line(backend: Backend, is_listen: bool) -> str:
    """The last server is lost.  A ``listen`` section is a proxy of its own kind."""
    return f"{'proxy' if is_listen else 'backend'} {backend.name} has no server available!"


def still_drained(backend: Backend, server: Server) -> tuple[int, str]:
    """What is said when something changes that drain hides."""
    return NOTICE, f"{_named(backend, server)} remains in forced drain mode."


def admin_lines(
    backend: Backend,
    server: Server,
    admin: tuple[bool, bool],
    drain: tuple[bool, bool],
    healthy: bool,
    farm: Farm,
    counts: tuple[int, int, int],
) -> list[tuple[int, str]]:
    """What is said when maintenance or drain begins or ends: each was, and is.  ``counts`` are the sessions
    active, requeued and queued."""
    name, (sessions, requeued, queued) = _named(backend, server), counts
    left = f"{sessions} sessions active, {requeued} requeued, {queued} remaining in queue."
    lines = []
    if admin == (False, True):
        if healthy:
            severity = NOTICE if drain[0] else ALERT
            text = f"{name} is going DOWN for maintenance. {farm.servers('left')} {left}"
            return [(severity, text)]
        return [(NOTICE, f"{name} was DOWN and now enters maintenance.")]
    state = "UP" if healthy else "DOWN"
    if admin == (True, False):
        ready = "DRAIN" if drain[1] else "READY"
        lines.append((NOTICE, f"{name} is {state}/{ready} (leaving forced maintenance)."))
        if drain[1]:
            lines.append(still_drained(backend, server))
    elif drain == (False, True):
        lines.append(
            (
                NOTICE,
                f"{name} enters drain state. {farm.servers('online')} "
                f"{requeued} sessions requeued, {queued} total in queue.",
            )
        )
    elif drain == (True, False):
        lines.append((NOTICE, f"{name} is {state} (leaving forced drain)."))
    return lines
