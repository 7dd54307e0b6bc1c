"""tcp-request and tcp-response: what rules over first bytes decide, and when, beside HAProxy."""

from __future__ import annotations

import contextlib

import pytest

from tests.support.certs import Authority
from tests.support.client import connect_tls, context_for
from tests.support.hellos import client_hello, in_records
from tests.support.lb import Balancer, HasPort, Launcher
from tests.support.origin import Origins

INI = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe}
%s
default_backend = be

[backend be]
%s
server s1 = 127.0.0.1:{s1}
"""
HELLO = client_hello()
LONG, SHORT = "inspect-delay 20s", "inspect-delay 400ms"


def rules(*lines: str) -> str:
    return "tcp-request = " + "\n   ".join(lines)


def start(proxy: Launcher, s1: HasPort, front: str, back: str = "") -> Balancer:
    return proxy(INI % (front, back), s1=s1)


PASS, REJECT = True, False
CASES = [
    # (rules, pieces of the client's, what becomes of it)
    (("content reject if { src 127.0.0.1 }",), (), REJECT),
    (("content reject if { src 127.0.0.2 }",), (b"x",), PASS),
    (("content accept if { req.ssl_hello_type 1 }", "content reject"), (), REJECT),
    ((LONG, "content accept if { req_ssl_hello_type 1 }", "content reject"), (HELLO,), PASS),
    (
        (LONG, "content accept if { req.ssl_hello_type 1 }", "content reject"),
        (HELLO[:3], HELLO[3:50], HELLO[50:]),
        PASS,
    ),
    ((LONG, "content reject unless { req.ssl_hello_type 1 }"), (b"SSH-2.0-x\r\n",), REJECT),
    ((SHORT, "content reject unless { req.ssl_hello_type 1 }"), (HELLO[:40],), REJECT),
    ((SHORT, "content reject unless { req.ssl_hello_type 1 }"), (), REJECT),
    ((SHORT, "content reject if { req.ssl_hello_type 1 }"), (), PASS),
    ((LONG, "content reject unless { req.ssl_sni -i SHOP.example.com }"), (HELLO,), PASS),
    ((LONG, "content reject unless { req_ssl_sni -m end .example.org }"), (HELLO,), REJECT),
    ((LONG, "content reject unless { req.ssl_ver 3.3 }"), (HELLO,), PASS),
    ((LONG, "content reject unless { req.ssl_ver lt 3.3 }"), (HELLO,), REJECT),
    ((LONG, "content reject if { req.len lt 3 }"), (), REJECT),
    ((LONG, "content accept if { req.len ge 3 }", "content reject"), (b"a", b"bc"), PASS),
    ((LONG, "content reject if { payload(0,3) -m str bad }"), (b"ba", b"d"), REJECT),
    ((LONG, "content reject if { payload(0,3) -m str bad }"), (b"ba", b"x"), PASS),
    ((SHORT, "content reject if { payload(0,3) -m str bad }"), (b"ba",), PASS),
    ((LONG, "content accept if { payload(0,0) -m str good }", "content reject"), (b"go", b"od"), PASS),
    ((LONG, "content reject if { payload(0,20000) -m found }"), (b"x",), PASS),
    ((LONG, "content reject unless { payload_lv(0,1) -m str abc }"), (b"\x03ab", b"cd"), PASS),
    ((LONG, "content reject unless { payload_lv(43,1) -m len 32 }"), (HELLO,), PASS),
    ((SHORT, "content reject if WAIT_END"), (b"x",), REJECT),
    ((LONG, "content reject if HTTP"), (b"GET / HTTP/1.0\r\n", b"\r\n"), REJECT),
    ((LONG, "content reject if HTTP"), (b"EHLO x.example\r\n\r\n",), PASS),
    ((LONG, "content reject if { req.ssl_hello_type 1 } or { src 127.0.0.1 }"), (), REJECT),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "pieces", "fate"), CASES)
def test_content(
    proxy: Launcher, origin: Origins, lines: tuple[str, ...], pieces: tuple[bytes, ...], fate: bool
) -> None:
    """Rules decide as soon as the bytes allow it, and at the end of inspect-delay with what there is.  What
    was looked at reaches the server whole."""
    s1 = origin()
    lb = start(proxy, s1, rules(*lines))
    with lb.connect() as client:
        for piece in pieces:
            client.send(piece)
            client.until_read()
        if fate is REJECT:
            client.expect_closed()
            s1.expect_nobody()
            line = lb.log()
            assert (line.to, line.flags, line.size) == ("fe/<NOSRV>", "PR", "0")
            assert line.timers[:2] == (-1, -1)
        else:
            server = s1.accept()
            assert server.read(len(b"".join(pieces))) == b"".join(pieces)
            server.send(b"welcome")
            assert client.read(7) == b"welcome"


def test_a_hello_in_many_records(greenlb: Launcher, origin: Origins) -> None:
    """RFC 8446 section 5.1 allows it; HAProxy reads one record."""
    s1 = origin()
    lb = start(greenlb, s1, rules(LONG, "content reject unless { req.ssl_sni shop.example.com }"))
    data = in_records(HELLO, 100)
    with lb.connect() as client:
        client.send(data[:150])
        client.until_read()
        client.send(data[150:])
        assert s1.accept().read(len(data)) == data


def test_alpn(greenlb: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = start(greenlb, s1, rules(LONG, "content reject unless { req.ssl_alpn h2,http/1.1 }"))
    data = client_hello("a.example", "h2", "http/1.1")
    with lb.connect() as client:
        client.send(data)
        assert s1.accept().read(len(data)) == data


@pytest.mark.parametrize("delay", [SHORT, LONG])
def test_the_end_of_the_bytes_decides(proxy: Launcher, origin: Origins, delay: str) -> None:
    """A client that has said all is not waited for."""
    s1 = origin()
    lb = start(proxy, s1, rules(delay, "content accept if { req.ssl_hello_type 1 }"))
    with lb.connect() as client:
        client.send(b"\x16\x03")
        client.half_close()
        server = s1.accept()
        assert server.read_to_fin() == b"\x16\x03"
        server.close()
    assert lb.log().flags == "--"


def test_a_client_that_leaves_while_it_is_looked_at(proxy: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = start(proxy, s1, rules(LONG, "content accept if { req.ssl_hello_type 1 }"))
    client = lb.connect()
    client.send(b"\x16\x03")
    client.until_read()
    client.reset()
    line = lb.log()
    assert (line.to, line.flags) == ("be/<NOSRV>", "CR")


def test_the_delay_counts_as_waiting(proxy: Launcher, origin: Origins) -> None:
    """Tw has it."""
    s1 = origin()
    lb = start(proxy, s1, rules(SHORT, "content accept if WAIT_END"))
    with lb.connect() as client:
        client.send(b"x")
        s1.accept().close()
        client.read_to_close()
    line = lb.log()
    assert 390 <= line.timers[0] < 3000
    assert line.timers[2] >= line.timers[0] - 2  # HAProxy's Tw is a millisecond or two too long


def test_a_backends_own_rules(proxy: Launcher, origin: Origins) -> None:
    s1 = origin()
    lb = start(proxy, s1, "", rules(LONG, "content reject unless { req.payload(0,2) -m str ok }"))
    with lb.connect() as client:
        client.send(b"no")
        client.expect_closed()
    line = lb.log()
    assert (line.to, line.flags) == ("be/<NOSRV>", "PR")
    with lb.connect() as client:
        client.send(b"ok")
        assert s1.accept().read(2) == b"ok"


def test_session_and_connection_rules(proxy: Launcher, origin: Origins) -> None:
    """A connection refused at accept is reset, a session is closed; neither has a line."""
    s1 = origin()
    for kind in ("connection", "session"):
        lb = start(
            proxy,
            s1,
            rules(f"{kind} accept if {{ src 127.0.0.3 }}", f"{kind} reject if {{ src 127.0.0.0/29 }}"),
        )
        with contextlib.suppress(ConnectionError), lb.connect(source="127.0.0.2") as client:
            client.expect_closed()
        with lb.connect(source="127.0.0.3") as client:
            s1.accept().close()
            client.read_to_close()
        assert lb.log().client == "127.0.0.3"


def test_connection_rules_before_a_request(proxy: Launcher, origin: Origins) -> None:
    """In mode http too."""
    s1 = origin.http("s1")
    ini = INI.replace("mode = tcp", "mode = http").replace("tcplog", "httplog")
    lb = proxy(ini % (rules("connection reject if { src 127.0.0.2 }"), ""), s1=s1)
    assert lb.ask().body == b"s1"
    with contextlib.suppress(ConnectionError), lb.connect(source="127.0.0.2") as client:
        client.expect_closed()


def test_content_rules_in_mode_http(proxy: Launcher, origin: Origins) -> None:
    """They see the request, and close without an answer."""
    s1 = origin.http("s1")
    ini = INI.replace("mode = tcp", "mode = http").replace("tcplog", "httplog")
    lb = proxy(ini % (rules("content reject if { path /no }"), ""), s1=s1)
    assert lb.ask().body == b"s1"
    with lb.connect() as client:
        client.send(b"GET /no HTTP/1.1\r\nHost: a\r\n\r\n")
        client.expect_closed()
    lb.log()
    assert lb.log().flags == "PR--"


SNI = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe}
tcp-request = inspect-delay 5s
              content accept if { req.ssl_hello_type 1 }
              content reject
use_backend = shop if { req.ssl_sni -i shop.example.com }
              mail if { req.ssl_sni -m end .mail.example.com }
default_backend = rest

[backend shop]
server s1 = 127.0.0.1:{s1}
[backend mail]
server s2 = 127.0.0.1:{s2}
[backend rest]
server s3 = 127.0.0.1:{s3}
"""


def test_routing_by_sni(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """One address, three farms, each with its own certificate."""
    names = {"s1": "shop.example.com", "s2": "imap.mail.example.com", "s3": "www.example.com"}
    servers = {name: origin.http(name, tls=authority.server_context(host)) for name, host in names.items()}
    lb = proxy(SNI, None, **servers)
    for name, host in names.items():
        with connect_tls(lb.port(), context_for(str(authority.ca_file)), host) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert client.read_response().body == name.encode()
        assert lb.log().to == f"{ {'s1': 'shop', 's2': 'mail', 's3': 'rest'}[name] }/{name}"


def test_a_name_for_the_log(greenlb: Launcher, origin: Origins) -> None:
    """What the hello said is known to the log at the end."""
    s1 = origin()
    ini = INI % (rules(LONG, "content accept if { req.ssl_hello_type 1 }"), "")
    lb = greenlb(ini.replace("option tcplog = yes", 'log-format = "%ts %[req.ssl_sni]"'), s1=s1)
    with lb.connect() as client:
        client.send(HELLO)
        server = s1.accept()
        server.read(len(HELLO))
        server.close()
        client.read_to_close()
    assert lb.syslog.message("-- .*").text == "-- shop.example.com"


def test_response_rules(proxy: Launcher, origin: Origins) -> None:
    """Asked again as the server's bytes come."""
    s1 = origin()
    lines = "tcp-response = inspect-delay 20s\n   content reject if { res.payload(0,2) -m str no }"
    lb = start(proxy, s1, "", lines)
    for word in (b"no", b"nn"):
        with lb.connect() as client:
            client.send(b"?")
            server = s1.accept()
            assert server.read(1) == b"?"
            server.send(word[:1])
            server.until_read()
            client.expect_silence()
            server.send(word[1:])
            if word == b"no":
                client.expect_closed()
            else:
                assert client.read(2) == word
                server.close()
                client.read_to_close()
        assert lb.log().flags == ("PD" if word == b"no" else "--")


def test_response_rules_at_the_end_of_their_delay(proxy: Launcher, origin: Origins) -> None:
    s1 = origin()
    lines = f"tcp-response = {SHORT}\n content accept if {{ rep_ssl_hello_type 2 }}\n content reject"
    lb = start(proxy, s1, "", lines)
    with lb.connect() as client:
        server = s1.accept()
        server.send(b"\x16\x03")
        client.expect_closed()
    assert lb.log().flags == "PD"


def test_a_server_hello_passes(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lines = (
        "tcp-response = inspect-delay 5s\n   content accept if { rep_ssl_hello_type 2 }\n   content reject"
    )
    lb = start(proxy, s1, "", lines)
    with connect_tls(lb.port(), context_for(str(authority.ca_file)), "s1.example") as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.read_response().body == b"s1"


def test_response_close(proxy: Launcher, origin: Origins) -> None:
    """What has come is passed on, and that is all."""
    s1 = origin()
    lb = start(proxy, s1, "", f"tcp-response = {LONG}\n content close if {{ res.len gt 2 }}")
    with lb.connect() as client:
        server = s1.accept()
        server.send(b"bye")
        assert client.read_to_close() == b"bye"
        server.expect_closed()
    assert lb.log().flags == "--"
