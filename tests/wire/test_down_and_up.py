"""A server that is lost: who waits for it, whom its cookie binds, and the last one of a farm."""

from __future__ import annotations

import re
import threading
from contextlib import ExitStack

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins, Refusing
from tests.support.stream import Message, eventually, get, response
from tests.support.syslog import parse_line

INI = """
[global]
log = 127.0.0.1:{syslog} local0
%s
[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 3s
timeout client = 30s
timeout server = 30s
timeout queue = 30s
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = return status 200 content-type text/plain lf-string %%[srv_queue(be/s1)],%%[srv_is_up(be/s1)] if { path /state }
default_backend = be
[backend be]
option redispatch = %s
option persist = %s
cookie = S insert indirect
server s1 = 127.0.0.1:{s1} maxconn 1 cookie a check inter 100ms fall 1 rise 1 port {check}
server s2 = 127.0.0.1:{s2} cookie b
"""  # noqa: E501
LEFT = (
    r"Server be/s1 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", "
    r"check duration: \d+ms\. 1 active and 0 backup servers left\. 1 sessions active, {} requeued, "
    r"{} remaining in queue\."
)


class Server:
    """A server that keeps its requests, and the port where it is checked."""

    def __init__(self, origin: Origins) -> None:
        self.gate = threading.Semaphore(0)
        self.http = origin.http("s1", self._answer)
        self.checked: Refusing = origin.refusing()
        self.checked.listen()

    def _answer(self, message: Message) -> bytes:
        self.gate.acquire(timeout=30)
        return response(body=b"s1")


@pytest.mark.parametrize(
    ("redispatch", "persist", "workers"),
    [("yes", "no", ""), ("yes", "no", "workers = 2"), ("no", "no", ""), ("yes", "yes", "")],
)
def test_who_waits_for_a_server_that_is_lost(
    proxy: Launcher, origin: Origins, redispatch: str, persist: str, workers: str
) -> None:
    """With redispatch they go elsewhere at once, +0 in the line; without it, or with option persist, they go
    on waiting, and get its next free slot."""
    if proxy.balancer.program == "haproxy":
        workers = ""
    s1 = Server(origin)
    ini = INI % (workers, redispatch, persist)
    lb = proxy(ini, s1=s1.http, s2=origin.http("s2"), check=s1.checked)
    moves = redispatch == "yes" and persist == "no"
    with ExitStack() as stack:
        clients = []
        for number in range(3):
            client = stack.enter_context(lb.connect())
            client.send(get(f"/{number}", "Cookie: S=a"))
            clients.append(client)
            waiting = b"%d,1" % max(0, number)
            eventually(lambda: lb.ask(get("/state")).body == waiting, "it waits")  # noqa: B023
        s1.checked.close()
        traffic: list[str] = []  # lines of those who were moved may come first
        told = re.compile(LEFT.format(2, 0) if moves else LEFT.format(0, 2))
        while not told.fullmatch(text := lb.syslog.receive().text):
            traffic.append(text)
        assert lb.ask(get("/state")).body == (b"0,0" if moves else b"2,0")
        if moves:
            answers = [client.read_response() for client in clients[1:]]
            assert [(a.body, a.get("set-cookie")) for a in answers] == [(b"s2", "S=b; path=/")] * 2
        s1.gate.release(9)
        rest = [client.read_response().body for client in (clients[:1] if moves else clients)]
        assert set(rest) == {b"s1"}
    lines = {line.request.split()[1]: line for text in traffic if (line := parse_line(text))}
    while not {"/0", "/1", "/2"} <= lines.keys():
        line = lb.log()
        lines[line.request.split()[1]] = line
    found = [(lines[name].to, lines[name].flags, lines[name].retries) for name in ("/1", "/2")]
    assert found == ([("be/s2", "--DI", "+0")] * 2 if moves else [("be/s1", "--VN", "0")] * 2)


FARM = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
cookie = S insert
%s
server s1 = 127.0.0.1:{s1} check inter 100ms fall 1 rise 1 cookie a
server s2 = 127.0.0.1:{s2} check inter 100ms fall 1 rise 1 cookie b backup
"""


def test_the_last_server(proxy: Launcher, origin: Origins) -> None:
    """The backup takes over; without it there is the emergency line, and 503 that names no server."""
    s1, s2 = origin.refusing(), origin.refusing()
    first, second = s1.listen(), s2.listen()
    del first
    lb = proxy(FARM % "", s1=s1, s2=s2)
    s1.close()
    said = lb.syslog.message(r"Server be/s1 is DOWN.*")
    assert "0 active and 1 backup servers left. Running on backup." in said.text
    second.close()
    said = lb.syslog.message(r"Backup Server be/s2 is DOWN.*")
    assert "0 active and 0 backup servers left." in said.text
    emergency = lb.syslog.message(r"backend be has no server available!")
    assert emergency.priority == 16 * 8
    for fields, flags in ((["Cookie: S=a"], "SCDN"), ([], "SCNN")):
        assert lb.ask(get("/", *fields)).status == 503
        line = lb.log()
        assert (line.to, line.flags, line.timers[1:4]) == ("be/<NOSRV>", flags, (-1, -1, -1))


def test_persistence_to_a_server_that_is_lost(proxy: Launcher, origin: Origins) -> None:
    """option persist: its cookie still leads there, and fails there; otherwise elsewhere at once."""
    for option, to, flags, status in (
        ("option persist = yes\nretries = 0", "be/s1", "SCDN", 503),
        ("option redispatch = yes", "be/s2", "--DI", 200),
    ):
        s1 = origin.refusing()
        ini = (FARM % option).replace(" backup", "")
        lb = proxy(ini, s1=s1, s2=origin.http("s2"))
        lb.syslog.message(r"Server be/s1 is DOWN.*")
        answer = lb.ask(get("/", "Cookie: S=a"))
        line = lb.log()
        assert (answer.status, line.to, line.flags) == (status, to, flags)
