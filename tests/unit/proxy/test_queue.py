"""Places in a queue: in order, counted, and told to others."""

from __future__ import annotations

import time

import pytest
from gevent import get_hub

from greenlb.net.sockets import Timeout
from greenlb.proxy.queue import AnnouncedQueue, Queue


def test_first_come_first_served() -> None:
    queue = Queue()
    places = [queue.join() for _ in range(3)]
    assert queue.next() is places[0]
    queue.leave(places[1])
    assert queue.next() is places[2]
    assert queue.next() is None


def test_how_many_stood_before_counts_oneself() -> None:
    """As HAProxy logs it: 1 for who was next."""
    queue = Queue()
    places = [queue.join() for _ in range(2)]
    for number, place in enumerate(places, 1):
        queue.next()
        assert queue.leave(place) == number
    last = queue.join()
    assert queue.leave(last) == 1, "it gave up"


def test_what_was_given_before_the_wait_is_had_at_once() -> None:
    place = Queue().join()
    place.give("slot")
    assert place.wait(None) == "slot"


def test_a_wait_ends_in_time() -> None:
    with pytest.raises(Timeout):
        Queue().join().wait(0.001)


def test_a_queue_says_since_when_its_first_waits() -> None:
    said: list[int] = []
    queue = AnnouncedQueue(said.append)
    first, second = queue.join(), queue.join()
    assert said == [first.order]
    queue.next()
    assert said[-1] == second.order
    queue.leave(second)
    assert said[-1] == 0


def test_priorities_come_before_arrival() -> None:
    """The lower class first; within one, who came first, earlier or later by the offset."""
    queue = Queue()
    names = {
        id(queue.join(priority)): name
        for name, priority in (
            ("third", (0, 0)),
            ("last", (5, -500)),
            ("fourth", (0, 0)),
            ("second", (0, -100)),
            ("first", (-1, 100_000)),
        )
    }
    order = [names[id(place)] for place in iter(queue.next, None)]
    assert order == ["first", "second", "third", "fourth", "last"]


def test_a_queue_announces_who_comes_first_now() -> None:
    said: list[int] = []
    queue = AnnouncedQueue(said.append)
    queue.join()
    late = queue.join()
    urgent = queue.join((-1, 0))
    assert said[-1] == urgent.order == queue.first()
    assert urgent.order < late.order
    queue.next()
    assert said[-1] != urgent.order


def test_a_wait_is_as_long_as_it_should_be() -> None:
    """However long the hub has not turned before: its clock stands meanwhile."""
    get_hub().loop.update_now()
    begun = time.monotonic()
    while time.monotonic() < begun + 0.2:
        pass
    begun = time.monotonic()
    with pytest.raises(Timeout):
        Queue().join().wait(0.1)
    assert time.monotonic() - begun > 0.09
