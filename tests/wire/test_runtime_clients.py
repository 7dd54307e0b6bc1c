"""What people drive HAProxy with, at the runtime socket: hatop's screen, and what Ansible's module says."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from tests.conftest import launcher_of
from tests.support.lb import Balancer
from tests.support.origin import Origins
from tests.support.runtime import SOCKET, ask
from tests.support.stream import WAIT, eventually, get

INI = """[global]
log = 127.0.0.1:{syslog} local0
%s%s
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} check weight 10
server s2 = 127.0.0.1:{s2} check
"""


@pytest.fixture(scope="module", params=["greenlb 0", "greenlb 2", "haproxy"])
def lb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    program, _, workers = request.param.partition(" ")
    origins = Origins()
    launcher = launcher_of(program, tmp_path_factory.mktemp("clients"))
    ours = INI % (SOCKET, f"workers = {workers}\nstate-dir = {{dir}}/state\n")
    try:
        yield launcher(ours, INI % (SOCKET, ""), s1=origins.http("s1"), s2=origins.http("s2"))
    finally:
        launcher.close()
        origins.close()


def row(lb: Balancer, server: str) -> dict[str, str]:
    """A server's line of ``show stat``."""
    lines = ask(lb, "show stat").lstrip("# ").splitlines()
    return next(row for row in csv.DictReader(lines) if (row["pxname"], row["svname"]) == ("be", server))


def test_the_module_of_ansible(lb: Balancer) -> None:
    """Its version, its backends; a server out for maintenance, drained, and back, as the figures say."""
    (version,) = re.findall(r"^Version: (\d+)\.(\d+)", ask(lb, "show info"), re.MULTILINE)
    assert tuple(map(int, version)) >= (1, 5), "or it has no state drain"
    lines = ask(lb, "show stat").lstrip("# ").splitlines()
    assert [row["pxname"] for row in csv.DictReader(lines) if row["svname"] == "BACKEND"] == ["be"]
    assert ask(lb, "get weight be/s1") == "10 (initial 10)\n"
    for command in ("disable health be/s1", "disable agent be/s1", "disable server be/s1"):
        assert ask(lb, command) == ""
    eventually(lambda: row(lb, "s1")["status"] == "MAINT", "it is out")
    assert ask(lb, "shutdown sessions server be/s1") == ""
    assert row(lb, "s1")["scur"] == "0"
    assert ask(lb, "enable server be/s1") == ""
    for command in ("enable health be/s1", "set weight be/s1 50%"):
        assert ask(lb, command) == ""
    eventually(lambda: row(lb, "s1")["status"] == "UP", "it is back")
    assert row(lb, "s1")["weight"] == "5"
    assert ask(lb, "set server be/s1 state drain") == ""
    eventually(lambda: row(lb, "s1")["status"] == "DRAIN", "it drains")
    assert {lb.ask(get()).body for _ in range(6)} == {b"s2"}
    assert ask(lb, "set server be/s1 state ready") == ""
    assert ask(lb, "set weight be/s1 100%") == ""
    eventually(lambda: row(lb, "s1")["status"] == "UP", "it is back")


DOWN, F9, F10 = "\x1bOB", "\x1b[20~", "\x1b[21~"


class Screen:
    """A program in a terminal of 120 columns: what it has written, without the terminal's language."""

    def __init__(self, command: list[str]) -> None:
        self.written = ""
        pid, self.terminal = pty.fork()
        if not pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.execvp(command[0], command)
        self.pid = pid

    def press(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def shows(self, there: Callable[[str], bool], what: str) -> None:
        """Wait until what was written since the last time is so."""
        deadline = time.monotonic() + 3 * WAIT
        while not there(self.written):
            assert select.select([self.terminal], [], [], max(0, deadline - time.monotonic()))[0], (
                f"{what}: {self.written[-2000:]!r}"
            )
            text = os.read(self.terminal, 65536).decode(errors="replace")
            self.written += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]", " ", text)
        self.written = ""

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.terminal)


def test_hatop(lb: Balancer) -> None:
    """Its screen lists what there is; a key takes a server out, another puts it back."""
    if shutil.which("hatop") is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("no hatop here: install Debian's hatop package")
        pytest.skip("NOT TESTED WITH HATOP: it is not installed (apt-get install hatop)")
    screen = Screen(["hatop", "-s", str(lb.directory / "stats"), "-i", "1"])
    try:
        screen.shows(lambda text: all(name in text for name in ("FRONTEND", "BACKEND", "s1", "s2")), "list")
        screen.press(DOWN * 4)
        screen.shows(lambda text: "ENTER=MENU" in text, "the cursor is at a server")
        screen.press(F10)
        eventually(lambda: row(lb, "s1")["status"] == "MAINT", "it is out", 2 * WAIT)
        screen.press(F9)
        eventually(lambda: row(lb, "s1")["status"].startswith("UP"), "it is back", 2 * WAIT)
    finally:
        screen.close()
