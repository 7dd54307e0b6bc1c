"""Where checks and agents ask, whether a server is spoken to in TLS, and how often all may come: as operators
say, beside HAProxy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.conftest import launcher_of
from tests.support.certs import Authority
from tests.support.lb import Balancer
from tests.support.origin import Origins
from tests.support.runtime import SOCKET, ask
from tests.support.scripted import Scripted
from tests.support.stream import eventually, get

INI = """[global]
log = 127.0.0.1:{syslog} local0
%s%s
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[frontend limited]
bind = 127.0.0.1:{limited}
http-request = return status 200
[backend be]
server s1 = 127.0.0.1:{s1} check inter 100ms
server s2 = 127.0.0.1:{s1} agent-check agent-addr 127.0.0.1 agent-port {agent} agent-inter 100ms
server s3 = 127.0.0.1:{s3} ssl verify none
"""


@dataclass
class Case:
    """A balancer, what it has for an agent, and a port that nobody listens on."""

    lb: Balancer
    agents: list[Scripted]
    nobody: int


@pytest.fixture(scope="module", params=["greenlb 0", "greenlb 2", "haproxy"])
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Case]:
    program, _, workers = request.param.partition(" ")
    with contextlib.ExitStack() as stack:
        origins = stack.enter_context(contextlib.closing(Origins()))
        agents = [
            stack.enter_context(contextlib.closing(Scripted(b"up\n", speaks=each))) for each in (True, False)
        ]
        launcher = launcher_of(program, tmp_path_factory.mktemp("asking"))
        stack.callback(launcher.close)
        ours = INI % (SOCKET, f"workers = {workers}\nstate-dir = {{dir}}/state\n")
        s3 = origins.http("s3", tls=authority.server_context("s3"))
        lb = launcher(ours, INI % (SOCKET, ""), s1=origins.http("s1"), s3=s3, agent=agents[0])
        yield Case(lb, agents, origins.refusing().port)


ANSWERS = [
    (
        "set server be/s1 check-addr",
        "set server <b>/<s> check-addr requires an address and optionally a port.",
    ),
    ("set server be/s1 check-addr x", "invalid addr 'x'"),
    ("set server be/s2 check-addr 127.0.0.1", "health checks are not enabled on this server"),
    ("set server be/s1 check-port", "set server <b>/<s> check-port requires a port."),
    ("set server be/s1 check-port x", "provided port is not an integer"),
    ("set server be/s1 check-port 70000", "provided port is invalid"),
    ("set server be/s2 check-port 1", "health checks are not enabled on this server"),
    ("set server be/s1 agent-addr 127.0.0.1", "agent checks are not enabled on this server"),
    ("set server be/s1 agent-send x", "agent checks are not enabled on this server."),
    (
        "set server be/s2 agent-addr",
        "set server <b>/<s> agent-addr requires an address and optionally a port.",
    ),
    ("set server be/s2 agent-port x", "provided port is not an integer"),
    (
        "set server be/s1 ssl on",
        "'set server <srv> ssl' cannot be set.  default-server should define ssl settings",
    ),
    ("set server be/s3 ssl x", "'set server <srv> ssl' expects 'on' or 'off'."),
    ("set rate-limit connections global", "Expects an integer value."),
    (
        "set server be/s1",
        "usage: set server <backend>/<server> addr | agent | agent-addr | agent-port | agent-send | "
        "check-addr | check-port | fqdn | health | ssl | state | weight",
    ),
]


def test_answers(case: Case) -> None:
    assert {command: ask(case.lb, command).rstrip("\n") for command, _ in ANSWERS} == dict(ANSWERS)


def state(lb: Balancer, server: str) -> dict[str, str]:
    """A server's line of ``show servers state``."""
    _, names, *lines = ask(lb, "show servers state be").splitlines()
    rows = [dict(zip(names[2:].split(), line.split(), strict=True)) for line in lines]
    return next(row for row in rows if row["srv_name"] == server)


def test_a_check_asks_elsewhere(case: Case) -> None:
    lb, port = case.lb, case.lb.values["s1"]
    lb_down = r"Server be/s1 is DOWN, reason: Layer4 connection problem, info: \"Connection refused\", .*"
    assert ask(lb, f"set server be/s1 check-port {case.nobody}") == ""
    lb.syslog.message(lb_down)
    assert state(lb, "s1")["srv_check_port"] == str(case.nobody)
    assert ask(lb, f"set server be/s1 check-addr 127.0.0.1 port {port}") == ""
    lb.syslog.message(r"Server be/s1 is UP, reason: Layer4 check passed, .*")
    found = state(lb, "s1")
    assert (found["srv_check_addr"], found["srv_check_port"]) == ("127.0.0.1", str(port))


def test_another_agent_is_asked_something(case: Case) -> None:
    lb, other = case.lb, case.agents[1]
    other.answer = b"drain\n"
    assert ask(lb, "set server be/s2 agent-send hello") == ""
    assert ask(lb, f"set server be/s2 agent-addr 127.0.0.1 port {other.port}") == ""
    lb.syslog.message(r"Server be/s2 enters drain state\. .*")
    eventually(lambda: b"hello" in other.heard, "it is told so")
    found = state(lb, "s2")
    assert (found["srv_agent_addr"], found["srv_agent_port"]) == ("127.0.0.1", str(other.port))
    other.answer = b"ready\n"
    lb.syslog.message(r"Server be/s2 is UP \(leaving forced drain\)\.")


def test_tls_to_a_server_is_switched_off(case: Case) -> None:
    """It speaks nothing else: it answers only while it is asked in TLS."""
    lb = case.lb
    assert ask(lb, "disable server be/s1") == ask(lb, "disable server be/s2") == ""
    assert lb.ask(get()).body == b"s3"
    assert state(lb, "s3")["srv_use_ssl"] == "1"
    assert ask(lb, "set server be/s3 ssl off") == "server ssl setting updated.\n"
    assert state(lb, "s3")["srv_use_ssl"] == "0"
    assert {lb.ask(get()).status for _ in range(4)} == {502}
    assert ask(lb, "set server be/s3 ssl on") == "server ssl setting updated.\n"
    assert {lb.ask(get()).body for _ in range(4)} == {b"s3"}
    assert ask(lb, "enable server be/s1") == ask(lb, "enable server be/s2") == ""


def test_all_together_come_less_often(case: Case) -> None:
    """Who comes too often waits, and is served."""
    lb = case.lb
    for kind, line in (("connections", "ConnRateLimit: 5"), ("sessions", "SessRateLimit: 5")):
        assert ask(lb, f"set rate-limit {kind} global 5") == ""
        assert line in ask(lb, "show info").splitlines()
        dates = []
        for _ in range(12):
            assert lb.ask(get(), "limited").status == 200
        while len(dates) < 12:
            line = lb.log().text
            if " limited " in line:
                dates.append(line.split("[", 1)[1][:20])
        assert len(set(dates)) > 1, "not all in one second"
        assert ask(lb, f"set rate-limit {kind} global 0") == ""
