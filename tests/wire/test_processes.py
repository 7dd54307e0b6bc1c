"""Many processes that behave as one, and go on when one of them does not."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.farm import Farm, Load, role_of
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, eventually, get, response

GLOBAL = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 2\n%s\n"
DEFAULTS = "[defaults]\nmode = http\ntimeout connect = 3s\ntimeout client = 8s\ntimeout server = 8s\n%s\n"
PROXIES = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1} %s
"""
PLAIN = GLOBAL % "" + DEFAULTS % "" + PROXIES % ""


def test_processes_bear_names(greenlb: Launcher, origin: Origins) -> None:
    """For ps each by its part; for killall, pidof and pgrep all are greenlb."""
    farm = Farm(greenlb(PLAIN, s1=origin.http("s1")))
    assert sorted(farm.roles()) == ["control", "master", "worker 1", "worker 2"]
    for (pid,) in farm.roles().values():
        assert Path(f"/proc/{pid}/comm").read_text() == "greenlb\n"


@pytest.mark.parametrize("number, status", [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGUSR1, 0)])
def test_ends_and_exit_statuses(greenlb: Launcher, origin: Origins, number: int, status: int) -> None:
    """As HAProxy with a master has them."""
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    os.kill(farm.master, number)
    # Without -W an interrupted HAProxy ends by the signal.
    assert lb.process.wait(WAIT) == (-number if number == signal.SIGINT else status)
    said = lb.stderr.read_text()
    assert "Exiting Master process..." in said
    assert f"All workers exited. Exiting... ({status})" in said
    assert "Traceback" not in said
    assert lb.processes() == []
    farm.ended(greenlb)


def test_a_graceful_stop_lets_requests_end(greenlb: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = greenlb(PLAIN, s1=s1)
    farm = Farm(lb)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        os.kill(farm.master, signal.SIGUSR1)
        lb.syslog.message(r"Exiting Master process\.\.\.")
        eventually(lambda: refused(lb.port()), "nobody listens any more")
        server.send(response(body=b"late"))
        assert client.read_response().body == b"late"
    assert lb.process.wait(WAIT) == 0
    farm.ended(greenlb)


def refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_killed_worker_is_replaced_at_once(greenlb: Launcher, origin: Origins) -> None:
    """Under load: who was on another worker notices nothing, and no count is lost."""
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    with Load(lb.port(), 6) as load:
        killed = farm.kill("worker 1")
        lb.syslog.message(rf"Current worker 1 \({killed}\) exited with code 137 \(Killed\)")
        lb.syslog.message(r"New worker 1 \(\d+\) forked")
        farm.settled()
        load.more()
    assert len(load.failures) <= 6, load.failures
    assert not [failure for failure in load.failures if "status" in failure or "refused" in failure]
    eventually(lambda: not farm.counted()["fe/FRONTEND"].values["scur"], "gauges of the dead are zero")
    counted = farm.counted()
    # What was on its way in the killed worker may have been answered and not yet counted.
    assert load.answered - 6 <= counted["be/s1"].values["stot"] <= load.answered + 6
    assert counted["be/s1"].values["scur"] == 0


def test_counters_are_exact_over_workers_and_their_replacements(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    for _ in range(20):
        lb.ask()
    eventually(lambda: farm.counted()["be/s1"].values["stot"] == 20, "all are counted")
    for role in ("worker 1", "worker 2", "control"):
        farm.kill(role)
    farm.settled()
    for _ in range(20):
        eventually(lambda: not refused(lb.port()), "it listens")
        lb.ask()
    eventually(lambda: farm.counted()["be/s1"].values["stot"] == 40, "all are counted")


def test_who_keeps_dying_is_started_with_growing_pauses(greenlb: Launcher, origin: Origins) -> None:
    """The rest serve on."""
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    farm.kill("worker 1")
    farm.settled()
    for pause in (r"0\.25", r"0\.5"):
        farm.kill("worker 1")
        lb.syslog.message(rf"worker 1 keeps dying: it is started again in {pause} s")
        assert lb.ask().status == 200
        farm.settled()


def test_a_stopped_worker_is_killed_and_replaced(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(GLOBAL % "worker-timeout = 2s" + DEFAULTS % "" + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    stopped = farm.kill("worker 2", signal.SIGSTOP)
    lb.syslog.message(rf"worker 2 \({stopped}\) has done nothing for [0-9.]+ s: killing it")
    lb.syslog.message(r"New worker 2 \(\d+\) forked")
    farm.settled()
    assert farm.pid("worker 2") != stopped
    assert lb.ask().status == 200


def test_a_hung_worker_shows_where_it_hangs(greenlb: Launcher, origin: Origins) -> None:
    """An expression that takes for ever: the log has the stack."""
    ini = PROXIES.replace("default_backend", "http-request = deny if { path_reg ^/(a|a)*$ }\ndefault_backend")
    lb = greenlb(GLOBAL % "worker-timeout = 2s" + DEFAULTS % "" + ini % "", s1=origin.http("s1"))
    farm = Farm(lb)
    with lb.connect() as client:
        client.send(get("/" + "a" * 60 + "b"))
        lb.syslog.message(r"worker \d \(\d+\) has done nothing for .*")
        lb.syslog.message(r"worker \d \(\d+\): Fatal Python error: Aborted")
        lb.syslog.message(r'worker \d \(\d+\):   File ".*/greenlb/policy/.*')
        lb.syslog.message(r"Current worker \d \(\d+\) exited with code 134 \(Aborted\)")
        client.expect_closed()
    lb.syslog.message(r"New worker \d \(\d+\) forked")
    farm.settled()
    assert lb.ask(get("/b")).status == 200


def test_control_dies_and_nothing_is_forgotten(greenlb: Launcher, origin: Origins) -> None:
    """A server that was down is down, without a word; it comes back when it does."""
    refusing = origin.refusing()
    check = "check inter 100ms fall 2 rise 2"
    lb = greenlb(GLOBAL % "" + DEFAULTS % "log = global" + PROXIES % check, s1=refusing)
    farm = Farm(lb)
    farm.has_said("Server be/s1 is DOWN, ")
    eventually(lambda: lb.ask().status == 503, "it is not used")
    farm.kill("control")
    farm.settled()
    assert lb.ask().status == 503
    s1 = refusing.listen()
    assert "is UP" in lb.syslog.message(r"Server be/s1 is .*").text
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        with server:
            server.send(response(body=b"back"))
            assert client.read_response().body == b"back"
    s1.close()


def test_traffic_does_not_need_control(greenlb: Launcher, origin: Origins) -> None:
    """Killed under load, again and again, it costs no request."""
    check = "check inter 100ms"
    lb = greenlb(GLOBAL % "" + DEFAULTS % "log = global" + PROXIES % check, s1=origin.http("s1"))
    farm = Farm(lb)
    with Load(lb.port()) as load:
        for _ in range(3):
            farm.kill("control")
            load.more(100)
            farm.settled()
    assert load.failures == []
    assert not any(b"DOWN" in raw for raw in lb.syslog.raw)


def test_a_worker_that_is_stopped_under_load(greenlb: Launcher, origin: Origins) -> None:
    """Who is on the other one goes on; who was on it is cut off when it is killed, and served again."""
    lb = greenlb(GLOBAL % "worker-timeout = 2s" + DEFAULTS % "" + PROXIES % "", s1=origin.http("s1"))
    farm = Farm(lb)
    with Load(lb.port(), 6) as load:
        stopped = farm.kill("worker 1", signal.SIGSTOP)
        load.more(200)
        lb.syslog.message(rf"worker 1 \({stopped}\) has done nothing for [0-9.]+ s: killing it")
        farm.settled()
        load.more(200)
    assert not [failure for failure in load.failures if "status" in failure or "refused" in failure]
    assert len(load.failures) <= 6


def test_servers_turn_in_every_worker(greenlb: Launcher, origin: Origins) -> None:
    """One control checks for all, and each worker knows within 50 ms what it has found."""
    refusing = origin.refusing()
    ini = PROXIES % "check inter 100ms fall 1" + "server s2 = 127.0.0.1:{s2}\n"
    lb = greenlb(GLOBAL % "" + DEFAULTS % "log = global" + ini, s1=refusing, s2=origin.http("s2"))
    farm = Farm(lb)
    farm.has_said("Server be/s1 is DOWN, ")
    # The line is written when all workers have answered that they know, or have not for a second.
    eventually(lambda: {lb.ask().body for _ in range(10)} == {b"s2"}, "they know")
    tried = farm.counted()["be/s1"].values["econ"]
    assert {lb.ask().body for _ in range(10)} == {b"s2"}
    assert farm.counted()["be/s1"].values["econ"] == tried, "none tries it"
    assert sum(b"is DOWN" in raw for raw in lb.syslog.raw) == 1


def test_the_master_leaves_no_orphan(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    children = [pid for role, pids in farm.roles().items() if role != "master" for pid in pids]
    os.kill(farm.master, signal.SIGKILL)
    lb.process.wait(WAIT)
    eventually(lambda: not any(role_of(pid) for pid in children), "no process is left")
    farm.ended(greenlb)


def test_the_master_dies_under_load(greenlb: Launcher, origin: Origins) -> None:
    """Its workers end with it, however busy they are, and leave the port to the next one."""
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    children = [pid for role, pids in farm.roles().items() if role != "master" for pid in pids]
    with Load(lb.port()):
        os.kill(farm.master, signal.SIGKILL)
        lb.process.wait(WAIT)
        eventually(lambda: not any(role_of(pid) for pid in children), "no process is left")
        eventually(lambda: refused(lb.port()), "nobody listens")
    farm.ended(greenlb)


def test_a_start_that_fails_says_so(greenlb: Launcher, origin: Origins) -> None:
    """A port that is taken: exit status 1, and no process is left."""
    taken = origin()
    with pytest.raises(AssertionError, match="cannot bind socket"):
        greenlb(
            PLAIN.replace("{fe}", str(taken.port)) + "\n[frontend other]\nbind = 127.0.0.1:{other}\n", s1=1
        )


def test_a_server_that_goes_away_under_200_connections(greenlb: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = greenlb(PLAIN, s1=s1)
    farm = Farm(lb)
    with ExitStack() as stack:
        clients = [stack.enter_context(lb.connect()) for _ in range(200)]
        for client in clients:
            client.send(get())
        servers = [stack.enter_context(s1.accept()) for _ in range(200)]
        for server in servers:
            server.reset()
        s1.close()
        assert {client.read_response().status for client in clients} <= {502, 503}
    eventually(lambda: not farm.counted()["be/s1"].values["scur"], "no request is on the server")
    farm.settled()


def test_a_full_log_disk_costs_lines_and_nothing_else(greenlb: Launcher, origin: Origins) -> None:
    ini = GLOBAL.replace("127.0.0.1:{syslog} local0", "127.0.0.1:{syslog} local0\n      file@/dev/full")
    lb = greenlb(
        ini % "" + DEFAULTS % "log = global\noption httplog = yes" + PROXIES % "", s1=origin.http("s1")
    )
    Farm(lb)
    assert [lb.ask().status for _ in range(20)] == [200] * 20


def test_syslog_goes_away_and_comes_back(greenlb: Launcher, origin: Origins) -> None:
    path = greenlb.directory / "log"
    ini = GLOBAL.replace("127.0.0.1:{syslog} local0", f"127.0.0.1:{{syslog}} local0\n      {path} local0")
    first = receiver(path)
    lb = greenlb(
        ini % "" + DEFAULTS % "log = global\noption httplog = yes" + PROXIES % "", s1=origin.http("s1")
    )
    Farm(lb)
    lb.ask()
    eventually(lambda: "GET /" in first.recv(4096).decode(), "a line comes")
    first.close()
    path.unlink()
    assert [lb.ask().status for _ in range(10)] == [200] * 10
    with receiver(path) as second:

        def heard() -> bool:
            lb.ask()
            try:
                return "GET /" in second.recv(4096).decode()
            except BlockingIOError:
                return False

        eventually(heard, "lines come again")


def receiver(path: Path) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(str(path))
    sock.setblocking(False)
    return sock


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_made_at_one_worker_resumes_at_another(
    greenlb: Launcher, origin: Origins, authority: Authority, version: ssl.TLSVersion
) -> None:
    pem = authority.pem("www.example.com")
    ini = PROXIES.replace("{fe}", f"{{fe}} ssl crt {pem}")
    lb = greenlb(
        GLOBAL % "" + DEFAULTS % "log = global\noption httplog = yes" + ini % "", s1=origin.http("s1")
    )
    Farm(lb)
    context = ssl.create_default_context(cafile=str(authority.ca_file))
    context.minimum_version = context.maximum_version = version
    with lb.connect_tls(context, "www.example.com") as client:
        client.send(get())
        client.read_response()
        session = client.tls.session
    with ExitStack() as stack:
        for _ in range(12):
            again = stack.enter_context(lb.connect_tls(context, "www.example.com", session=session))
            again.send(get())
            again.read_response()
            assert again.tls.session_reused
    pids = {lb.syslog.message(r'.*"GET / HTTP/1\.1"').pid for _ in range(13)}
    assert len(pids) == 2, "both workers had a part"


def test_messages_are_haproxy_s(greenlb: Launcher, origin: Origins) -> None:
    lb = greenlb(PLAIN, s1=origin.http("s1"))
    farm = Farm(lb)
    said = lb.stderr.read_text()
    for role in ("control", "worker 1", "worker 2"):
        assert re.search(
            rf"^\[NOTICE\]   \({farm.master}\) : New {role} \({farm.pid(role)}\) forked$", said, re.M
        )
    assert f"[NOTICE]   ({farm.master}) : Loading success.\n" in said
