"""The master with roles that do nothing but what a case is about: no configuration, no hub, no traffic."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from greenlb.board import HEARTBEAT, Board
from greenlb.process.handover import Handover
from greenlb.process.master import Master
from greenlb.process.plan import Launch, Plan
from greenlb.process.seat import Role, Seat, milliseconds

WAIT = 10.0
GAUGE = 20


def wait_for_end(seat: Seat) -> int:
    """A role that is ready at once and serves until it is told to end."""
    seat.channel.send("ready")
    signal.signal(signal.SIGUSR1, lambda *_: os._exit(0))
    while True:
        signal.pause()


class Running:
    """A master in a child process; its log lines come through a pipe."""

    def __init__(self, role: Role = wait_for_end, **plan: float | int | None) -> None:
        self.board = Board(16, 64)
        reads, writes = os.pipe()
        self.lines: list[str] = []
        self._reader = os.fdopen(reads)
        self.pid = os.fork()
        if not self.pid:
            status = 99
            try:
                status = self._master(role, writes, plan).run()
            finally:
                os._exit(status)
        os.close(writes)
        self._lines = iter(self._reader)

    def _master(self, role: Role, writes: int, plan: dict[str, float | int | None]) -> Master:
        def log(severity: int, text: str) -> None:
            os.write(writes, f"{severity} {text}\n".encode())

        def failed(error: BaseException) -> None:
            log(3, f"failed: {error!r}")

        made = Plan(
            int(plan.pop("workers", 2) or 0), {"worker": role, "control": wait_for_end}, gauges=[GAUGE]
        )
        for name, value in plan.items():
            setattr(made, name, value)
        return Master(made, self.board, log, Launch(), failed=failed)

    def says(self, *parts: str) -> str:
        """The next line that has all these parts; others are passed over."""
        for line in self._lines:
            self.lines.append(line)
            if all(part in line for part in parts):
                return line
        raise AssertionError(f"it ended and did not say {parts}: {self.lines}")

    def child(self, name: str) -> int:
        """The process id of the newest child of that name."""
        forked = [line for line in self.lines if f"New {name} (" in line]
        return int(forked[-1].partition("(")[2].partition(")")[0])

    def end(self, number: int = signal.SIGTERM) -> int:
        os.kill(self.pid, number)
        self.lines += list(self._lines)
        return self.wait()

    def wait(self) -> int:
        self._reader.close()
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)


@pytest.fixture
def running() -> Iterator[list[Running]]:
    made: list[Running] = []
    yield made
    for one in made:
        if one.pid:
            one.end(signal.SIGTERM)
        one.board.close()


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGUSR1, 0)])
def test_it_ends_with_its_children(running: list[Running], number: int, status: int) -> None:
    running.append(master := Running())
    master.says("Loading success.")
    children = [master.child(name) for name in ("control", "worker 1", "worker 2")]
    assert master.end(number) == status
    assert f"4 All workers exited. Exiting... ({status})\n" in master.lines
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_dead_child_is_replaced_and_its_gauges_are_zero(running: list[Running]) -> None:
    running.append(master := Running())
    master.says("Loading success.")
    row = next(row for row in range(1, 16) if master.board.row(row)[HEARTBEAT])
    master.board.row(row)[GAUGE], master.board.row(row)[GAUGE + 1] = 5, 7
    dead = master.child("worker 1")
    os.kill(dead, signal.SIGKILL)
    master.says(f"1 Current worker 1 ({dead}) exited with code 137 (Killed)")
    master.says("New worker 1 (")
    assert master.child("worker 1") != dead
    assert [master.board.total(GAUGE), master.board.total(GAUGE + 1)] == [0, 7]
    assert master.end() == 0


def test_who_keeps_dying_is_waited_for(running: list[Running]) -> None:
    running.append(master := Running())
    master.says("Loading success.")
    os.kill(master.child("worker 2"), signal.SIGKILL)
    master.says("New worker 2 (")
    os.kill(master.child("worker 2"), signal.SIGKILL)
    master.says("worker 2 keeps dying: it is started again in 0.25 s")
    before = time.monotonic()
    master.says("New worker 2 (")
    assert time.monotonic() - before > 0.1


def test_a_child_whose_heart_stops_is_killed(running: list[Running]) -> None:
    running.append(master := Running(worker_timeout=1.0, workers=1))
    master.says("Loading success.")
    hung = master.child("worker 1")
    master.says("has done nothing for", "killing it")
    master.says(f"worker 1 ({hung}): Fatal Python error: Aborted")
    master.says(f"Current worker 1 ({hung}) exited with code 134 (Aborted)")
    master.says("New worker 1 (")


def fail_at_once(seat: Seat) -> int:
    raise ValueError("no such thing")


def test_a_start_that_cannot_work_is_given_up(running: list[Running]) -> None:
    """What a role raises is logged, and the exit status says that nothing serves."""
    running.append(master := Running(fail_at_once))
    master.says("3 failed: ValueError('no such thing')")
    master.says("Loading failure!")
    master.lines += list(master._lines)
    assert master.wait() == 1


def drain_for_ever(seat: Seat) -> int:
    seat.channel.send("ready")
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    while True:
        signal.pause()


def test_a_graceful_stop_has_its_limit(running: list[Running]) -> None:
    running.append(master := Running(drain_for_ever, hard_stop_after=0.2, workers=1))
    master.says("Loading success.")
    assert master.end(signal.SIGUSR1) == 0
    assert any("soft-stop running for too long, performing a hard-stop." in line for line in master.lines)


def test_children_end_when_their_master_is_killed(running: list[Running]) -> None:
    running.append(master := Running())
    master.says("Loading success.")
    ends = [os.pidfd_open(master.child(name)) for name in ("control", "worker 1", "worker 2")]
    os.kill(master.pid, signal.SIGKILL)
    assert master.wait() == -signal.SIGKILL
    for end in ends:
        poll = select.poll()
        poll.register(end, select.POLLIN)
        assert poll.poll(WAIT * 1000)
        os.close(end)


def test_what_is_left_reaches_the_next_program() -> None:
    """A real execve: the next program finds the descriptors, open, and what they are for."""
    board = Board(4, 64)
    place = board.place("a", 2)
    board.row(1)[place] = 41
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        left = Handover((board.descriptor, 4, 64), board.known(), 7, descriptors={"tell": tell})
        left.execute([sys.executable, "-c", NEXT_PROGRAM], os.environ)
    os.close(tell)
    with os.fdopen(told) as said:
        assert said.read() == "7 41 True"
    os.waitpid(pid, 0)
    board.close()


NEXT_PROGRAM = """
import os, signal
from greenlb.board import Board
from greenlb.process import handover
left = handover.take()
descriptor, rows, width = left.board
board = Board(rows, width, descriptor, left.places)
blocked = signal.SIGUSR2 in signal.pthread_sigmask(signal.SIG_BLOCK, ())
cell = board.row(1)[board.place("a", 2)]
os.write(left.descriptors["tell"], f"{left.generation} {cell} {blocked}".encode())
"""


def test_heartbeats_are_of_the_clock_that_does_not_jump() -> None:
    assert abs(milliseconds() - time.monotonic() * 1000) < 1000
