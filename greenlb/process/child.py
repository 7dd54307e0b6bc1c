"""A child as its master knows it, and the slot that it fills.  Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from typing import Final

from greenlb.process.channel import Channel
from greenlb.process.handover import Former
from greenlb.process.seat import Seat
from greenlb.process.timers import Timer

STABLE: Final = 10.0
"""Seconds after which a child that ends is not taken for one that keeps dying."""
PAUSES: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before the first, the second ... child that died soon is replaced."""
_MOST_STACKS: Final = 1 << 16


@dataclass(slots=True, eq=False)
class Child:
    """One running child.  ``dump`` is where it writes its stacks when it crashes; ``deadline`` is when a
    draining one is ended (monotonic clock), 0 for never; ``killed``: its master has told it to end now."""

    pid: int
    seat: Seat
    dump: int
    started: float
    ready: bool = False
    deadline: float = 0.0
    killed: bool = False
    stacks: bytes = b""

    @classmethod
    def adopt(cls, former: Former) -> Child:
        """A child that the program before has made."""
        channel = Channel(socket.socket(fileno=former.channel))
        seat = Seat(former.role, former.number, former.generation, former.row, channel)
        return cls(former.pid, seat, former.dump, former.started, former.ready, former.deadline)

    def former(self) -> Former:
        """What the next program has to know."""
        seat = self.seat
        return Former(
            pid=self.pid,
            role=seat.role,
            number=seat.number,
            generation=seat.generation,
            row=seat.row,
            channel=seat.channel.fileno(),
            dump=self.dump,
            started=self.started,
            ready=self.ready,
            deadline=self.deadline,
        )

    def __str__(self) -> str:
        return f"{self.seat.name} ({self.pid})"

    def descriptors(self) -> tuple[int, int]:
        return self.seat.channel.fileno(), self.dump

    def signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def read_stacks(self) -> bool:
        """Take what it wrote.  False: there will be no more."""
        try:
            data = os.read(self.dump, _MOST_STACKS)
        except BlockingIOError:
            return True
        self.stacks = (self.stacks + data)[:_MOST_STACKS]
        return bool(data)

    def close(self) -> None:
        self.seat.channel.close()
        os.close(self.dump)


@dataclass(slots=True, eq=False)
class Slot:
    """A place that must not stay empty.  ``failures``: how many in a row ended soon; ``pause`` is what
    keeps it empty for now."""

    role: str
    number: int
    child: Child | None = None
    failures: int = 0
    pause: Timer | None = None

    def lost(self) -> float:
        """Its child has ended: how long to wait for the next one."""
        child, self.child = self.child, None
        if child is None or time.monotonic() - child.started >= STABLE:
            self.failures = 0
        pause = PAUSES[min(self.failures, len(PAUSES) - 1)]
        self.failures += 1
        return pause
