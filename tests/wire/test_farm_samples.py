"""Rules that ask how the farm is: nbsrv, be_conn, srv_queue and their like."""

from __future__ import annotations

import threading
from contextlib import ExitStack

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, Stream, eventually, get, response

FRONT = ["nbsrv", "be_conn", "be_conn_free", "connslots", "queue", "avg_queue"]
SERVER = ["srv_is_up", "srv_conn", "srv_conn_free", "srv_queue", "srv_weight", "srv_uweight", "srv_iweight"]

INI = """
[global]
log = 127.0.0.1:{syslog} local0
%s

[frontend ask]
bind = 127.0.0.1:{ask}
http-request = return status 200 content-type text/plain lf-string "%s"

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
timeout queue = 20s
option redispatch = yes
cookie = SRV insert indirect
server s1 = 127.0.0.1:{s1} cookie a maxconn 2 maxqueue 10 weight 7
server s2 = 127.0.0.1:{s2} cookie b maxconn 4 maxqueue 20
server s3 = 127.0.0.1:{s2} cookie c maxconn 8 maxqueue 20 backup
server s4 = 127.0.0.1:{s2} cookie d maxconn 8 maxqueue 20 disabled

[backend free]
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2} disabled
server s3 = 127.0.0.1:{s2} backup weight 3

[backend gone]
server s1 = 127.0.0.1:{s1} disabled
"""
ASKED = (
    [f"{name}({be})" for be in ("be", "free", "gone") for name in FRONT]
    + [f"{name}({server})" for server in ("be/s1", "be/s2", "be/s4", "free/s1") for name in SERVER]
    + ["fe_conn(fe)", "str(gone),nbsrv", "str(free),nbsrv", "str(be/s1),srv_queue"]
)
FORMAT = " ".join(f"{name}=%[{name}]" for name in ASKED)


class Gate:
    """A server that keeps its requests until they are let go."""

    def __init__(self) -> None:
        self.now = 0
        self._gate = threading.Semaphore(0)

    def answer(self, message: Message) -> bytes:
        self.now += 1
        self._gate.acquire(timeout=30)
        return response(body=b"done")

    def open(self) -> None:
        self._gate.release(1000)


def asked(lb: Balancer) -> dict[str, str]:
    words = lb.ask(name="ask").body.decode().split()
    return dict(word.rsplit("=", 1) for word in words)


def hold(stack: ExitStack, lb: Balancer, cookie: str, count: int) -> list[Stream]:
    clients = [stack.enter_context(lb.connect()) for _ in range(count)]
    for client in clients:
        client.send(get("/", f"Cookie: SRV={cookie}"))
    return clients


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_what_rules_see(proxy: Launcher, origin: Origins, workers: str) -> None:
    """Idle, then with seven requests for s1, of which five wait, and one on s2; whoever is asked."""
    gate = Gate()
    if proxy.balancer.program == "haproxy":
        workers = ""
    lb = proxy(INI % (workers, FORMAT), s1=origin.http("s1", gate.answer), s2=origin.http("s2", gate.answer))
    idle = asked(lb)
    assert {name: idle[f"{name}(be)"] for name in FRONT} == {
        "nbsrv": "2", "be_conn": "0", "be_conn_free": "6", "connslots": "64", "queue": "0", "avg_queue": "0"
    }  # fmt: skip
    assert [idle[f"nbsrv({be})"] for be in ("free", "gone")] == ["1", "0"]
    assert [idle[f"be_conn_free({be})"] for be in ("free", "gone")] == ["-1", "0"]
    assert [idle[f"connslots({be})"] for be in ("free", "gone")] == ["-1", "0"]
    assert [idle[f"srv_is_up(be/{s})"] for s in ("s1", "s4")] == ["1", "0"]
    assert [idle[f"{w}(be/s1)"] for w in ("srv_weight", "srv_uweight", "srv_iweight")] == ["7"] * 3
    assert [idle[f"srv_conn_free({s})"] for s in ("be/s1", "be/s2", "free/s1")] == ["2", "4", "-1"]
    assert (idle["str(gone),nbsrv"], idle["str(free),nbsrv"]) == ("0", "1")
    assert idle["fe_conn(fe)"] == "0"
    with ExitStack() as stack:
        clients = hold(stack, lb, "a", 7) + hold(stack, lb, "b", 1)
        eventually(
            lambda: (gate.now, asked(lb)["srv_queue(be/s1)"]) == (3, "5"), "three are served and five wait"
        )
        busy = asked(lb)
        assert {name: busy[f"{name}(be)"] for name in FRONT} == {
            "nbsrv": "2", "be_conn": "8", "be_conn_free": "3", "connslots": "56", "queue": "5",
            "avg_queue": "3",
        }  # fmt: skip
        assert [busy[f"{name}(be/s1)"] for name in SERVER] == ["1", "2", "0", "5", "7", "7", "7"]
        assert [busy[f"{name}(be/s2)"] for name in SERVER] == ["1", "1", "3", "0", "1", "1", "1"]
        assert (busy["str(be/s1),srv_queue"], busy["fe_conn(fe)"]) == ("5", "8")
        gate.open()
        for client in clients:
            assert client.read_response().body == b"done"
    eventually(lambda: asked(lb)["be_conn(be)"] == "0", "all have left")


RATES = """
[global]
log = 127.0.0.1:{syslog} local0
%s

[frontend fe]
bind = 127.0.0.1:{fe}
http-request = return status 200 content-type text/plain lf-string "%%[fe_sess_rate] %%[fe_req_rate] %%[be_sess_rate(be)] %%[srv_sess_rate(be/s1)]" if { path /ask }
               return status 429 if { fe_req_rate gt 40 } { path /limited }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""  # noqa: E501


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_rates(proxy: Launcher, origin: Origins, workers: str) -> None:
    """Sessions and requests of the last second: what came counts at once, and is forgotten."""
    if proxy.balancer.program == "haproxy":
        workers = ""
    lb = proxy(RATES % workers, s1=origin.http("s1"))

    def rates() -> list[int]:
        return [int(word) for word in lb.ask(get("/ask")).body.split()]

    assert rates()[2:] == [0, 0]
    with lb.connect() as client:
        for _ in range(10):
            client.send(get())
            client.read_response()
    sessions, requests, backend, server = rates()
    assert sessions >= 1, "this one and maybe the one before"
    assert (2 <= requests <= 12, 1 <= backend <= 10, 1 <= server <= 10) == (True, True, True)
    eventually(lambda: rates()[2:] == [0, 0], "a second has passed")

    def limited() -> bool:
        with lb.connect() as client:
            for _ in range(60):
                client.send(get("/limited"))
                if client.read_response().status == 429:
                    return True
        return False

    eventually(limited, "there were more than forty in a second")


def test_site_death(proxy: Launcher, origin: Origins) -> None:
    """The recipe of the manual: another farm when this one has too few servers."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
acl few = nbsrv(main) lt 1
use_backend = spare if few
default_backend = main
[backend main]
server s1 = 127.0.0.1:{s1} check inter 100ms fall 1 rise 1
[backend spare]
server s2 = 127.0.0.1:{s2}
"""
    refusing = origin.refusing()
    lb = proxy(ini, s1=refusing, s2=origin.http("spare"))
    eventually(lambda: lb.ask().body == b"spare", "the main farm is found dead")
