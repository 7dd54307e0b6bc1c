"""What several workers know together: whose turn it is, how loaded a server is, what a limit has left."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.farm import Farm, Load, within
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import QUIET, WAIT, Message, Stream, eventually, get, response

INI = """
[global]
log = 127.0.0.1:{syslog} local0
workers = 2
%s

[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 3s
timeout client = 20s
timeout server = 20s
timeout queue = 20s

[frontend fe]
bind = 127.0.0.1:{fe}
%s
default_backend = be

[backend be]
cookie = SRV insert indirect
%s
"""
WORKERS = ("worker 1", "worker 2")


class Stage:
    """What a server does with its requests: they wait until they are let go, or for so many seconds.
    ``most`` is how many it had at one time."""

    def __init__(self, seconds: float = 2 * WAIT) -> None:
        self.seconds = seconds
        self.names: list[str] = []
        self.now = self.most = 0
        self._gate = threading.Semaphore(0)
        self._lock = threading.Lock()

    def answer(self, message: Message) -> bytes:
        with self._lock:
            self.names.append(message.target)
            self.now += 1
            self.most = max(self.most, self.now)
        self._gate.acquire(timeout=self.seconds)
        with self._lock:
            self.now -= 1
        return response(body=message.target.encode())

    def let_go(self, count: int = 1) -> None:
        self._gate.release(count)

    def forget(self) -> None:
        """Count ``most`` from now on, when those that the server has now are gone."""
        before = len(self.names)
        eventually(lambda: len(self.names) > before + self.now + 3, "requests come and go")
        self.most = 0

    def has(self, count: int) -> None:
        eventually(lambda: self.now == count, f"the server has {count} requests")


def sockets(pid: int) -> int:
    """How many sockets a process holds."""
    found = 0
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            found += os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:")
    return found


def crowd(lb: Balancer, stack: ExitStack, count: int) -> list[Stream]:
    """Clients that stay, each answered once."""
    clients = [stack.enter_context(lb.connect()) for _ in range(count)]
    for client in clients:
        client.send(get("/", "Cookie: SRV=b"))
        assert client.read_response().status == 200
    return clients


@contextlib.contextmanager
def only(farm: Farm, role: str) -> Iterator[None]:
    """A time in which the other worker does nothing."""
    (other,) = [farm.pid(worker) for worker in WORKERS if worker != role]
    os.kill(other, signal.SIGSTOP)
    stat = Path(f"/proc/{other}/stat")
    eventually(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T", "it has stopped")
    try:
        yield
    finally:
        os.kill(other, signal.SIGCONT)


# -- turns and loads -----------------------------------------------------------------------------


def test_turns_are_the_farm_s(greenlb: Launcher, origin: Origins) -> None:
    """s1, s2, s1, s2, whichever worker answers."""
    servers = "server s1 = 127.0.0.1:{s1}\nserver s2 = 127.0.0.1:{s2}"
    lb = greenlb(INI % ("", "", servers), s1=origin.http("s1"), s2=origin.http("s2"))
    Farm(lb)
    with ExitStack() as stack:
        clients = [stack.enter_context(lb.connect()) for _ in range(20)]
        bodies = []
        for client in [*clients, *clients]:
            client.send(get())
            bodies.append(client.read_response().body)
    assert bodies == [b"s1", b"s2"] * 20
    pids = {lb.syslog.message(r'.*"GET / HTTP/1\.1"').pid for _ in bodies}
    assert len(pids) == 2, "both workers had a part"


def test_turns_go_on_after_a_reload_and_a_crash(greenlb: Launcher, origin: Origins) -> None:
    servers = "server s1 = 127.0.0.1:{s1}\nserver s2 = 127.0.0.1:{s2}"
    lb = greenlb(INI % ("", "", servers), s1=origin.http("s1"), s2=origin.http("s2"))
    farm = Farm(lb)
    bodies = [lb.ask().body]
    farm.reload()
    bodies.append(lb.ask().body)
    for role in WORKERS:
        farm.kill(role)
    farm.settled()
    bodies.append(lb.ask().body)
    assert bodies == [b"s1", b"s2", b"s1"]


def test_leastconn_counts_what_other_workers_have(greenlb: Launcher, origin: Origins) -> None:
    """A worker that has nothing knows that s1 is busy with what another gave it."""
    busy, idle = Stage(), Stage()
    servers = "balance = leastconn\nserver s1 = 127.0.0.1:{s1} cookie a\nserver s2 = 127.0.0.1:{s2} cookie b"
    s1, s2 = origin.http("s1", busy.answer), origin.http("s2", idle.answer)
    lb = greenlb(INI % ("", "", servers), s1=s1, s2=s2)
    farm = Farm(lb)
    with ExitStack() as stack:
        with only(farm, "worker 1"):
            clients = [stack.enter_context(lb.connect()) for _ in range(4)]
            for client in clients:
                client.send(get("/bound", "Cookie: SRV=a"))
            busy.has(4)
        with only(farm, "worker 2"):
            fresh = [stack.enter_context(lb.connect()) for _ in range(4)]
            for client in fresh:
                client.send(get("/free"))
            idle.has(4)
        assert busy.names == ["/bound"] * 4
        for stage in (busy, idle):
            stage.let_go(20)
        for client in (*clients, *fresh):
            assert client.read_response().status == 200


def test_log_lines_count_what_all_workers_have(greenlb: Launcher, origin: Origins) -> None:
    """ac, fc, bc and sc are the farm's; what a killed worker had is gone."""
    stage = Stage()
    lb = greenlb(INI % ("", "", "server s1 = 127.0.0.1:{s1}"), s1=origin.http("s1", stage.answer))
    farm = Farm(lb)
    with ExitStack() as stack:
        for role, count in zip(WORKERS, (3, 2), strict=True):
            with only(farm, role):
                for _ in range(count):
                    stack.enter_context(lb.connect()).send(get("/" + role[-1]))
                eventually(lambda: stage.names.count("/" + role[-1]) == count, "all are there")  # noqa: B023
        stage.let_go()
        assert lb.log().counts == (5, 5, 4, 4)
        farm.kill("worker 1")
        farm.settled()
        stage.let_go(20)
        with lb.connect() as client:
            client.send(get("/last"))
            assert client.read_response().status == 200
            eventually(lambda: not farm.counted()["be/s1"].values["scur"], "all are answered")
            client.send(get("/very-last"))
            line = lb.log_of(client)
            while "/very-last" not in line.request:
                line = lb.log_of(client)
            assert line.counts == (3, 3, 0, 0)


# -- the limit of a server -----------------------------------------------------------------------

LIMITED = "server s1 = 127.0.0.1:{s1} cookie a maxconn %d\nserver s2 = 127.0.0.1:{s2} cookie b"


@pytest.mark.parametrize("bound", [True, False])
def test_maxconn_holds_over_workers(greenlb: Launcher, origin: Origins, bound: bool) -> None:
    """Never one too many, and a slot that comes free in one worker is had by who waits in another:
    first come, first served, in the queue of a server and of a backend."""
    stage = Stage()
    servers = LIMITED % 2 if bound else (LIMITED % 2).replace("{s2}", "{s2} weight 0")
    lb = greenlb(INI % ("", "", servers), s1=origin.http("s1", stage.answer), s2=origin.http("s2"))
    Farm(lb)
    cookie = ["Cookie: SRV=a"] if bound else []
    with ExitStack() as stack:
        clients = crowd(lb, stack, 12)
        for number, client in enumerate(clients):
            client.send(get(f"/{number}", *cookie))
            eventually(lambda: len(stage.names) == min(number + 1, 2), "it is served or it waits")  # noqa: B023
            if number >= 2:
                client.expect_silence(0.02)
        for number in range(12):
            with within(2.0):
                stage.let_go()
                eventually(lambda: len(stage.names) >= min(number + 3, 12), "the next is served")  # noqa: B023
        bodies = {client.read_response().body for client in clients}
    assert bodies == {f"/{number}".encode() for number in range(12)}
    assert stage.most == 2
    assert stage.names == [f"/{number}" for number in range(12)]


def test_slots_of_a_killed_worker_come_back(greenlb: Launcher, origin: Origins) -> None:
    """The kernel frees them, and its gauges are gone: those that wait elsewhere are served."""
    stage = Stage()
    lb = greenlb(INI % ("", "", LIMITED % 3), s1=origin.http("s1", stage.answer), s2=origin.http("s2"))
    farm = Farm(lb)
    with ExitStack() as stack:
        with only(farm, "worker 1"):
            holders = [stack.enter_context(lb.connect()) for _ in range(5)]
            for client in holders:
                client.send(get("/lost", "Cookie: SRV=a"))
            stage.has(3)
        with only(farm, "worker 2"):
            waiters = [stack.enter_context(lb.connect()) for _ in range(3)]
            for client in waiters:
                client.send(get("/late", "Cookie: SRV=a"))
                client.expect_silence(QUIET / 3)
        assert farm.counted()["be/s1"].values["qcur"] == 5
        assert farm.counted()["be/s1"].values["scur"] == 3
        killed = farm.kill("worker 1")
        with within(WAIT / 2):
            eventually(lambda: stage.names.count("/late") == 3, "the slots are taken over")
        farm.settled()
        assert farm.pid("worker 1") != killed
        values = farm.counted()["be/s1"].values
        assert (values["scur"], values["qcur"]) == (3, 0)
        stage.let_go(20)
        for client in waiters:
            assert client.read_response().body == b"/late"
    eventually(lambda: not farm.counted()["be/s1"].values["scur"], "all slots are free")
    eventually(lambda: not farm.counted()["fe/FRONTEND"].values["scur"], "all clients are gone")


def test_a_stopped_worker_does_not_keep_the_turn(greenlb: Launcher, origin: Origins) -> None:
    """The one that waits longest is in a worker that does nothing: others go on without it."""
    stage = Stage()
    lb = greenlb(INI % ("", "", LIMITED % 1), s1=origin.http("s1", stage.answer), s2=origin.http("s2"))
    farm = Farm(lb)
    with ExitStack() as stack:
        with only(farm, "worker 2"):
            first = stack.enter_context(lb.connect())
            first.send(get("/first", "Cookie: SRV=a"))
            stage.has(1)
        with only(farm, "worker 1"):
            second = stack.enter_context(lb.connect())
            second.send(get("/second", "Cookie: SRV=a"))
            second.expect_silence()
        with only(farm, "worker 2"):
            third = stack.enter_context(lb.connect())
            third.send(get("/third", "Cookie: SRV=a"))
            third.expect_silence()
            stage.let_go()
            assert first.read_response().body == b"/first"
            stage.let_go()
            with within(1.0):
                assert third.read_response().body == b"/third"
        stage.let_go()
        assert second.read_response().body == b"/second"
    assert stage.most == 1


def test_maxconn_holds_over_a_reload(greenlb: Launcher, origin: Origins) -> None:
    """What a former worker still has on the server counts."""
    stage = Stage()
    lb = greenlb(INI % ("", "", LIMITED % 1), s1=origin.http("s1", stage.answer), s2=origin.http("s2"))
    farm = Farm(lb)
    with lb.connect() as old:
        old.send(get("/old", "Cookie: SRV=a"))
        stage.has(1)
        os.kill(farm.master, signal.SIGUSR2)
        lb.syslog.message(r"Loading success\.")
        eventually(lambda: any(len(pids) > 1 for pids in farm.roles().values()), "both are there")
        with lb.connect() as new:
            new.send(get("/new", "Cookie: SRV=a"))
            new.expect_silence()
            stage.let_go(2)
            assert old.read_response().body == b"/old"
            assert new.read_response().body == b"/new"
    assert stage.most == 1
    farm.settled()


def test_a_limit_under_load_and_kills(greenlb: Launcher, origin: Origins) -> None:
    """Three slots, twelve clients, two workers that are killed: three at a time, and no slot is lost."""
    stage = Stage(0.01)
    lb = greenlb(INI % ("", "", "server s1 = 127.0.0.1:{s1} maxconn 3"), s1=origin.http("s1", stage.answer))
    farm = Farm(lb)
    with Load(lb.port(), 12) as load:
        for role in WORKERS:
            farm.kill(role)
            farm.settled()
            stage.forget()
            load.more(100)
            assert stage.most == 3
    eventually(lambda: not farm.counted()["be/s1"].values["scur"], "all slots are free")
    assert farm.counted()["be/s1"].values["qcur"] == 0


# -- the limits of client connections ------------------------------------------------------------


@pytest.mark.parametrize("where", ["global", "frontend", "both"])
def test_connection_limits_hold_over_workers(greenlb: Launcher, origin: Origins, where: str) -> None:
    """Beyond the limit clients wait in the backlog, none is dropped; a place that comes free in any
    worker, or by its death, is had by one of them."""
    limit = "maxconn = 4"
    settings = limit if where != "frontend" else "", limit if where != "global" else ""
    lb = greenlb(INI % (*settings, "server s1 = 127.0.0.1:{s1}"), s1=origin.http("s1"))
    farm = Farm(lb)
    with ExitStack() as stack:
        inside = [stack.enter_context(lb.connect()) for _ in range(4)]
        for client in inside:
            client.send(get())
            assert client.read_response().status == 200
        waiting = [stack.enter_context(lb.connect()) for _ in range(8)]
        for client in waiting:
            client.send(get())
        waiting[0].expect_silence()
        assert farm.counted()["fe/FRONTEND"].values["scur"] == 4
        for number in range(4):
            inside[number].close()
            with within(1.0):
                inside[number] = waiting.pop(0)
                assert inside[number].read_response().status == 200
            assert farm.counted()["fe/FRONTEND"].values["scur"] <= 4
        for role in WORKERS:
            killed = farm.kill(role)
            eventually(lambda: not Path(f"/proc/{killed}").exists(), "its sockets are closed")  # noqa: B023
            lost = [client for client in inside if not client.is_open()]
            inside = [client for client in inside if client.is_open()]
            for client in waiting[: len(lost)]:
                assert client.read_response().status == 200
                inside.append(client)
            del waiting[: len(lost)]
        farm.settled()
        eventually(lambda: farm.counted()["fe/FRONTEND"].values["scur"] == len(inside), "the gauge is exact")


# -- even accepting ------------------------------------------------------------------------------


@pytest.mark.parametrize("speaks", [True, False])
def test_a_thousand_connections_spread_evenly(greenlb: Launcher, origin: Origins, speaks: bool) -> None:
    """At most 55 % at one of two workers, whether they come one after the other or all at once."""
    lb = greenlb(INI % ("", "http-request = return status 200", "server s1 = 127.0.0.1:{s1}"), s1=1)
    farm = Farm(lb)
    pids = [farm.pid(role) for role in WORKERS]
    before = [sockets(pid) for pid in pids]
    with ExitStack() as stack:
        for _ in range(1000):
            client = stack.enter_context(lb.connect())
            if speaks:
                client.send(get())
                client.read_response()
        shares = [0, 0]

        def all_accepted() -> bool:
            shares[:] = [sockets(pid) - had for pid, had in zip(pids, before, strict=True)]
            return sum(shares) >= 1000

        eventually(all_accepted, "all are accepted")
    assert max(shares) <= 550, shares


def test_nobody_waits_for_a_worker_that_hangs(greenlb: Launcher, origin: Origins) -> None:
    """A worker that is ahead leaves connections to the other for milliseconds only."""
    lb = greenlb(INI % ("", "http-request = return status 200", "server s1 = 127.0.0.1:{s1}"), s1=1)
    farm = Farm(lb)
    with ExitStack() as stack, only(farm, "worker 1"):
        with within(2.0):
            for _ in range(100):
                client = stack.enter_context(lb.connect())
                client.send(get())
                client.read_response()
        with within(2.0):
            clients = [stack.enter_context(lb.connect()) for _ in range(400)]
            for client in clients:
                client.send(get())
            for client in clients:
                client.read_response()
