"""``rate-limit sessions``: connections beyond so many a second wait in the kernel's backlog."""

from __future__ import annotations

from typing import Any, Final

from greenlb.net import timers
from greenlb.policy.farm import Rate
from greenlb.proxy.door import Waiting

_SHORTEST: Final = 0.002
_LONGEST: Final = 0.1
"""Seconds after which it is looked again whether there is room."""


class Throttle:
    """The rate is that of all processes, so two of them that accept in the same moment may be one above."""

    __slots__ = ("_again", "_limit", "_rate", "_timer", "_waiting")

    def __init__(self, limit: int, rate: Rate) -> None:
        self._limit = limit
        self._rate = rate
        self._again = min(_LONGEST, max(_SHORTEST, 1.0 / limit))
        self._waiting: dict[Waiting, None] = {}
        self._timer: Any = None

    def holds(self, listener: Waiting) -> bool:
        """Whether ``listener`` must not accept just now; it is resumed when it may."""
        if self._rate.value() < self._limit:
            return False
        self._waiting[listener] = None
        if self._timer is None:
            self._timer = timers.after(self._again, self._look, ref=False)
        return True

    def _look(self) -> None:
        timers.end(self._timer)
        self._timer = None
        waiting, self._waiting = self._waiting, {}
        for listener in waiting:
            listener.resume()
