"""A service manager's side: what it is told, the sockets that it passes, the files that are for it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lb import PROJECT
from tests.support.origin import Origins
from tests.support.stream import WAIT, Stream, get

INI = """[global]
workers = 1
[defaults]
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""

# What sd_listen_fds(3) promises: the sockets from 3 on, and whose they are.
PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.set_inheritable(3, True)
os.environ["LISTEN_FDS"], os.environ["LISTEN_PID"] = "1", str(os.getpid())
os.execv(sys.executable, [sys.executable, "-m", "greenlb", *sys.argv[2:]])
"""


class Manager:
    """Starts the command as systemd does, and hears what it says."""

    def __init__(self, folder: Path) -> None:
        self.heard_from: list[dict[str, str]] = []
        self.ini = folder / "greenlb.ini"
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(str(folder / "notify"))
        self.sock.settimeout(2 * WAIT)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, s1: int, **environment: str) -> subprocess.Popen[bytes]:
        self.ini.write_text(INI.replace("{fe}", str(self.port)).replace("{s1}", str(s1)))
        passed = self.listener.fileno()
        self.process = subprocess.Popen(
            [sys.executable, "-c", PASS_SOCKET, str(passed), "-db", "-f", str(self.ini)],
            cwd=PROJECT,
            env={**os.environ, "NOTIFY_SOCKET": self.sock.getsockname(), **environment},
            pass_fds=[passed],
            stderr=subprocess.DEVNULL,
        )
        return self.process

    def hears(self, *states: str) -> dict[str, str]:
        """The next message that has all these states; others are passed over."""
        while True:
            lines = self.sock.recv(4096).decode().splitlines()
            said = dict(line.split("=", 1) for line in lines)
            self.heard_from.append(said)
            if set(states) <= set(lines):
                return said

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(WAIT)
        self.sock.close()
        self.listener.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path)
    yield made
    made.close()


def test_it_serves_on_the_socket_it_is_given_and_says_when(manager: Manager, origin: Origins) -> None:
    """Nobody could have bound that port: the socket is the manager's."""
    process = manager.start(origin.http("s1").port)
    assert manager.hears("READY=1")["MAINPID"] == str(process.pid)
    with Stream(socket.create_connection(("127.0.0.1", manager.port), WAIT)) as client:
        client.send(get())
        assert client.read_response().status == 200


def test_a_reload_is_told_and_ends_with_ready(manager: Manager, origin: Origins) -> None:
    """The process is the same one after it, and still has the socket."""
    process = manager.start(origin.http("s1").port)
    manager.hears("READY=1")
    process.send_signal(signal.SIGHUP)
    assert manager.hears("RELOADING=1")["MONOTONIC_USEC"].isdecimal()
    assert manager.hears("READY=1")["MAINPID"] == str(process.pid)
    with Stream(socket.create_connection(("127.0.0.1", manager.port), WAIT)) as client:
        client.send(get())
        assert client.read_response().status == 200


def test_a_reload_that_fails_is_over_too(manager: Manager, origin: Origins) -> None:
    process = manager.start(origin.http("s1").port)
    manager.hears("READY=1")
    manager.ini.write_text("[frontend")
    process.send_signal(signal.SIGUSR2)
    manager.hears("RELOADING=1")
    manager.hears("READY=1", "STATUS=Serving; the last reload failed")


def test_the_watchdog_is_fed_and_the_end_is_told(manager: Manager, origin: Origins) -> None:
    process = manager.start(origin.http("s1").port, WATCHDOG_USEC="400000")
    manager.hears("READY=1")
    for _ in range(3):
        manager.hears("WATCHDOG=1")
    process.send_signal(signal.SIGUSR1)
    manager.hears("STOPPING=1")
    assert process.wait(WAIT) == 0


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    greenlb = tmp_path / "greenlb"
    greenlb.write_text("#!/bin/sh\n")
    greenlb.chmod(0o755)
    for name in ("greenlb.service", "greenlb.socket"):
        unit = (PROJECT / "conf/systemd" / name).read_text()
        # The command and its manual pages are where a package puts them, not on this machine.
        lines = [line for line in unit.splitlines() if not line.startswith("Documentation=")]
        (tmp_path / name).write_text("\n".join(lines).replace("/usr/local/bin/greenlb", str(greenlb)) + "\n")
    done = subprocess.run(
        ["systemd-analyze", "verify", str(tmp_path / "greenlb.service"), str(tmp_path / "greenlb.socket")],
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    said = [line for line in done.stderr.splitlines() if "greenlb" in line]
    assert (done.returncode, said) == (0, [])


def test_logrotate_takes_its_file(tmp_path: Path) -> None:
    if shutil.which("logrotate") is None:
        pytest.skip("logrotate is not installed")
    rules = PROJECT / "conf/logrotate/greenlb"
    done = subprocess.run(
        ["logrotate", "-d", "-s", str(tmp_path / "state"), str(rules)], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "error:" not in done.stderr
