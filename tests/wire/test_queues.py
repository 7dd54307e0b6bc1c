"""Queues: who is next, how long one may be, how a server's limit grows, and who gives up."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, Stream, eventually, get, response
from tests.support.syslog import Line


class Gate:
    """A server that answers in the order in which it was asked, each when it is let go."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._gate = threading.Semaphore(0)

    def answer(self, message: Message) -> bytes:
        self.names.append(message.target)
        self._gate.acquire(timeout=30)
        return response(body=message.target.encode())

    def let_go(self, count: int = 1) -> None:
        self._gate.release(count)

    def has(self, count: int) -> None:
        eventually(lambda: len(self.names) == count, f"the server has had {count} requests")


STATE = "http-request = return status 200 content-type text/plain lf-string %[queue(be)],%[srv_conn(be/s1)],%[srv_conn_free(be/s1)] if { path /state }"  # noqa: E501


def state(lb: Balancer, name: str = "fe") -> list[int]:
    """What waits, what s1 has, and how many more it takes."""
    return [int(word) for word in lb.ask(get("/state"), name).body.split(b",")]


def send(stack: ExitStack, lb: Balancer, target: str, *fields: str) -> Stream:
    client = stack.enter_context(lb.connect())
    client.send(get(target, *fields))
    return client


def lines(lb: Balancer, count: int) -> dict[str, Line]:
    """The next lines of requests, by their targets; those that asked for the state aside."""
    found: dict[str, Line] = {}
    while len(found) < count:
        line = lb.log()
        target = line.request.split()[1]
        if target != "/state":
            found[target] = line
    return found


# -- priorities ------------------------------------------------------------------------------------

PRIORITIES = f"""
[global]
log = 127.0.0.1:{{syslog}} local0
%s
[frontend fe]
bind = 127.0.0.1:{{fe}}
{STATE}
               set-priority-class req.hdr(c) if {{ req.hdr(c) -m found }}
               set-priority-offset req.hdr(o) if {{ req.hdr(o) -m found }}
               set-header X-Priority %%[prio_class],%%[prio_offset]
default_backend = be
[backend be]
cookie = S insert
timeout queue = 30s
server s1 = 127.0.0.1:{{s1}} maxconn 1 cookie a
"""


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_priorities(proxy: Launcher, origin: Origins, workers: str) -> None:
    """The lower class first; within it who came first, less the offset; a cookie does not change that."""
    gate = Gate()
    if proxy.balancer.program == "haproxy":
        workers = ""
    s1 = origin.http("s1", gate.answer)
    lb = proxy(PRIORITIES.replace("%s", workers).replace("%%", "%"), s1=s1)
    asked: list[tuple[str, tuple[str, ...]]] = [
        ("/0", ()),
        ("/1", ()),
        ("/2", ("c: 3",)),
        ("/3", ("c: -2",)),
        ("/4", ("o: -30000",)),
        ("/5", ("o: 30000",)),
        ("/6", ("o: 9000", "Cookie: S=a")),
        ("/7", ("c: -1", "Cookie: S=a")),
        ("/8", ("c: 99999",)),
        ("/9", ("c: 2047", "o: 9")),
    ]
    with ExitStack() as stack:
        clients = []
        for number, (target, fields) in enumerate(asked):
            clients.append(send(stack, lb, target, *fields))
            eventually(lambda: state(lb)[:2] == [number, 1], "it is served or it waits")  # noqa: B023
        for number in range(1, len(asked) + 1):
            gate.let_go()
            gate.has(min(number + 1, len(asked)))
        for client in clients:
            assert client.read_response().status == 200
    assert gate.names == ["/0", "/3", "/7", "/4", "/1", "/6", "/5", "/2", "/8", "/9"]
    told = {received.message.target: received.message.get("x-priority") for received in s1.requests}
    assert [told[target] for target in ("/0", "/3", "/4", "/8", "/9")] == [
        "0,0",
        "-2,0",
        "0,-30000",
        "2047,0",
        "2047,9",
    ]
    if not workers:
        queues = {target: line.queues for target, line in lines(lb, len(asked)).items()}
        assert queues == {
            "/0": "0/0", "/3": "0/1", "/7": "1/0", "/4": "0/2", "/1": "0/3", "/6": "2/0", "/5": "0/4",
            "/2": "0/5", "/8": "0/6", "/9": "0/7",
        }  # fmt: skip


# -- maxqueue --------------------------------------------------------------------------------------

BOUND = f"""
[global]
log = 127.0.0.1:{{syslog}} local0
%s
[frontend fe]
bind = 127.0.0.1:{{fe}}
{STATE}
default_backend = be
[backend be]
option redispatch = %s
cookie = S insert indirect
timeout queue = 30s
server s1 = 127.0.0.1:{{s1}} maxconn 1 cookie a maxqueue 1
server s2 = 127.0.0.1:{{s2}} cookie b
"""


def bound(workers: str, redispatch: str) -> str:
    text = BOUND.replace("= %s", f"= {redispatch}").replace("%s", workers)
    return text.replace("%%", "%")


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_a_full_queue_breaks_persistence(proxy: Launcher, origin: Origins, workers: str) -> None:
    """With redispatch whoever finds the queue full goes elsewhere and gets another cookie: +0 in the line."""
    gate = Gate()
    if proxy.balancer.program == "haproxy":
        workers = ""
    lb = proxy(bound(workers, "yes"), s1=origin.http("s1", gate.answer), s2=origin.http("s2"))
    with ExitStack() as stack:
        clients = []
        for number in range(4):
            clients.append(send(stack, lb, f"/{number}", "Cookie: S=a"))
            if number < 2:
                eventually(lambda: state(lb)[0] == number, "it is served or it waits")  # noqa: B023
        for client in clients[2:]:
            answer = client.read_response()
            assert (answer.body, answer.get("set-cookie")) == (b"s2", "S=b; path=/")
        gate.let_go(9)
        assert [client.read_response().body for client in clients[:2]] == [b"/0", b"/1"]
    found = lines(lb, 4)
    assert [(found[t].to, found[t].flags, found[t].retries, found[t].queues) for t in ("/2", "/0", "/1")] == [
        ("be/s2", "--DI", "+0", "0/0"),
        ("be/s1", "--VN", "0", "0/0"),
        ("be/s1", "--VN", "0", "1/0"),
    ]


def test_a_full_queue_without_redispatch(proxy: Launcher, origin: Origins) -> None:
    """503, SQ, and the server is named."""
    gate = Gate()
    lb = proxy(bound("", "no"), s1=origin.http("s1", gate.answer), s2=origin.http("s2"))
    with ExitStack() as stack:
        first = [send(stack, lb, "/0", "Cookie: S=a"), send(stack, lb, "/1", "Cookie: S=a")]
        eventually(lambda: state(lb)[0] == 1, "one waits")
        assert lb.ask(get("/2", "Cookie: S=a")).status == 503
        gate.let_go(9)
        assert [client.read_response().status for client in first] == [200, 200]
    line = lines(lb, 3)["/2"]
    assert (line.to, line.flags[:2], line.status, line.timers[1:4]) == ("be/s1", "SQ", 503, (-1, -1, -1))


HASHED = f"""
[frontend fe]
bind = 127.0.0.1:{{fe}}
{STATE}
default_backend = be
[backend be]
balance = %s
option redispatch = yes
timeout queue = 30s
server s1 = 127.0.0.1:{{s1}} maxconn 1 maxqueue 1
"""


@pytest.mark.parametrize(
    ("algorithm", "queues", "refused"),
    [
        ("uri", ["0/0", "1/0"], 1),
        ("leastconn", ["0/0", "1/0", "0/1"], 0),
        ("roundrobin", ["0/0", "0/1", "0/2"], 0),
    ],
)
def test_whose_queue_it_is(
    proxy: Launcher, origin: Origins, algorithm: str, queues: list[str], refused: int
) -> None:
    """A hash binds to its server like a cookie, leastconn as long as maxqueue allows, the others to none."""
    gate = Gate()
    ini = HASHED.replace("= %s", f"= {algorithm}").replace("%%", "%")
    lb = proxy(ini, s1=origin.http("s1", gate.answer))
    with ExitStack() as stack:
        clients = []
        for number in range(3 - refused):
            clients.append(send(stack, lb, f"/{number}"))
            eventually(lambda: state(lb)[:2] == [number, 1], "it is served or it waits")  # noqa: B023
        for _ in range(refused):
            assert lb.ask().status == 503
        gate.let_go(9)
        for client in clients:
            assert client.read_response().status == 200
    found = lines(lb, 3)
    assert [found[f"/{number}"].queues for number in range(len(queues))] == queues
    if refused:
        assert found["/"].flags == "SQ--"


# -- minconn ---------------------------------------------------------------------------------------

RAMP = f"""
[global]
log = 127.0.0.1:{{syslog}} local0
%s
[frontend fe]
bind = 127.0.0.1:{{fe}}
maxconn = 200
{STATE}
default_backend = be
[frontend other]
bind = 127.0.0.1:{{other}}
maxconn = 40
use_backend = be if {{ path /never }}
[backend be]
timeout queue = 30s
%s
server s1 = 127.0.0.1:{{s1}} minconn 1 maxconn %d
"""


def ramp(workers: str, fullconn: str, maxconn: int) -> str:
    return RAMP.replace("%%", "\0").replace("%[", "\1") % (workers, fullconn, maxconn)


@pytest.mark.parametrize("workers", ["", "workers = 2"])
def test_a_limit_that_grows_with_the_load(proxy: Launcher, origin: Origins, workers: str) -> None:
    """Twelve requests, fullconn 10, maxconn 5: the limit is half of what the backend has; as they end it
    goes down again."""
    gate = Gate()
    if proxy.balancer.program == "haproxy":
        workers = ""
    lb = proxy(ramp(workers, "fullconn = 10", 5).replace("\1", "%["), s1=origin.http("s1", gate.answer))
    with ExitStack() as stack:
        clients = []
        for number in range(12):
            clients.append(send(stack, lb, f"/{number}"))
            eventually(lambda: sum(state(lb)[:2]) == number + 1, "it is there")  # noqa: B023
        queued, now, free = state(lb)
        assert (queued + now, now + free) == (12, 5)
        for left in range(11, -1, -1):
            gate.let_go()
            # HAProxy looks at the queue when a request ends, and then fills the server up.
            allowed = max(1, min(5, left // 2)) if left else 0
            eventually(lambda: sum(state(lb)[:2]) == left, "one has ended")  # noqa: B023
            eventually(
                lambda: allowed <= state(lb)[1] <= max(allowed, min(5, (left + 1) // 2)),  # noqa: B023
                f"with {left} it has {allowed}",
            )
        for client in clients:
            assert client.read_response().status == 200


def test_fullconn_by_default(proxy: Launcher, origin: Origins) -> None:
    """A tenth of the maxconn of all frontends that may come here: 24, so one request allows a 24th of 100."""
    gate = Gate()
    lb = proxy(ramp("", "", 100).replace("\1", "%["), s1=origin.http("s1", gate.answer))
    with ExitStack() as stack:
        clients = []
        for number, free in enumerate((3, 6, 9, 12)):
            clients.append(send(stack, lb, f"/{number}"))
            eventually(lambda: state(lb) == [0, number + 1, free], f"{free} more")  # noqa: B023
        gate.let_go(9)
        for client in clients:
            assert client.read_response().status == 200


# -- who gives up ----------------------------------------------------------------------------------

ABORT = f"""
[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 20s
timeout client = 30s
timeout server = 30s
timeout queue = 30s
option abortonclose = %s

[frontend fe]
bind = 127.0.0.1:{{fe}}
{STATE}
use_backend = hang if {{ path /hang }}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{{s1}} maxconn 1
[backend hang]
server s1 = 127.0.0.1:{{hang}}
"""


def abort(yes: str) -> str:
    return ABORT.replace("= %s", f"= {yes}").replace("%%", "%")


def test_clients_that_close_are_not_waited_for(proxy: Launcher, origin: Origins) -> None:
    """option abortonclose: in the queue (CQ), while a server is dialled (CC), and while it is silent (CH)."""
    gate = Gate()
    lb = proxy(abort("yes"), s1=origin.http("s1", gate.answer), hang=origin.unanswering())
    with ExitStack() as stack:
        served = send(stack, lb, "/served")
        gate.has(1)
        half, gone, ahead = [send(stack, lb, f"/{name}") for name in ("half", "gone", "ahead")]
        ahead.send(get("/next"))
        eventually(lambda: state(lb)[0] == 3, "three wait")
        hanging = send(stack, lb, "/hang")
        eventually(lambda: state(lb) == [3, 1, 0], "one connects")
        half.sock.shutdown(socket.SHUT_WR)
        assert half.read_to_close() == b""
        gone.close()
        ahead.sock.shutdown(socket.SHUT_WR)
        assert ahead.read_to_close() == b""
        hanging.sock.shutdown(socket.SHUT_WR)
        assert hanging.read_to_close() == b""
        served.sock.shutdown(socket.SHUT_WR)
        assert served.read_response().status == 400
        eventually(lambda: state(lb)[:2] == [0, 0], "nothing is left")
        gate.let_go(9)
    found = lines(lb, 5)
    assert {t: (line.to, line.flags, line.status) for t, line in found.items()} == {
        "/half": ("be/<NOSRV>", "CQ--", -1),
        "/gone": ("be/<NOSRV>", "CQ--", -1),
        "/ahead": ("be/<NOSRV>", "CQ--", -1),
        "/hang": ("hang/s1", "CC--", -1),
        "/served": ("be/s1", "CH--", 400),
    }
    assert gate.names == ["/served"]


def test_without_the_option_they_are_served(proxy: Launcher, origin: Origins) -> None:
    """A client may close for writing and still want its answer."""
    gate = Gate()
    lb = proxy(abort("no"), s1=origin.http("s1", gate.answer), hang=origin.refusing())
    with ExitStack() as stack:
        clients = [send(stack, lb, "/0"), send(stack, lb, "/1")]
        eventually(lambda: state(lb)[0] == 1, "one waits")
        for client in clients:
            client.sock.shutdown(socket.SHUT_WR)
        gate.let_go(9)
        assert sorted(client.read_response().body for client in clients) == [b"/0", b"/1"]


TCP = """
[defaults]
log = global
mode = tcp
option tcplog = yes
option abortonclose = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s
timeout queue = 30s
[frontend fe]
bind = 127.0.0.1:{fe}
       127.0.0.1:{urgent}
tcp-request = content set-priority-class int(-5) if { dst_port {urgent} }
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} maxconn 1
"""


def test_connections_that_wait(proxy: Launcher, origin: Origins) -> None:
    """In mode tcp: the urgent one is served first, and who closes while it waits has left."""
    s1 = origin()
    lb = proxy(TCP, s1=s1)
    with ExitStack() as stack:
        clients = {}
        for name in ("first", "second", "gone", "urgent"):
            clients[name] = stack.enter_context(lb.connect("urgent" if name == "urgent" else "fe"))
            clients[name].send(name.encode())
            if name == "first":
                server = s1.accept()
                assert server.read(5) == b"first"
        clients["gone"].close()
        aborted = lb.log()
        assert " be/<NOSRV> " in aborted.text
        assert " CQ " in aborted.text
        for name, left in (("urgent", "first"), ("second", "urgent")):
            clients[left].close()
            server.close()
            server = s1.accept()
            assert server.read(len(name)) == name.encode()
        clients["second"].close()
        server.close()


# -- new connections -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "workers"),
    [("rate-limit sessions", ""), ("maxconnrate", ""), ("maxsessrate", "workers = 2")],
)
def test_a_limited_rate_of_connections(proxy: Launcher, limit: str, workers: str) -> None:
    """Of a frontend, or of all: those beyond wait in the kernel, and all are served in the end."""
    if proxy.balancer.program == "haproxy":
        workers = ""
    whole, own = (f"{limit} = 20", "") if limit.startswith("max") else ("", f"{limit} = 20")
    ini = """
[global]
log = 127.0.0.1:{syslog} local0
%s
[frontend fe]
bind = 127.0.0.1:{fe}
%s
http-request = return status 200
"""
    lb = proxy(ini % (f"{workers}\n{whole}", own))
    with ExitStack() as stack:
        clients = [send(stack, lb, "/") for _ in range(50)]
        for client in clients:
            assert client.read_response().status == 200
    dates = [lb.log().date for _ in clients]
    seconds = {date: sum(other[:20] == date[:20] for other in dates) for date in dates}
    assert max(seconds.values()) < 50, "not all in one second"
