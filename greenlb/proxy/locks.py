"""Counted slots that outlive nobody: record locks of the kernel.

A slot is a byte of a file that nobody writes to, and a process has it while it holds the byte's lock
(POSIX, ``fcntl`` F_SETLK).  The kernel gives out each byte once, and takes back all that a process held
in the moment it ends, however it ends.

POSIX locks belong to the process, so one descriptor from before the fork does for all.  The newer locks
of open file descriptions (F_OFD_SETLK) belong to what a fork shares: all workers would be one owner,
and each would have to open the file again, which after ``chroot`` it cannot.  The price: closing *any*
descriptor of the file drops all locks that the process has on it.  So the file is opened once, has no
name under which anything could open it again, and is never closed in a worker.
"""

from __future__ import annotations

import fcntl
import struct
from typing import Final

_TAKE: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
_FLOCK: Final = struct.Struct("@hhqqi0q")
"""struct flock: type, whence, start, length, pid."""


class ByteLocks:
    """At most ``limit`` bytes from ``base`` on, shared with whoever holds the same file.

    Bytes have no identity for us: a new one is taken beside those we have, and the last is given back
    first.  The kernel keeps neighbours as one lock, and a file's locks in a list that every call walks:
    1,000 scattered bytes made a call 30 times slower, one arc of 1,000 made no difference.  ``home`` is
    where to begin; processes that begin far apart do not meet before the limit is near.
    """

    __slots__ = ("_arcs", "_base", "_fd", "_limit", "held")

    def __init__(self, fd: int, base: int, limit: int, home: int = 0) -> None:
        self._fd = fd
        self._base = base
        self._limit = limit
        # [start, end) each, apart from one another; the last one grows, an only one may be empty
        self._arcs = [[home % limit, home % limit]]
        self.held = 0

    def resize(self, limit: int) -> None:
        """At most so many from now on.  What lies behind is kept until it is given back."""
        self._limit = limit

    def take(self) -> bool:
        """One more byte, if one is free.  At the limit this costs a step for each arc, not each byte."""
        arcs = self._arcs
        if len(arcs) == 1:
            arc = arcs[0]
            at = arc[1]
            if at < self._limit and self._lock(at):
                arc[1] = at + 1
                self.held += 1
                return True
        at = arcs[-1][1]
        return self._search(at, self._limit) or self._search(0, min(at, self._limit))

    def give(self) -> None:
        """The last byte back.  Must hold one."""
        arc = self._arcs[-1]
        arc[1] -= 1
        if arc[0] == arc[1] and len(self._arcs) > 1:
            self._arcs.pop()
        self.held -= 1
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, self._base + arc[1])

    def _lock(self, at: int) -> bool:
        try:
            fcntl.lockf(self._fd, _TAKE, 1, self._base + at)
        except (BlockingIOError, PermissionError):  # fcntl(2): EAGAIN or EACCES
            return False
        return True

    def _search(self, at: int, end: int) -> bool:
        """Take the first free byte in [at, end), stepping over arcs: a byte of our own would not refuse."""
        while at < end:
            own = next((arc for arc in self._arcs if arc[0] <= at < arc[1]), None)
            if own is not None:
                at = own[1]
            elif self._lock(at):
                self._add(at)
                return True
            else:
                at = self._behind(at)
        return False

    def _behind(self, at: int) -> int:
        """The end of the other process's arc that holds ``at``."""
        asked = _FLOCK.pack(fcntl.F_WRLCK, 0, self._base + at, 1, 0)
        kind, _, start, length, _ = _FLOCK.unpack(fcntl.fcntl(self._fd, fcntl.F_GETLK, asked))
        return at if kind == fcntl.F_UNLCK else int(start) + int(length) - self._base

    def _add(self, at: int) -> None:
        """Note that ``at`` is ours, as one arc with its neighbours."""
        start, end = at, at + 1
        for arc in self._arcs:
            if arc[1] == at or arc[0] == end:
                start, end = min(start, arc[0]), max(end, arc[1])
        self._arcs = [arc for arc in self._arcs if not start <= arc[0] <= end and arc[0] < arc[1]]
        self._arcs.append([start, end])
        self.held += 1
