"""101 Switching Protocols: a request that becomes a tunnel."""

from dataclasses import dataclass

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import get, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
http-reuse = never
server s1 = 127.0.0.1:{s1}
"""

WEBSOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
SWITCH = raw_response(
    "HTTP/1.1 101 Switching Protocols",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
)


@dataclass
class Stage:
    """One balancer and the server that the test plays; each test brings its own connections."""

    lb: Balancer
    s1: Origin


@pytest.fixture(scope="module")
def stage(module_proxy: Launcher, module_origin: Origins) -> Stage:
    s1 = module_origin()
    return Stage(module_proxy(INI, s1=s1), s1)


only_greenlb = pytest.mark.parametrize("module_proxy", ["greenlb"], indirect=True)


def test_a_websocket_becomes_a_tunnel(stage: Stage) -> None:
    """After 101 bytes flow both ways as they are, and the end of one side ends the other."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, seen = s1.take()
        assert ((seen.get("upgrade") or "").lower(), (seen.get("connection") or "").lower()) == (
            "websocket",
            "upgrade",
        )
        server.send(SWITCH)
        answer = client.read_response_head()
        assert (answer.status, answer.get("upgrade")) == (101, "websocket")
        client.send(b"\x81\x05hello\x00\xff")
        assert server.read(9) == b"\x81\x05hello\x00\xff"
        server.send(b"\x82\x03abc\r\n\r\n")
        assert client.read(9) == b"\x82\x03abc\r\n\r\n"
        server.close()
        client.expect_closed()
        port = client.port
    line = lb.log()
    while line.port != port:
        line = lb.log()
    assert line.status == 101


def test_a_websocket_over_tls(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """The same for wss, and the client learns of a clean end."""
    s1 = origin()
    lb = proxy(INI.replace("{fe}\n", "{fe} ssl crt {pem}\n"), s1=s1, pem=authority.pem("www.example.com"))
    with lb.connect_tls(context_for()) as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH + b"hello")
        assert client.read_response_head().status == 101
        assert client.read(5) == b"hello"
        big = b"frame" * 200_000
        with client.sending([big]):
            assert server.read(len(big)) == big
        server.close()
        client.expect_closed()
    assert lb.log().status == 101


def test_bytes_right_behind_the_101_are_not_lost(stage: Stage) -> None:
    """The server's first frame may stand in the segment of its 101."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH + b"first frame")
        assert client.read_response_head().status == 101
        assert client.read(11) == b"first frame"


def test_bytes_right_behind_the_request_are_not_lost(stage: Stage) -> None:
    """What a client sent ahead of the 101 reaches the server in the tunnel."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET) + b"eager")
        server, _ = s1.take()
        server.send(SWITCH)
        assert client.read_response_head().status == 101
        assert server.read(5) == b"eager"


def test_a_big_tunnel_loses_nothing(stage: Stage) -> None:
    """Megabytes in both directions at once."""
    lb, s1 = stage.lb, stage.s1
    up, down = b"up" * 1_000_000, b"down" * 500_000
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH)
        assert client.read_response_head().status == 101
        with client.sending([up]), server.sending([down]):
            assert client.read(len(down)) == down
            assert server.read(len(up)) == up


def test_an_upgrade_may_be_declined(stage: Stage) -> None:
    """A server that answers 200 goes on in HTTP/1.1."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(response(body=b"plain"))
        assert client.read_response().body == b"plain"
        client.send(get("/next"))
        assert s1.take(server)[1].target == "/next"


def test_a_101_that_nobody_asked_for(stage: Stage) -> None:
    """A server that switches without being asked breaks the protocol: 502."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/"))
        server, _ = s1.take()
        server.send(SWITCH + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert client.read_response().status == 502
        server.expect_closed()
        client.expect_silence()
        assert lb.log_of(client).flags == "PH--"


@pytest.mark.parametrize("upgrade", ["h2c", "H2C", "h2c, websocket", "websocket, h2c"])
@only_greenlb
def test_h2c_never_opens_a_tunnel(stage: Stage, upgrade: str) -> None:
    """Upgrade: h2c would let a client talk HTTP/2 past every rule: it does not reach the server, and a
    server that switches all the same is not believed.  HAProxy 2.6 passes it on."""
    lb, s1 = stage.lb, stage.s1
    fields = ("Connection: Upgrade, HTTP2-Settings", f"Upgrade: {upgrade}", "HTTP2-Settings: AAMAAABk")
    with lb.connect() as client:
        client.send(get("/", *fields))
        server, seen = s1.take()
        assert "h2c" not in ",".join(seen.all("upgrade")).lower()
        assert seen.get("http2-settings") is None
        server.send(raw_response("HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: h2c"))
        assert client.read_response().status == 502
        server.expect_closed()


@only_greenlb
def test_an_old_client_opens_no_tunnel(stage: Stage) -> None:
    """Upgrade is for HTTP/1.1: from 1.0 it is ignored (RFC 9110 section 7.8).  HAProxy passes it on."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("GET / HTTP/1.0", *WEBSOCKET))
        _, seen = s1.take()
        assert seen.get("upgrade") is None


def test_timeout_tunnel_ends_an_idle_tunnel(proxy: Launcher, origin: Origins) -> None:
    """Once upgraded, timeout tunnel stands in for the client's and the server's."""
    s1 = origin()
    lb = proxy(INI + "timeout tunnel = 300ms\n", s1=s1)
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH)
        assert client.read_response_head().status == 101
        client.expect_closed()
        server.expect_closed()
    line = lb.log()
    assert line.status == 101
    assert 300 <= line.timers[4] < 3000
    assert line.flags in ("cD--", "sD--")


def test_timeout_tunnel_outlives_the_others(proxy: Launcher, origin: Origins) -> None:
    """An idle tunnel lives on past timeout client and timeout server."""
    s1 = origin()
    ini = INI.replace("default_backend", "timeout client = 200ms\ndefault_backend")
    lb = proxy(ini + "timeout tunnel = 5s\ntimeout server = 200ms\n", s1=s1)
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH)
        assert client.read_response_head().status == 101
        client.expect_silence(0.6)
        client.send(b"still here")
        assert server.read(10) == b"still here"


def test_server_fin_ends_a_tunnel_that_its_client_has_ended(proxy: Launcher, origin: Origins) -> None:
    """A client that has said all: its server may still answer, for so long; sD."""
    s1 = origin()
    lb = proxy(INI + "timeout server-fin = 300ms\n", s1=s1)
    with lb.connect() as client:
        client.send(get("/chat", *WEBSOCKET))
        server, _ = s1.take()
        server.send(SWITCH)
        assert client.read_response_head().status == 101
        client.half_close()
        assert server.read_to_fin() == b""
        server.send(b"last words")
        assert client.read(10) == b"last words"
        client.expect_closed()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[4] < 3000) == ("sD--", True)
