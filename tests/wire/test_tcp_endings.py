"""mode tcp: the flags of endings that need something scarce, and TLS made anew towards the server."""

from __future__ import annotations

import contextlib
import os
import resource
import ssl

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins

INI = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s
retries = 0

[frontend fe]
bind = 127.0.0.1:{fe} %s
default_backend = be

[backend be]
%s
server s1 = 127.0.0.1:{s1} %s
"""


def test_a_server_that_does_not_answer(proxy: Launcher, origin: Origins) -> None:
    """timeout connect: sC."""
    lb = proxy(INI % ("", "timeout connect = 300ms", ""), s1=origin.unanswering())
    with lb.connect() as client:
        client.read_to_close()
    line = lb.log()
    assert (line.to, line.flags, line.size, line.timers[1]) == ("be/s1", "sC", "0", -1)
    assert 280 <= line.timers[2] < 3000


def test_too_long_in_the_queue(proxy: Launcher, origin: Origins) -> None:
    """timeout queue: sQ, no server named."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout queue = 300ms", "maxconn 1"), s1=s1)
    with lb.connect() as first, lb.connect() as second:
        server = s1.accept()
        second.read_to_close()
        line = lb.log()
        assert (line.port, line.to, line.flags) == (second.port, "be/<NOSRV>", "sQ")
        assert line.timers[1] == -1
        server.send(b"still")
        assert first.read(5) == b"still"


def leave_descriptors(lb: Balancer, count: int) -> None:
    """Let the process open so many more and no others."""
    used = {int(name) for name in os.listdir(f"/proc/{lb.process.pid}/fd")}
    limit = 0
    while limit in used or count:
        count -= limit not in used
        limit += 1
    _, hard = resource.prlimit(lb.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(lb.process.pid, resource.RLIMIT_NOFILE, (limit, hard))


def test_no_descriptor_for_the_server(greenlb: Launcher, origin: Origins) -> None:
    """The client's connection has the last one: RC, no retry, and a line about it, the first of all.  With
    more of them all is well again.  (HAProxy blames the server, SC, or has no descriptor for the line.)"""
    s1 = origin()
    lb = greenlb((INI % ("", "", "")).replace("retries = 0", "retries = 3"), s1=s1)
    before = resource.prlimit(lb.process.pid, resource.RLIMIT_NOFILE)
    leave_descriptors(lb, 1)
    with lb.connect() as client:
        client.read_to_close()
    resource.prlimit(lb.process.pid, resource.RLIMIT_NOFILE, before)
    line = lb.log()
    assert (line.to, line.flags, line.size) == ("be/s1", "RC", "0")
    with lb.connect() as client:
        client.send(b"hello")
        assert s1.accept().read(5) == b"hello"


def test_a_clients_reset_reaches_the_server(greenlb: Launcher, origin: Origins) -> None:
    """As a reset: it is not taken for the end of what the client had to say."""
    s1 = origin()
    lb = greenlb(INI % ("", "", ""), s1=s1)
    client = lb.connect()
    server = s1.accept()
    client.send(b"x")
    server.read(1)
    client.reset()
    with pytest.raises(ConnectionResetError):
        server.sock.recv(1)
    assert lb.log().flags == "CD"


@pytest.mark.parametrize("front", ["", "ssl crt {pem}"])
def test_tls_to_the_server(proxy: Launcher, origin: Origins, authority: Authority, front: str) -> None:
    """server ... ssl: a stream of anything, verified, named, both ways, whoever speaks first."""
    seen: list[str | None] = []
    context = authority.server_context("s1.example")
    context.sni_callback = lambda sock, name, context: seen.append(name)
    s1 = origin(context)
    words = "ssl verify required ca-file {ca} sni str(s1.example)"
    lb = proxy(INI % (front, "", words), s1=s1, ca=authority.ca_file, pem=authority.pem("a.example"))
    big = bytes(range(251)) * 10000
    with lb.connect_tls(context_for()) if front else lb.connect() as client:
        server = s1.accept()
        server.send(b"220 hello\r\n")
        assert client.read(11) == b"220 hello\r\n"
        with client.sending([big]), server.sending([big]):
            assert client.read(len(big)) == big
            assert server.read(len(big)) == big
        server.close()
        assert client.read_to_close() == b""
    assert seen == ["s1.example"]
    line = lb.log()
    assert (line.frontend, line.to, line.flags) == ("fe~" if front else "fe", "be/s1", "--")
    assert line.size == str(11 + len(big))


def test_a_stranger_is_told_nothing(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A server of another authority: SC, and none of the client's bytes leave."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    s1 = origin(stranger.server_context("s1.example"))
    lb = proxy(INI % ("", "", "ssl verify required ca-file {ca}"), s1=s1, ca=authority.ca_file)
    with lb.connect() as client:
        client.send(b"secret")
        with contextlib.suppress(ssl.SSLError, ConnectionError, OSError):
            s1.accept()
        client.expect_closed()
    assert lb.log().flags == "SC"
