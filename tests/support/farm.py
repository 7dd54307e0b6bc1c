"""A balancer of several processes under test: who they are, what they have counted, and a constant load."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from greenlb.board import Board
from greenlb.config.load import load
from greenlb.observe.stats import Books, Row
from greenlb.process.farm import make_board
from tests.support.lb import Balancer, Launcher
from tests.support.stream import WAIT, Message, Stream, eventually, get

_REQUEST = get()


def role_of(pid: int) -> str:
    """``master``, ``worker 1`` ... as ``ps`` shows it; empty for a process that is none of them."""
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    found = re.match(rb"greenlb: ([a-z]+(?: [0-9]+)?)", title)
    return found[1].decode() if found else ""


class Farm:
    """The processes of a balancer that was started with workers."""

    def __init__(self, lb: Balancer, workers: int = 2) -> None:
        self.lb = lb
        self.master = lb.process.pid
        self.workers = workers
        eventually(lambda: len(self.roles()) == workers + 2, "master, control and workers run")
        lb.syslog.message(r"Loading success\.")

    def has_said(self, text: str) -> None:
        """Wait for a log line with that in it, unless it has come already."""
        while not any(text.encode() in raw for raw in self.lb.syslog.raw):
            self.lb.syslog.receive()

    def roles(self) -> dict[str, list[int]]:
        """Process ids by role; during a reload there are two of some."""
        found: dict[str, list[int]] = {}
        for pid in sorted(self.lb.processes()):
            if role := role_of(pid):
                found.setdefault(role, []).append(pid)
        return found

    def pid(self, role: str) -> int:
        (pid,) = self.roles()[role]
        return pid

    def kill(self, role: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to the one process of that role."""
        pid = self.pid(role)
        os.kill(pid, number)
        if number == signal.SIGKILL:
            eventually(lambda: not role_of(pid), "it is dead")
        return pid

    def reload(self, number: int = signal.SIGUSR2) -> None:
        """Have it reload, and wait until the former processes are gone."""
        os.kill(self.master, number)
        self.lb.syslog.message(r"Loading success\.")
        self.settled()

    def settled(self) -> None:
        """Wait until there is one process of each role."""
        wanted = self.workers + 2
        eventually(
            lambda: len(roles := self.roles()) == wanted and all(len(pids) == 1 for pids in roles.values()),
            "one process of each role",
        )

    def rewrite(self, *changes: tuple[str, str]) -> None:
        """Change the configuration file."""
        path = self.lb.directory / "greenlb.ini"
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)

    def ended(self, launcher: Launcher) -> None:
        """The test has ended it: nothing is left to stop."""
        launcher.started.remove(self.lb)
        self.lb.release()

    def counted(self) -> dict[str, Row]:
        """What the farm has counted, by ``proxy/object``: read from the board that the processes share,
        which knows its cells by the order in which the first configuration named them."""
        config = load([str(self.lb.directory / "greenlb.ini")]).config
        assert config is not None
        for name in os.listdir(f"/proc/{self.master}/fd"):
            path = f"/proc/{self.master}/fd/{name}"
            with contextlib.suppress(OSError):
                if os.readlink(path).startswith("/memfd:greenlb-board"):
                    made = make_board(config)
                    board = Board(made.rows, made.width, os.open(path, os.O_RDWR))
                    made.close()
                    return {f"{row.pxname}/{row.svname}": row for row in Books(config, board).read()}
        raise AssertionError("the master holds no board")


class Load:
    """Clients that ask on kept-alive connections without a pause, and note each failure."""

    def __init__(self, port: int, clients: int = 4) -> None:
        self.port = port
        self.answered = 0
        self.failures: list[str] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        eventually(lambda: self.answered > 50, "the load runs")
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(WAIT)

    def more(self, count: int = 200) -> None:
        """Wait until so many more were answered."""
        goal = self.answered + count
        eventually(lambda: self.answered >= goal, f"{count} more answers; failures: {self.failures[:3]}")

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with Stream(socket.create_connection(("127.0.0.1", self.port), WAIT)) as stream:
                    while not self._stop.is_set():
                        stream.send(_REQUEST)
                        if self._note(stream.read_response()):
                            break
            except (OSError, AssertionError) as failure:
                with self._lock:
                    self.failures.append(repr(failure))

    def _note(self, answer: Message) -> bool:
        """Count an answer; True when it ended the connection."""
        with self._lock:
            if answer.status == 200:
                self.answered += 1
            else:
                self.failures.append(f"status {answer.status}")
        return (answer.get("connection") or "").lower() == "close"


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is done here must not take longer."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds
