"""Servers by name: a real name server whose records change while the balancer runs."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.nameserver import Nameserver
from tests.support.origin import Origins
from tests.support.stream import WAIT, eventually

SECTION = """
[resolvers dns]
nameserver ns1 = 127.0.0.1:{dns}
timeout resolve = 200ms
timeout retry = 500ms
hold nx = 100ms
hold refused = 100ms
hold obsolete = 100ms
"""
FRONT = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
"""
READY = (
    r"Server be/%s \('%s'\) is UP/READY \(resolves again\)\.",
    r"Server be/%s administratively READY thanks to valid DNS answer\.",
)


@pytest.fixture
def nameserver(tmp_path: Path) -> Iterator[Nameserver]:
    server = Nameserver(tmp_path, "")
    yield server
    server.close()


def changed(lb: Balancer, server: str, before: str, host: str, by: str = "dns/ns1") -> None:
    line = rf"be/{server} changed its IP from {re.escape(before)} to {re.escape(host)} by {by}\."
    assert lb.syslog.message(line).priority == 133


def ready(lb: Balancer, server: str, name: str) -> None:
    for line in (READY[0] % (server, re.escape(name)), READY[1] % server):
        assert lb.syslog.message(line).priority == 133


def lost(lb: Balancer, server: str, why: str, left: int) -> None:
    line = (
        rf"Server be/{server} is going DOWN for maintenance \({why}\)\. "
        rf"{left} active and 0 backup servers left\. "
        r"0 sessions active, 0 requeued, 0 remaining in queue\."
    )
    assert lb.syslog.message(line).priority == 129


def test_a_name_that_moves_and_vanishes(proxy: Launcher, nameserver: Nameserver, origin: Origins) -> None:
    """It starts without an address, gets one, another, none, and its first again."""
    s1 = origin.http("s1")
    lb = proxy(
        SECTION + FRONT + "server s1 = app.example.test:{s1} resolvers dns init-addr none\n",
        s1=s1,
        dns=nameserver.port,
    )
    assert lb.ask().status == 503
    nameserver.change("app A 127.0.0.1")
    changed(lb, "s1", "(none)", "127.0.0.1")
    ready(lb, "s1", "app.example.test")
    assert lb.ask().body == b"s1"
    nameserver.change("app A 127.0.0.2")  # nobody listens there
    changed(lb, "s1", "127.0.0.1", "127.0.0.2")
    eventually(lambda: lb.ask().status == 503, "requests go where the name leads")
    nameserver.change("")
    lost(lb, "s1", "DNS NX status", 0)
    assert lb.syslog.message("backend be has no server available!").priority == 128
    nameserver.change("app CNAME real\nreal A 127.0.0.1")
    changed(lb, "s1", "(none)", "127.0.0.1")
    ready(lb, "s1", "app.example.test")
    assert lb.ask().body == b"s1"


def test_a_template_shares_the_addresses_of_a_name(
    proxy: Launcher, nameserver: Nameserver, origin: Origins
) -> None:
    """One address each; the one whose address goes is out, and gets the next that comes."""
    nameserver.change("app A 127.0.0.1\napp A 127.0.0.2")
    lb = proxy(
        SECTION + FRONT + "server-template t = 3 app.example.test:{s1} resolvers dns init-addr none\n",
        s1=origin.http("t"),
        dns=nameserver.port,
    )
    first = lb.syslog.message(r"be/t1 changed its IP from \(none\) to (127\.0\.0\.[12]) by dns/ns1\.")
    at_first = first.text.split(" to ")[1].split()[0]
    other = {"127.0.0.1": "127.0.0.2", "127.0.0.2": "127.0.0.1"}[at_first]
    changed(lb, "t2", "(none)", other, "DNS cache")
    ready(lb, "t2", "app.example.test")
    nameserver.change(f"app A {at_first}")
    lost(lb, "t2", "No IP for server ", 1)
    nameserver.change(f"app A {at_first}\napp A 127.0.0.9")
    lb.syslog.message(r"be/t[23] changed its IP from \(none\) to 127\.0\.0\.9 by (dns/ns1|DNS cache)\.")


def test_srv_records_tell_address_port_and_weight(
    proxy: Launcher, nameserver: Nameserver, origin: Origins
) -> None:
    a, b = origin.http("a"), origin.http("b")
    nameserver.change(
        f"_http._tcp.app SRV 0 1 {a.port} one\n_http._tcp.app SRV 0 768 {b.port} two\n"
        "one A 127.0.0.1\ntwo A 127.0.0.1"
    )
    lb = proxy(
        SECTION + FRONT + "server-template s = 2 _http._tcp.app.example.test resolvers dns init-addr none\n",
        dns=nameserver.port,
    )
    for _ in range(2):
        line = r"be/s[12] changed its FQDN from \(null\) to (one|two)\.example\.test by 'SRV record'"
        assert lb.syslog.message(line).priority == 133
    bodies: list[bytes] = []

    def both() -> bool:
        bodies.append(lb.ask().body)
        return {b"a", b"b"} <= set(bodies)

    eventually(both, "both servers answer")
    turns = [lb.ask().body for _ in range(10)]
    assert (turns.count(b"a"), turns.count(b"b")) == (2, 8)  # weights 1 and 4
    nameserver.change(f"_http._tcp.app SRV 0 1 {a.port} one\none A 127.0.0.1")
    gone = lb.syslog.message(
        r"Server be/s[12] is going DOWN for maintenance \(entry removed from SRV record\)\. .*"
    )
    assert gone.priority == 129
    assert {lb.ask().body for _ in range(4)} == {b"a"}


def test_an_answer_that_is_refused_and_a_name_server_that_is_silent(
    proxy: Launcher, nameserver: Nameserver, origin: Origins
) -> None:
    """Another server's lookups do not wait for one that gets no answer."""
    silent = socket.socket(type=socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    nameserver.change("app A 127.0.0.1")
    lb = proxy(
        SECTION + "[resolvers silent]\nnameserver ns1 = 127.0.0.1:{silent}\n"
        "timeout retry = 100ms\nhold timeout = 200ms\n"
        + FRONT
        + "server s1 = app.example.test:{s1} resolvers dns init-addr 127.0.0.1\n"
        "server s2 = app.elsewhere.test:{s1} resolvers dns init-addr 127.0.0.1\n"
        "server s3 = app.example.test:{s1} resolvers silent init-addr 127.0.0.1\n",
        s1=origin.http("s"),
        dns=nameserver.port,
        silent=silent.getsockname()[1],
    )
    said = {
        lb.syslog.message(r"Server be/s[23] is going DOWN for maintenance .*").text.split(". ")[0]
        for _ in range(2)
    }
    assert {line.partition("Server be/")[2] for line in said} == {
        "s2 is going DOWN for maintenance (DNS refused status)",
        "s3 is going DOWN for maintenance (DNS timeout status)",
    }
    assert lb.ask().body == b"s"
    silent.close()


def test_workers_follow_and_a_reload_keeps_addresses(
    greenlb: Launcher, nameserver: Nameserver, origin: Origins, tmp_path: Path
) -> None:
    """Control alone asks, from its jail; what it found lies in the board, so it is there before the next one
    has asked."""
    s1 = origin.http("s1")
    jail = tmp_path / "jail"
    jail.mkdir()
    confined = f"user = nobody\ngroup = nogroup\nchroot = {jail}\n" if os.geteuid() == 0 else ""
    nameserver.change("app A 127.0.0.1")
    lb = greenlb(
        "[global]\nworkers = 2\nlog = 127.0.0.1:{syslog} local0\n"
        + confined
        + SECTION
        + FRONT
        + "server s1 = app.example.test:{s1} resolvers dns init-addr last,none\n",
        s1=s1,
        dns=nameserver.port,
    )
    farm = Farm(lb)
    eventually(lambda: {lb.ask().body for _ in range(6)} == {b"s1"}, "both workers know its address")
    nameserver.close()
    farm.rewrite(("init-addr last,none", "init-addr last"))
    farm.reload()
    assert {lb.ask().body for _ in range(6)} == {b"s1"}
    farm.kill("control")
    farm.settled()
    assert {lb.ask().body for _ in range(6)} == {b"s1"}


def test_an_answer_that_is_too_long_for_udp(
    greenlb: Launcher, nameserver: Nameserver, origin: Origins
) -> None:
    """It is asked for again by TCP; of 60 addresses the preferred network's is taken."""
    many = "\n".join(f"app A 127.0.1.{number}" for number in range(60))
    nameserver.change(f"{many}\napp A 127.0.0.1")
    lb = greenlb(
        SECTION
        + "[resolvers tcp]\nnameserver ns1 = tcp@127.0.0.1:{dns}\n"
        + FRONT
        + "server s1 = app.example.test:{s1} resolvers dns init-addr none resolve-net 127.0.0.0/24\n"
        "server s2 = app.example.test:{s1} resolvers tcp init-addr none resolve-net 127.0.0.0/24\n",
        s1=origin.http("s"),
        dns=nameserver.port,
    )
    line = r"be/(s[12]) changed its IP from \(none\) to 127\.0\.0\.1 by (dns|tcp)/ns1\."
    assert {lb.syslog.message(line).text[:5] for _ in range(2)} == {"be/s1", "be/s2"}
    assert lb.ask().body == b"s"


def command(lb: Balancer, text: str) -> str:
    """What a runtime command is answered."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT)
        sock.connect(str(lb.directory / "stats"))
        sock.sendall(f"{text}\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b"")).decode().rstrip("\n")


def test_an_operator_gives_a_server_another_name(
    proxy: Launcher, nameserver: Nameserver, origin: Origins
) -> None:
    """Its answers, and what is told of names and of the name servers."""
    nameserver.change("one A 127.0.0.1\ntwo A 127.0.0.2")
    lb = proxy(
        "[global]\nlog = 127.0.0.1:{syslog} local0\nstats socket = {dir}/stats level admin\n"
        + SECTION
        + FRONT
        + "server s1 = one.example.test:{s1} resolvers dns init-addr none resolve-prefer ipv4\n"
        "server s2 = 127.0.0.1:{s1}\n"
        "server-template t = 1 _http._tcp.app.example.test:80 resolvers dns init-addr none\n",
        s1=origin.http("s"),
        dns=nameserver.port,
    )
    ready(lb, "s1", "one.example.test")

    def names() -> dict[str, tuple[str, ...]]:
        rows = [line.split() for line in command(lb, "show servers state be").splitlines()[2:]]
        return {row[3]: (row[4], row[17], row[19]) for row in rows if row}

    assert names() == {
        "s1": ("127.0.0.1", "one.example.test", "-"),
        "s2": ("127.0.0.1", "-", "-"),
        "t1": ("-", "-", "_http._tcp.app.example.test"),
    }
    for text, said in (
        ("s1 fqdn", "set server <b>/<s> fqdn requires a FQDN."),
        ("s1 fqdn one.example.test", "no need to change the FDQN by 'stats socket command'"),
        ("s1 fqdn a..b", "could not update be/s1 FQDN by 'stats socket command'"),
        ("s2 fqdn a.test", "set server <b>/<s> fqdn failed because no resolution is configured."),
        ("t1 fqdn a.test", "set server <b>/<s> fqdn failed because SRV resolution is configured."),
        (
            "s1 fqdn two.example.test",
            "be/s1 changed its FQDN from one.example.test to two.example.test by 'stats socket command'",
        ),
    ):
        assert command(lb, f"set server be/{text}") == said
    changed(lb, "s1", "127.0.0.1", "127.0.0.2")
    assert names()["s1"] == ("127.0.0.2", "two.example.test", "-")
    shown = command(lb, "show resolvers dns").splitlines()
    assert shown[:2] == ["Resolvers section dns", " nameserver ns1:"]
    counters = dict(line.split(":") for line in shown[2:])
    assert list(counters)[:3] == ["  sent", "  snd_error", "  valid"]
    assert int(counters["  valid"]) >= 2
    assert int(counters["  update"]) >= 2
    assert int(counters["  nx"]) >= 1
    header, *rows = command(lb, "show stat domain resolvers").splitlines()
    assert header.startswith("# id,pid,sent,send_error,valid,update,cname,") and header.endswith(",outdated,")
    (row,) = (row.split(",") for row in rows if row.startswith("ns1,dns,"))
    assert int(dict(zip(header.split(","), row, strict=True))["valid"]) >= 2
    assert command(lb, "show resolvers nope") == "Can't find that resolvers section"
