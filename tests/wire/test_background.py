"""In the background, without privileges, and one greenlb in the place of another."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenlb.testing.launch import Reserved
from tests.support.farm import role_of
from tests.support.lb import PROJECT
from tests.support.origin import HttpOrigin, Origins
from tests.support.stream import WAIT, Stream, eventually, get

INI = """[global]
workers = 1
%s
[defaults]
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
[frontend fe]
bind = 127.0.0.1:{fe}
log = global
option httplog = yes
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


class Command:
    """The command with a configuration of the test's; what it left in the background ends with the test."""

    def __init__(self, folder: Path, s1: HttpOrigin) -> None:
        self.folder = folder
        self.s1 = s1
        self.reserved = Reserved()
        self.pidfile = folder / "pid"
        self.masters: list[int] = []

    def __call__(self, lines: str, *words: str) -> subprocess.CompletedProcess[str]:
        path = self.folder / "greenlb.ini"
        text = (INI % lines).replace("{fe}", str(self.reserved.port)).replace("{s1}", str(self.s1.port))
        path.write_text(text)
        command = [sys.executable, "-m", "greenlb", "-f", str(path), "-p", str(self.pidfile), *words]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=3 * WAIT)
        if done.returncode == 0:
            self.masters.append(self.master)
        return done

    @property
    def master(self) -> int:
        return int(self.pidfile.read_text())

    def status(self) -> int:
        with Stream(socket.create_connection(("127.0.0.1", self.reserved.port), WAIT)) as client:
            client.send(get("/", "Connection: close"))
            return client.read_response().status

    def children(self) -> dict[str, int]:
        found = {}
        for pid in filter(str.isdecimal, os.listdir("/proc")):
            if (role := role_of(int(pid))) and parent(pid) == self.master:
                found[role] = int(pid)
        return found

    def close(self) -> None:
        for pid in self.masters:
            if role_of(pid):
                os.kill(pid, signal.SIGTERM)
                eventually(lambda pid=pid: not role_of(pid), "it has ended")  # type: ignore[misc]
        self.reserved.sock.close()


def parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.fixture
def command(tmp_path: Path, origin: Origins) -> Iterator[Command]:
    made = Command(tmp_path, origin.http("s1"))
    yield made
    made.close()


def test_the_prompt_returns_when_it_serves(command: Command) -> None:
    done = command("daemon = yes")
    assert done.returncode == 0
    assert role_of(command.master) == "master"
    assert command.status() == 200
    assert os.getsid(command.master) != os.getsid(0)


def test_the_exit_status_tells_that_it_does_not(command: Command) -> None:
    """A folder to be confined to that is not there: the workers do not begin."""
    done = command("chroot = /nowhere/at/all", "-D")
    assert done.returncode == 1
    assert "Loading failure!" in done.stderr
    eventually(lambda: not role_of(command.master), "it has ended")


def test_one_takes_the_place_of_another(command: Command) -> None:
    """-sf: the old one ends when its connections have."""
    command("", "-D")
    old = command.master
    with Stream(socket.create_connection(("127.0.0.1", command.reserved.port), WAIT)):
        command("", "-D", "-sf", str(old))
        assert command.master != old
        assert command.status() == 200
    eventually(lambda: not role_of(old), "the old one has ended")
    assert command.status() == 200


@as_root
def test_children_are_somebody_else_in_an_empty_folder(command: Command, tmp_path: Path) -> None:
    """The master is not; all of them still serve, and are replaced, and reload."""
    jail = tmp_path / "jail"
    jail.mkdir()
    command(f"user = nobody\ngroup = nogroup\nchroot = {jail}", "-D")
    children = command.children()
    assert sorted(children) == ["control", "worker 1"]
    for pid in children.values():
        assert os.stat(f"/proc/{pid}").st_uid == 65534
        assert os.readlink(f"/proc/{pid}/root") == str(jail)
        status = Path(f"/proc/{pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in status
        assert "Groups:\t \n" in status
    assert os.stat(f"/proc/{command.master}").st_uid == 0
    assert command.status() == 200
    os.kill(command.master, signal.SIGUSR2)
    eventually(lambda: command.children().get("worker 1") not in (None, children["worker 1"]), "it reloads")
    assert command.status() == 200


@as_root
def test_confined_children_find_a_log_that_was_made_anew(command: Command, tmp_path: Path) -> None:
    """Syslog was started anew: the master brings its new socket; a rotated file: the new one."""
    (tmp_path / "jail").mkdir()
    path, file = tmp_path / "syslog", tmp_path / "traffic.log"
    first = receiver(path)
    log = f"log = {path} local0\n      file@{file}"
    command(f"user = nobody\ngroup = nogroup\nchroot = {tmp_path / 'jail'}\n{log}", "-D")
    assert command.status() == 200
    eventually(lambda: "GET /" in first.recv(4096).decode(), "a line comes")
    first.close()
    path.unlink()
    file.rename(tmp_path / "traffic.log.1")
    with receiver(path) as second:

        def heard() -> bool:
            command.status()
            try:
                return "GET /" in second.recv(4096).decode()
            except BlockingIOError:
                return False

        eventually(heard, "lines come again")

    def written() -> bool:
        command.status()
        return file.exists() and "GET /" in file.read_text()

    eventually(written, "lines come into the new file")


def receiver(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.setblocking(False)
    return sock
