"""What processes tell each other through a board, a file and a pipe; the processes are two members here."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator

import pytest

from greenlb.board import Board
from greenlb.config.load import load_text
from greenlb.model import Config
from greenlb.proxy.shared import ALONE, Member, Shared, standing

INI = """
[defaults]
mode = http
timeout connect = 1s
timeout client = 1s
timeout server = 1s

[frontend fe]
bind = 127.0.0.1:1
maxconn = 2
default_backend = be

[backend be]
server s1 = 127.0.0.1:1 maxconn 1
server s2 = 127.0.0.1:2
"""


class Pair:
    """Two processes that share."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.board = Board(4, 64)
        self.shared = Shared(config, self.board)
        self.one, self.two = self.shared.member(1), self.shared.member(2)
        self.backend = config.backends[0]
        self.limited, self.free = self.backend.servers

    def calls(self, row: int) -> list[int]:
        """What was said to a process."""
        numbers = array("I")
        try:
            numbers.frombytes(os.read(self.shared.calls[row][0], 4096))
        except BlockingIOError:
            return []
        return list(numbers)

    def close(self) -> None:
        for fd in self.shared.descriptors.values():
            os.close(fd)


@pytest.fixture
def pair() -> Iterator[Pair]:
    config = load_text(INI, "test.ini").config
    assert config is not None
    made = Pair(config)
    yield made
    made.close()


def nothing() -> None:
    """Serve nobody."""


# -- turns ---------------------------------------------------------------------------------------


def test_turns_are_given_out_once(pair: Pair) -> None:
    one, two = pair.one.tick(pair.backend), pair.two.tick(pair.backend)
    assert [one(), two(), two(), one(), two()] == [0, 1, 2, 3, 4]


def test_turns_begin_again_at_the_end(pair: Pair) -> None:
    """As far as a file can be long."""
    tick = pair.one.tick(pair.backend)
    fd = pair.shared.descriptors["turns be"]
    for bits in range(62, 0, -1):
        try:
            os.lseek(fd, 1 << bits, os.SEEK_CUR)
        except OSError:
            continue
    before = tick()
    while turn := tick():
        assert turn == before + 1
        before = turn
    assert before > 1 << 40
    assert [tick(), tick()] == [1, 2]


def test_a_later_one_goes_on(pair: Pair) -> None:
    """A reload hands descriptors over, by name."""
    tick = pair.one.tick(pair.backend)
    assert [tick(), tick()] == [0, 1]
    config = load_text(INI + "\n[backend more]\nserver s1 = 127.0.0.1:1\n", "test.ini").config
    assert config is not None
    later = Shared(config, pair.board, pair.shared.descriptors)
    assert later.member(3).tick(config.backends[0])() == 2
    made = set(later.descriptors) - set(pair.shared.descriptors)
    assert made == {"turns more"}
    os.close(later.descriptors["turns more"])


# -- who waits -----------------------------------------------------------------------------------


def test_whose_first_waits_longest_has_the_turn(pair: Pair) -> None:
    queues = [member.queue(pair.limited, nothing) for member in (pair.one, pair.two)]
    slots = [member.slots(pair.backend, pair.limited, nothing) for member in (pair.one, pair.two)]
    one, two = slots
    assert one is not None and two is not None
    assert one.turn() and two.turn()
    late = queues[1].join()
    assert (one.turn(), two.turn()) == (False, True)
    assert not one.take(), "one who did not wait comes after those who do"
    queues[1].leave(late)
    first = queues[0].join()
    queues[1].join()
    assert (one.turn(), two.turn()) == (True, False)
    queues[0].leave(first)
    assert (one.turn(), two.turn()) == (False, True)
    assert queues[1].next() is not None
    assert one.take()


def test_who_waits_for_any_server_waits_for_this_one(pair: Pair) -> None:
    pair.one.queue(pair.backend, nothing).join()
    pair.two.queue(pair.limited, nothing).join()
    two = pair.two.slots(pair.backend, pair.limited, nothing)
    assert two is not None
    assert not two.turn()


def test_a_slot_that_comes_free_is_told_to_the_one_who_waits_longest(pair: Pair) -> None:
    served: list[str] = []
    queue = pair.two.queue(pair.limited, lambda: served.append("queue"))
    one = pair.one.slots(pair.backend, pair.limited, nothing)
    two = pair.two.slots(pair.backend, pair.limited, lambda: served.append("slots"))
    assert one is not None and two is not None
    assert one.claim()
    one.give()
    assert pair.calls(2) == [], "nobody waits"
    queue.join()
    assert one.claim()
    one.give()
    assert len(pair.calls(2)) == 1
    assert pair.calls(1) == []
    pair.one.call(2, pair.shared.places[id(pair.limited)])
    pair.two._called()
    assert served == ["slots"]


def test_a_server_without_maxconn_costs_nothing(pair: Pair) -> None:
    assert pair.one.slots(pair.backend, pair.free, nothing) is None
    assert type(pair.one.queue(pair.free, nothing)) is type(ALONE.queue(pair.free, nothing))


def test_the_dead_wait_for_nothing(pair: Pair) -> None:
    """What one said of itself is zeroed by whoever buries it."""
    pair.two.queue(pair.limited, nothing).join()
    pair.two.begin()
    pair.two.entered()
    cells = pair.board.row(2)
    places = standing(pair.board)
    assert any(cells[place] for place in places)
    for place in places:
        cells[place] = 0
    one = pair.one.slots(pair.backend, pair.limited, nothing)
    assert one is not None
    assert one.turn()
    assert pair.one.behind() == []


# -- doors ---------------------------------------------------------------------------------------


class Listener:
    """Counts how often it was told to go on."""

    def __init__(self) -> None:
        self.resumed = 0

    def resume(self) -> None:
        self.resumed += 1


def test_a_door_of_one_process() -> None:
    door, listener = ALONE.door(None, 2), Listener()
    assert door.enter(listener) and door.enter(listener)
    assert not door.enter(listener)
    door.leave()
    assert listener.resumed == 1
    assert door.enter(listener)
    assert not door.enter(listener)


def test_a_shared_door_is_full_and_opens_again(pair: Pair) -> None:
    frontend = pair.config.frontends[0]
    door, listener = pair.one.door(frontend, 0), Listener()
    assert door.enter(listener) and door.enter(listener)
    assert not door.enter(listener)
    place = pair.shared.places[id(frontend)]
    assert pair.board.row(1)[place] > 0, "others know that somebody waits"
    other = pair.two.door(frontend, 0)
    door.leave()
    assert listener.resumed == 1
    assert pair.board.row(1)[place] == 0
    assert other.enter(listener)


def test_a_door_without_maxconn_is_the_process_s_own(pair: Pair) -> None:
    one, two, listener = pair.one.door(None, 1), pair.two.door(None, 1), Listener()
    assert one.enter(listener) and two.enter(listener)
    assert not one.enter(listener)


# -- even accepting ------------------------------------------------------------------------------


def crowd(member: Member, count: int) -> None:
    for _ in range(count):
        member.entered()


def test_who_has_clearly_more_is_ahead(pair: Pair) -> None:
    for member in (pair.one, pair.two):
        member.begin()
    crowd(pair.one, 4)
    assert (pair.one.behind(), pair.two.behind()) == ([], [])
    crowd(pair.one, 1)
    assert (pair.one.behind(), pair.two.behind()) == ([2], [])
    crowd(pair.two, 5)
    assert pair.one.behind() == []
    crowd(pair.one, 995)
    crowd(pair.two, 963)
    assert pair.one.behind() == [], "1,000 and 968 are even"
    crowd(pair.one, 4)
    assert pair.one.behind() == [2]


def test_who_does_not_accept_is_not_behind(pair: Pair) -> None:
    pair.one.begin()
    crowd(pair.one, 100)
    assert pair.one.behind() == []
    pair.two.begin()
    assert pair.one.behind() == [2]
    pair.two.end()
    assert pair.one.behind() == []


def test_who_hangs_is_not_waited_for(pair: Pair) -> None:
    for member in (pair.one, pair.two):
        member.begin()
    crowd(pair.one, 100)
    pair.board.row(2)[0] = 1  # its last heartbeat was long ago
    assert pair.one.behind() == []
