"""A child process: how it is made, what it is given, how its end reads.  Standard library only."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from greenlb.process.channel import Channel

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_libc = ctypes.CDLL(None, use_errno=True)

OURS: Final = (
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""The signals that the master lives by.  They are blocked while it becomes another program."""


@dataclass(slots=True)
class Seat:
    """What a child is given.  ``row`` of the board is its own; ``channel`` leads to the master."""

    role: str
    number: int
    generation: int
    row: int
    channel: Channel

    @property
    def name(self) -> str:
        return f"{self.role} {self.number}" if self.number else self.role


Role = Callable[[Seat], int]
"""What a child does until it ends; its exit status."""


def set_command_name(name: str) -> None:
    """The name by which ``killall`` and ``pidof`` know this process."""
    _libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, however that happens.  A change of user
    undoes this (prctl(2)), so it comes after."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def fork(
    seat: Seat, role: Role, dump: int, inherited: Iterable[int], failed: Callable[[BaseException], None]
) -> int:
    """Make a child that is ``role`` in ``seat``; its process id.

    ``dump`` takes the stacks of a child that crashes or hangs; ``inherited`` are the master's own
    descriptors, which a child must not keep; ``failed`` logs what a role raises.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in OURS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
        for descriptor in inherited:
            os.close(descriptor)
        die_with_parent(parent)
        os.set_blocking(dump, False)
        faulthandler.enable(dump)
        status = role(seat)
    except BaseException as error:
        failed(error)
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def milliseconds() -> int:
    """The monotonic clock as heartbeats have it."""
    return int(time.monotonic() * 1000)


def ending(status: int) -> tuple[int, str]:
    """A status of wait(2) as a shell sees it and in words: (137, "Killed"), (0, "Exit")."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return code, "Exit"
    return 128 - code, signal.strsignal(-code) or str(-code)
