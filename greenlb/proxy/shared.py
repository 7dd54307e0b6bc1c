"""What lets several processes balance as one: turns, loads, limits and who waits.

``Shared`` is made once, before the fork; each process then asks it for its ``member``.  Where everything
runs in one process, ``Alone`` stands in its place and nothing is shared.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
import time
from array import array
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import blake2b
from typing import Any, Final

from gevent import get_hub

from greenlb.board import HEARTBEAT, Board
from greenlb.model import Backend, Config, Frontend, Global, Server
from greenlb.net import timers
from greenlb.proxy.door import Door
from greenlb.proxy.locks import ByteLocks
from greenlb.proxy.pace import SHARE, SLACK, Acceptor, Pace
from greenlb.proxy.queue import AnnouncedQueue, Queue
from greenlb.proxy.slots import LocalSlots, SharedSlots

GRACE: Final = 0.002
"""Seconds that a free slot is kept for the process whose turn it is."""
RECHECK: Final = 0.05
"""Seconds after which whoever waits looks himself, in case nobody told him."""
_LOAD: Final = "load"
"""Client connections of a process and one more, or 0 while it does not accept; then, whether it leaves
connections to others just now."""
_PACING: Final = 2
_WAITS: Final = "waits:"
"""Since when one waits for a server, for any of a backend's, or at a door; nanoseconds of the monotonic
clock, or 0."""
_HUNG: Final = 3.0
"""Seconds without a heartbeat after which nothing is left to a process."""
_DOORS: Final = "doors"
_GAUGES: Final = "connections of "
"""How many connections a process, its frontend or its backend has."""
_MEMORY: Final = "/dev/shm"

_WHOLE: Final = 1 << 16
_GOLDEN: Final = 40503
"""The golden section of a whole: its multiples lie far from one another, however many there are."""

Limited = Backend | Server | Frontend | Global
Serve = Callable[[], None]
Tick = Callable[[], int]


class Gauge:
    """A number that each process has a part of.  It shows its own; ``total`` tells what all have (0.2 us for
    three of them)."""

    __slots__ = ("_cells", "_place", "total")

    def __init__(self, board: Board, row: int, place: int) -> None:
        self._cells, self._place = board.row(row), place
        read = board.across(place)
        self.total: Callable[[], int] = lambda: sum(read())

    def show(self, count: int) -> None:
        self._cells[self._place] = count


class Alone:
    """One process: its limits are its own, and it tells nobody."""

    def tick(self, backend: Backend) -> Tick:
        """The turns of a backend: 0, 1, 2 ..., each number once in all processes."""
        return itertools.count().__next__

    def slots(self, backend: Backend, server: Server, serve: Serve) -> LocalSlots | None:
        """The slots of a server with ``maxconn``.  ``serve`` gives free ones to those who wait here."""
        return LocalSlots(server.maxconn) if server.maxconn else None

    def queue(self, waited_for: Backend | Server, serve: Serve) -> Queue:
        """The queue of a backend or a server.  ``serve`` as above, for all that one may wait for in it."""
        return Queue()

    def door(self, limited: Frontend | None, limit: int) -> Door:
        """The door of a frontend, or of all of them.  ``limit`` is the process's own where the
        configuration sets none."""
        return Door(LocalSlots((limited.maxconn if limited is not None else 0) or limit))

    def pace(self, listener: Acceptor) -> Pace | None:
        """What keeps ``listener`` level with those of other processes."""
        return None

    def begin(self) -> None:
        """A listener accepts from now on."""

    def end(self) -> None:
        """It does not any more."""

    def entered(self) -> None:
        """A client connection was accepted."""

    def left(self) -> None:
        """A client connection ended."""

    def gauge(self, part: Frontend | Backend | None) -> Gauge | None:
        """How many connections a part has in all processes, or all parts have; None: there are no others."""
        return None

    def loads(self, board: Board, column: int, columns: int) -> Callable[[], tuple[int, ...]] | None:
        """What all processes have on a server, or None: there are no others."""
        return None


ALONE: Final = Alone()


class Shared:
    """What the processes share: cells of ``board``, found by name, and ``descriptors``.

    For a reload an earlier one's ``descriptors`` are given, by name, and the next one uses them for what
    it finds there: turns go on where they were, what the old processes still have counts towards the
    limits, and old and new call each other.  Descriptors that it has no more use for are their owner's to
    close, but never in a worker (see ``locks``).  Raises BoardFull.
    """

    def __init__(self, config: Config, board: Board, descriptors: Mapping[str, int] | None = None) -> None:
        self.config = config
        self.board = board
        self.load = board.place(_LOAD, _PACING)
        self.places: dict[int, int] = {}
        self.descriptors: dict[str, int] = {}
        self._inherited = descriptors or {}
        for backend in config.backends:
            self._file(_turns(backend))
            servers = [server for server in backend.servers if server.maxconn]
            if servers:
                self._place(backend, backend.name)
            for server in servers:
                self._place(server, f"{backend.name}/{server.name}")
        doors = [frontend for frontend in config.frontends if frontend.maxconn]
        for frontend in doors:
            self._place(frontend, f"door {frontend.name}")
        if config.settings.maxconn:
            self._place(config.settings, "door")
        if doors or config.settings.maxconn:
            self._file(_DOORS)
        if config.settings.workers != 1:
            for part in (None, *config.frontends, *config.backends):
                board.place(_gauge(part), 1)
        # Who takes the place of a dead process has its row, and its calls.
        self.calls = [self._pipe(row) for row in range(board.rows)]

    def _place(self, part: Limited, name: str) -> None:
        self.places[id(part)] = self.board.place(_WAITS + name, 1)

    def _file(self, name: str) -> None:
        self.descriptors[name] = self._inherited[name] if name in self._inherited else _nameless()

    def _pipe(self, row: int) -> tuple[int, int]:
        """Both ends of the pipe through which the process of ``row`` is called."""
        reads, writes = f"calls {row} r", f"calls {row} w"
        if reads in self._inherited:
            ends = self._inherited[reads], self._inherited[writes]
        else:
            ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.descriptors[reads], self.descriptors[writes] = ends
        return ends

    def member(self, row: int) -> Member:
        """The part of the process that writes ``row``; made in that process."""
        return Member(self, row)


def standing(board: Board) -> list[int]:
    """The places of what a process says of itself for as long as it lives: to be zeroed when it ended,
    before its row is another's."""
    waits = [place for name, place in board.places.items() if name.startswith((_WAITS, _GAUGES))]
    load = board.place(_LOAD, _PACING)
    return [*waits, *range(load, load + _PACING)]


class Member(Alone):
    """The part of one process, which writes ``row``."""

    def __init__(self, shared: Shared, row: int) -> None:
        self.row = row
        self._patient: set[Pace] = set()
        self._shared = shared
        self._cells = shared.board.row(row)
        self._gauge = self.gauge(None)
        self._loads = shared.board.across(shared.load, 2)
        self._beats = shared.board.across(HEARTBEAT)
        self._load = shared.load
        self._listeners = 0
        self._connections = 0
        self._served: dict[int, Serve] = {shared.load: self._hurry}
        self._hungry: dict[int, Serve] = {}
        self._deferred: set[int] = set()
        self._watcher: Any = None
        self._recheck: Any = None
        self._grace: Any = None

    # -- turns and loads -------------------------------------------------------------------------

    def tick(self, backend: Backend) -> Tick:
        fd = self._shared.descriptors[_turns(backend)]
        lseek, ahead, start = os.lseek, os.SEEK_CUR, os.SEEK_SET

        def tick() -> int:
            # A descriptor's offset is one for all who inherited it, and the kernel moves it under a lock
            # where the file is a regular one (of a memfd's moves some were lost): 0.3 us.
            try:
                return lseek(fd, 1, ahead) - 1
            except OSError:  # EINVAL: as far as a file can be long
                return lseek(fd, 1, start) - 1

        return tick

    def gauge(self, part: Frontend | Backend | None) -> Gauge | None:
        place = self._shared.board.places.get(_gauge(part))
        return None if place is None else Gauge(self._shared.board, self.row, place)

    def loads(self, board: Board, column: int, columns: int) -> Callable[[], tuple[int, ...]] | None:
        return board.across(column, columns)

    # -- limits ----------------------------------------------------------------------------------

    def slots(self, backend: Backend, server: Server, serve: Serve) -> LocalSlots | None:
        if not server.maxconn:
            return None
        locks = self._locks(_turns(backend), server.name, server.maxconn)
        places = self._shared.places
        self._served[places[id(server)]] = serve
        return self._slots(locks, (places[id(server)], places[id(backend)]))

    def queue(self, waited_for: Backend | Server, serve: Serve) -> Queue:
        column = self._shared.places.get(id(waited_for))
        return Queue() if column is None else AnnouncedQueue(partial(self._announce, column, serve))

    def door(self, limited: Frontend | None, limit: int) -> Door:
        settings = self._shared.config.settings
        part = settings if limited is None else limited
        if not part.maxconn:  # descriptors are what limits us, and each process has its own
            return Door(LocalSlots(limit))
        name = "" if limited is None else limited.name
        column = self._shared.places[id(part)]
        door = Door(self._slots(self._locks(_DOORS, name, part.maxconn), (column,)))
        door.announce = partial(self._announce, column, door.open)
        self._served[column] = door.open
        return door

    def _locks(self, file: str, name: str, limit: int) -> ByteLocks:
        """A range of its own for each name, wherever it stands in whichever configuration."""
        base = int.from_bytes(blake2b(name.encode(), digest_size=5).digest()) << 22
        limit = min(limit, 1 << 22)
        home = self.row * _GOLDEN % _WHOLE * limit // _WHOLE
        return ByteLocks(self._shared.descriptors[file], base, limit, home)

    def _slots(self, locks: ByteLocks, columns: tuple[int, ...]) -> SharedSlots:
        board = self._shared.board
        return SharedSlots(self, columns[0], locks, tuple(board.across(column) for column in columns))

    # -- who waits -------------------------------------------------------------------------------

    def _announce(self, column: int, serve: Serve, since: int) -> None:
        """Say since when the first one waits there; 0: nobody does."""
        self._cells[column] = since
        if since:
            self._hungry[column] = serve
            self._listen()
            if self._recheck is None:
                self._recheck = self._later(RECHECK, self._look)
        else:
            self._hungry.pop(column, None)

    def _listen(self) -> None:
        if self._watcher is None:
            self._watcher = get_hub().loop.io(self._shared.calls[self.row][0], 1, ref=False)
            self._watcher.start(self._called)

    def call(self, row: int, number: int) -> None:
        """Tell a process that there is a slot for it."""
        with contextlib.suppress(BlockingIOError):  # it has enough to read
            os.write(self._shared.calls[row][1], array("I", (number,)).tobytes())

    def _called(self) -> None:
        numbers = array("I")
        with contextlib.suppress(BlockingIOError):
            numbers.frombytes(os.read(self._shared.calls[self.row][0], 65536))
        for number in set(numbers):
            serve = self._served.get(number)
            if serve is not None:
                serve()

    def defer(self, number: int) -> None:
        """It is somebody else's turn at these slots: when he does not come, look again."""
        self._deferred.add(number)
        if self._grace is None:
            self._grace = self._later(GRACE, self._overdue)

    def _overdue(self) -> None:
        timers.end(self._grace)
        self._grace = None
        deferred, self._deferred = self._deferred, set()
        for number in deferred:
            self._served[number]()

    def _look(self) -> None:
        timers.end(self._recheck)
        self._recheck = None
        for serve in list(self._hungry.values()):
            serve()
        if self._hungry and self._recheck is None:
            self._recheck = self._later(RECHECK, self._look)

    def _later(self, seconds: float, action: Callable[[], None]) -> Any:
        return timers.after(seconds, action, ref=False)

    # -- even accepting --------------------------------------------------------------------------

    def pace(self, listener: Acceptor) -> Pace | None:
        return Pace(self, listener)

    def begin(self) -> None:
        self._listeners += 1
        self._show()

    def end(self) -> None:
        self._listeners -= 1
        self._show()

    def entered(self) -> None:
        self._connections += 1
        self._show()

    def left(self) -> None:
        self._connections -= 1
        self._show()
        if self._patient:
            self._hurry()

    def _show(self) -> None:
        self._cells[self._load] = self._connections + 1 if self._listeners > 0 else 0
        if self._gauge is not None:
            self._gauge.show(self._connections)

    def behind(self) -> list[int]:
        """The processes that accept and have clearly fewer connections than this one."""
        cells = self._loads()
        loads = cells[::2]
        mine = loads[self.row] - SLACK
        least = min(filter(None, loads), default=0)
        if mine <= least + (least >> SHARE):
            return []
        alive = (time.monotonic() - _HUNG) * 1000
        return [
            row
            for row, (load, beat) in enumerate(zip(loads, self._beats(), strict=True))
            if load and mine > load + (load >> SHARE) and (beat > alive or not beat)
        ]

    def wait(self, pace: Pace, behind: list[int]) -> None:
        """Leave it to those, and wake the ones that do the same."""
        self._listen()
        self._patient.add(pace)
        self._cells[self._load + 1] = 1
        patient = self._loads()[1::2]
        for row in behind:
            if patient[row]:
                self.call(row, self._load)

    def waited(self, pace: Pace) -> None:
        self._patient.discard(pace)
        self._cells[self._load + 1] = len(self._patient)

    def _hurry(self) -> None:
        for pace in list(self._patient):
            pace.hurry()


def _gauge(part: Frontend | Backend | None) -> str:
    if part is None:
        return _GAUGES + "all"
    return f"{_GAUGES}{'frontend' if isinstance(part, Frontend) else 'backend'} {part.name}"


def _turns(backend: Backend) -> str:
    """The file whose offset is the backend's turn, and whose locks are its servers' slots."""
    return f"turns {backend.name}"


def _nameless() -> int:
    """A regular file that has no name any more, in memory where there is such a place."""
    folder = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with tempfile.TemporaryFile(dir=folder) as file:
        return os.dup(file.fileno())
