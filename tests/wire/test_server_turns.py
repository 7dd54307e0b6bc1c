"""What turns servers beside their own checks: TLS, agents, programs, traffic, other servers; and what is done
when they turn."""

from __future__ import annotations

import contextlib
import csv
import os
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.farm import Farm
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.runtime import ask
from tests.support.scripted import Scripted
from tests.support.stream import WAIT, Message, eventually, get, response


@contextlib.contextmanager
def scripted(answer: bytes | None, *, speaks: bool = False) -> Iterator[Scripted]:
    with contextlib.closing(Scripted(answer, speaks=speaks)) as server:
        yield server


TLS = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
option httpchk = GET /v1/status
http-check = expect status 200
option log-health-checks = yes
server good = 127.0.0.1:{s1} check inter 1500ms check-ssl check-sni s1.example verify required ca-file {ca}
server wrong = 127.0.0.1:{s1} check inter 1500ms check-ssl verify required ca-file {other}
server whole = 127.0.0.1:{s1} check inter 1500ms ssl verify required ca-file {ca}
server bare = 127.0.0.1:{s1} check inter 1500ms ssl no-check-ssl verify required ca-file {ca}
"""


SAID = re.compile(r"Health check for server be/([a-z]+) (.*), check duration: .*")
TLS_SAYS = {
    "good": "succeeded, reason: Layer7 check passed, code: 200",
    "wrong": 'failed, reason: Layer6 invalid response, info: "SSL handshake failure"',
    "whole": "succeeded, reason: Layer7 check passed, code: 200",
    "bare": "failed, reason: Socket error",
}


def test_checks_over_tls(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """check-ssl with the right authority and the wrong one; ssl means it too, no-check-ssl undoes it."""
    stranger = Authority(tmp_path_factory.mktemp("stranger"), "stranger")
    s1 = origin.http("s1", tls=authority.server_context("s1.example"))
    lb = proxy(TLS, s1=s1, ca=authority.ca_file, other=stranger.ca_file)
    seen: dict[str, str] = {}
    while len(seen) < len(TLS_SAYS):
        found = SAID.fullmatch(lb.syslog.message("Health check for .*").text)
        assert found is not None
        seen.setdefault(found[1], found[2].partition(', info: "Connection reset')[0])
    assert seen == TLS_SAYS


AGENT = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
server s1 = 127.0.0.1:{s1} weight 10 agent-check agent-port {agent} agent-inter 200ms agent-send hello\\n
server s2 = 127.0.0.1:{s2} weight 10
"""


def test_an_agent(proxy: Launcher, origin: Origins) -> None:
    """Its words turn the server; what it is sent is what agent-send says."""
    with scripted(b"up\n") as agent:
        lb = proxy(AGENT, s1=origin.http("s1"), s2=origin.http("s2"), agent=agent)
        eventually(lambda: b"hello\n" in agent.heard, "the agent is asked")
        assert sorted(lb.ask().body for _ in range(4)) == [b"s1", b"s1", b"s2", b"s2"]
        agent.answer = b"down # too hot\n"
        lb.syslog.message(
            r"Server be/s1 is DOWN, reason: Layer7 wrong status, code: 0, "
            r'info: "via agent : down \(too hot\)", '
            r"check duration: [0-9]+ms\. 1 active and 0 backup servers left\. .*"
        )
        assert {lb.ask().body for _ in range(3)} == {b"s2"}
        agent.answer = b"up\n"
        lb.syslog.message(
            r"Server be/s1 is UP, reason: Layer7 check passed, code: 0, info: \"via agent : up\", .*"
        )
        agent.answer = b"drain\n"
        drained = lb.syslog.message(r"Server be/s1 enters drain state\. 1 active .*")
        assert drained.priority == 133
        agent.answer = b"maint\n"
        lb.syslog.message(r"Server be/s1 is going DOWN for maintenance\. 1 active .*")
        agent.answer = b"ready\n"
        lb.syslog.message(r"Server be/s1 is UP/READY \(leaving forced maintenance\)\.")
        eventually(lambda: lb.ask().body == b"s1", "it gets requests again")


EXTERNAL = """
[global]
log = 127.0.0.1:{syslog} local0
external-check = yes

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
option external-check = yes
external-check = command {script}
  path /bin:/usr/bin
option log-health-checks = yes
server good = 127.0.0.1:1 check inter 1500ms
server bad = 127.0.0.1:2 check inter 1500ms
server slow = 127.0.0.1:3 check inter 1500ms
"""

SCRIPT = """#!/bin/sh
echo "$* $PATH $HAPROXY_PROXY_NAME $HAPROXY_SERVER_NAME $HAPROXY_SERVER_ID $HAPROXY_SERVER_ADDR" >> {dir}/ran
case $4 in 2) exit 3;; 3) sleep 600 & echo $! > {dir}/child; wait;; esac
"""


def test_a_program(greenlb: Launcher, tmp_path: Path) -> None:
    """Its exit status, its arguments and environment; one that hangs is ended with all that it started."""
    script = tmp_path / "check"
    script.write_text(SCRIPT.replace("{dir}", str(tmp_path)))
    script.chmod(0o755)
    lb = greenlb(EXTERNAL, script=script)
    for name, expected in (
        ("good", "succeeded, reason: External check passed, code: 0"),
        ("bad", "failed, reason: External check error, code: 3"),
        ("slow", "failed, reason: External check timeout, code: 0"),
    ):
        lb.syslog.message(f"Health check for server be/{name} {expected}, check duration: .*")
    ran = (tmp_path / "ran").read_text().splitlines()
    assert "NOT_USED NOT_USED 127.0.0.1 1 /bin:/usr/bin be good 1 127.0.0.1" in ran
    child = int((tmp_path / "child").read_text())

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/cmdline").read_text() == "" or "sleep" not in os.readlink(
                f"/proc/{child}/exe"
            )
        except OSError:
            return True

    eventually(gone, "what a program left behind is ended too")


OBSERVE = """
[global]
log = 127.0.0.1:{syslog} local0
%s
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1} check inter 60s fall 3 observe layer7 error-limit 3 on-error mark-down
server s2 = 127.0.0.1:{s2} check inter 60s backup
"""


def test_bad_answers_mark_a_server_down(proxy: Launcher, origin: Origins) -> None:
    """Three in a row; a good one in between begins the count anew."""
    marks_down(proxy, origin, OBSERVE % "")


def test_workers_tell_control_of_bad_answers(greenlb: Launcher, origin: Origins) -> None:
    """The same over processes."""
    marks_down(greenlb, origin, OBSERVE % "workers = 1\n")


def marks_down(launcher: Launcher, origin: Origins, ini: str) -> None:
    answers = {"status": "500 No"}

    def answer(message: Message) -> bytes:
        return response(answers["status"], body=b"s1")

    lb = launcher(ini, s1=origin.http("s1", answer), s2=origin.http("s2"))
    with lb.connect() as client:  # one connection: one worker counts
        for status in (500, 500, 200, 500, 500):
            answers["status"] = f"{status} X"
            client.send(get())
            assert client.read_response().status == status
        answers["status"] = "502 X"
        client.send(get())
        assert client.read_response().status == 502
    lb.syslog.message(
        r'Server be/s1 is DOWN, reason: Health analyze, info: "Detected 3 consecutive errors, last one was: '
        r'Wrong http response"\. 0 active and 1 backup servers left\. Running on backup\. .*'
    )
    eventually(lambda: lb.ask().body == b"s2", "the backup has it all")


MARKED = """
[defaults]
log = global
mode = tcp
option tcplog = yes
timeout connect = 3s
timeout client = 30s
timeout server = 30s

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
option httpchk = yes
default-server = on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions
server s1 = 127.0.0.1:{s1} check port {check} inter 200ms fall 1 rise 1
server s2 = 127.0.0.1:{s2} backup
"""


def test_sessions_end_when_a_server_turns(proxy: Launcher, origin: Origins) -> None:
    """Those of a server that goes down (flag D), and those of backups when it is back (U)."""
    s1, s2 = origin(), origin()
    with scripted(b"HTTP/1.0 200 OK\r\n\r\n") as check:
        lb = proxy(MARKED, s1=s1, s2=s2, check=check)
        eventually(lambda: len(check.heard) > 1, "it is checked")
        with lb.connect() as client:
            client.send(b"hello")
            assert s1.accept().read_some() == b"hello"
            check.answer = b"HTTP/1.0 500 No\r\n\r\n"
            lb.syslog.message(r"Server be/s1 is DOWN, reason: Layer7 wrong status, code: 500, .*")
            assert client.read_to_close() == b""
        line = lb.log()
        assert (line.to, line.flags[:1]) == ("be/s1", "D")
        with lb.connect() as client:
            client.send(b"hello")
            assert s2.accept().read_some() == b"hello"
            check.answer = b"HTTP/1.0 200 OK\r\n\r\n"
            lb.syslog.message(r"Server be/s1 is UP, reason: Layer7 check passed, code: 200, .*")
            assert client.read_to_close() == b""
        line = lb.log()
        assert (line.to, line.flags[:1]) == ("be/s2", "U")


SLOW = """
[global]
log = 127.0.0.1:{syslog} local0

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
server s1 = 127.0.0.1:{s1} check port {check} inter 200ms fall 1 rise 1 slowstart 6s
server s2 = 127.0.0.1:{s2}
"""


LASTING = """
[global]
log = 127.0.0.1:{syslog} local0
workers = 1
stats socket = {dir}/stats level admin

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
option httpchk = yes
http-check = disable-on-404
server s1 = 127.0.0.1:{refused} check inter 300ms
server s2 = 127.0.0.1:{missing} check inter 300ms
server s3 = 127.0.0.1:{s3} track s1
"""


def test_what_checks_know_outlives_control_and_a_reload(greenlb: Launcher, origin: Origins) -> None:
    """States and counters, of a server that is down, of one that is stopping, and of one that tracks."""

    def rows() -> dict[str, list[str]]:
        wanted = ("status", "chkfail", "chkdown")
        found = csv.DictReader(ask(lb, "show stat").splitlines())
        return {row["svname"]: [row[name] for name in wanted] for row in found if row["# pxname"] == "be"}

    with scripted(b"HTTP/1.0 404 Not Found\r\n\r\n") as missing:
        lb = greenlb(LASTING, refused=origin.refusing(), missing=missing, s3=origin.http("s3"))
        farm = Farm(lb, workers=1)
        farm.has_said("backend be has no server available!")
        before = rows()
        assert before == {
            "s1": ["DOWN", "1", "1"],
            "s2": ["NOLB", "0", "0"],
            "s3": ["DOWN", "", ""],
            "BACKEND": ["DOWN", "", "1"],
        }
        farm.kill("control")
        farm.settled()
        eventually(lambda: rows() == before, "the next control knows it")
        farm.reload()
        eventually(lambda: rows() == before, "and the one after a reload")
        assert lb.ask().status == 503


def share(lb_ask: list[bytes]) -> float:
    return lb_ask.count(b"s1") / len(lb_ask)


def test_a_server_that_came_back_starts_slowly(greenlb: Launcher, origin: Origins) -> None:
    """At boot it has its whole share; after it came back a small one, and in the end all of it again."""
    with scripted(None) as check:
        check.answer = b""
        lb = greenlb(SLOW, s1=origin.http("s1"), s2=origin.http("s2"), check=check)
        assert share([lb.ask().body for _ in range(20)]) == 0.5
        check.close()
        lb.syslog.message(r"Server be/s1 is DOWN, .*")
        assert share([lb.ask().body for _ in range(5)]) == 0.0
        again = socket.create_server(("127.0.0.1", check.port))
        try:
            lb.syslog.message(r"Server be/s1 is UP, .*")
            assert share([lb.ask().body for _ in range(17)]) < 0.4
            eventually(
                lambda: share([lb.ask().body for _ in range(10)]) == 0.5, "it has its share again", 3 * WAIT
            )
        finally:
            again.close()
            check.sock = socket.create_server(("127.0.0.1", 0))


HOSTILE = """
[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 3s
timeout client = 8s
timeout server = 8s

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1} check inter 300ms

[backend endless]
option httpchk = GET /
http-check = expect string nowhere
server s1 = 127.0.0.1:{endless} check inter 300ms

[backend hanging]
option httpchk = GET /
%s

[backend dead]
%s
"""


def test_checks_of_bad_servers_hold_nobody_up(greenlb: Launcher, origin: Origins) -> None:
    """An answer without end, 100 servers that hang and 400 that refuse: requests are served, other servers
    are checked, and memory stays what it was."""
    refused = origin.refusing()
    hanging = "\n".join(f"server h{n} = 127.0.0.1:{{hangs}} check inter 300ms" for n in range(100))
    dead = "\n".join(f"server d{n} = 127.0.0.1:{{dead}} check inter 300ms" for n in range(400))
    with scripted(None) as hangs, endless() as port:
        s1 = origin.http("s1")
        lb = greenlb(HOSTILE % (hanging, dead), s1=s1, endless=port, hangs=hangs, dead=refused)
        lb.syslog.message(
            r"Server endless/s1 is DOWN, reason: Layer7 invalid response, info: "
            r'"HTTP content check did not match", .*'
        )
        lb.syslog.message(r"backend dead has no server available!", 3 * WAIT)
        before = lb.resident()
        eventually(lambda: len(hangs.heard) > 250, "hanging servers are checked again and again", 3 * WAIT)
        assert {lb.ask().body for _ in range(20)} == {b"s1"}
        assert lb.resident() < before + (64 << 20)


@contextlib.contextmanager
def endless() -> Iterator[int]:
    """A server whose answer has no end."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            sock.recv(65536)
            sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                sock.sendall(b"x" * 65536)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(WAIT)
