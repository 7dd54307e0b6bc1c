"""A listener that leaves connections to others, and takes those that they leave."""

from __future__ import annotations

from gevent.event import Event

from greenlb.proxy.pace import Pace


class Acceptor:
    """A listener before which so many wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.asked: list[int] = []
        self.resumed = Event()

    def accept_some(self, most: int) -> int:
        self.asked.append(most)
        taken = min(most, self.waiting)
        self.waiting -= taken
        return taken

    def resume(self) -> None:
        self.resumed.set()


class Member:
    """A process that is ahead of another, or not."""

    def __init__(self) -> None:
        self.others = [2]
        self.patient: list[Pace] = []

    def behind(self) -> list[int]:
        return self.others

    def wait(self, pace: Pace, behind: list[int]) -> None:
        self.patient.append(pace)

    def waited(self, pace: Pace) -> None:
        self.patient.remove(pace)


def paced(waiting: int) -> tuple[Pace, Member, Acceptor]:
    member, acceptor = Member(), Acceptor(waiting)
    return Pace(member, acceptor), member, acceptor  # type: ignore[arg-type]


def looks_away(pace: Pace, acceptor: Acceptor) -> None:
    acceptor.resumed.clear()
    assert pace.yields()
    assert acceptor.resumed.wait(5)


def test_who_is_not_ahead_accepts() -> None:
    pace, member, _ = paced(1)
    member.others = []
    assert not pace.yields()


def test_what_nobody_took_is_taken() -> None:
    pace, member, acceptor = paced(1)
    looks_away(pace, acceptor)
    assert (acceptor.waiting, member.patient) == (0, [])


def test_a_crowd_is_taken_in_growing_shares() -> None:
    """Who leaves many must be short of time: of 100 none waits for long."""
    pace, _, acceptor = paced(100)
    while acceptor.waiting:
        looks_away(pace, acceptor)
    assert acceptor.asked == [2, 3, 5, 9, 17, 33, 33]
    looks_away(pace, acceptor)
    looks_away(pace, acceptor)
    assert acceptor.asked[-1] == 2


def test_who_is_not_ahead_any_more_need_not_wait() -> None:
    pace, member, acceptor = paced(1)
    assert pace.yields()
    pace.hurry()
    assert not acceptor.resumed.is_set()
    member.others = []
    pace.hurry()
    assert acceptor.resumed.is_set()
    assert (acceptor.asked, member.patient) == ([], [])


def test_a_listener_that_closes_waits_for_nothing() -> None:
    pace, member, _ = paced(1)
    assert pace.yields()
    pace.stop()
    assert member.patient == []
