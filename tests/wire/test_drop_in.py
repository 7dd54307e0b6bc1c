"""What starts an HAProxy can start greenlb in its place: flags, sockets and signals, tried on both."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.client import connect
from tests.support.lb import PROJECT, Reserved
from tests.support.oracle import need_haproxy
from tests.support.runtime import raw
from tests.support.stream import WAIT, Stream, eventually, get
from tests.support.syslog import Syslog

CFG = """\
global
  log 127.0.0.1:{syslog} local0
  stats socket {dir}/stats level admin expose-fd listeners
defaults
  mode http
  option httplog
  log global
  timeout client "${{TIMES-3s}}"
  timeout server 3s
  timeout connect 3s
global
  description "two global sections"
frontend fe
  {bind}
  http-request return status 200 content-type text/plain string "hello"
{more}"""


class Program:
    """Starts one of the two as a test harness would."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self.directory = directory
        self.syslog = Syslog()
        self.started: list[subprocess.Popen[bytes]] = []
        words = [sys.executable, "-m", "greenlb"]
        self.words = ["haproxy"] if name == "haproxy" else words

    def write(self, bind: str, more: str = "") -> Path:
        path = self.directory / "haproxy.cfg"
        path.write_text(CFG.format(syslog=self.syslog.port, dir=self.directory, bind=bind, more=more))
        return path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One that ends by itself."""
        return subprocess.run(
            [*self.words, *words], cwd=PROJECT, capture_output=True, text=True, timeout=3 * WAIT, check=False
        )

    def start(
        self, *words: str, passed: Sequence[socket.socket] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        with (self.directory / f"stderr-{len(self.started)}").open("wb") as stderr:
            process = subprocess.Popen(
                [*self.words, *words],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                env={**os.environ, **environment},
                pass_fds=[sock.fileno() for sock in passed],
            )
        self.started.append(process)
        return process

    def told(self, command: str, name: str = "stats") -> str:
        """The answer of a runtime socket, which may not be there yet."""
        eventually(lambda: self._answers(name), f"{name} answers", 3 * WAIT)
        return raw(self.directory / name, command + "\n")

    def _answers(self, name: str) -> bool:
        with contextlib.suppress(OSError):
            return bool(raw(self.directory / name, "show version\n"))
        return False

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait(WAIT)
        self.syslog.close()


@pytest.fixture(params=["greenlb", "haproxy"])
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Program]:
    if request.param == "haproxy":
        need_haproxy()
    made = Program(request.param, tmp_path)
    yield made
    made.close()


def hello(stream: Stream) -> bool:
    with stream:
        stream.send(get())
        return stream.read_response().body == b"hello"


def by_path(path: Path) -> Stream:
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(WAIT)
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return Stream(sock)


def test_sockets_of_a_harness(program: Program) -> None:
    """Listening sockets are inherited by number; -d runs one process, whose id the log bears."""
    with socket.create_server(("127.0.0.1", 0)) as web, socket.create_server(("127.0.0.1", 0)) as cli:
        port, commands = web.getsockname()[1], cli.getsockname()[1]
        inner = f"abns@{program.directory.name}"
        path = program.write(
            f'bind "fd@${{fe1}}"\n  bind {inner}\n  bind unix@{program.directory}/web mode 600',
            f"listen inner\n  bind ipv4@127.0.0.1:{{inner}}\n  server s1 {inner}\n",
        )
        with contextlib.closing(Reserved().sock) as reserved:
            inside = reserved.getsockname()[1]
            text = path.read_text().replace("{inner}", str(inside))
            path.write_text(text.replace("global\n", 'global\n  stats socket "fd@${cli}" level admin\n', 1))
            fds = {"fe1": str(web.fileno()), "cli": str(cli.fileno())}
            process = program.start("-d", "-f", str(path), passed=(web, cli), **fds)
    program.told("show version")
    assert hello(connect(port))
    assert hello(by_path(program.directory / "web"))
    assert (program.directory / "web").stat().st_mode & 0o777 == 0o600
    assert hello(connect(inside))
    assert "\nPid: " + str(process.pid) + "\n" in raw(commands, "show info\n")
    line = program.syslog.message(r".* fe fe/<NOSRV> .*")
    assert (line.pid, line.priority) == (process.pid, 134)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) in (0, -signal.SIGINT)
    with pytest.raises(ConnectionRefusedError):
        connect(port)


@pytest.mark.parametrize(("flag", "statuses"), [("-db", [-2]), ("-W", [130, -2]), ("-Ws", [130, -2])])
def test_interrupted(program: Program, flag: str, statuses: list[int]) -> None:
    path = program.write(f"bind {program.directory}/web")
    process = program.start(flag, "-f", str(path))
    eventually(lambda: _serves(program.directory / "web"), "it serves", 3 * WAIT)
    program.told("show version")
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT) in statuses


def _serves(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return hello(by_path(path))
    return False


def test_taken_over_by_path(program: Program) -> None:
    """-sf with a unix bind: there is no moment in which nobody listens."""
    path = program.write(f"bind {program.directory}/web")
    before = program.start("-db", "-f", str(path))
    program.told("show version")
    program.start("-db", "-f", str(path), "-x", str(program.directory / "stats"), "-sf", str(before.pid))
    while before.poll() is None:
        assert hello(by_path(program.directory / "web"))
    assert before.returncode == 0
    assert hello(by_path(program.directory / "web"))


def test_master_socket(program: Program) -> None:
    path = program.write(f"bind {program.directory}/web")
    process = program.start("-W", "-S", f"{program.directory}/master,mode,600", "-f", str(path))
    program.told("show version")

    def ask(command: str) -> str:
        return program.told(command, "master")

    for word in ("@!<pid>", "@master", "reload", "show proc", "show cli level", "prompt"):
        assert re.search(rf"^  {re.escape(word)} +: ", ask("help"), re.MULTILINE)
    assert (program.directory / "master").stat().st_mode & 0o777 == 0o600
    rows = [line.split() for line in ask("show proc").splitlines()]
    assert rows[0][:4] == ["#<PID>", "<type>", "<reloads>", "<uptime>"]
    assert rows[1][:5] == [str(process.pid), "master", "0", "[failed:", "0]"]
    assert re.fullmatch("0d00h0[0-9]m[0-9]{2}s", rows[1][5])
    assert rows[2] == ["#", "workers"]
    worker = rows[3][0]
    assert rows[3][1:3] == ["worker", "0"]
    for target in ("@1", f"@!{worker}"):
        assert ask(f"{target} show info").startswith("Name: HAProxy\n")
    assert ask("@77 show info") == "Can't find the target PID matching the prefix '@77'\n"
    assert "show proc" in ask("show stat")  # it is none of the master's: what is like it
    assert ask("@master show cli level") == "admin\n\n"
    assert ask("reload") == ""

    def reloaded() -> bool:
        with contextlib.suppress(OSError, IndexError):
            rows = [line.split() for line in ask("show proc").splitlines()]
            return rows[1][2] == "1" and rows[3][0] != worker
        return False

    eventually(reloaded, "it has reloaded", 3 * WAIT)
    assert hello(by_path(program.directory / "web"))


def test_limits_and_folders(program: Program) -> None:
    """-n and -N, -C and -L, -dr and -dV, and flags that have nothing to change."""
    listen = (
        "listen x\n  bind {dir}/x\n  server s1 nowhere.invalid:80\n  server s2 127.0.0.1:1 ssl\n"
        'backend named\n  description "$HAPROXY_LOCALPEER"\n'
    )
    program.write(f"bind {program.directory}/web", listen.replace("{dir}", str(program.directory)))
    flags = ["-dr", "-dV", "-dG", "-de", "-dS", "-dM", "-L", "here", "-n", "77", "-N", "33"]
    program.start("-db", *flags, "-C", str(program.directory), "-f", "haproxy.cfg")
    info = program.told("show info")
    assert "\nMaxconn: 77\n" in info
    rows = {tuple(line.split(",")[:2]): line.split(",") for line in program.told("show stat").splitlines()}
    assert rows["fe", "FRONTEND"][6] == "33"
    assert rows["x", "s1"][17].startswith("MAINT")


def test_what_is_no_flag(program: Program) -> None:
    done = program.run("-zz")
    assert done.returncode == 1
    assert "Usage : " in done.stdout + done.stderr
    missing = program.run("-C", "/nonexistent", "-f", "x")
    assert (missing.returncode, missing.stdout) == (1, "")
