"""A worker that is to end, by a graceful stop or a reload: what runs finishes, what idles is closed."""

from __future__ import annotations

import os
import signal
from contextlib import ExitStack

import pytest

from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import WAIT, Stream, get, response

INI = """[global]
log = 127.0.0.1:{syslog} local0
workers = 2
%s

[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 20s
timeout server = 20s
timeout tunnel = 20s

[frontend fe]
bind = 127.0.0.1:{fe}
option httplog = yes
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}

[listen raw]
mode = tcp
option tcplog = yes
bind = 127.0.0.1:{raw}
server s1 = 127.0.0.1:{s2}
"""
WORKERS = ("worker 1", "worker 2")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = get("/ws", "Connection: Upgrade", "Upgrade: websocket")


class Guests:
    """Clients in all states that a connection may be in, with their servers."""

    def __init__(self, lb: Balancer, s1: Origin, s2: Origin, stack: ExitStack) -> None:
        enter = stack.enter_context
        self.idle = enter(lb.connect())
        self.idle.send(get("/idle"))
        server, _ = s1.take()
        server.send(response(body=b"idle"))
        assert self.idle.read_response().get("connection") is None
        self.tunnel = enter(lb.connect())
        self.tunnel.send(UPGRADE)
        self.tunnel_server, _ = s1.take(server)
        self.tunnel_server.send(SWITCHING)
        assert self.tunnel.read_response_head().status == 101
        self.raw = enter(lb.connect("raw"))
        self.raw.send(b"hello")
        self.raw_server = s2.accept()
        assert self.raw_server.read(5) == b"hello"
        self.busy = enter(lb.connect())
        self.busy.send(get("/busy"))
        self.busy_server, _ = s1.take()

    @property
    def tunnels(self) -> list[tuple[Stream, Stream]]:
        return [(self.tunnel, self.tunnel_server), (self.raw, self.raw_server)]

    def tunnels_live(self) -> None:
        for client, server in self.tunnels:
            client.send(b"ping")
            assert server.read(4) == b"ping"
            server.send(b"pong")
            assert client.read(4) == b"pong"


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_what_runs_finishes_and_what_idles_is_closed(greenlb: Launcher, origin: Origins, number: int) -> None:
    """A request that runs is answered, with ``Connection: close``; tunnels of both modes live on as long as
    they do; then the worker ends, and with a graceful stop all of it."""
    s1, s2 = origin(), origin()
    lb = greenlb(INI % "", s1=s1, s2=s2)
    farm = Farm(lb)
    before = farm.roles()
    with ExitStack() as stack:
        guests = Guests(lb, s1, s2, stack)
        os.kill(farm.master, number)
        assert guests.idle.read_to_fin() == b""
        guests.tunnels_live()
        guests.busy_server.send(response(body=b"late"))
        answer = guests.busy.read_response()
        assert (answer.body, answer.get("connection")) == (b"late", "close")
        guests.busy.expect_closed()
        guests.tunnels_live()
        for client, server in guests.tunnels:
            server.close()
            client.expect_closed()
    if number == signal.SIGUSR1:
        assert lb.process.wait(WAIT) == 0
        farm.ended(greenlb)
    else:
        farm.settled()
        assert not {farm.pid(role) for role in WORKERS} & {pid for role in WORKERS for pid in before[role]}


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2])
def test_hard_stop_after_ends_what_does_not(greenlb: Launcher, origin: Origins, number: int) -> None:
    """Tunnels of both modes and a request that is not answered; each has its line in the log."""
    s1, s2 = origin(), origin()
    lb = greenlb(INI % "hard-stop-after = 3s", s1=s1, s2=s2)
    farm = Farm(lb)
    with ExitStack() as stack:
        guests = Guests(lb, s1, s2, stack)
        os.kill(farm.master, number)
        guests.tunnels_live()
        lb.syslog.message(r"worker \d \(\d+\): soft-stop running for too long, performing a hard-stop\.")
        for client in (guests.tunnel, guests.raw, guests.busy):
            client.read_to_close()
    if number == signal.SIGUSR1:
        assert lb.process.wait(WAIT) == 0
        farm.ended(greenlb)
    else:
        farm.settled()
        with lb.connect() as client:
            client.send(get())
            server, _ = s1.take()
            server.send(response(body=b"new"))
            assert client.read_response().body == b"new"
