"""What operators have said and what was counted outlives control, and carries over a reload by name."""

from __future__ import annotations

import csv
import os
import signal

from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.runtime import ask
from tests.support.stream import eventually, get

INI = """[global]
log = 127.0.0.1:{syslog} local0
stats socket = {dir}/stats level admin
state-dir = {dir}/state
workers = 2

[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 20s
timeout server = 20s

[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
stick-table = type string size 100 expire 30m store conn_cnt,gpc0
stick = on req.hdr(k)
option redispatch = yes
server s1 = 127.0.0.1:{s1} check inter 100ms fall 1 maxconn 20
server s2 = 127.0.0.1:{s2}
server s3 = 127.0.0.1:{s3}
server s4 = 127.0.0.1:{s4} check inter 100ms fall 1
server s5 = 127.0.0.1:{s5} weight 2
"""
WANTED = ("status", "weight", "slim", "stot", "hrsp_2xx", "chkdown", "addr")


def rows(lb: Balancer) -> dict[str, dict[str, str]]:
    """The servers' rows of ``show stat``."""
    found = csv.DictReader(ask(lb, "show stat").removeprefix("# ").splitlines())
    return {row["svname"]: row for row in found if row["pxname"] == "be"}


def standing(lb: Balancer) -> dict[str, list[str]]:
    """How they stand and what they have counted."""
    return {name: [row[column] for column in WANTED] for name, row in rows(lb).items()}


def table(lb: Balancer) -> list[str]:
    """The table's entries, without the time that they have left."""
    lines = ask(lb, "show table be").splitlines()[1:]
    return sorted(" ".join(w for w in line.split()[1:] if not w.startswith("exp=")) for line in lines if line)


def uptime(lb: Balancer) -> int:
    (line,) = [line for line in ask(lb, "show info").splitlines() if line.startswith("Uptime_sec:")]
    return int(line.split()[1])


def who(lb: Balancer, *fields: str) -> set[str]:
    return {lb.ask(get("/", *fields)).body.decode() for _ in range(10)}


def test_what_was_said_and_counted(greenlb: Launcher, origin: Origins) -> None:
    """Weights, states, addresses, limits, stick entries, counters; since when it is so."""
    elsewhere = origin.http("elsewhere")
    servers = {name: origin.http(name) for name in ("s1", "s2", "s3", "s5")}
    lb = greenlb(INI, None, **servers, s4=origin.refusing())
    farm = Farm(lb)
    farm.has_said("Server be/s4 is DOWN")
    home = lb.ask(get("/", "k: client")).body
    assert home in (b"s1", b"s2", b"s3", b"s5")
    for command in (
        "set server be/s1 weight 5",
        "set maxconn server be/s1 7",
        "disable server be/s2",
        "set server be/s3 state drain",
        f"set server be/s5 addr 127.0.0.1 port {elsewhere.port}",
        "set table be key other data.gpc0 7",
    ):
        assert "not" not in ask(lb, command)
    assert who(lb) == {"s1", "elsewhere"}
    eventually(lambda: int(rows(lb)["BACKEND"]["stot"]) == 11, "all are counted")
    eventually(lambda: uptime(lb) >= 3 and int(rows(lb)["s4"]["lastchg"]) >= 2, "some time has gone by")
    before, entries = standing(lb), table(lb)
    statuses = {name: values[0] for name, values in before.items()}
    assert statuses == {
        "s1": "UP",
        "s2": "MAINT",
        "s3": "DRAIN",
        "s4": "DOWN",
        "s5": "no check",
        "BACKEND": "UP",
    }
    assert before["s1"][1:3] == ["5", "7"]
    assert len(entries) == 2

    def as_before() -> None:
        eventually(lambda: standing(lb) == before, "it stands and counts as before")
        assert table(lb) == entries
        assert uptime(lb) >= 3
        assert int(rows(lb)["s4"]["lastchg"]) >= 2

    farm.kill("control")
    as_before()
    farm.settled()
    farm.reload()
    as_before()
    farm.kill("control")
    farm.kill("worker 1")
    farm.settled()
    as_before()
    assert who(lb) == {"s1", "elsewhere"}


def test_it_is_found_by_name(greenlb: Launcher, origin: Origins) -> None:
    """Not by place: other servers come before it, and another backend; what is new has nothing of the old."""
    lb = greenlb(INI, None, **{name: origin.http(name) for name in ("s1", "s2", "s3", "s4", "s5")})
    farm = Farm(lb)
    ask(lb, "disable server be/s1")
    ask(lb, "set server be/s2 weight 7")
    homes = {key: who(lb, f"k: {key}") for key in ("a", "b", "c")}
    assert all(len(home) == 1 for home in homes.values())
    path = lb.directory / "greenlb.ini"
    before, _, servers = path.read_text().partition("server s1")
    lines = ("server s1" + servers).strip().splitlines()
    port = lines[0].split()[3]
    text = before.replace("[backend be]", f"[backend before]\nserver s1 = {port}\n[backend be]")
    path.write_text(text + "\n".join([f"server s0 = {port}", *lines[::-1]]) + "\n")
    os.kill(farm.master, signal.SIGHUP)
    lb.syslog.message(r"Loading success\.")
    farm.settled()
    found = rows(lb)
    assert {name: row["status"] for name, row in found.items() if row["status"] == "MAINT"} == {"s1": "MAINT"}
    assert (found["s2"]["weight"], found["s0"]["weight"]) == ("7", "1")
    assert found["s0"]["stot"] == "0"
    assert {key: who(lb, f"k: {key}") for key in homes} == homes


def test_cleared_counters_stay_cleared(greenlb: Launcher, origin: Origins) -> None:
    """Those of all workers are taken off together, and nothing that comes later is lost."""
    lb = greenlb(INI, None, **{name: origin.http(name) for name in ("s1", "s2", "s3", "s4", "s5")})
    farm = Farm(lb)
    for _ in range(20):
        lb.ask()
    eventually(lambda: rows(lb)["BACKEND"]["stot"] == "20", "all are counted")
    assert ask(lb, "clear counters all") == ""
    assert rows(lb)["BACKEND"]["stot"] == "0"
    for _ in range(6):
        lb.ask()
    eventually(lambda: rows(lb)["BACKEND"]["stot"] == "6", "all are counted")
    farm.kill("control")
    eventually(lambda: rows(lb)["BACKEND"]["stot"] == "6", "the next control knows")
    farm.settled()
