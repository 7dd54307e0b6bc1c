"""Who waits for a slot: first come, first served, within a class of priority.

A place in a queue is a greenlet that sleeps until a slot is handed to it or its time is up.  A slot
is *given*, not announced: whoever frees it passes it straight on, so nobody who comes later can take it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from gevent import get_hub
from greenlet import getcurrent

from greenlb.net import timers
from greenlb.net.sockets import Timeout


def pause(seconds: float) -> None:
    """Let other greenlets run for ``seconds``."""
    hub = get_hub()
    timer = timers.after(seconds, getcurrent().switch)
    try:
        hub.switch()
    finally:
        timers.end(timer)


CLASSES: Final = 2047
"""Classes of priority go from minus this to this; lower ones are served first."""
OFFSETS: Final = 524287
"""Milliseconds by which one may come before or after its time, at most."""
_CLASS_BITS: Final = 50
"""A class counts more than any time: 2 to the power of 50 microseconds are 35 years."""


def order(priority: tuple[int, int] = (0, 0)) -> int:
    """Whose turn it is, the lowest number first: by class, then by when one came, in microseconds of the
    monotonic clock, which all processes share, plus the offset.  Never 0."""
    klass, offset = priority
    came = max(1, time.monotonic_ns() // 1000 + offset * 1000)
    return (klass + CLASSES << _CLASS_BITS) + came


class Place:
    """One exchange waiting.  ``given`` is what the slot's owner hands over; ``order`` as above;
    ``forced``: for this server or for none."""

    __slots__ = ("_wake", "forced", "given", "number", "order")

    def __init__(self, number: int, order: int) -> None:
        self.number = number
        self.order = order
        self.forced = False
        self.given: Any = None
        self._wake: Callable[[], Any] | None = None

    def wait(self, timeout: float | None) -> Any:
        """What was given.  Raises Timeout."""
        if self.given is None:
            self._sleep(timeout)
        if self.given is None:
            raise Timeout
        return self.given

    def _sleep(self, timeout: float | None) -> None:
        hub = get_hub()
        self._wake = getcurrent().switch
        timer = None if timeout is None else timers.after(timeout, self._wake)
        try:
            hub.switch()
        finally:
            self._wake = None
            timers.end(timer)

    def abandon(self, answer: Any) -> None:
        """End the wait with ``answer`` in place of a slot; from the hub, and at once, so that nobody gives
        it one meanwhile."""
        if self.given is None:
            self.given = answer
            if self._wake is not None:
                self._wake()

    def give(self, slot: Any) -> None:
        """Hand ``slot`` over; its new owner goes on in the hub's next turn."""
        self.given = slot
        if self._wake is not None:
            get_hub().loop.run_callback(self._wake)


class Queue:
    """Places in their order.  ``passed`` counts those that left, whichever way: HAProxy logs how
    many left before, counted from 1 (src: haproxy-facts, sq/bq)."""

    __slots__ = ("_places", "passed")

    def __init__(self) -> None:
        self._places: deque[Place] = deque()
        self.passed = 0

    def __len__(self) -> int:
        return len(self._places)

    def first(self) -> int:
        """The order of the first place; there must be one."""
        return self._places[0].order

    def join(self, priority: tuple[int, int] = (0, 0)) -> Place:
        place = Place(self.passed - 1, order(priority))
        places = self._places
        if not places or places[-1].order <= place.order:
            places.append(place)
        else:
            at = len(places)
            while at and places[at - 1].order > place.order:
                at -= 1
            places.insert(at, place)
        return place

    def leave(self, place: Place) -> int:
        """Take ``place`` out; how many it let pass before, counted from 1."""
        if place not in self._places:  # it was its turn: it passed itself
            return self.passed - place.number - 1
        self._places.remove(place)
        return self.passed - place.number

    def release(self, keep: Callable[[Place], bool]) -> list[Place]:
        """Take out all places but those to ``keep``: they leave at once, so each let one pass."""
        gone = [place for place in self._places if not keep(place)]
        if gone:
            self.passed += 1
            self._places = deque(place for place in self._places if keep(place))
        return gone

    def next(self) -> Place | None:
        """Take the first place out."""
        if not self._places:
            return None
        self.passed += 1
        return self._places.popleft()


class AnnouncedQueue(Queue):
    """A queue that tells other processes the order of its first place; 0: it is empty."""

    __slots__ = ("_announce",)

    def __init__(self, announce: Callable[[int], None]) -> None:
        super().__init__()
        self._announce = announce

    def join(self, priority: tuple[int, int] = (0, 0)) -> Place:
        place = super().join(priority)
        if self._places[0] is place:
            self._announce(place.order)
        return place

    def leave(self, place: Place) -> int:
        passed = super().leave(place)
        self._tell()
        return passed

    def release(self, keep: Callable[[Place], bool]) -> list[Place]:
        gone = super().release(keep)
        self._tell()
        return gone

    def next(self) -> Place | None:
        place = super().next()
        self._tell()
        return place

    def _tell(self) -> None:
        self._announce(self._places[0].order if self._places else 0)
