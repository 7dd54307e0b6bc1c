"""Into the background, with an exit status that tells the truth.  Standard library only."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_WELL = b"w"


class Background:
    """``enter`` returns in the process that goes on, in a session of its own; the one that was started
    waits there, and ends with 0 when ``serving`` is called, else with 1."""

    def __init__(self) -> None:
        self._tell = -1
        self._null = -1

    def enter(self) -> None:
        self._null = os.open(os.devnull, os.O_RDWR)  # where we shall need it there may be none
        reads, self._tell = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        if os.fork():
            os.close(self._tell)
            told = os.read(reads, 1)
            os._exit(0 if told == _WELL else 1)
        os.close(reads)
        os.setsid()

    def detach(self) -> None:
        """Leave the terminal, in a process that has nothing more to say there: who waits for its end, or
        reads what a command says until all writers are gone, need not wait for us."""
        if self._tell < 0:
            return
        for standard in (0, 1, 2):
            os.dup2(self._null, standard)
        os.close(self._null)
        os.close(self._tell)
        self._tell = -1

    def serving(self) -> None:
        """The one who waits may go."""
        if self._tell >= 0:
            with contextlib.suppress(OSError):
                os.write(self._tell, _WELL)
        self.detach()


def write_pidfile(path: str) -> None:
    """Our process id into a file.  Raises OSError."""
    Path(path).write_text(f"{os.getpid()}\n")


def send(number: signal.Signals, pids: Sequence[int]) -> None:
    """What ``-sf`` and ``-st`` tell those whom we replace."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
