"""Storms of clients that leave at any moment, through everything that can answer them: afterwards nothing is
left of them, no descriptor, no slot, no place in a queue, and no gauge counts them."""

from __future__ import annotations

import contextlib
import csv
import random
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Listener
from tests.support.runtime import SOCKET, ask
from tests.support.stream import LINGER_RESET, WAIT, Stream, chunked, eventually, get, post, request

APPS = Path(__file__).parent / "apps"

INI = f"""
[global]
log = 127.0.0.1:{{syslog}} local0
{SOCKET}
[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
timeout queue = 8s
[frontend fe]
bind = 127.0.0.1:{{fe}}
stats enable = yes
stats uri = /stats
http-request = wait-for-body time 2s if {{ path /wait }}
    use-service prometheus-exporter if {{ path /metrics }}
use_backend = app if {{ path_beg /app/ }}
    zip if {{ path_beg /zip/ }}
default_backend = be
[backend be]
option abortonclose = yes
retry-on = all-retryable-errors
option redispatch = yes
server s1 = 127.0.0.1:{{flaky}} maxconn 3
server s2 = 127.0.0.1:{{flaky}} maxconn 3
[backend app]
option abortonclose = yes
http-request = set-path %[path,regsub(^/app,)]
server app = wsgi:hostile:application chdir {{apps}} maxconn 5
[backend zip]
compression algo = gzip
http-request = set-path %[path,regsub(^/zip,)]
server app = wsgi:hostile:application chdir {{apps}} maxconn 5
"""

KINDS = {
    "server": get("/"),
    "upload": post("/", b"x" * 9000),
    "chunked": request("POST / HTTP/1.1", "Transfer-Encoding: chunked") + chunked(b"y" * 3000),
    "wait-for-body": post("/wait", b"z" * 6000),
    "page": get("/stats"),
    "events": get("/stats;events"),
    "metrics": get("/metrics"),
    "application": get("/app/slow"),
    "stream": get("/app/waits"),
    "endless": get("/app/endless"),
    "body": post("/app/body", b"b" * 9000),
    "compressed": get("/zip/waits", "Accept-Encoding: gzip"),
    "compressed-endless": get("/zip/endless", "Accept-Encoding: gzip"),
}
GAUGES = ("scur", "qcur")


class Flaky(Listener):
    """A server of whose answers every third comes, every third breaks off and every third is none."""

    def __init__(self) -> None:
        super().__init__(None, "127.0.0.1")
        self._ended = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for number in range(1 << 30):
            try:
                client, _ = self.sock.accept()
            except OSError:
                return
            with client:
                client.settimeout(WAIT)
                try:
                    if not client.recv(65536):
                        continue
                    if number % 3 == 0:
                        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
                    elif number % 3 == 1:
                        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\ncut")
                except OSError:
                    continue

    def end(self) -> None:
        self.sock.shutdown(socket.SHUT_RDWR)
        self._thread.join(WAIT)


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    server = Flaky()
    yield server
    server.end()
    server.sock.close()


def storm(lb: Balancer, count: int, chance: random.Random) -> None:
    """``count`` clients of each kind, forty at a time; each sends as much of its request as chance has it,
    reads perhaps, and goes by FIN or by RST."""
    there: list[Stream] = []
    for data in chance.sample(list(KINDS.values()) * count, len(KINDS) * count):
        client = lb.connect()
        there.append(client)
        client.send_what_goes(data[: chance.choice((1, len(data) // 2, len(data) - 1, len(data), len(data)))])
        if len(there) == 40:
            leave(there.pop(chance.randrange(40)), chance)
    for client in there:
        leave(client, chance)


def leave(client: Stream, chance: random.Random) -> None:
    if chance.random() < 0.3:
        client.sock.setblocking(False)
        with contextlib.suppress(OSError):
            client.sock.recv(chance.choice((1, 65536)))
    if chance.random() < 0.5:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    client.close()


def counted(lb: Balancer) -> dict[str, str]:
    """What of all gauges is not 0."""
    rows = csv.DictReader(ask(lb, "show stat").removeprefix("# ").splitlines())
    return {
        f"{row['pxname']}/{row['svname']} {name}": row[name]
        for row in rows
        for name in GAUGES
        if row.get(name) not in ("0", "", None)
    }


def all_serve(lb: Balancer) -> None:
    """As many at a time as ``maxconn`` allows, through the applications: no slot is lost."""
    clients = [lb.connect() for _ in range(15)]
    for client in clients:
        client.send(get("/app/slow"))
    for client in clients:
        with client:
            assert client.read_response().body == b"good"


def calm(lb: Balancer, descriptors: int) -> None:
    eventually(lambda: not counted(lb), "no gauge counts anybody", 3 * WAIT)
    all_serve(lb)
    eventually(lambda: lb.descriptors() <= descriptors, "no descriptor is left over", 3 * WAIT)
    assert not counted(lb)


def test_nothing_is_left_of_clients_that_leave(greenlb: Launcher, flaky: Flaky) -> None:
    lb = greenlb(INI, flaky=flaky, apps=APPS)
    all_serve(lb)
    before = lb.descriptors()
    storm(lb, 60, random.Random(1))
    calm(lb, before)


def test_nothing_is_left_of_a_worker_that_is_killed(greenlb: Launcher, flaky: Flaky) -> None:
    lb = greenlb(INI.replace("[global]\n", "[global]\nworkers = 2\n", 1), flaky=flaky, apps=APPS)
    farm = Farm(lb)
    there = [lb.connect() for _ in range(60)]
    for number, client in enumerate(there):
        client.send(list(KINDS.values())[number % len(KINDS)])
    for role in ("worker 1", "worker 2"):
        farm.kill(role)
    farm.settled()
    for client in there:
        client.close()
    eventually(lambda: not counted(lb), "no gauge counts anybody", 3 * WAIT)
    all_serve(lb)
