"""Even accepting: a process that is ahead leaves the next connection to those that are behind.

All processes wait on the same sockets, and the kernel wakes the same one again and again: of 1,000
connections that stayed, one of two processes had 641.  SO_REUSEPORT would deal them out blindly and strand
what a dead process was dealt.  So each process shows on the board how many connections it has, and one that
has clearly more than another looks away for a moment when there is something to accept.  What is still
there then, it takes: nobody waits for a process that hangs, or that has its hands full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from greenlb.net import timers

if TYPE_CHECKING:
    from greenlb.proxy.shared import Member

PATIENCE: Final = 0.003
"""Seconds that a connection is left to others: where processors are scarce, one that was woken runs late."""
SLACK: Final = 4
"""How many connections more make one ahead, and one more for each ``1 << SHARE`` that the other has."""
SHARE: Final = 5
_MOST: Final = 32


class Acceptor(Protocol):
    """A listener as it is paced."""

    def accept_some(self, most: int) -> int:
        """Accept up to so many at once; how many there were."""

    def resume(self) -> None:
        """Accept again."""


class Pace:
    """The pace of one listener.

    Where many are left that nobody took, the others have more to do than they can, and each time twice
    as many are taken before we look away again.
    """

    __slots__ = ("_listener", "_member", "_share", "_timer")

    def __init__(self, member: Member, listener: Acceptor) -> None:
        self._member = member
        self._listener = listener
        self._timer: Any = None
        self._share = 1

    def yields(self) -> bool:
        """Should the listener look away?  Then it is resumed in time."""
        if self._timer is None:
            behind = self._member.behind()
            if not behind:
                return False
            self._timer = timers.after(PATIENCE, self._again)
            self._member.wait(self, behind)
        return True

    def _again(self) -> None:
        """Nobody came, in so long a time."""
        self.stop()
        if self._member.behind():
            taken = self._listener.accept_some(self._share + 1)
            crowd = taken > self._share
            self._share = min(2 * self._share, _MOST) if crowd else 1
        self._listener.resume()

    def hurry(self) -> None:
        """Who is not ahead any more need not wait."""
        if not self._member.behind():
            self.stop()
            self._listener.resume()

    def stop(self) -> None:
        if self._timer is not None:
            timers.end(self._timer)
            self._timer = None
            self._member.waited(self)
