"""What is to be done later, for a loop that has no hub.  Standard library only."""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Timer:
    """``due`` is a time of the monotonic clock."""

    due: float
    number: int
    action: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Timers:
    """Timers in the order in which they are due."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, action: Callable[[], object]) -> Timer:
        """Call ``action`` in so many seconds."""
        timer = Timer(self._clock() + seconds, next(self._numbers), action)
        heapq.heappush(self._heap, timer)
        return timer

    def wait(self, longest: float) -> float:
        """Seconds until something is due, ``longest`` at most."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return min(longest, max(0.0, self._heap[0].due - self._clock())) if self._heap else longest

    def run(self) -> None:
        """Do what is due."""
        now = self._clock()
        while self._heap and self._heap[0].due <= now:
            timer = heapq.heappop(self._heap)
            if not timer.cancelled:
                timer.action()
