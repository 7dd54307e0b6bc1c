"""Slots that the kernel counts: each is had once, and those of a process that ended are free."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator

import pytest

from greenlb.proxy.locks import ByteLocks


@pytest.fixture
def fd() -> Iterator[int]:
    with tempfile.TemporaryFile() as file:
        yield file.fileno()


class Other:
    """Another process, which does what it is told until it is ended."""

    def __init__(self, act: Callable[[], object]) -> None:
        ready, told = os.pipe()
        ends, self._end = os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(self._end)
            act()
            os.write(told, b".")
            os.read(ends, 1)
            os._exit(0)
        os.close(told)
        os.close(ends)
        assert os.read(ready, 1) == b"."
        os.close(ready)

    def end(self) -> None:
        os.close(self._end)
        os.waitpid(self.pid, 0)


def take_all(locks: ByteLocks) -> int:
    count = 0
    while locks.take():
        count += 1
    return count


def test_no_more_than_the_limit(fd: int) -> None:
    locks = ByteLocks(fd, 1 << 40, 5, home=3)
    assert take_all(locks) == 5
    locks.give()
    locks.give()
    assert (locks.held, take_all(locks), locks.held) == (3, 2, 5)


def test_what_another_process_has_is_not_free(fd: int) -> None:
    theirs = ByteLocks(fd, 0, 100, home=40)
    other = Other(lambda: [theirs.take() for _ in range(30)])
    locks = ByteLocks(fd, 0, 100, home=10)
    assert take_all(locks) == 70
    for _ in range(70):
        locks.give()
    assert (locks.held, take_all(locks)) == (0, 70)
    other.end()
    assert take_all(locks) == 30


def test_ranges_are_apart(fd: int) -> None:
    other = Other(lambda: take_all(ByteLocks(fd, 0, 10)))
    assert take_all(ByteLocks(fd, 10, 10)) == 10
    assert take_all(ByteLocks(fd, 0, 10)) == 0
    other.end()


def test_bytes_here_and_there_are_all_found(fd: int) -> None:
    """Every second byte is another's: what is between them is had, and had again."""

    def every_second() -> None:
        for at in range(0, 40, 2):
            ByteLocks(fd, at, 1).take()

    other = Other(every_second)
    locks = ByteLocks(fd, 0, 40, home=17)
    assert take_all(locks) == 20
    for held in (20, 3, 20, 0):
        while locks.held > held:
            locks.give()
        assert take_all(locks) == 20 - held
    other.end()
    assert take_all(locks) == 20


def test_a_limit_of_one(fd: int) -> None:
    locks = ByteLocks(fd, 7, 1, home=5)
    assert (locks.take(), locks.take()) == (True, False)
    locks.give()
    assert locks.take()
