"""A program that listens, started for a test and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from greenlb.testing.kernel import listening_ports

WAIT: Final = 10.0
"""Seconds that something may take which takes a moment: it is not waited for any longer than it needs."""
_LOOK: Final = 0.02


class Reserved:
    """A port of the kernel's choice, bound and not listening: nobody else is given it, and a process
    that sets SO_REUSEADDR may listen on it."""

    def __init__(self) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", 0))
        self.port: int = self.sock.getsockname()[1]


def has_ended(pid: int, wait: float) -> bool:
    """Whether our child ends within so many seconds; it still has to be waited for then."""
    end = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(end, select.POLLIN)
    try:
        return bool(poll.poll(wait * 1000))
    finally:
        os.close(end)


class Launched:
    """A running program, in a session of its own.  What it prints goes to the file ``said``."""

    def __init__(
        self,
        command: Sequence[str],
        said: Path,
        *,
        cwd: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.said = said
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                list(command),
                cwd=cwd,
                env=None if environment is None else {**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def wait_until_it_listens(self, ports: Iterable[int], more: str = "") -> None:
        """On all of ``ports``.  Raises AssertionError, with what it said, when it ends or does not come so
        far; it is ended then."""
        wanted = set(ports)
        try:
            for _ in range(int(3 * WAIT / _LOOK)):
                if not wanted - listening_ports():
                    return
                if has_ended(self.process.pid, _LOOK):  # a wait that is not worth finishing
                    break
            raise AssertionError(f"it does not listen: {self.output()}{more}")
        except BaseException:
            self.end()
            raise

    def output(self) -> str:
        """What it has printed."""
        return self.said.read_text(errors="replace")

    def processes(self) -> list[int]:
        """The ids of all its processes: those of its session."""
        found = []
        for name in os.listdir("/proc"):
            if name.isdigit():
                with contextlib.suppress(OSError):
                    if os.getsid(int(name)) == self.process.pid:
                        found.append(int(name))
        return found

    def gone(self) -> bool:
        """Whether no process of its group is left."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return True
        return False

    def end(self) -> None:
        """By SIGTERM.  Raises AssertionError when that does not end it; it is killed then."""
        if self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        ended = has_ended(self.process.pid, WAIT)
        if not ended:
            for pid in self.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait(WAIT)
        assert ended, f"it did not end on SIGTERM: {self.output()}"
