"""What is due is done, in order, once."""

from __future__ import annotations

from greenlb.process.timers import Timers


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_in_the_order_in_which_they_are_due() -> None:
    clock, done = Clock(), list[str]()
    timers = Timers(clock)
    timers.after(2.0, lambda: done.append("second"))
    timers.after(1.0, lambda: done.append("first"))
    timers.after(9.0, lambda: done.append("late"))
    assert timers.wait(60.0) == 1.0
    clock.now += 2.0
    timers.run()
    assert done == ["first", "second"]
    assert timers.wait(60.0) == 7.0
    assert timers.wait(5.0) == 5.0


def test_a_cancelled_one_is_neither_done_nor_waited_for() -> None:
    clock, done = Clock(), list[str]()
    timers = Timers(clock)
    timers.after(1.0, lambda: done.append("never")).cancel()
    assert timers.wait(60.0) == 60.0
    clock.now += 5.0
    timers.run()
    assert done == []


def test_one_may_set_the_next() -> None:
    clock, done = Clock(), list[float]()
    timers = Timers(clock)

    def again() -> None:
        done.append(clock.now)
        timers.after(1.0, again)

    again()
    for _ in range(3):
        clock.now += 1.0
        timers.run()
    assert done == [100.0, 101.0, 102.0, 103.0]
