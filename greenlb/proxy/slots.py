"""The slots of a ``maxconn``, and whose turn it is to have one that came free.

Within a process a slot that comes free is handed on (``queue``).  Between processes it can only be given
back and taken again, so there is an order to keep: each says on the board since when its first waits
(and in which class of priority), and everybody lets the first of all go first.  It is told that there is a
slot.  When it does not come for it in ``shared.GRACE``, because it hangs or does more important things,
whoever waits may take it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greenlb.proxy.locks import ByteLocks
    from greenlb.proxy.shared import Member

Hall = Callable[[], tuple[int, ...]]
"""The order of each process's first place in some queue (see ``queue.order``), or 0."""
_NOBODY: Final = -1


class LocalSlots:
    """The slots of one process: a number."""

    __slots__ = ("_free", "_limit")

    def __init__(self, limit: int) -> None:
        self._free = self._limit = limit

    def resize(self, limit: int) -> None:
        """Have so many from now on; those that are taken stay so."""
        self._free += limit - self._limit
        self._limit = limit

    def take(self) -> bool:
        """A slot for one who did not wait: when there is one, and nobody waits for it elsewhere."""
        return self.claim()

    def claim(self) -> bool:
        """A slot if there is one, whoever else waits."""
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def turn(self) -> bool:
        """Is it our turn, because of all processes ours has the one that waits longest?"""
        return True

    def give(self) -> None:
        """Give a slot back, to whoever waits for it elsewhere."""
        self._free += 1


class SharedSlots(LocalSlots):
    """The slots of all processes; ``number`` is what these call them.  ``halls`` are where one may wait
    for them."""

    __slots__ = ("_halls", "_locks", "_member", "_number")

    def __init__(self, member: Member, number: int, locks: ByteLocks, halls: tuple[Hall, ...]) -> None:
        self._member = member
        self._number = number
        self._locks = locks
        self._halls = halls

    def resize(self, limit: int) -> None:
        self._locks.resize(limit)

    def take(self) -> bool:
        for hall in self._halls:
            if any(hall()):
                return False
        return self._locks.take()

    def claim(self) -> bool:
        return self._locks.take()

    def turn(self) -> bool:
        longest = self._longest()
        if longest == self._member.row or longest == _NOBODY:
            return True
        self._member.defer(self._number)
        return False

    def give(self) -> None:
        self._locks.give()
        # In this order: whoever did not get the byte just now has said before that he waits.
        longest = self._longest()
        if longest != _NOBODY and longest != self._member.row:
            self._member.call(longest, self._number)

    def _longest(self) -> int:
        """The process with the one that waits longest."""
        first, longest = 0, _NOBODY
        for hall in self._halls:
            waiting = hall()
            if any(waiting):
                for row, since in enumerate(waiting):
                    if since and (since < first or not first):
                        first, longest = since, row
        return longest


class RampedSlots(LocalSlots):
    """Slots of which not all are to be had while there is little load (``minconn``): ``room`` tells whether
    one more is."""

    __slots__ = ("_room", "_slots")

    def __init__(self, slots: LocalSlots, room: Callable[[], bool]) -> None:
        self._slots = slots
        self._room = room

    def resize(self, limit: int) -> None:
        self._slots.resize(limit)

    def take(self) -> bool:
        return self._room() and self._slots.take()

    def claim(self) -> bool:
        return self._room() and self._slots.claim()

    def turn(self) -> bool:
        return self._room() and self._slots.turn()

    def give(self) -> None:
        self._slots.give()
