"""What the runner makes of checks' ends, on backends of paper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

from greenlb.model import NOWHERE, Address, Backend, Check, Server
from greenlb.proxy.checks.runner import Runner
from greenlb.proxy.health import Result


@dataclass
class PaperState:
    server: Server
    up: bool = True
    weight: int = 1
    current: int = 0
    queue: list[int] = field(default_factory=list)


@dataclass
class PaperBackend:
    """Sends ``moved`` queued exchanges elsewhere each time a server turns."""

    model: Backend
    states: list[PaperState]
    moved: int = 0

    def set_up(self, state: PaperState, up: bool) -> int:
        state.up = up
        return self.moved


def farm(*servers: Server, name: str = "be") -> PaperBackend:
    return PaperBackend(
        Backend(name, 1, NOWHERE, servers=servers), [PaperState(server) for server in servers]
    )


def server(number: int, **settings: Any) -> Server:
    return Server(f"s{number}", number, Address("192.0.2.1", 80), NOWHERE, **({"check": Check()} | settings))


class Told:
    """A runner's log."""

    def __init__(self, *backends: PaperBackend, listens: tuple[str, ...] = (), spread: int = 0) -> None:
        self.lines: list[tuple[int, str]] = []
        self.runner = Runner(cast(Any, backends), self.event, listens, spread)

    def event(self, severity: int, text: str, targets: object) -> None:
        self.lines.append((severity, text))

    def end(self, number: int, status: str) -> None:
        """A check of the ``number``-th checked server ends."""
        checked = self.runner.checked[number]
        result = Result(status)
        if checked.health.take(result.passed):
            self.runner.turned(checked, result)


def test_only_servers_with_a_check_are_checked() -> None:
    told = Told(farm(server(1), server(2, check=None), server(3, disabled=True), server(4)))
    assert [checked.state.server.name for checked in told.runner.checked] == ["s1", "s4"]


def test_a_turn_puts_the_server_out_of_use_and_back() -> None:
    be = farm(server(1), server(2))
    be.moved, be.states[0].current, be.states[0].queue = 2, 3, [1]
    told = Told(be)
    seen = []
    for status in ("L4TOUT", "L4TOUT", "L4OK", "L4OK"):
        told.end(0, status)
        seen.append(be.states[0].up)
    assert seen == [False, False, False, True]
    assert told.lines == [
        (
            1,
            "Server be/s1 is DOWN, reason: Layer4 timeout, check duration: 0ms. 1 active and 0 backup "
            "servers left. 3 sessions active, 2 requeued, 1 remaining in queue.",
        ),
        (
            5,
            "Server be/s1 is UP, reason: Layer4 check passed, check duration: 0ms. 2 active and 0 backup "
            "servers online. 2 sessions requeued, 1 total in queue.",
        ),
    ]


def test_a_server_of_weight_0_does_not_count() -> None:
    be = farm(server(1), server(2))
    be.states[1].weight = 0
    told = Told(be)
    told.end(0, "L4CON")
    assert "0 active and 0 backup servers left" in told.lines[0][1]
    assert told.lines[1:] == [(0, "backend be has no server available!")]


def test_the_loss_of_the_last_is_told_once() -> None:
    told = Told(farm(server(1), server(2), name="li"), listens=("li",))
    told.end(0, "L4CON")
    assert len(told.lines) == 1
    told.end(1, "L4CON")
    assert told.lines[2:] == [(0, "proxy li has no server available!")]


def test_spread_checks_varies_intervals() -> None:
    assert Told().runner.spread(2.0) == 2.0
    seen = [Told(spread=25).runner.spread(2.0) for _ in range(200)]
    assert 1.5 <= min(seen) < 1.7
    assert 2.3 < max(seen) <= 2.5
