"""Tunnels of mode tcp: ends, timeouts, slow readers, bulk and small pieces, beside HAProxy."""

from __future__ import annotations

import contextlib
import socket

import pytest

from tests.support.lb import Launcher
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
server s1 = 127.0.0.1:{s1} %s
"""


def test_a_servers_reset_is_passed_on(proxy: Launcher, origin: Origins) -> None:
    """SD.  HAProxy gives the client an end, greenlb a reset: what came is not the whole."""
    s1 = origin()
    lb = proxy(INI % ("", "", ""), s1=s1)
    with lb.connect() as client:
        client.send(b"x")
        server = s1.accept()
        server.read(1)
        server.reset()
        if proxy.name == "greenlb":
            with pytest.raises(ConnectionResetError):
                client.sock.recv(1)
        else:
            client.expect_closed()
    assert lb.log().flags == "SD"


def test_a_silent_client_still_gets_its_answer(proxy: Launcher, origin: Origins) -> None:
    """timeout client passed: the server is told that no more comes, and may finish."""
    s1 = origin()
    lb = proxy(INI % ("timeout client = 300ms", "", ""), s1=s1)
    with lb.connect() as client:
        client.send(b"question")
        server = s1.accept()
        assert server.read_to_fin() == b"question"
        server.send(b"answer")
        assert client.read(6) == b"answer"
        server.close()
        client.read_to_close()
    line = lb.log()
    assert (line.flags, line.size) == ("cD", "6")


@pytest.mark.parametrize(
    ("front", "back", "flags"),
    [
        ("", "timeout tunnel = 300ms", "cD"),
        ("timeout client-fin = 300ms", "", "cD"),
        ("", "timeout server-fin = 300ms", "sD"),
    ],
)
def test_tunnel_and_fin_timeouts(proxy: Launcher, origin: Origins, front: str, back: str, flags: str) -> None:
    """timeout tunnel replaces both once bytes flowed; the -fin ones count once one side has ended."""
    s1 = origin()
    lb = proxy(INI % (front, back, ""), s1=s1)
    with lb.connect() as client:
        client.send(b"x")
        server = s1.accept()
        server.send(b"y")
        server.read(1)
        client.read(1)
        if "client-fin" in front:
            server.half_close()
        elif "server-fin" in back:
            client.half_close()
        client.read_to_fin()
        with contextlib.suppress(ConnectionError):
            server.read_to_close()
        server.close()
    line = lb.log()
    assert (line.flags, 280 <= line.timers[2] < 4000) == (flags, True)


def test_each_way_ends_by_itself(proxy: Launcher, origin: Origins) -> None:
    """The server ends first; the client goes on."""
    s1 = origin()
    lb = proxy(INI % ("", "", ""), s1=s1)
    with lb.connect() as client:
        server = s1.accept()
        server.send(b"bye")
        server.half_close()
        assert client.read_to_fin() == b"bye"
        for piece in (b"but", b"still"):
            client.send(piece)
            assert server.read(len(piece)) == piece
        client.half_close()
        assert server.read_to_fin() == b""
    assert lb.log().flags == "--"


SPLICES = ["", "option splice-auto = no", "option splice-request = yes\noption splice-response = yes"]


@pytest.mark.parametrize("option", SPLICES)
def test_a_slow_reader_slows_its_writer(greenlb: Launcher, origin: Origins, option: str) -> None:
    """No memory grows: what the kernel's buffers and a pipe hold, and no more.  Then all of it comes."""
    s1 = origin()
    lb = greenlb(INI % (option, "", ""), s1=s1)
    total = 64 << 20
    piece = bytes(range(256)) * 1024
    with lb.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.send(b"go")
        server = s1.accept()
        server.read(2)
        before = lb.resident()
        with server.sending([piece] * (total // len(piece)), close=True):
            assert client.read(len(piece)) == piece
            assert lb.resident() - before < 24 << 20
            for _ in range(total // len(piece) - 1):
                assert client.read(len(piece)) == piece
        assert client.read_to_fin() == b""
    line = lb.log()
    assert (line.size, line.flags) == (str(total), "--")


@pytest.mark.parametrize("option", SPLICES)
def test_small_after_big_after_small(greenlb: Launcher, origin: Origins, option: str) -> None:
    """Copying and splice(2) take turns without a byte lost or late."""
    s1 = origin()
    lb = greenlb(INI % (option, "", ""), s1=s1)
    big = bytes(range(251)) * 20000
    with lb.connect() as client:
        server = s1.accept()
        for _ in range(3):
            for number in range(20):
                client.send(b"%d" % number)
                assert server.read(len(b"%d" % number)) == b"%d" % number
            with client.sending([big]), server.sending([big]):
                assert client.read(len(big)) == big
                assert server.read(len(big)) == big
        server.close()
        client.read_to_close()
    assert lb.log().size == str(3 * len(big))


def test_from_an_address_of_ours(proxy: Launcher, origin: Origins) -> None:
    """source, of the backend and of a server."""
    s1 = origin()
    own, other = "source = 127.0.0.5", "source 127.0.0.6"
    for back, words in ((own, ""), (own, other), ("", other)):
        lb = proxy(INI % ("", back, words), s1=s1)
        with lb.connect():
            server = s1.accept()
            assert server.sock.getpeername()[0] == ("127.0.0.6" if words else "127.0.0.5")


def test_logasap(proxy: Launcher, origin: Origins) -> None:
    """The line is there with the connection, its time and size marked."""
    s1 = origin()
    lb = proxy(INI % ("option logasap = yes", "", ""), s1=s1)
    with lb.connect() as client:
        client.send(b"x")
        server = s1.accept()
        server.read(1)
        line = lb.log()
        assert (line.to, line.size, line.flags) == ("be/s1", "+0", "--")
        server.close()


def test_nothing_said_nothing_logged(proxy: Launcher, origin: Origins) -> None:
    """option dontlognull in mode tcp: a probe has no line, be it that the server said something."""
    s1 = origin()
    lb = proxy(INI % ("option dontlognull = yes", "", ""), s1=s1)
    with lb.connect() as client:
        s1.accept().send(b"220 hello")
        client.read(9)
    with lb.connect() as client:
        client.send(b"x")
        s1.accept().close()
        client.read_to_close()
        port = client.port
    assert lb.log().port == port


def test_options_of_the_kernel(proxy: Launcher, origin: Origins) -> None:
    """Keepalive and smart options change nothing that the ends can see."""
    s1 = origin()
    front = "option clitcpka = yes\noption tcp-smart-accept = yes"
    back = "option srvtcpka = yes\noption tcp-smart-connect = yes"
    lb = proxy(INI % (front, back, ""), s1=s1)
    with lb.connect() as client:
        client.send(b"hello")
        server = s1.accept()
        assert server.read(5) == b"hello"
        server.send(b"you too")
        assert client.read(7) == b"you too"


def test_an_idle_tunnel_costs_little(greenlb: Launcher, origin: Origins) -> None:
    """No greenlet: some kilobytes each."""
    s1 = origin()
    lb = greenlb(INI % ("", "", ""), s1=s1)
    with contextlib.ExitStack() as stack:

        def more(count: int) -> None:
            for _ in range(count):
                client = stack.enter_context(lb.connect())
                client.send(b"x")
                stack.enter_context(s1.accept()).read(1)

        more(50)
        before = lb.resident()
        more(300)
        assert (lb.resident() - before) / 300 < 10_000
