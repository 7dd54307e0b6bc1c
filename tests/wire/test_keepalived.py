"""conf/keepalived: two machines, one address; it goes to the one whose greenlb answers, and back.

The machines are network namespaces of the test's own on a bridge in a third one, where the client is, so no
packet leaves them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.farm import role_of
from tests.support.lb import PROJECT, Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, eventually

CONF = PROJECT / "conf" / "keepalived"
CHECK = CONF / "check-greenlb"
INTERPRETER = CHECK.read_text().partition(" ")[0].removeprefix("#!")
SHARED = "192.0.2.10"
"""What the shipped files call the address: the address of the test, too, as nobody else is there."""
TAKEN_OVER = 15.0
"""Seconds until the other machine must have the address: two failed checks and three adverts, and some air
for a busy machine."""


def need(*commands: str) -> None:
    """Skip in words what cannot be done here; fail where the whole run is meant to be able to."""
    if os.geteuid() != 0:
        pytest.skip("KEEPALIVED IS NOT TRIED: network namespaces need root")
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [command for command in commands if shutil.which(command, path=path) is None]
    if missing and os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"missing: {missing}; install Debian's keepalived, iproute2 and curl")
    if missing:
        pytest.skip(f"KEEPALIVED IS NOT TRIED: {missing} missing (apt-get install keepalived iproute2 curl)")
    refused = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    if refused.returncode:
        pytest.skip(f"KEEPALIVED IS NOT TRIED: no network namespaces here: {refused.stderr}")


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True, timeout=WAIT).stdout


class Machine:
    """A network namespace on the bridge, and the processes in it."""

    def __init__(self, name: str, address: str, clients: str, directory: Path) -> None:
        self.name = name
        self.space = f"{clients}-{name}"
        self.directory = directory / name
        self.directory.mkdir(mode=0o755)
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        ip("-n", self.space, "link", "set", "lo", "up")
        ip("link", "add", name, "netns", clients, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        ip("-n", clients, "link", "set", name, "master", "bridge", "up")
        ip("-n", self.space, "link", "set", "eth0", "up")
        ip("-n", self.space, "address", "add", f"{address}/24", "dev", "eth0")

    def start(self, name: str, *command: str) -> subprocess.Popen[bytes]:
        """``ip netns exec`` becomes the command, so the process's id is the command's."""
        with (self.directory / f"{name}.out").open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, *command],
                cwd=PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.running[name] = process
        return process

    def start_greenlb(self) -> None:
        """The shipped configuration, but that the answer is the machine's name and there is no syslog."""
        text = (CONF / "greenlb.ini").read_text()
        for old, new in (
            ("log = /dev/log local2 info", "workers = 2"),
            (
                "default_backend = farm",
                f"http-request = return status 200 content-type text/plain string {self.name}",
            ),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        path = self.directory / "greenlb.ini"
        path.write_text(text)
        self.start("greenlb", sys.executable, "-m", "greenlb", "-f", str(path))
        eventually(lambda: self.listens(SHARED, 80), f"greenlb of {self.name} listens")

    def kill_greenlb(self) -> None:
        """As if its memory had run out: the master without a word, and so all of it."""
        process = self.running.pop("greenlb")
        session = [
            int(name) for name in os.listdir("/proc") if name.isdigit() and _session(name) == process.pid
        ]
        assert sum(role_of(pid).startswith("worker") for pid in session) == 2
        process.kill()
        process.wait(WAIT)
        eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in session), "no orphan is left")

    def start_keepalived(self, check: Path) -> None:
        text = (CONF / "keepalived.conf").read_text()
        assert text.count("/usr/local/bin/check-greenlb") == 1
        path = self.directory / "keepalived.conf"
        path.write_text(text.replace("/usr/local/bin/check-greenlb", str(check)))
        files = [f"--{kind}={self.directory}/{kind}" for kind in ("pid", "vrrp_pid", "checkers_pid")]
        self.start(
            "keepalived",
            *("keepalived", "--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp"),
            *(f"--config-id={self.name}", f"--use-file={path}", *files),
        )

    def has_address(self) -> bool:
        return f" {SHARED}/" in ip("-n", self.space, "-4", "address", "show", "dev", "eth0")

    def listens(self, host: str, port: int) -> bool:
        wanted = f"{socket.inet_aton(host)[::-1].hex().upper()}:{port:04X}"
        process = self.running["greenlb"]
        assert process.poll() is None, self.told()
        with open(f"/proc/{process.pid}/net/tcp") as rows:
            return any(cells[1] == wanted and cells[3] == "0A" for cells in map(str.split, rows))

    def told(self) -> str:
        return "".join(path.read_text(errors="replace")[-3000:] for path in self.directory.glob("*.out"))

    def close(self) -> None:
        for process in reversed(self.running.values()):
            process.terminate()
        for process in self.running.values():
            try:
                process.wait(WAIT)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(WAIT)


def _session(pid: str) -> int:
    try:
        return os.getsid(int(pid))
    except OSError:
        return 0


class Pair:
    """Two machines and a client's network."""

    def __init__(self, stack: contextlib.ExitStack, directory: Path) -> None:
        self.clients = f"greenlb-{os.getpid()}"
        for space in (self.clients, f"{self.clients}-lb1", f"{self.clients}-lb2"):
            ip("netns", "add", space)
            stack.callback(ip, "netns", "delete", space)
        ip("-n", self.clients, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.clients, "link", "set", "bridge", "up")
        ip("-n", self.clients, "address", "add", "192.0.2.200/24", "dev", "bridge")
        self.first = self._machine("lb1", "192.0.2.101", stack, directory)
        self.second = self._machine("lb2", "192.0.2.102", stack, directory)

    def _machine(self, name: str, address: str, stack: contextlib.ExitStack, directory: Path) -> Machine:
        machine = Machine(name, address, self.clients, directory)
        stack.callback(machine.close)
        return machine

    def ask(self) -> str:
        """Which machine answers a new connection to the address; empty: none."""
        command = ["ip", "netns", "exec", self.clients, "curl", "-s", "--noproxy", "*", "--max-time", "1"]
        done = subprocess.run(
            [*command, f"http://{SHARED}/"], capture_output=True, text=True, timeout=WAIT, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def serves(self, machine: Machine) -> None:
        """Wait until the address is that machine's."""
        try:
            eventually(lambda: self.ask() == machine.name, f"{machine.name} serves", TAKEN_OVER)
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.first.told()}\n{self.second.told()}") from None


@pytest.fixture
def pair() -> Iterator[Pair]:
    need("keepalived", "ip", "curl", INTERPRETER)
    # Not pytest's folder, which only root may enter: the check runs as nobody.
    with tempfile.TemporaryDirectory(prefix="greenlb-keepalived-") as name, contextlib.ExitStack() as stack:
        os.chmod(name, 0o755)
        yield Pair(stack, Path(name))


def test_the_address_goes_where_greenlb_answers_and_comes_back(pair: Pair) -> None:
    check = pair.first.directory.parent / "check-greenlb"
    shutil.copy(CHECK, check)
    for machine in (pair.first, pair.second):
        machine.start_greenlb()  # neither has the address yet: both listen on it
        assert not machine.has_address()
    for machine in (pair.first, pair.second):
        machine.start_keepalived(check)
    pair.serves(pair.first)

    pair.first.kill_greenlb()
    pair.serves(pair.second)
    assert pair.second.has_address()
    assert not pair.first.has_address()

    pair.first.start_greenlb()
    pair.serves(pair.first)
    assert pair.first.has_address()
    eventually(lambda: not pair.second.has_address(), "the second one has let go of it")


def run_check(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(INTERPRETER) is None:
        pytest.skip(f"check-greenlb IS NOT TRIED: there is no {INTERPRETER} (apt-get install python3)")
    return subprocess.run(
        [CHECK, *words], capture_output=True, text=True, timeout=WAIT, check=False, cwd="/", env={}
    )


def test_the_check_tells_a_hung_or_ended_greenlb_from_one_that_answers(
    greenlb: Launcher, origin: Origins, tmp_path: Path
) -> None:
    lb = greenlb(
        "[frontend fe]\nbind = 127.0.0.1:{fe}\n"
        "http-request = return status 204 if { path /alive }\n"
        "               return status 503 content-type text/plain string dead\n"
    )
    url = f"http://127.0.0.1:{lb.port()}/alive"
    pidfile = tmp_path / "greenlb.pid"
    pidfile.write_text(f"{lb.process.pid}\n")
    well = run_check("-p", str(pidfile), url)
    assert (well.returncode, well.stdout, well.stderr) == (0, "", "")

    refused = run_check(f"http://127.0.0.1:{lb.port()}/other")
    assert refused.returncode == 1
    assert "503" in refused.stderr

    os.kill(lb.process.pid, signal.SIGSTOP)  # the kernel goes on accepting
    try:
        hung = run_check("-t", "0.3", "-p", str(pidfile), url)
        assert hung.returncode == 1
        assert hung.stderr == f"check-greenlb: 127.0.0.1:{lb.port()}: timed out\n"
    finally:
        os.kill(lb.process.pid, signal.SIGCONT)

    gone = run_check(f"http://127.0.0.1:{origin.refusing().port}/")
    assert gone.returncode == 1
    assert "Connection refused" in gone.stderr


def test_the_check_does_not_believe_every_pidfile(tmp_path: Path) -> None:
    pidfile = tmp_path / "greenlb.pid"
    assert run_check("-p", str(pidfile)).returncode == 1
    pidfile.write_text("1000000000\n")
    assert "has ended" in run_check("-p", str(pidfile)).stderr
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger:
        pidfile.write_text(f"{stranger.pid}\n")
        other = run_check("-p", str(pidfile))
        assert other.returncode == 1
        assert "is another program" in other.stderr
        stranger.communicate()


@pytest.mark.parametrize("words", [(), ("-t",), ("https://127.0.0.1/",), ("http://h:x/",), ("-z",)])
def test_a_command_line_without_sense_is_its_own_status(words: tuple[str, ...]) -> None:
    """Not 1: keepalived would take the address from a machine whose configuration has a slip."""
    done = run_check(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("check-greenlb: ")


def test_the_shipped_configuration_is_valid() -> None:
    command = [sys.executable, "-m", "greenlb", "-c", "-f", str(CONF / "greenlb.ini")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=3 * WAIT)
    assert (done.returncode, done.stderr) == (0, "")
