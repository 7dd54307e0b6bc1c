"""The door of a ``maxconn`` for client connections: who finds it closed waits in the kernel's backlog.

The place is taken before ``accept``, so that there is never a connection too many, whichever of the
processes on a listening socket accepts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from greenlb.proxy.slots import LocalSlots


class Waiting(Protocol):
    """A listener that stopped accepting at a door."""

    def resume(self) -> None: ...


class Door:
    """``announce`` tells other processes since when somebody waits here.  There is no order to keep
    between processes: those outside wait in one backlog."""

    __slots__ = ("_slots", "_waiting", "announce")

    def __init__(self, slots: LocalSlots) -> None:
        self._slots = slots
        self.announce: Callable[[int], None] | None = None
        self._waiting: set[Waiting] = set()

    def resize(self, limit: int) -> None:
        """Let so many in from now on."""
        self._slots.resize(limit)
        if self._waiting:
            self.open()

    def enter(self, listener: Waiting) -> bool:
        """A place for one connection; else ``listener`` is resumed when there is one."""
        if self._slots.claim():
            return True
        if self.announce is not None:
            self.announce(time.monotonic_ns())
            if self._slots.claim():  # it came free before they could know
                if not self._waiting:
                    self.announce(0)
                return True
        self._waiting.add(listener)
        return False

    def leave(self) -> None:
        """Give a place back."""
        self._slots.give()
        if self._waiting:
            self.open()

    def open(self) -> None:
        """There may be a place: let those who wait look."""
        waiting, self._waiting = self._waiting, set()
        if self.announce is not None:
            self.announce(0)
        for listener in waiting:
            listener.resume()
