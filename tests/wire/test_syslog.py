"""Real readers of the log: rsyslogd with the configuration that we ship, and halog."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.lb import PROJECT, Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, eventually, get

INI = """
[global]
%s

[frontend fe]
bind = 127.0.0.1:{fe}
option httplog = yes
http-request = deny if { path /no }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""

MAIN = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="{dir}/log" CreatePath="off")
"""


def need(program: str) -> str:
    """The program's path; skips, in words, where there is none, and fails where CI should have one."""
    path = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(f"no {program} here: the log is held to it")
        pytest.skip(f"NOT READ BY {program.upper()}: it is not installed")
    return path


def udp_port() -> int:
    """A UDP port of the kernel's choice that nobody holds."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Rsyslogd:
    """A running rsyslogd with our snippet, its port and its paths moved into a directory of the test's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = udp_port()
        snippet = (PROJECT / "conf/rsyslog/49-greenlb.conf").read_text()
        assert 'port="514"' in snippet
        assert snippet.count("/var/log/") == 2
        snippet = snippet.replace('port="514"', f'port="{self.port}"').replace("/var/log/", f"{directory}/")
        self.configuration = directory / "rsyslog.conf"
        self.configuration.write_text(MAIN.replace("{dir}", str(directory)) + snippet)
        self.start()

    def start(self) -> None:
        command = [need("rsyslogd"), "-n", "-f", str(self.configuration), "-i", str(self.directory / "pid")]
        with (self.directory / "rsyslogd.err").open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=errors, stderr=errors, stdin=subprocess.DEVNULL)
        eventually(self._ready, "rsyslogd listens")

    def _ready(self) -> bool:
        assert self.process.poll() is None, (self.directory / "rsyslogd.err").read_text()
        bound = f"0100007F:{self.port:04X} "
        return bound in Path("/proc/net/udp").read_text() and (self.directory / "log").exists()

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT)

    def lines(self, name: str) -> list[str]:
        """What it has written to one of its files."""
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def rsyslogd(tmp_path: Path) -> Iterator[Rsyslogd]:
    running = Rsyslogd(tmp_path)
    yield running
    running.stop()


def halog(path: Path, option: str = "-srv") -> tuple[dict[str, list[str]], str]:
    """Its table, by the first word of a row, and what it says of lines it could not read."""
    with path.open("rb") as lines:
        done = subprocess.run(
            [need("halog"), option], stdin=lines, capture_output=True, text=True, check=True
        )
    rows = [line.split() for line in done.stdout.splitlines() if not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}, done.stderr


def requests(ask: Callable[[bytes], object]) -> None:
    for path in ("/a", "/b", "/c", "/no"):
        ask(get(path))


def test_rsyslogd_sorts_our_lines(greenlb: Launcher, origin: Origins, rsyslogd: Rsyslogd) -> None:
    """local0 over UDP and local2 over the system's socket, each into its file, where halog reads them."""
    targets = "log = 127.0.0.1:{remote} local0\n      {socket} local2"
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = greenlb(INI % targets, s1=s1, s2=s2, remote=rsyslogd.port, socket=rsyslogd.directory / "log")
    requests(lb.ask)
    for name in ("greenlb.log", "haproxy.log"):
        eventually(lambda name=name: len(rsyslogd.lines(name)) == 4, f"four lines in {name}")  # type: ignore[misc]
        lines = rsyslogd.lines(name)
        heads = [f" haproxy[{pid}]: 127.0.0.1:" for pid in lb.processes()]
        assert all(any(head in line for head in heads) for line in lines), lines
        servers, complaint = halog(rsyslogd.directory / name)
        assert (servers["be/s1"][1], servers["be/s2"][1], servers["fe/<NOSRV>"][3]) == ("2", "1", "1")
        assert "0 parsing errors" in complaint


def test_a_syslogd_that_was_started_anew(greenlb: Launcher, origin: Origins, rsyslogd: Rsyslogd) -> None:
    """Both kinds of socket find it again without a restart of ours."""
    targets = "log = 127.0.0.1:{remote} local0\n      {socket} local2"
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = greenlb(INI % targets, s1=s1, s2=s2, remote=rsyslogd.port, socket=rsyslogd.directory / "log")
    lb.ask(get("/first"))
    names = ("greenlb.log", "haproxy.log")
    eventually(lambda: all(rsyslogd.lines(name) for name in names), "the first line in both files")
    rsyslogd.stop()
    for _ in range(20):
        assert lb.ask(get("/nobody")).status == 200
    rsyslogd.start()

    def arrived() -> bool:
        lb.ask(get("/again"))
        return all("/again" in line for line in (rsyslogd.lines(name)[-1] for name in names))

    eventually(arrived, "new lines in both files")


def test_halog_reads_a_file_of_our_own(greenlb: Launcher, origin: Origins, tmp_path: Path) -> None:
    """``log FILE`` needs no syslogd between greenlb and halog."""
    path = tmp_path / "traffic.log"
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = greenlb(INI % "log = {file} local0", s1=s1, s2=s2, file=path)
    requests(lb.ask)
    eventually(lambda: path.exists() and path.read_text().count("\n") == 4, "four lines in the file")
    servers, complaint = halog(path)
    assert (servers["be/s1"][1], servers["be/s2"][1], servers["fe/<NOSRV>"][3]) == ("2", "1", "1")
    assert "0 parsing errors" in complaint
    statuses, _ = halog(path, "-st")
    assert statuses == {"200": ["3"], "403": ["1"]}
    endings, _ = halog(path, "-tc")
    assert endings == {"--": ["3"], "PR": ["1"]}
