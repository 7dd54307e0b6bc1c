"""The runtime socket beside HAProxy's: one dialogue, the same bytes, with one process and with workers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import launcher_of
from tests.support.lb import Balancer
from tests.support.origin import Origins
from tests.support.runtime import ask, connection, raw, said
from tests.support.stream import eventually, get

GLOBAL = """[global]
log = 127.0.0.1:{syslog} local0
stats socket = {dir}/stats mode 600 level admin
               {dir}/operator level operator
               {dir}/user level user
               127.0.0.1:{runtime} level admin
"""
INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
maxconn = 50
default_backend = be
[frontend other]
bind = 127.0.0.1:{other}
default_backend = be
[frontend tcp]
mode = tcp
option tcplog = yes
bind = 127.0.0.1:{tcp}
default_backend = tb
[backend be]
server s1 = 127.0.0.1:{s1} check
server s2 = 127.0.0.1:{s2} check
server s3 = 127.0.0.1:{s3} disabled
[backend tb]
mode = tcp
stick-table = type ip size 1k expire 1m
server t1 = 127.0.0.1:{t1} maxconn 5
"""
HELP = "The following commands are valid at this level:\n"
NO_COMMAND = "Unknown command. Please enter one of the following commands only:\n"
BETTER = "Unknown command, but maybe one of the following ones is a better match:\n"


@dataclass
class Case:
    """A balancer and what stands behind it."""

    lb: Balancer
    origins: Origins


@pytest.fixture(scope="module", params=["greenlb 0", "greenlb 2", "haproxy"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """One process, or one with workers, for the whole table."""
    program, _, workers = request.param.partition(" ")
    origins = Origins()
    launcher = launcher_of(program, tmp_path_factory.mktemp("runtime"))
    ours = GLOBAL + f"workers = {workers}\nstate-dir = {{dir}}/state\n" + INI
    servers = {name: origins.http(name) for name in ("s1", "s2", "s3")}
    try:
        yield Case(launcher(ours, GLOBAL + INI, t1=origins(), **servers), origins)
    finally:
        launcher.close()
        origins.close()


ANSWERS = [
    ("disable server", "Require 'backend/server'.\n"),
    ("disable server be/", "Require 'backend/server'.\n"),
    ("disable server x/y", "No such backend.\n"),
    ("set server be/nope state ready", "No such server.\n"),
    ("set server be/s1 state foo", "'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n"),
    ("set server be/s1 health x", "'set server <srv> health' expects 'up', 'stopping', or 'down'.\n"),
    ("set server be/s1 agent up", "agent checks are not enabled on this server.\n"),
    ("set server be/s1 weight", "Require <weight> or <weight%>.\n"),
    ("set server be/s1 weight 257", "Absolute weight can only be between 0 and 256 inclusive.\n"),
    ("set weight be/s1 -1", "Absolute weight can only be between 0 and 256 inclusive.\n"),
    ("get weight be/s1", "1 (initial 1)\n"),
    ("set server be/s1 addr", "set server <b>/<s> addr requires an address and optionally a port.\n"),
    ("set server be/s1 addr x", "Invalid addr 'x' by 'stats socket command'\n"),
    ("enable health tb/t1", "Health check was not configured on this server, cannot enable.\n"),
    ("enable agent be/s1", "Agent was not configured on this server, cannot enable.\n"),
    ("disable frontend", "A frontend name is expected.\n"),
    ("enable frontend nope", "No such frontend.\n"),
    ("enable frontend fe", "All sockets are already enabled.\n"),
    ("set maxconn frontend fe", "Integer value expected.\n"),
    ("set maxconn frontend fe -1", "Value out of range.\n"),
    ("set maxconn server tb/t1", "Require <maxconn>.\n"),
    ("set maxconn global", "Expects an integer value.\n"),
    ("shutdown frontend nope", "No such frontend.\n"),
    ("shutdown session", "Session pointer expected (use 'show sess').\n"),
    ("shutdown session 0x1", "No such session (use 'show sess').\n"),
    ("shutdown sessions server be/s2", ""),
    ("show sess 0x1", "Session not found.\n"),
    ("show backend", "# name\nbe\ntb\n"),
    ("show table nope", "No such table\n"),
    ("show table", "# table: tb, type: ip, size:1024, used:0\n"),
    ("show cli level", "admin\n"),
    ("operator;show cli level;disable server be/s1", "\noperator\n\nPermission denied\n"),
    ("user;operator", "\nPermission denied\n"),
    ("set timeout cli 5s", ""),
    ("set timeout cli x", "Invalid timeout value.\n"),
    ("set timeout other", "'set timeout' only supports 'cli'.\n"),
    ("show env NO_SUCH_VARIABLE", "Variable not found\n"),
    ("clear counters", ""),
    ("clear counters all", ""),
    ("commit ssl cert nope", "No ongoing transaction! !\nCan't commit nope!\n"),
    ("abort ssl cert nope", "No ongoing transaction!\n"),
    ("abort ssl cert", "'abort ssl cert' expects a filename\n"),
    ("set ssl cert", "'set ssl cert expects a filename and a certificate as a payload\n"),
    (
        "set ssl cert nope <<\nx\n",
        "Can't replace a certificate which is not referenced by the configuration!\nCan't update nope!\n",
    ),
]


def test_answers(case: Case) -> None:
    """Every answer to the byte; each is followed by an empty line."""
    found = {command: ask(case.lb, command) for command, _ in ANSWERS}
    assert found == dict(ANSWERS)


def test_a_dialogue_is_cut_at_lines_and_semicolons(case: Case) -> None:
    path = case.lb.directory / "stats"
    admin = "admin\n\n"
    level = "show cli level"
    assert raw(path, f"{level}\n", half=False) == admin
    assert raw(path, f"{level};") == admin
    assert raw(path, level) == ""  # nothing ends it
    assert raw(path, f"{level};{level}\n", half=False) == admin * 2
    assert raw(path, f"{level}\n{level}\n") == admin * 2
    assert raw(path, f" \t{level} more words \r\n") == admin
    assert raw(path, "quit;show cli level\n") == ""
    assert raw(path, f"prompt;{level}\nquit\n") == f"\n> {admin}> "
    assert raw(path, f"prompt\n{level}\n") == f"\n> {admin}> "
    assert raw(path, f"prompt\nprompt\n{level}\n") == f"\n> \n{admin}"
    assert raw(path, "prompt\nset ssl cert nope <<\nx\n\nquit\n").startswith("\n> + + Can't replace")
    for empty, times in (("\n", 1), (";\n", 2), (f"{level};\n", 1), ("  \n", 1)):
        assert raw(path, empty).count(NO_COMMAND) == times, empty
    for unknown in (f"{level}\\;\n", 'show "version"\n', "show\\ version\n", "show\n", "\xff\xfe\n"):
        assert raw(path, unknown.encode("latin-1")).startswith(BETTER), unknown


def test_what_processes_do(case: Case) -> None:
    """Times to the microsecond where they are asked for; what each process, or thread, does; its memory."""
    lb = case.lb
    plain, exact = ask(lb, "show info"), ask(lb, "show info float")
    assert re.search(r"^Uptime_sec: \d+$", plain, re.MULTILINE)
    assert re.search(r"^Uptime_sec: \d+\.\d+$", exact, re.MULTILINE)
    document = json.loads(ask(lb, "show info float json"))
    (uptime,) = (each["value"] for each in document if each["field"]["name"] == "Uptime_sec")
    assert uptime["type"] == "flt" and isinstance(uptime["value"], float)
    (version,) = re.findall(r"^Version: (.*)$", plain, re.MULTILINE)
    assert ask(lb, "show version") == f"{version}\n"
    assert re.search(r"^date_now: \d+\.\d{6}$", ask(lb, "show activity"), re.MULTILINE)
    assert re.search(r"^Total: \d+ pools, [1-9]\d+ bytes allocated, ", ask(lb, "show pools"), re.MULTILINE)


def test_help(case: Case) -> None:
    """Usage and purpose of a command are said in HAProxy's words, and in its order."""
    path = case.lb.directory / "stats"
    answer = raw(path, "help set maxconn\n")
    assert answer == (
        HELP + "  set maxconn frontend <frontend> <value> : change a frontend's maxconn setting\n"
        "  set maxconn global <value>              : change the per-process maxconn setting\n"
        "  set maxconn server <bk>/<srv>           : change a server's maxconn setting\n"
        "  help [<command>]                        : list matching or all commands\n"
        "  prompt                                  : toggle interactive mode with prompt\n"
        "  quit                                    : disconnect\n\n"
    )
    listed = re.findall(r"^  ((?:show|shutdown|enable) \w+)", raw(path, "help\n"), re.MULTILINE)
    assert listed == sorted(listed)


def test_levels(case: Case) -> None:
    """Who may do what; what may not be done is not done."""
    denied = "Permission denied\n\n"
    user, operator = case.lb.directory / "user", case.lb.directory / "operator"
    for command in ("disable server be/s1", "show sess", "show env", "clear counters", "show errors"):
        assert raw(user, command + "\n") == denied, command
    for command in (
        "disable server be/s1",
        "set weight be/s1 0",
        "shutdown session 0x1",
        "clear counters all",
    ):
        assert raw(operator, command + "\n") == denied, command
    assert raw(user, "get weight be/s1\n") == "1 (initial 1)\n\n"
    assert raw(user, "show table tb\n").endswith("# contents not dumped due to insufficient privileges\n\n")
    assert raw(case.lb.port("runtime"), "show cli level\n") == "admin\n\n"
    lines = raw(user, "show cli sockets\n").splitlines()
    assert lines[:3] == [
        "# socket lvl processes",
        f"unix@{case.lb.directory}/stats admin all",
        f"unix@{case.lb.directory}/operator operator all",
    ]


def names(lb: Balancer, count: int = 12) -> set[str]:
    """The servers that answer so many requests, each on a connection of its own."""
    return {lb.ask(get()).body.decode() for _ in range(count)}


def test_servers_are_taken_out_and_put_back(case: Case) -> None:
    lb = case.lb
    left = "0 sessions active, 0 requeued, 0 remaining in queue."
    assert ask(lb, "disable server be/s1") == ""
    lb.syslog.message(
        rf"Server be/s1 is going DOWN for maintenance\. 1 active and 0 backup servers left\. {left}"
    )
    assert names(lb) == {"s2"}
    assert ask(lb, "enable server be/s1") == ""
    lb.syslog.message(r"Server be/s1 is UP/READY \(leaving forced maintenance\)\.")
    assert names(lb) == {"s1", "s2"}
    assert ask(lb, "enable server be/s3") == ""
    lb.syslog.message(r"Server be/s3 is UP/READY \(leaving forced maintenance\)\.")
    assert names(lb) == {"s1", "s2", "s3"}
    ask(lb, "set server be/s3 state maint")
    lb.syslog.message("Server be/s3 is going DOWN for maintenance.*")
    ask(lb, "set server be/s2 state drain")
    lb.syslog.message("Server be/s2 enters drain state.*")
    assert names(lb) == {"s1"}
    assert ask(lb, "set weight be/s2 1") == ask(lb, "set server be/s2 state maint") == ""
    lb.syslog.message(r"Server be/s2 remains in forced drain mode\.")
    assert ask(lb, "set server be/s2 state drain") == ""
    lb.syslog.message(r"Server be/s2 is UP/DRAIN \(leaving forced maintenance\)\.")
    lb.syslog.message(r"Server be/s2 remains in forced drain mode\.")
    ask(lb, "set server be/s2 state ready")
    lb.syslog.message(r"Server be/s2 is UP \(leaving forced drain\)\.")
    ask(lb, "set server be/s1 weight 0")
    assert names(lb) == {"s2"}
    assert ask(lb, "get weight be/s1") == "0 (initial 1)\n"
    ask(lb, "set server be/s1 weight 100%")
    assert names(lb) == {"s1", "s2"}


def test_health_is_forced(case: Case) -> None:
    lb = case.lb
    ask(lb, "disable health be/s1")
    ask(lb, "set server be/s1 health down")
    lb.syslog.message(r"Server be/s1 is DOWN, changed from CLI\. 1 active and 0 backup servers left\..*")
    assert names(lb) == {"s2"}
    ask(lb, "set server be/s1 health up")
    lb.syslog.message(r"Server be/s1 is UP, changed from CLI\. 2 active and 0 backup servers online\..*")
    ask(lb, "enable health be/s1")
    assert names(lb) == {"s1", "s2"}


def test_a_server_moves(case: Case) -> None:
    lb = case.lb
    port, other = lb.values["s1"], lb.values["s3"]
    by = "by 'stats socket command'\n"
    ask(lb, "disable health be/s1")
    answer = ask(lb, f"set server be/s1 addr 127.0.0.1 port {other}")
    assert answer == f"no need to change the addr, port changed from '{port}' to '{other}' {by}"
    assert names(lb) == {"s3", "s2"}
    answer = ask(lb, f"set server be/s1 addr 127.0.0.1 port {port}")
    assert answer == f"no need to change the addr, port changed from '{other}' to '{port}' {by}"
    answer = ask(lb, f"set server be/s1 addr 127.0.0.1 port {port}")
    assert answer == f"no need to change the addr, no need to change the port {by}"
    ask(lb, "enable health be/s1")
    assert names(lb) == {"s1", "s2"}


def test_tables(case: Case) -> None:
    lb = case.lb
    assert ask(lb, "set table tb key 10.0.0.1") == ""
    eventually(lambda: "used:1" in ask(lb, "show table"), "it is there")
    assert "key=10.0.0.1 use=0 exp=" in ask(lb, "show table tb")
    assert ask(lb, "clear table tb key 10.0.0.1") == ""
    assert ask(lb, "show table tb") == "# table: tb, type: ip, size:1024, used:0\n"


def sessions(lb: Balancer, frontend: str) -> list[str]:
    """The lines of ``show sess`` about one frontend."""
    lines = ask(lb, "show sess").splitlines()
    return [line for line in lines if f" fe={frontend} " in line]


def test_a_frontend_pauses(case: Case) -> None:
    """Connections are refused while it does; those that are there stay."""
    lb = case.lb
    with lb.connect() as kept:
        kept.send(get())
        assert kept.read_response().status == 200
        assert ask(lb, "disable frontend fe") == ""
        lb.syslog.message(r"Paused frontend fe\.")
        assert ask(lb, "disable frontend fe") == "All sockets are already disabled.\n"
        with pytest.raises(ConnectionRefusedError):
            lb.connect()
        kept.send(get())
        assert kept.read_response().status == 200
    assert ask(lb, "enable frontend fe") == ""
    lb.syslog.message(r"Resumed frontend fe\.")
    assert names(lb, 4) <= {"s1", "s2"}


def test_sessions_are_shown_and_shut(case: Case) -> None:
    """Of mode tcp: at once, with the flag of operators in the log."""
    lb = case.lb
    with lb.connect("tcp") as client:
        client.send(b"hello")
        eventually(lambda: len(sessions(lb, "tcp")) == 1, "it is there")
        (line,) = sessions(lb, "tcp")
        source = rf"proto=tcpv4 src=127\.0\.0\.1:{client.port}"
        shown = rf"(0x[0-9a-f]+): {source} fe=tcp be=tb srv=t1 ts=0\w epoch=\w+ age=\d+s "
        found = re.match(shown, line)
        assert found, line
        details = ask(lb, f"show sess {found[1]}")
        assert f"proto=tcpv4 source=127.0.0.1:{client.port}\n" in details
        assert re.search(r"\n  backend=tb \(id=\d+ mode=tcp\) addr=127\.0\.0\.1:\d+\n", details), details
        assert f"\n  server=t1 (id=1) addr=127.0.0.1:{lb.values['t1']}\n" in details
        assert ask(lb, f"shutdown session {found[1]}") == ""
        client.expect_closed()
        assert " tcp tb/t1 " in (logged := lb.log_of(client).text) and " K- " in logged
    assert sessions(lb, "tcp") == []


def test_sessions_of_a_server(case: Case) -> None:
    lb = case.lb
    with lb.connect("tcp") as one, lb.connect("tcp") as other:
        one.send(b"hello")
        other.send(b"hello")
        eventually(lambda: len(sessions(lb, "tcp")) == 2, "they are there")
        assert ask(lb, "shutdown sessions server tb/t1") == ""
        one.expect_closed()
        other.expect_closed()


def test_who_never_reads_or_never_ends_a_line_holds_up_nobody(case: Case) -> None:
    path = case.lb.directory / "stats"
    with connection(path) as silent, connection(path) as endless, connection(path) as deaf:
        endless.setblocking(False)
        try:
            while True:
                endless.send(b"x" * 65536)
        except (BlockingIOError, OSError):
            pass
        deaf.sendall(b"help;" * 200)
        silent.sendall(b"show")
        assert ask(case.lb, "show cli level") == "admin\n"
        assert case.lb.ask(get()).status == 200


def test_invalid_messages_are_shown(case: Case) -> None:
    lb = case.lb
    assert lb.ask(b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: b\x01\r\n\r\n").status == 400
    eventually(lambda: ": invalid request\n" in ask(lb, "show errors"), "it is kept")
    shown = ask(lb, "show errors")
    assert re.match(r"Total events captured on \[[^]]+\] : [1-9]\d*\n \n\[", shown)
    assert re.search(r"\] frontend fe \(#\d+\): invalid request\n  backend <NONE> \(#-1\), ", shown)
    assert "\n  00000  GET / HTTP/1.1\\r\\n\n  00016  Host: a\\r\\n\n" in shown
    assert "\n  00025  Bad Name: b\\x01\\r\\n\n" in shown
    assert "invalid request" not in ask(lb, "show errors fe response")
    assert "invalid request" not in ask(lb, "show errors be")


def test_a_prompt_waits_for_more(case: Case) -> None:
    with connection(case.lb.directory / "stats") as client:
        client.sendall(b"prompt\nset timeout cli 1\nshow cli level\n")
        assert said(client) == "\n> \n> admin\n\n> "


def test_a_frontend_is_shut_down(case: Case) -> None:
    """Its port is free then."""
    lb = case.lb
    assert ask(lb, "shutdown frontend other") == ""
    lb.syslog.message(r"Proxy other stopped \(cumulated conns: FE: 0, BE: 0\)\.")
    with pytest.raises(ConnectionRefusedError):
        lb.connect("other")
    assert ask(lb, "shutdown frontend other") == "Frontend was already shut down.\n"
    assert ask(lb, "enable frontend other") == "Frontend was previously shut down, cannot enable.\n"
    assert lb.ask(get()).status == 200
