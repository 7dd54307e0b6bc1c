"""Which server an exchange is bound to, and whether we are alive: use-server, force-persist, ignore-persist,
option prefer-last-server, monitor-uri."""

from __future__ import annotations

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import QUIET, eventually, get, request

INI = """
[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 200ms
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
cookie = S insert indirect
stick-table = type string len 30 size 100
stick = on req.hdr(u)
option redispatch = yes
retries = 2
force-persist = if { hdr(f) 1 }
ignore-persist = if { hdr(i) 1 }
use-server = s3 if { hdr(w) 3 }
             s4 if { hdr(w) 4 }
             s2 if { hdr(w) 4 }
             %[req.hdr(dyn)] if { req.hdr(dyn) -m found }
             s5 if { hdr(w) 5 }
server s1 = 127.0.0.1:{s1} cookie a
server s2 = 127.0.0.1:{s1} cookie b
server s3 = 127.0.0.1:{s1} cookie c weight 0
server s4 = 127.0.0.1:{s1} cookie d disabled
server s5 = 127.0.0.1:{gone} cookie e weight 0
"""
ANY = ("s1", "s2")

# The fields of a request; the server that got it (one of s1 and s2 where it was free), the status, whether
# there is a new cookie, the flags, the retries.
CASES: dict[str, tuple[tuple[str, ...], str, int, bool, str, str]] = {
    "cookie": (("Cookie: S=a",), "s1", 200, False, "--VN", "0"),
    "cookie-down": (("Cookie: S=d",), "any", 200, True, "--DI", "0"),
    "forced": (("Cookie: S=d", "f: 1"), "s4", 200, False, "--DN", "0"),
    "forced-and-away": (("Cookie: S=e", "f: 1"), "s5", 503, False, "SCVN", "2"),
    "not-forced-and-away": (("Cookie: S=e",), "any", 200, True, "--DI", "+2"),
    "ignored": (("Cookie: S=a", "i: 1"), "any", 200, False, "--UN", "0"),
    "ignored-unknown": (("Cookie: S=zz", "i: 1"), "any", 200, False, "--UN", "0"),
    "ignored-none": (("i: 1",), "any", 200, False, "--NN", "0"),
    "ignored-down": (("Cookie: S=d", "i: 1"), "any", 200, False, "--UN", "0"),
    "named": (("w: 3",), "s3", 200, False, "--NN", "0"),
    "named-and-cookie": (("w: 3", "Cookie: S=a"), "s3", 200, False, "--UN", "0"),
    "named-down": (("w: 4",), "s2", 200, False, "--NN", "0"),
    "named-forced": (("w: 4", "f: 1"), "s4", 200, False, "--NN", "0"),
    "rendered": (("dyn: s3",), "s3", 200, False, "--NN", "0"),
    "rendered-nobody": (("dyn: nobody",), "any", 200, True, "--NI", "0"),
    "rendered-down": (("dyn: s4",), "any", 200, True, "--NI", "0"),
    "named-away": (("w: 5",), "any", 200, True, "--NI", "+2"),
    "named-away-and-cookie": (("w: 5", "Cookie: S=a"), "any", 200, True, "--UI", "+2"),
}


@pytest.fixture(scope="module")
def lb(module_proxy: Launcher, module_origin: Origins) -> Balancer:
    return module_proxy(INI, s1=module_origin.http("s1"), gone=module_origin.refusing())


@pytest.mark.parametrize("name", CASES)
def test_where_it_goes(lb: Balancer, name: str) -> None:
    """By rules, cookies and both."""
    fields, server, status, cookie, flags, retries = CASES[name]
    answer = lb.ask(get("/", *fields))
    line = lb.log()
    assert answer.status == status
    assert (answer.get("set-cookie") is not None, line.flags, line.retries) == (cookie, flags, retries)
    assert line.server in (ANY if server == "any" else (server,))


def test_what_a_stick_table_is_told(lb: Balancer) -> None:
    """A rule's server is what the table learns, and it is bound as by a cookie: it gets no new one."""
    assert lb.ask(get("/", "u: x", "w: 3")).status == 200
    assert lb.log().server == "s3"
    answers = [lb.ask(get("/", "u: x")) for _ in range(3)]
    assert {lb.log().server for _ in answers} == {"s3"}
    assert [answer.get("set-cookie") for answer in answers] == [None] * 3


PREFER = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
http-reuse = never
%s
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


def test_prefer_last_server(proxy: Launcher, origin: Origins) -> None:
    """A client that has a connection of its own to a server goes on with it; others take turns."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    for option, expected in (("option prefer-last-server = yes", 1), ("", 2)):
        lb = proxy(PREFER % option, s1=s1, s2=s2)
        with lb.connect() as client:
            bodies = []
            for _ in range(6):
                client.send(get())
                bodies.append(client.read_response().body)
        assert len(set(bodies)) == expected
        assert bodies[0] == b"s1"


ALIVE = """
[frontend fe]
bind = 127.0.0.1:{fe}
monitor-uri = /alive
monitor fail = if { nbsrv(be) lt 1 }
               if { hdr(x) 1 }
http-request = deny
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} check inter 100ms fall 1 rise 1
"""


def test_are_we_alive(proxy: Launcher, origin: Origins) -> None:
    """200 before any rule, 503 when a condition says so, and never a log line."""
    refusing = origin.refusing()
    lb = proxy(ALIVE, s1=refusing)
    eventually(lambda: lb.ask(get("/alive")).status == 503, "the farm is found empty")
    refusing.listen()
    eventually(lambda: lb.ask(get("/alive")).status == 200, "it is back")
    with lb.connect() as client:
        for data, status, method in (
            (get("/alive"), 200, "GET"),
            (get("/alive", "x: 1"), 503, "GET"),
            (request("HEAD /alive HTTP/1.1"), 200, "HEAD"),
            (request("POST /alive HTTP/1.1", "Content-Length: 5", body=b"hello"), 200, "POST"),
            (request("GET http://foo/alive HTTP/1.1", host="foo"), 200, "GET"),
        ):
            client.send(data)
            answer = client.read_response(method)
            assert answer.status == status, data
            if status == 200 and method != "HEAD":
                assert answer.body == b"<html><body><h1>200 OK</h1>\nService ready.\n</body></html>\n"
        client.send(get("/alive?x"))
        assert client.read_response().status == 403
    assert lb.log().request == "GET /alive?x HTTP/1.1"
    lb.syslog.expect_no_line(QUIET)
