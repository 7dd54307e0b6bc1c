"""What checks' ends make of servers, and what is said of it.  No check is made: its end is given."""

from __future__ import annotations

from typing import Any

from greenlb.board import Board
from greenlb.model import NOWHERE, Address, Backend, Check, Config, Frontend, Global, Server
from greenlb.observe.log import setup
from greenlb.observe.stats import Books
from greenlb.proxy.checks import agent
from greenlb.proxy.checks.runner import Checked, Runner, listens
from greenlb.proxy.checks.turning import Turning
from greenlb.proxy.farm_state import FarmState
from greenlb.proxy.health import Result
from greenlb.proxy.plane import Plane, TlsContexts
from greenlb.proxy.standing import DRAIN, MAINTENANCE, Standings
from greenlb.script import Agent, Observe


def server(number: int, **settings: Any) -> Server:
    return Server(f"s{number}", number, Address("192.0.2.1", 80), NOWHERE, **({"check": Check()} | settings))


def backend(*servers: Server, name: str = "be", **settings: Any) -> Backend:
    return Backend(name, 1, NOWHERE, servers=servers, **settings)


class Told:
    """A farm whose log is a list."""

    def __init__(self, *backends: Backend, listen: str = "", **settings: Any) -> None:
        self.lines: list[tuple[int, str]] = []
        frontends = (Frontend(listen, 1, NOWHERE),) if listen else ()
        config = Config(Global(**settings), frontends, backends)
        board = Board(1, Books.width(config) + Standings.width(config))
        self.books = Books(config, board)
        self.plane = Plane(config, setup(config.settings), self.books, TlsContexts(), 1)
        live = list(self.plane.backends.values())
        self.farm = FarmState(live, Standings(config, board), self.books)
        self.turning = Turning(live, self.farm, self.books, self._event, self._failure, listens(config))
        self.runner = Runner(live, self.turning, config)

    def _event(self, severity: int, text: str, targets: object) -> None:
        self.lines.append((severity, text))

    def _failure(self, text: str, error: BaseException) -> None:
        raise error

    def checked(self, number: int) -> Checked:
        return self.runner.checked[number]

    def end(self, number: int, *statuses: str) -> list[str]:
        """Checks of the ``number``-th checked server end; what is said of it."""
        self.lines.clear()
        for status in statuses:
            self.turning.check_ended(self.checked(number), Result(status))
        return [line for _, line in self.lines]

    def say(self, number: int, line: bytes) -> list[str]:
        """An agent says something."""
        self.lines.clear()
        asked = self.checked(number).agent
        assert asked is not None
        report = agent.read(line)
        self.turning.agent_ended(asked, report.result(0), report)
        return [line for _, line in self.lines]

    def counted(self, number: int, name: str) -> int:
        block = self.books.server(self.checked(number).state.server)
        return self.books.cells[block.named(name)]


def test_only_servers_with_a_check_or_an_agent_are_asked() -> None:
    asked = Agent(Check(rise=1, fall=1, port=9))
    told = Told(backend(server(1), server(2, check=None), server(3, check=None, agent=asked)))
    assert [(c.state.server.name, c.enabled, c.agent is not None) for c in told.runner.checked] == [
        ("s1", True, False),
        ("s3", False, True),
    ]


def test_a_turn_puts_the_server_out_of_use_and_back() -> None:
    told = Told(backend(server(1), server(2)))
    assert told.end(0, "L4TOUT", "L4TOUT", "L4OK") == [
        "Server be/s1 is DOWN, reason: Layer4 timeout, check duration: 0ms. 1 active and 0 backup servers "
        "left. 0 sessions active, 0 requeued, 0 remaining in queue."
    ]
    assert told.lines[0][0] == 1
    assert not told.checked(0).state.up
    assert told.end(0, "L4OK") == [
        "Server be/s1 is UP, reason: Layer4 check passed, check duration: 0ms. 2 active and 0 backup servers "
        "online. 0 sessions requeued, 0 total in queue."
    ]
    assert told.lines[0][0] == 5
    assert told.checked(0).state.up
    assert [told.counted(0, name) for name in ("chkfail", "chkdown", "hanafail")] == [1, 1, 0]


def test_a_server_of_weight_0_does_not_count() -> None:
    told = Told(backend(server(1), server(2, weight=0)))
    first, second = told.end(0, "L4CON")
    assert "0 active and 0 backup servers left" in first
    assert second == "backend be has no server available!"
    assert told.lines[1][0] == 0


def test_the_loss_of_the_last_is_told_once() -> None:
    told = Told(backend(server(1), server(2), name="li"), listen="li")
    assert len(told.end(0, "L4CON")) == 1
    assert told.end(1, "L4CON")[1:] == ["proxy li has no server available!"]


def test_404_takes_a_server_out_gently() -> None:
    """NOLB: it is stopping, has no weight, and is not down; a good check brings it back."""
    told = Told(backend(server(1), server(2)))
    state = told.checked(0).state
    assert told.end(0, "L7OKC") == [
        "Server be/s1 is stopping, reason: Layer7 check conditionally passed, code: 0, check duration: 0ms. "
        "1 active and 0 backup servers online. 0 sessions requeued, 0 total in queue."
    ]
    assert (state.up, state.weight) == (True, 0)
    assert told.end(0, "L7OKC") == []
    assert told.end(0, "L7OK")[0].startswith("Server be/s1 is UP, ")
    assert (state.up, state.weight) == (True, 1)
    told.end(0, "L7OKC")
    told.end(0, "L7STS", "L7STS", "L7STS")
    assert [severity for severity, _ in told.lines] == [5]  # nobody was given to it any more
    assert not state.up


def test_log_health_checks_tells_what_moved() -> None:
    """The reason goes into the check's line; a repetition says nothing."""
    told = Told(backend(server(1), server(2), log_health_checks=True))
    assert told.end(0, "L4OK", "L4OK") == [
        "Health check for server be/s1 succeeded, reason: Layer4 check passed, check duration: 0ms, "
        "status: 3/3 UP."
    ]
    lines = told.end(0, "L4CON", "L4CON", "L4CON", "L4CON")
    assert [line.partition(", status: ")[2] for line in lines[:3]] == ["2/3 UP.", "1/3 UP.", "0/2 DOWN."]
    assert lines[3].startswith("Server be/s1 is DOWN. 1 active")
    assert len(lines) == 4


def test_who_tracks_a_server_goes_with_it() -> None:
    told = Told(
        backend(server(1)),
        backend(server(1, check=None, track="be/s1"), server(2, check=None, track="other/s1"), name="other"),
    )
    states = told.plane.backends["other"].states
    lines = told.end(0, "L4CON")
    assert [line.partition(". ")[0] for line in lines] == [
        "Server be/s1 is DOWN, reason: Layer4 connection problem, check duration: 0ms",
        "backend be has no server available!",
        "Server other/s1 is DOWN via be/s1",
        "Server other/s2 is DOWN via other/s1",
        "backend other has no server available!",
    ]
    assert [state.up for state in states] == [False, False]
    assert "Server other/s2 is UP via other/s1" in "".join(told.end(0, "L4OK", "L4OK"))
    assert [state.up for state in states] == [True, True]
    tracked = told.checked(0).state.server
    told.farm.change([tracked], admin=MAINTENANCE)
    assert [state.up for state in states] == [False, False]
    told.farm.change([tracked], admin=DRAIN)
    assert [(state.up, state.weight) for state in states] == [(True, 0), (True, 0)]


def asked(**settings: Any) -> Told:
    return Told(backend(server(1, agent=Agent(Check(rise=1, fall=1, port=9)), **settings), server(2)))


def test_an_agent_has_a_say_beside_the_check() -> None:
    """Both must let the server live; what it says of its health is not counted but believed."""
    told = asked()
    state = told.checked(0).state
    assert told.say(0, b"up\n") == []
    assert told.say(0, b"down # full\n")[0].startswith(
        'Server be/s1 is DOWN, reason: Layer7 wrong status, code: 0, info: "via agent : down (full)", '
    )
    assert told.end(0, "L4OK") == []
    assert not state.up
    assert told.say(0, b"up\n")[0].startswith("Server be/s1 is UP, ")
    told.end(0, "L4CON", "L4CON", "L4CON")
    assert told.say(0, b"up\n") == []
    assert not state.up


def test_an_agent_that_is_not_there_says_nothing() -> None:
    told = asked()
    probe = told.checked(0).agent
    assert probe is not None
    told.turning.agent_ended(probe, Result("L4CON", "Connection refused"), None)
    assert told.lines == []
    assert told.checked(0).state.up


def test_an_agent_weighs_drains_and_maintains() -> None:
    told = asked(weight=10, maxconn=5)
    state = told.checked(0).state
    told.say(0, b"50%\n")
    assert state.weight == 5
    assert told.say(0, b"drain\n")[0].startswith("Server be/s1 enters drain state. ")
    assert (state.up, state.weight) == (True, 0)
    assert told.say(0, b"maint\n")[0].startswith("Server be/s1 is going DOWN for maintenance. ")
    assert not state.up
    assert told.say(0, b"ready 100% maxconn:3\n") == [
        "Server be/s1 is UP/READY (leaving forced maintenance)."
    ]
    assert (state.up, state.weight, told.farm.read(state.server).maxconn) == (True, 10, 3)


def test_traffic_counts_as_on_error_says() -> None:
    """A failed check; down at once; one failure from down; nothing but an early check."""
    for on_error, text in (
        ("fail-check", "2/3 UP"),
        ("mark-down", "0/2 DOWN"),
        ("sudden-death", "1/3 UP"),
        ("fastinter", "3/3 UP"),
    ):
        told = Told(backend(server(1, observe=Observe(7, 10, on_error)), server(2)))
        told.end(0, "L7OK")
        told.turning.observed("be/s1", 10, "Wrong http response")
        assert told.checked(0).health.text == text
        assert told.counted(0, "hanafail") == 1
        if on_error == "mark-down":
            assert told.lines[0][1].startswith(
                "Server be/s1 is DOWN, reason: Health analyze, info: "
                '"Detected 10 consecutive errors, last one was: Wrong http response". 1 active'
            )


def test_spread_checks_varies_intervals() -> None:
    assert Told().runner.spread(2.0) == 2.0
    seen = [Told(spread_checks=25).runner.spread(2.0) for _ in range(200)]
    assert 1.5 <= min(seen) < 1.7
    assert 2.3 < max(seen) <= 2.5
