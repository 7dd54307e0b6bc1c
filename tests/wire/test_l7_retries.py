"""``retry-on``: what is sent again after a server has failed it, and what is not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, Stream, eventually, get, post, request, response


@dataclass
class Case:
    """A backend: what is tried again, how its first server fails, its options; what comes of a request:
    ``status`` and ``log`` (server, flags, retries), and how often the first server was ``tried``."""

    events: str
    failure: str
    options: str
    status: int
    log: tuple[str, str, str]
    tried: int
    alone: bool = False
    data: bytes = field(default_factory=get)


REDISPATCH = "retries = 2\noption redispatch = yes"
COOKIE = "cookie = S insert"
BOUND = get("/", "Cookie: S=a")

CASES = {
    "nothing-asked": Case("conn-failure", "empty", REDISPATCH, 502, ("s1", "SH--", "0"), 1),
    "empty": Case("empty-response", "empty", REDISPATCH, 200, ("s2", "----", "+1"), 1),
    "empty-here": Case("empty-response", "empty", "retries = 2", 502, ("s1", "SH--", "2"), 3),
    "empty-no-retries": Case("empty-response", "empty", "retries = 0", 502, ("s1", "SH--", "0"), 1),
    "half-a-head": Case("empty-response", "partial", "retries = 1", 502, ("s1", "SH--", "1"), 2, alone=True),
    "not-junk": Case("junk-response", "partial", "retries = 1", 502, ("s1", "SH--", "0"), 1, alone=True),
    "junk": Case("junk-response", "junk", REDISPATCH, 200, ("s2", "----", "+1"), 1),
    "junk-alone": Case("junk-response", "junk", "retries = 2", 502, ("s1", "PH--", "2"), 3, alone=True),
    "late": Case("response-timeout", "hang", REDISPATCH, 200, ("s2", "----", "+1"), 1),
    "late-alone": Case("response-timeout", "hang", "retries = 1", 504, ("s1", "sH--", "1"), 2, alone=True),
    "status": Case("404 503", "503", REDISPATCH, 200, ("s2", "----", "+1"), 1),
    "status-alone": Case("404 503", "503", "retries = 2", 503, ("s1", "----", "2"), 3, alone=True),
    "other-status": Case("404 500", "503", REDISPATCH, 503, ("s1", "----", "0"), 1),
    "all": Case("all-retryable-errors", "503", REDISPATCH, 200, ("s2", "----", "+1"), 1),
    "none": Case("none", "refuse", REDISPATCH, 503, ("s1", "SC--", "0"), 0),
    "not-connections": Case("503", "refuse", REDISPATCH, 503, ("s1", "SC--", "0"), 0),
    "cookie": Case("503", "503", f"{REDISPATCH}\n{COOKIE}", 200, ("s2", "--DI", "+2"), 2, data=BOUND),
    "promise": Case("503", "503", f"retries = 2\n{COOKIE}", 503, ("s1", "--VN", "2"), 3, data=BOUND),
    "body": Case("503", "503", REDISPATCH, 200, ("s2", "----", "+1"), 1, data=post("/", b"x" * 1000)),
    "big-body": Case("503", "503", REDISPATCH, 503, ("s1", "----", "0"), 1, data=post("/", b"x" * 20000)),
    "forbidden": Case(
        "503", "503", REDISPATCH, 503, ("s1", "----", "0"), 1, data=request("PUT / HTTP/1.1")
    ),
}  # fmt: skip


class Failing:
    """A server that fails each request as it is told."""

    def __init__(self, origin: Origins, failure: str) -> None:
        self.tried = 0
        self.failure = failure
        self.bodies: list[bytes] = []
        self.ended = threading.Event()
        if failure == "refuse":
            self.port = origin.refusing().port
        elif failure == "empty":
            self._origin = origin()
            self.port = self._origin.port
            threading.Thread(target=self._close_all, daemon=True).start()
        else:
            self.port = origin.http("s1", self._answer).port

    def _answer(self, message: Message) -> bytes:
        self.tried += 1
        self.bodies.append(message.body)
        match self.failure:
            case "junk":
                return b"SOMETHING ELSE\r\n\r\n"
            case "partial":
                return b"HTTP/1.1 200 OK\r\nContent-"
            case "hang":
                self.ended.wait(20)
                return b""
        return response(f"{self.failure} No", body=b"no")

    def _close_all(self) -> None:
        while not self.ended.is_set():
            try:
                sock, _ = self._origin.sock.accept()
            except OSError:
                return
            with Stream(sock) as stream:
                sock.settimeout(10)
                stream.read_request()
                self.tried += 1


@pytest.fixture(scope="module")
def failing(module_origin: Origins) -> Iterator[dict[str, Failing]]:
    """A failing server for each case."""
    made = {name: Failing(module_origin, case.failure) for name, case in CASES.items()}
    yield made
    for server in made.values():
        server.ended.set()


@pytest.fixture(scope="module")
def lb(module_proxy: Launcher, module_origin: Origins, failing: dict[str, Failing]) -> Balancer:
    """One balancer with a backend for each case."""
    second = module_origin.http("s2")
    ports: dict[str, int] = {"s2": second.port}
    ini = [
        "[defaults]\nlog = global\nmode = http\noption httplog = yes\ntimeout connect = 3s\n"
        "timeout client = 20s\ntimeout server = 20s\n",
        "[frontend fe]\nbind = 127.0.0.1:{fe}\nhttp-request = disable-l7-retry if { method PUT }\n"
        "use_backend = %[req.hdr(x-case)]\n",
    ]
    for number, (name, case) in enumerate(CASES.items()):
        ports[f"p{number}"] = failing[name].port
        ini.append(f"[backend {name}]\nretry-on = {case.events}\n{case.options}\n")
        if case.failure == "hang":
            ini.append("timeout server = 500ms\n")
        ini.append(f"server s1 = 127.0.0.1:{{p{number}}} cookie a\n")
        if not case.alone:
            ini.append("server s2 = 127.0.0.1:{s2} cookie b\n")
    return module_proxy("".join(ini), None, **ports)


@pytest.mark.parametrize("name", CASES)
def test_what_is_tried_again(lb: Balancer, failing: dict[str, Failing], name: str) -> None:
    """The client's answer, the line's server, flags and retries, and what the server saw of it."""
    case, server = CASES[name], failing[name]
    server.tried, server.bodies = 0, []
    head, _, body = case.data.partition(b"\r\n\r\n")
    answer = lb.ask(head + b"\r\nX-Case: " + name.encode() + b"\r\n\r\n" + body)
    line = lb.log()
    assert (answer.status, (line.server, line.flags, line.retries)) == (case.status, case.log)
    if case.alone or case.log[0] == "s1" or case.failure == "empty":
        eventually(lambda: server.tried == case.tried, "the server was tried so often")
    assert set(server.bodies) <= {body}, "each try has the whole body"


LATE = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
retry-on = empty-response 503
retries = 1
option redispatch = yes
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


@pytest.mark.parametrize("size", [10, 12000])
def test_a_body_that_comes_bit_by_bit(greenlb: Launcher, origin: Origins, size: int) -> None:
    """What passed is kept, be the body whole or not, and the rest follows to the next server.  (HAProxy tries
    only what is there whole when it is sent first.)"""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    s1, s2 = origin(), origin.http("s2")
    lb = greenlb(LATE, s1=s1, s2=s2)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", f"Content-Length: {size}"))
        server = s1.accept()
        server.read_until(b"\r\n\r\n")
        client.send(body[: size // 2])
        assert server.read(size // 2) == body[: size // 2]
        server.close()
        client.send(body[size // 2 :])
        assert client.read_response().body == b"s2"
    assert s2.requests[0].message.body == body
    assert (lb.log().retries, lb.log_seen[-1].flags) == ("+1", "----")


def test_a_body_that_grows_too_long(greenlb: Launcher, origin: Origins) -> None:
    """Beyond tune.bufsize nothing is kept: the failure is the client's to see."""
    s1, s2 = origin(), origin.http("s2")
    lb = greenlb(LATE, s1=s1, s2=s2)
    size = 40000
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", f"Content-Length: {size}", body=b"x" * 10000))
        server = s1.accept()
        server.read_until(b"\r\n\r\n")
        client.send(b"x" * 20000)
        server.read(30000)
        server.close()
        client.send(b"x" * 10000)
        assert client.read_response().status == 502
    assert not s2.requests
    assert (lb.log().retries, lb.log_seen[-1].flags) == ("0", "SH--")


def test_slots_and_connections_are_given_back(greenlb: Launcher, origin: Origins) -> None:
    """After many failed tries the server's slots are free, and no descriptor is left."""
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
retry-on = 503
retries = 2
server s1 = 127.0.0.1:{s1} maxconn 1
"""
    s1 = origin.http("s1", lambda message: response("503 No", body=b"no"))
    lb = greenlb(ini, s1=s1)
    lb.ask()
    before = lb.descriptors()
    for _ in range(30):
        assert lb.ask().status == 503
    assert len(s1.requests) == 93
    eventually(lambda: lb.descriptors() <= before, "no descriptor is left")
