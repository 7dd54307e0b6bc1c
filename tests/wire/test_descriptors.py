"""Out of descriptors: it waits at no cost, says so, and goes on when there are some again."""

from __future__ import annotations

import os
import resource
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.farm import Farm
from tests.support.lb import Launcher
from tests.support.stream import QUIET, Silence, Stream, eventually, get

INI = """
[global]
log = 127.0.0.1:{syslog} local0
workers = 2

[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 20s
timeout server = 20s

[frontend fe]
bind = 127.0.0.1:{fe}
http-request = return status 200
"""
WORKERS = ("worker 1", "worker 2")
ALERT = r"Proxy fe reached system FD limit: Too many open files\."


def leave_none(pid: int) -> tuple[int, int]:
    """Let a process open nothing more; the limit that it had."""
    open_now = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
    free = next(number for number in range(len(open_now) + 1) if number not in open_now)
    had = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (free, had[1]))
    return had


def busy(pids: list[int]) -> float:
    """Seconds of a processor that they have used."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # proc(5): utime and stime, after the state
    return ticks / os.sysconf("SC_CLK_TCK")


def served(client: Stream) -> bool:
    client.send(get())
    return client.read_response().status == 200


def test_accept_does_not_spin_without_descriptors(greenlb: Launcher) -> None:
    """Whoever is connected is served on; who comes waits, and is served when there are descriptors."""
    lb = greenlb(INI)
    farm = Farm(lb)
    pids = [farm.pid(role) for role in WORKERS]
    with lb.connect() as before:
        assert served(before)
        limits = [leave_none(pid) for pid in pids]
        waiting = [lb.connect() for _ in range(20)]
        for client in waiting:
            client.send(get())
        said = {lb.syslog.message(ALERT).pid, lb.syslog.message(ALERT).pid}
        assert said == set(pids), "each says it"
        used = busy(pids)
        waiting[0].expect_silence(2.0)
        assert busy(pids) - used < 0.3, "of the two seconds that both had"
        with pytest.raises(Silence):
            lb.syslog.message(ALERT, QUIET)
        assert served(before)
        for pid, limit in zip(pids, limits, strict=True):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
        for client in waiting:
            assert client.read_response().status == 200
            client.close()
    assert [farm.pid(role) for role in WORKERS] == pids


def test_others_accept_what_one_cannot(greenlb: Launcher) -> None:
    """A worker without descriptors costs the rest moments, though it is the one that is behind."""
    lb = greenlb(INI)
    farm = Farm(lb)
    pid = farm.pid("worker 1")
    limit = leave_none(pid)
    clients = [lb.connect() for _ in range(100)]
    for client in clients:
        assert served(client)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    for client in clients:
        client.close()


def test_what_the_master_sends_arrives(greenlb: Launcher) -> None:
    """A new control is heard by workers that can open nothing: they are told to end, and do."""
    lb = greenlb(INI)
    farm = Farm(lb)
    pids = [farm.pid(role) for role in WORKERS]
    with lb.connect() as client:
        assert served(client)
        for pid in pids:
            leave_none(pid)
        farm.kill("control")
        lb.syslog.message(r"New control \(\d+\) forked")
        farm.settled()
        farm.reload()
        client.expect_closed()
    assert not set(pids) & {farm.pid(role) for role in WORKERS}


def test_certificates_arrive_too(greenlb: Launcher, authority: Authority, tmp_path: Path) -> None:
    """Those that change while a worker can open nothing are its own once it can."""
    pem = tmp_path / "site.pem"
    pem.write_bytes(authority.pem("one.example.com").read_bytes())
    lb = greenlb(INI.replace("{fe}", "{fe} ssl crt {pem}"), pem=pem)
    farm = Farm(lb)
    pids = [farm.pid(role) for role in WORKERS]
    limits = [leave_none(pid) for pid in pids]
    for name in ("two.example.com", "three.example.com"):
        pem.write_bytes(authority.pem(name).read_bytes())
        lb.syslog.message(rf"certificate {pem} has changed and is in use; .*")
    for pid, limit in zip(pids, limits, strict=True):
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limit)
    context = ssl.create_default_context(cafile=str(authority.ca_file))

    def served_by_all() -> bool:
        with ExitStack() as stack:
            try:
                for _ in range(12):
                    stack.enter_context(lb.connect_tls(context, "three.example.com"))
            except ssl.SSLCertVerificationError:
                return False
        return True

    eventually(served_by_all, "both show the last one")
    assert [farm.pid(role) for role in WORKERS] == pids
    assert "Traceback" not in lb.stderr.read_text()
