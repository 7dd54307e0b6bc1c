"""Stick tables in mode tcp: affinity by address and by TLS session ID, keys tracked by connections."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.nginx import Nginx
from tests.support.oracle import need_haproxy
from tests.support.origin import Origins
from tests.support.stream import eventually, get
from tests.support.tables import expect, expect_servers, rows, servers, start

V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

SESSION_IDS = """
[frontend https_frontend]
bind = 127.0.0.1:{fe}
mode = tcp
default_backend = web_server

[backend web_server]
mode = tcp
balance = roundrobin
stick-table = type binary len 32 size 30k expire 30m
acl clienthello = req_ssl_hello_type 1
acl serverhello = rep_ssl_hello_type 2
tcp-request = inspect-delay 5s
              content accept if clienthello
tcp-response = content accept if serverhello
stick = on payload_lv(43,1) if clienthello
        store-response payload_lv(43,1) if serverhello
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""
"""As it is printed in many places."""
PATIENT = SESSION_IDS.replace("tcp-response = ", "tcp-response = inspect-delay 5s\n               ")
"""What HAProxy needs to learn anything from it."""

Farm = Callable[[str], dict[str, Nginx]]


@pytest.fixture
def farm(tmp_path: Path, authority: Authority) -> Iterator[Farm]:
    """Two TLS servers that speak one version and remember sessions by their IDs, without tickets."""
    pem = authority.pem("www.example.com")
    more = "ssl_protocols {}; ssl_session_cache builtin:1000; ssl_session_tickets off;"
    with contextlib.ExitStack() as stack:

        def make(version: str) -> dict[str, Nginx]:
            made = {name: Nginx(name, tmp_path, pem, more.format(version)) for name in ("s1", "s2")}
            for server in made.values():
                stack.enter_context(contextlib.closing(server))
            return made

        yield make


def client(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client without tickets, so that TLS 1.2 knows its sessions by their IDs alone."""
    context = context_for(minimum=version, maximum=version)
    context.options |= ssl.OP_NO_TICKET
    return context


def visit(
    lb: Balancer, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[str, bool, ssl.SSLSession | None]:
    """(who answered, whether the session was resumed, the session)."""
    with lb.connect_tls(context, session=session) as stream:
        stream.send(get("/who"))
        name = stream.read_response().body.decode().strip()
        return name, bool(stream.tls.session_reused), stream.tls.session


def check_sessions(lb: Balancer) -> None:
    """New sessions go round robin, a resumed one to its server, whatever came between."""
    context = client(V1_2)
    fresh = [visit(lb, context) for _ in range(4)]
    assert [(name, resumed) for name, resumed, _ in fresh] == [("s1", False), ("s2", False)] * 2
    expect(lambda: len(servers(lb, "web_server")), 4)
    for name, _, session in (*fresh, *fresh[::2], *fresh[1::2]):
        assert visit(lb, context, session)[:2] == (name, True)
    for _, _, session in fresh:
        assert session is not None
        assert session.id.hex().upper() in servers(lb, "web_server")
    assert len(servers(lb, "web_server")) == 4


def test_session_ids(proxy: Launcher, farm: Farm) -> None:
    """TLS 1.2: a session comes back to the server that knows it."""
    check_sessions(start(proxy, PATIENT, **farm("TLSv1.2")))


def test_session_ids_as_printed(greenlb: Launcher, farm: Farm) -> None:
    """The ServerHello is waited for because a rule wants it."""
    check_sessions(start(greenlb, SESSION_IDS, **farm("TLSv1.2")))


def test_haproxy_learns_nothing_from_it_as_printed(proxy: Launcher, farm: Farm) -> None:
    """Why greenlb waits by itself: HAProxy looks before the ServerHello is there."""
    need_haproxy()
    lb = start(proxy, SESSION_IDS, **farm("TLSv1.2"))
    visit(lb, client(V1_2))
    expect(lambda: len(servers(lb, "web_server")), lb.says(greenlb=1, haproxy=0))


def test_tls_1_3_leaves_nothing_behind(greenlb: Launcher, farm: Farm) -> None:
    """Its session IDs are random: no entry is made of them.  (HAProxy makes one for every connection.)"""
    lb = start(greenlb, SESSION_IDS, **farm("TLSv1.3"))
    assert [visit(lb, client(V1_3))[0] for _ in range(4)] == ["s1", "s2", "s1", "s2"]
    with lb.connect() as other:  # one more exchange of the tables, so that nothing is on its way
        other.send(b"no hello")
    assert servers(lb, "web_server") == {}


def test_a_client_that_says_no_hello_is_served(proxy: Launcher, origin: Origins) -> None:
    """Nothing of it fits the rules, so nothing is stored."""
    ini = PATIENT.replace("5s", "200ms")
    lb = start(proxy, ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert [lb.ask().body for _ in range(2)] == [b"s1", b"s2"]
    assert servers(lb, "web_server") == {}


SOURCE = """
[frontend fe]
bind = 127.0.0.1:{fe}
mode = tcp
default_backend = be
[backend be]
mode = tcp
stick-table = type ip size 10 expire 30s store conn_cnt
stick = on src
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


def test_by_address(proxy: Launcher, origin: Origins) -> None:
    """Each address has its server from its first connection on."""
    lb = start(proxy, SOURCE, s1=origin.http("s1"), s2=origin.http("s2"))
    home: dict[str, str] = {}
    for number in (1, 2, 3, 1, 2, 3, 3, 2, 1):
        with lb.connect(source=f"127.0.0.{number}") as client:
            client.send(get())
            name = client.read_response().body.decode()
        assert home.setdefault(f"127.0.0.{number}", name) == name
    assert home == {"127.0.0.1": "s1", "127.0.0.2": "s2", "127.0.0.3": "s1"}
    expect_servers(lb, "be", home)


def test_a_server_that_refuses_learns_no_client(proxy: Launcher, origin: Origins) -> None:
    """Only who was connected is kept."""
    lb = start(proxy, SOURCE + "retries = 0\n", s1=origin.refusing(), s2=origin.http("s2"))
    with lb.connect() as client:
        client.expect_closed()
    assert lb.log().flags == "SC"
    assert rows(lb, "be") == {}


STORE = (
    "conn_cnt,conn_rate(10s),conn_cur,sess_cnt,sess_rate(10s),http_req_cnt,http_req_rate(10s),http_err_cnt,"
    "http_err_rate(10s),bytes_in_cnt,bytes_out_cnt"
)
TRACKED = f"""
[frontend fe]
bind = 127.0.0.1:{{fe}}
mode = %s
tcp-request = connection track-sc1 src table conns
              connection reject if {{ sc1_conn_cur gt 2 }}
              content track-sc2 src table contents
default_backend = be
[backend be]
mode = %s
server s1 = 127.0.0.1:{{s1}}
[backend conns]
stick-table = type ip size 100 expire 30s store {STORE}
[backend contents]
stick-table = type ip size 100 expire 30s store {STORE}
"""


def counted(lb: Balancer, table: str) -> dict[str, str]:
    """What the table has on us, without rates and bytes."""
    found = rows(lb, table).get("127.0.0.1", {})
    return {name: value for name, value in found.items() if "(" not in name and "bytes" not in name}


def bytes_of(lb: Balancer, table: str) -> tuple[str | None, str | None]:
    """The bytes that the table has on us, in and out."""
    found = rows(lb, table).get("127.0.0.1", {})
    return found.get("bytes_in_cnt"), found.get("bytes_out_cnt")


def test_a_connection_is_tracked_to_its_end(proxy: Launcher, origin: Origins) -> None:
    """Mode http: the connection once, each of its requests; what a request tracks ends with it."""
    lb = start(proxy, TRACKED % ("http", "http"), s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(3):
            client.send(get())
            client.read_response()
        whole = {"conn_cnt": "1", "sess_cnt": "1", "http_req_cnt": "3"}
        expect(lambda: counted(lb, "conns"), whole | {"use": "1", "conn_cur": "1"})
        expect(lambda: counted(lb, "contents"), {"conn_cnt": "3", "http_req_cnt": "3"})
    expect(lambda: counted(lb, "conns"), whole)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GET / HTTP/1.1\r\nHost a\r\n\r\n", {"http_req_cnt": "1", "http_err_cnt": "1"}),
        (b"", {"http_req_cnt": "1", "http_err_cnt": "1"}),
    ],
)
def test_what_is_no_request(proxy: Launcher, origin: Origins, data: bytes, expected: dict[str, str]) -> None:
    """It counts as a request and as an error, for what the connection tracks."""
    lb = start(proxy, TRACKED % ("http", "http"), s1=origin.http("s1"))
    with lb.connect() as client:
        if data:
            client.send(data)
            assert client.read_response().status == 400
        else:
            client.half_close()
            client.read_to_close()
    expect(lambda: counted(lb, "conns"), {"conn_cnt": "1", "sess_cnt": "1"} | expected)
    assert counted(lb, "contents") == {}


def test_mode_tcp(proxy: Launcher, origin: Origins) -> None:
    """One connection: it counts, its bytes count, requests do not exist."""
    lb = start(proxy, TRACKED % ("tcp", "tcp"), s1=origin.http("s1"))
    data = get()
    with lb.connect() as client:
        client.send(data)
        size = len(client.read_response().raw) + 2
        expect(
            lambda: counted(lb, "conns"),
            {"conn_cnt": "1", "sess_cnt": "1", "use": "1", "conn_cur": "1"},
        )
        expect(lambda: counted(lb, "contents"), {"conn_cnt": "1", "use": "1", "conn_cur": "1"})
    expect(lambda: counted(lb, "conns"), {"conn_cnt": "1", "sess_cnt": "1"})
    for table in ("conns", "contents"):
        expect(partial(bytes_of, lb, table), (str(len(data)), str(size)))


def test_too_many_connections(proxy: Launcher, origin: Origins) -> None:
    """The third at a time is refused, until one of them ends."""
    lb = start(proxy, TRACKED % ("tcp", "tcp"), s1=origin.http("s1"))
    with lb.connect() as one, lb.connect() as two:
        for stream in (one, two):
            stream.send(get())
            stream.read_response()
        with contextlib.suppress(ConnectionResetError), lb.connect() as three:
            three.expect_closed()
    eventually(lambda: counted(lb, "conns").get("conn_cur", "0") == "0", "they are gone")
    assert lb.ask().status == 200
