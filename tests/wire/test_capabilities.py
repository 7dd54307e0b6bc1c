"""Without root: what a port below 1024 needs is one capability."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.farm import role_of
from tests.support.lb import PROJECT
from tests.support.stream import WAIT, Stream, eventually, get

INI = """[global]
workers = 1
[defaults]
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
[frontend fe]
bind = 127.0.0.1:%d
http-request = return status 200
"""
NOBODY = 65534
NET_BIND_SERVICE = 1 << 10  # capability.h
_GIVEN = ("--inh-caps", "+net_bind_service", "--ambient-caps", "+net_bind_service")
_ANYBODY_S = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())


def as_nobody(*words: str) -> list[str]:
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *words]


@pytest.fixture(scope="module", autouse=True)
def somebody_else() -> None:
    """Skips where this cannot be tried."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a capability to somebody else")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv (Debian: util-linux) is not here")
    if _ANYBODY_S < 1024:
        pytest.skip("net.ipv4.ip_unprivileged_port_start: anybody may bind any port here")
    reads = as_nobody(sys.executable, "-c", "import greenlb")
    if subprocess.run(reads, cwd=PROJECT, stderr=subprocess.DEVNULL, check=False).returncode:
        pytest.skip("nobody but root can read this checkout or its Python")


def low_port() -> int:
    """One below 1024 that is free."""
    for port in range(1023, 512, -1):
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port below 1024 is free")


@contextmanager
def started(port: int, *capability: str) -> Iterator[subprocess.Popen[str]]:
    """It as nobody, until the end of the test."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "greenlb.ini")
        path.write_text(INI % port)
        process = subprocess.Popen(
            as_nobody(*capability, sys.executable, "-m", "greenlb", "-db", "-f", str(path)),
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=2 * WAIT)


def answers(port: int) -> bool:
    try:
        with Stream(socket.create_connection(("127.0.0.1", port), WAIT)) as client:
            client.send(get("/", "Connection: close"))
            return client.read_response().status == 200
    except ConnectionRefusedError:
        return False


def effective(pid: int) -> int:
    [line] = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("CapEff:")]
    return int(line.split()[1], 16)


def children(master: int) -> dict[str, int]:
    pids = [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]
    return {role: pid for pid in pids if (role := role_of(pid))}


def test_a_low_port_needs_the_capability() -> None:
    port = low_port()
    with started(port) as process:
        said, _ = process.communicate(timeout=3 * WAIT)
        assert process.returncode == 1
        assert f"cannot bind socket (Permission denied) for [127.0.0.1:{port}]" in said


def test_a_low_port_needs_nothing_but_the_capability() -> None:
    """It serves, replaces a worker and reloads, as nobody."""
    port = low_port()
    with started(port, *_GIVEN) as process:
        eventually(lambda: answers(port), "it serves", 3 * WAIT)
        first = children(process.pid)
        assert sorted(first) == ["control", "worker 1"]
        for pid in (process.pid, *first.values()):
            assert os.stat(f"/proc/{pid}").st_uid == NOBODY
            assert effective(pid) & ~NET_BIND_SERVICE == 0
        os.kill(first["worker 1"], signal.SIGKILL)
        eventually(
            lambda: children(process.pid).get("worker 1") not in (None, first["worker 1"]), "a new one"
        )
        eventually(lambda: answers(port), "it serves")
        second = children(process.pid)
        os.kill(process.pid, signal.SIGUSR2)
        eventually(
            lambda: children(process.pid).get("worker 1") not in (None, second["worker 1"]), "reloaded"
        )
        eventually(lambda: answers(port), "it serves")
        assert process.poll() is None
