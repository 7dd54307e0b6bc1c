"""How the processes are: what each says of itself, in cells of its own row that nobody else writes.

A process that ended has no vitals: the master zeroes them, as it does the gauges.
"""

from __future__ import annotations

import contextlib
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from greenlb.board import Board

ROLES: Final = ("", "control", "worker", "all")
"""What a process may be: ``all`` does everything, with ``workers = 0``."""
PULSE: Final = 1.0
"""Seconds between two beats: one that comes later tells how late the hub was."""
_PAGE: Final = resource.getpagesize()
_RECOUNT: Final = 10
"""Beats between two counts of descriptors, where the kernel does not tell their number."""


class Figure(NamedTuple):
    """One figure: its metric, behind ``greenlb_process_``, and what it is.  ``scale``: how many of what a
    cell counts are one of the metric's unit."""

    metric: str
    doc: str
    scale: int = 1

    @property
    def counter(self) -> bool:
        return self.metric.endswith("_total")


FIGURES: Final = {
    "cpu": Figure("cpu_seconds_total", "processor time", 1_000_000),
    "memory": Figure("resident_memory_bytes", "resident memory"),
    "greenlets": Figure("greenlets", "greenlets that are at work or waiting for work"),
    "descriptors": Figure("open_fds", "open descriptors"),
    "descriptor_limit": Figure("max_fds", "descriptors that it may open"),
    "log_drops": Figure("log_drops_total", "log lines that no target took"),
    "hub_delay": Figure("hub_delay_seconds", "how late the hub last came to what was due", 1_000_000),
    "hub_delay_max": Figure("hub_delay_max_seconds", "the latest that it ever came", 1_000_000),
    "started": Figure("start_time_seconds", "when it began, in Unix time", 1000),
}
_IDENTITY: Final = ("pid", "role", "number", "busy", "stopping")
_CELLS: Final = (*_IDENTITY, *FIGURES)
_NAME: Final = f"vitals {' '.join(_CELLS)}"


def began(board: Board) -> float:
    """When those who write ``board`` began, on the monotonic clock: when this was first asked, before the
    first fork.  It outlives control and a reload, as what they count does."""
    cells, place = board.row(0), board.place("began", 1)
    if not cells[place]:
        cells[place] = time.monotonic_ns()
    return cells[place] / 1e9


def places(board: Board) -> range:
    """The cells of a row that are a process's vitals."""
    first = board.place(_NAME, len(_CELLS))
    return range(first, first + len(_CELLS))


@dataclass(frozen=True, slots=True)
class Process:
    """One process; ``figures`` by their names in FIGURES.  ``busy`` is per mille of a processor, lately."""

    role: str
    number: int
    pid: int
    busy: int
    stopping: bool
    figures: dict[str, int]

    @property
    def name(self) -> str:
        return f"{self.role} {self.number}" if self.number else self.role


def processes(board: Board) -> Iterator[Process]:
    """Those that live, as they were at their last beat."""
    place = places(board)
    for row in board.rows_of(place.start, len(place)):
        pid, role, number, busy, stopping, *figures = row
        if pid:
            yield Process(
                ROLES[role], number, pid, busy, bool(stopping), dict(zip(FIGURES, figures, strict=True))
            )


class Vitals:
    """What one process says of itself.  Made before it gives up the file system; ``beat`` is to be called
    every PULSE.  ``greenlets`` and ``drops`` tell their figures."""

    WIDTH: Final = len(_CELLS)
    """Cells of a row that they take."""

    def __init__(
        self,
        board: Board,
        row: int,
        role: str,
        number: int,
        greenlets: Callable[[], int],
        drops: Callable[[], int],
    ) -> None:
        self._cells = board.row(row)
        self._place = dict(zip(_CELLS, places(board), strict=True))
        self._greenlets = greenlets
        self._drops = drops
        self._statm = self._fds = -1
        with contextlib.suppress(OSError):
            self._statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            self._fds = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._beats = 0
        self._looked = time.monotonic()
        self._cpu = 0
        self._say("pid", os.getpid())
        self._say("role", ROLES.index(role))
        self._say("number", number)
        self._say("started", time.time_ns() // 1_000_000)
        self._say("hub_delay_max", 0)
        self.beat()

    def _say(self, name: str, value: int) -> None:
        self._cells[self._place[name]] = value

    def stopping(self) -> None:
        """It takes nothing new."""
        self._say("stopping", 1)

    def beat(self) -> None:
        """Say how things are."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        cpu = int((usage.ru_utime + usage.ru_stime) * 1e6)
        now = time.monotonic()
        late, before = now - self._looked - PULSE, self._cpu
        if self._beats and now > self._looked:
            self._say("busy", min(1000, int((cpu - before) / (now - self._looked) / 1000)))
        self._looked, self._cpu = now, cpu
        delay = max(0, int(late * 1e6))
        self._say("cpu", cpu)
        self._say("hub_delay", delay)
        self._say("hub_delay_max", max(delay, self._cells[self._place["hub_delay_max"]]))
        self._say("greenlets", self._greenlets())
        self._say("log_drops", self._drops())
        self._say("descriptor_limit", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        with contextlib.suppress(OSError, ValueError):
            self._say("memory", int(os.pread(self._statm, 100, 0).split()[1]) * _PAGE)
        with contextlib.suppress(OSError):
            self._count_descriptors()
        self._beats += 1

    def _count_descriptors(self) -> None:
        count = os.fstat(self._fds).st_size  # Linux 6.2 and later
        if not count:
            if self._beats % _RECOUNT:
                return
            count = len(os.listdir(self._fds))
        self._say("descriptors", count)
