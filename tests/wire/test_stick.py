"""Clients that come back to their server by a stick table, beside HAProxy."""

from __future__ import annotations

import os
import signal

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, eventually, get, response
from tests.support.tables import command, expect_servers, rows, servers, start

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
%s
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


def farm(proxy: Launcher, origin: Origins, options: str) -> Balancer:
    """Two servers that say their names."""
    return start(proxy, INI % options, s1=origin.http("s1"), s2=origin.http("s2"))


def who(lb: Balancer, *fields: str) -> str:
    """The server that answers one request on a connection of its own."""
    return lb.ask(get("/", *fields)).body.decode()


@pytest.mark.parametrize(
    ("table", "stick", "fields", "key"),
    [
        ("type string len 5 size 10 expire 30s", "req.hdr(k)", "k: abcdefgh", "abcde"),
        ("type string size 10 expire 30s", "req.hdr(k)", "k: " + "x" * 40, "x" * 31),
        ("type string size 10 expire 30s", "req.cook(id)", "Cookie: a=1; id=7", "7"),
        ("type string size 10 expire 30s", "req.hdr(k)", 'k: a "b" \\c', 'a\\ "b"\\ \\\\c'),
        ("type binary len 4 size 10 expire 30s", "req.hdr(k)", "k: abcdefgh", "61626364"),
        ("type binary len 4 size 10 expire 30s", "req.hdr(k)", "k: a", "61000000"),
        ("type binary size 10 expire 30s", "req.hdr(k)", "k: a", "61" + "00" * 31),
        ("type integer size 10 expire 30s", "req.hdr(k)", "k: 12x", "12"),
        ("type integer size 10 expire 30s", "req.hdr(k)", "k: -1", "4294967295"),
        ("type integer size 10 expire 30s", "req.hdr(k)", "k: 4294967297", "1"),
        ("type integer size 10 expire 30s", "req.hdr(k)", "k: abc", "0"),
        ("type ip size 10 expire 30s", "src", "k: a", "127.0.0.1"),
        ("type ipv6 size 10 expire 30s", "src", "k: a", "::ffff:127.0.0.1"),
        ("type ip size 10 expire 30s", "req.hdr(k)", "k: 10.1.2.3", "10.1.2.3"),
        ("type ipv6 size 10 expire 30s", "req.hdr(k)", "k: 2001:DB8::1", "2001:db8::1"),
        ("type ip size 10 expire 30s", "req.hdr_ip(k)", "k: ::ffff:5.6.7.8", "5.6.7.8"),
        ("type string size 10", "req.hdr(k)", "k: forever", "forever"),
        ("type string size 10 expire 30s", "req.hdr(k)", "k:", ""),
        ("type string size 10 expire 30s", "req.hdr(k),lower,field(1,-)", "k: ABC-9", "abc"),
    ],
)
def test_keys(proxy: Launcher, origin: Origins, table: str, stick: str, fields: str, key: str) -> None:
    """What becomes of a sample in a table of each type, and that the client comes back."""
    lb = farm(proxy, origin, f"stick-table = {table}\nstick = on {stick}")
    first = who(lb, fields)
    assert {who(lb, fields) for _ in range(3)} == {first}
    expect_servers(lb, "be", {key: first})


@pytest.mark.parametrize(
    ("table", "stick", "fields"),
    [
        ("type ip size 10 expire 30s", "req.hdr(k)", "k: nonsense"),
        ("type ip size 10 expire 30s", "req.hdr(k)", "k: 2001:db8::1"),
        ("type ip size 10 expire 30s", "req.hdr_ip(k)", "k: 2001:db8::1"),
        ("type ipv6 size 10 expire 30s", "req.hdr(k)", "k: 10.1.2.3"),
        ("type ip size 10 expire 30s", "req.hdr_ip(k)", "k: 2002:102:304::1"),
        ("type ip size 10 expire 30s", "req.hdr_ip(k)", "k: ::9.9.9.9"),
        ("type string size 10 expire 30s", "req.hdr(k)", "other: 1"),
        ("type string size 10 expire 30s", "req.hdr(k) if { path /app }", "k: 1"),
    ],
)
def test_no_key(proxy: Launcher, origin: Origins, table: str, stick: str, fields: str) -> None:
    """A sample that is absent or means nothing in the table: round robin, and nothing is stored."""
    lb = farm(proxy, origin, f"stick-table = {table}\nstick = on {stick}")
    assert [who(lb, fields) for _ in range(4)] == ["s1", "s2", "s1", "s2"]
    assert servers(lb, "be") == {}


def test_match_and_store_are_two_halves(proxy: Launcher, origin: Origins) -> None:
    """store-request learns under one key, match looks under another."""
    lines = "stick = match req.hdr(m)\n        store-request req.hdr(s)"
    lb = farm(proxy, origin, f"stick-table = type string size 10 expire 30s\n{lines}")
    first = who(lb, "s: one")
    assert [who(lb, "m: one") for _ in range(3)] == [first] * 3
    assert len({who(lb, "m: two") for _ in range(4)}) == 2
    expect_servers(lb, "be", {"one": first})
    assert who(lb, "m: one", "s: two") == first
    expect_servers(lb, "be", {"one": first, "two": first})


def test_store_response(proxy: Launcher, origin: Origins) -> None:
    """The server's answer gives the key, when its condition holds."""

    def named(name: str, status: str) -> bytes:
        return response(status, f"X-Id: {name}-id", body=name.encode())

    lb = start(
        proxy,
        INI % "stick-table = type string size 10 expire 30s\nstick = match req.hdr(id)\n"
        "        store-response res.hdr(x-id) if { status 200 }",
        s1=origin.http("s1", lambda message: named("s1", "200 OK")),
        s2=origin.http("s2", lambda message: named("s2", "404 Not Found")),
    )
    assert [who(lb), who(lb)] == ["s1", "s2"]
    expect_servers(lb, "be", {"s1-id": "s1"})
    assert [who(lb, "id: s1-id") for _ in range(3)] == ["s1"] * 3


def test_another_sections_table(proxy: Launcher, origin: Origins) -> None:
    """``table NAME``: two backends know the same clients, by the names of their servers."""
    ini = (
        INI.replace("default_backend = be", "use_backend = other if { path /other }\ndefault_backend = be")
        % "stick = on req.hdr(k) table keys"
        + "[backend other]\nstick = on req.hdr(k) table keys\n"
        "server s2 = 127.0.0.1:{s2}\nserver s1 = 127.0.0.1:{s1}\n"
        "[backend keys]\nstick-table = type string size 10 expire 30s\n"
    )
    lb = start(proxy, ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert who(lb, "k: a") == "s1"
    assert [lb.ask(get("/other", "k: a")).body for _ in range(3)] == [b"s1"] * 3


def test_a_cookie_comes_first(proxy: Launcher, origin: Origins) -> None:
    """The cookie's server is taken, and becomes the key's."""
    options = (
        "cookie = SRV insert indirect\nstick-table = type string size 10 expire 30s\nstick = on req.hdr(k)"
    )
    ini = (INI % options).replace("{s1}\n", "{s1} cookie a\n").replace("{s2}\n", "{s2} cookie b\n")
    lb = start(proxy, ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert who(lb, "k: me") == "s1"
    assert who(lb, "k: me", "Cookie: SRV=b") == "s2"
    expect_servers(lb, "be", {"me": "s2"})
    assert who(lb, "k: me") == "s2"


def test_a_server_that_is_down_is_passed_over(proxy: Launcher, origin: Origins) -> None:
    """A disabled server's clients go elsewhere, and belong there from then on."""
    options = "stick-table = type string size 10 expire 30s\nstick = on req.hdr(k)"
    ini = (INI % options).replace("{s1}\n", "{s1} disabled\n")
    lb = start(proxy, ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert command(lb, "set table be key me data.server_id 1") == []
    assert who(lb, "k: me") == "s2"
    expect_servers(lb, "be", {"me": "s2"})


def test_redispatch(proxy: Launcher, origin: Origins) -> None:
    """The key's server refuses: with option redispatch another serves, and takes the client over."""
    options = "option redispatch = yes\nretries = 1\nstick-table = type string size 10 expire 30s\n"
    lb = start(proxy, INI % (options + "stick = on req.hdr(k)"), s1=origin.refusing(), s2=origin.http("s2"))
    assert command(lb, "set table be key me data.server_id 1") == []
    assert who(lb, "k: me") == "s2"
    assert lb.log().retries == "+1"
    expect_servers(lb, "be", {"me": "s2"})
    assert who(lb, "k: me") == "s2"
    assert lb.log().retries == "0"


def test_without_redispatch_the_server_or_none(proxy: Launcher, origin: Origins) -> None:
    """A key is a promise; the failure does not change it."""
    options = "retries = 0\nstick-table = type string size 10 expire 30s\nstick = on req.hdr(k)"
    lb = start(proxy, INI % options, s1=origin.refusing(), s2=origin.http("s2"))
    assert command(lb, "set table be key me data.server_id 1") == []
    assert lb.ask(get("/", "k: me")).status == 503
    assert rows(lb, "be") == {"me": {"server_id": "1", "server_key": "-"}}


def test_the_oldest_make_room(proxy: Launcher, origin: Origins) -> None:
    """A full table forgets those that were not used for longest."""
    lb = farm(proxy, origin, "stick-table = type string size 3 expire 30s\nstick = on req.hdr(k)")
    for number, key in enumerate(("a", "b", "c"), 1):
        who(lb, f"k: {key}")
        eventually(lambda: len(left(lb)) == number, "it is stored")  # noqa: B023 - asked at once
        eventually(lambda: max(left(lb).values()) < 29_990, "the next one is younger by more than a tick")
    # HAProxy makes room before it knows whether it needs any: b may be gone by this already.
    eventually(lambda: who(lb, "k: a") and oldest(lb) != "a", "a is used, and no longer the oldest")
    who(lb, "k: d")
    eventually(lambda: set(servers(lb, "be")) == {"a", "c", "d"}, "b is gone, and no other")


def left(lb: Balancer) -> dict[str, int]:
    """Milliseconds that each key has left."""
    words = [line.split() for line in command(lb, "show table be")[1:]]
    return {w[1].removeprefix("key="): int(w[3].removeprefix("exp=")) for w in words}


def oldest(lb: Balancer) -> str:
    """The key with the least time left."""
    times = left(lb)
    return min(times, key=lambda key: times[key])


def test_nopurge(proxy: Launcher, origin: Origins) -> None:
    """A full table that must not forget takes no more; the others go round robin."""
    lb = farm(proxy, origin, "stick-table = type string size 2 expire 30s nopurge\nstick = on req.hdr(k)")
    assert [who(lb, "k: a"), who(lb, "k: b")] == ["s1", "s2"]
    assert [who(lb, "k: c") for _ in range(4)] == ["s1", "s2", "s1", "s2"]
    expect_servers(lb, "be", {"a": "s1", "b": "s2"})


def test_entries_expire(proxy: Launcher, origin: Origins) -> None:
    """Unused for its time an entry is gone; use keeps it."""
    lb = farm(proxy, origin, "stick-table = type string size 10 expire 1200ms\nstick = on req.hdr(k)")
    assert [who(lb, "k: a"), who(lb, "k: b")] == ["s1", "s2"]
    eventually(lambda: who(lb, "k: a") == "s1" and "b" not in servers(lb, "be"), "b expires")
    assert set(servers(lb, "be")) == {"a"}


# -- what HAProxy has not: tables that outlive processes -----------------------------------------------

STICK = INI % "stick-table = type string size 100 expire 30m store conn_cnt\nstick = on req.hdr(k)"


def state(greenlb: Launcher) -> str:
    """STICK with a state folder that is not its balancer's own."""
    return f"[global]\nlog = 127.0.0.1:{{syslog}} local0\nstate-dir = {greenlb.directory}/state\n" + STICK


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_entries_survive(greenlb: Launcher, origin: Origins, end: signal.Signals) -> None:
    """A new process knows the clients of the old one, however that ended."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    lb = greenlb(state(greenlb), s1=s1, s2=s2)
    known = {key: who(lb, f"k: {key}") for key in ("a", "b", "c")}
    lb.process.send_signal(end)
    lb.process.wait(WAIT)
    lb.start(lb.directory / "greenlb.ini")
    assert {key: who(lb, f"k: {key}") for key in ("b", "c", "a")} == {**known}
    expect_servers(lb, "be", known)


def test_a_broken_file_is_set_aside(greenlb: Launcher, origin: Origins) -> None:
    """It is tried before it is used: the log says so, the table begins empty, clients are served."""
    folder = greenlb.directory / "state" / "stick-be"
    folder.mkdir(parents=True)
    greenlb.directory.joinpath("state").chmod(0o700)
    (folder / "data.mdb").write_bytes(os.urandom(65536))
    lb = greenlb(state(greenlb), s1=origin.http("s1"), s2=origin.http("s2"))
    text = lb.syslog.receive().text
    assert "Stick table be: " in text and "was broken and is now" in text
    assert len(list(folder.glob("data.mdb.broken-*"))) == 1
    assert {who(lb, "k: a") for _ in range(4)} == {"s1"}


def test_a_folder_that_cannot_be_used(greenlb: Launcher, origin: Origins) -> None:
    """It is logged once, and connections go on."""
    (greenlb.directory / "state").write_text("a file")
    lb = greenlb(state(greenlb), s1=origin.http("s1"), s2=origin.http("s2"))
    assert "cannot use the state folder" in lb.syslog.receive().text
    assert {who(lb, f"k: {n}") for n in range(4)} == {"s1", "s2"}


def test_two_balancers_share(greenlb: Launcher, origin: Origins) -> None:
    """Processes with one state folder know each other's clients at once."""
    s1, s2 = origin.http("s1"), origin.http("s2")
    one, two = (greenlb(state(greenlb), s1=s1, s2=s2) for _ in range(2))
    for n in range(10):
        key = f"k: key{n}"
        here, there = (one, two) if n % 2 else (two, one)
        assert who(here, key) == who(there, key)


WORKERS = """
[global]
log = 127.0.0.1:{syslog} local0
workers = 2
state-dir = {dir}/state
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 src table limits
               deny deny_status 429 if { sc_http_req_rate(0) gt 60 }
default_backend = be
[backend be]
stick-table = type string size 100 expire 30m
stick = on req.hdr(k)
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
[backend limits]
stick-table = type ip size 100 expire 30s store http_req_rate(60s)
"""


def test_workers_are_one(greenlb: Launcher, origin: Origins) -> None:
    """Whichever worker answers: a client's next connection is at home, and the limit is the farm's."""
    lb = greenlb(WORKERS, s1=origin.http("s1"), s2=origin.http("s2"))
    homes = {}
    for number in range(12):
        homes[number] = who(lb, f"k: key{number}")
        assert {who(lb, f"k: key{number}") for _ in range(3)} == {homes[number]}
    assert set(homes.values()) == {"s1", "s2"}
    expect_servers(lb, "be", {f"key{number}": home for number, home in homes.items()})
    statuses = [lb.ask().status for _ in range(80)]
    assert 429 in statuses

    def over() -> bool:
        return {lb.ask().status for _ in range(10)} == {429}

    eventually(over, "the farm's count is over the limit in every worker")


def test_a_server_that_is_not_remembered(proxy: Launcher, origin: Origins) -> None:
    """non-stick: who got there takes turns again."""
    options = "stick-table = type string size 10 expire 30s\nstick = on req.hdr(k)"
    ini = (INI % options).replace("server s2 = 127.0.0.1:{s2}", "server s2 = 127.0.0.1:{s2} non-stick")
    lb = start(proxy, ini, s1=origin.http("s1"), s2=origin.http("s2"))
    assert who(lb, "k: a") == "s1"
    assert [who(lb, "k: b") for _ in range(3)] == ["s2", "s1", "s1"]
    assert [who(lb, "k: a") for _ in range(2)] == ["s1", "s1"]
