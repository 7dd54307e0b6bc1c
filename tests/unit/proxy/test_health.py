"""When checks turn a server, and the lines that say so.  The lines were logged by HAProxy 2.6.12."""

from __future__ import annotations

import pytest

from greenlb.model import NOWHERE, Address, Backend, Check, Server, Timeouts
from greenlb.proxy import health
from greenlb.proxy.checks import wire
from greenlb.proxy.health import STATUSES, Farm, Health, Result

BE = Backend("be", 1, NOWHERE)
S1 = Server("s1", 1, Address("127.0.0.1", 80), NOWHERE)
B1 = Server("b1", 2, Address("127.0.0.1", 80), NOWHERE, backup=True)
REFUSED = Result("L4CON", "Connection refused")
PASSED = Result("L4OK")


def history(health: Health, ends: str) -> list[str]:
    """What each check's end (+ or -) leaves it at, ``*`` where the server turned."""
    told = []
    for end in ends:
        turned = health.take(end == "+")
        told.append(health.text + "*" * turned)
    return told


def test_it_starts_up_and_one_failure_from_down() -> None:
    assert Health(Check()).text == "1/3 UP"
    assert history(Health(Check()), "-") == ["0/2 DOWN*"]


def test_one_success_makes_it_healthy() -> None:
    assert history(Health(Check()), "+") == ["3/3 UP"]


def test_fall_failures_in_a_row_turn_it_down() -> None:
    assert history(Health(Check()), "+--+---") == [
        "3/3 UP",
        "2/3 UP",
        "1/3 UP",
        "3/3 UP",
        "2/3 UP",
        "1/3 UP",
        "0/2 DOWN*",
    ]


def test_rise_successes_in_a_row_turn_it_up() -> None:
    assert history(Health(Check()), "-+-++") == ["0/2 DOWN*", "1/2 DOWN", "0/2 DOWN", "1/2 DOWN", "3/3 UP*"]


def test_more_of_the_same_changes_nothing() -> None:
    assert history(Health(Check()), "++--") == ["3/3 UP", "3/3 UP", "2/3 UP", "1/3 UP"]
    assert history(Health(Check()), "--++") == ["0/2 DOWN*", "0/2 DOWN", "1/2 DOWN", "3/3 UP*"]


def test_rise_and_fall_of_one() -> None:
    assert history(Health(Check(rise=1, fall=1)), "+-+-") == ["1/1 UP", "0/1 DOWN*", "1/1 UP*", "0/1 DOWN*"]


def test_intervals() -> None:
    """inter when healthy, fastinter on the way, downinter when surely down."""
    state = Health(Check(inter=5, fastinter=1, downinter=9))
    seen = [state.interval]
    for end in "+--+---+--++":
        state.take(end == "+")
        seen.append(state.interval)
    assert seen == [1, 5, 1, 1, 5, 1, 1, 9, 1, 9, 9, 1, 5]


def test_inter_stands_in_for_the_other_intervals() -> None:
    state = Health(Check(inter=5))
    for end in "+-----+":
        state.take(end == "+")
        assert state.interval == 5


def test_first_checks_are_spread_over_the_shortest_interval() -> None:
    assert health.first_delays([]) == []
    assert health.first_delays([2, 2, 2, 2]) == [0, 0.5, 1, 1.5]
    assert health.first_delays([2, 8]) == [0, 4]
    assert health.first_delays([8, 2]) == [0, 1]
    assert health.first_delays([0.3, 2]) == [0, 1]
    assert health.first_delays([2, 2, 8], 0.6) == pytest.approx([0, 0.2, 0.4])
    assert health.first_delays([2, 0.3]) == [0, 1]
    assert health.first_delays([0.3] * 3) == pytest.approx([0, 0.1, 0.2])


def test_down_lines() -> None:
    assert health.down_line(BE, S1, REFUSED, Farm(1, 2), 0, 0, 0) == (
        'Server be/s1 is DOWN, reason: Layer4 connection problem, info: "Connection refused", '
        "check duration: 0ms. 1 active and 2 backup servers left. "
        "0 sessions active, 0 requeued, 0 remaining in queue."
    )
    assert health.down_line(BE, S1, Result("L4TOUT", "", 503), Farm(0, 0), 0, 0, 0) == (
        "Server be/s1 is DOWN, reason: Layer4 timeout, check duration: 503ms. "
        "0 active and 0 backup servers left. 0 sessions active, 0 requeued, 0 remaining in queue."
    )
    assert health.down_line(BE, B1, REFUSED, Farm(0, 1), 1, 2, 3) == (
        'Backup Server be/b1 is DOWN, reason: Layer4 connection problem, info: "Connection refused", '
        "check duration: 0ms. 0 active and 1 backup servers left. Running on backup. "
        "1 sessions active, 2 requeued, 3 remaining in queue."
    )
    assert health.down_line(BE, S1, None, Farm(1, 2), 0, 0, 0) == (
        "Server be/s1 is DOWN. 1 active and 2 backup servers left. "
        "0 sessions active, 0 requeued, 0 remaining in queue."
    )


def test_up_lines() -> None:
    assert health.up_line(BE, B1, PASSED, Farm(0, 1), 0, 0) == (
        "Backup Server be/b1 is UP, reason: Layer4 check passed, check duration: 0ms. "
        "0 active and 1 backup servers online. Running on backup. 0 sessions requeued, 0 total in queue."
    )
    assert health.up_line(BE, S1, None, Farm(1, 2), 4, 5) == (
        "Server be/s1 is UP. 1 active and 2 backup servers online. 4 sessions requeued, 5 total in queue."
    )


def test_check_lines() -> None:
    state = Health(Check())
    state.take(False)
    assert health.check_line(BE, S1, REFUSED, state) == (
        "Health check for server be/s1 failed, reason: Layer4 connection problem, "
        'info: "Connection refused", '
        "check duration: 0ms, status: 0/2 DOWN."
    )
    state.take(True)
    assert health.check_line(BE, B1, PASSED, state) == (
        "Health check for backup server be/b1 succeeded, reason: Layer4 check passed, "
        "check duration: 0ms, status: 1/2 DOWN."
    )


def test_empty_lines() -> None:
    assert health.empty_line(BE, is_listen=False) == "backend be has no server available!"
    assert health.empty_line(BE, is_listen=True) == "proxy be has no server available!"


def test_the_statuses_are_haproxys() -> None:
    """Their names, which let a server live, and which have a code."""
    assert [name for name, status in STATUSES.items() if Result(name).passed] == [
        "L4OK",
        "L6OK",
        "L7OK",
        "L7OKC",
        "PROCOK",
    ]
    assert [name for name, status in STATUSES.items() if status.coded] == [
        "L7OK",
        "L7OKC",
        "L7STS",
        "PROCERR",
        "PROCTOUT",
        "PROCOK",
    ]
    assert Result("L7STS", 'a"\xff#', 1, 503).reason == (
        ', reason: Layer7 wrong status, code: 503, info: "a<22><FF>#", check duration: 1ms'
    )
    assert Result("HANA", "why", -1).reason == ', reason: Health analyze, info: "why"'


def test_a_conditional_success_is_told_as_such() -> None:
    state = Health(Check())
    state.take(True)
    assert health.check_line(BE, S1, Result("L7OKC", "", 0, 404), state) == (
        "Health check for server be/s1 conditionally succeeded, reason: Layer7 check conditionally passed, "
        "code: 404, check duration: 0ms, status: 3/3 UP."
    )


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Check(), Address("192.0.2.1", 80)),
        (Check(port=81), Address("192.0.2.1", 81)),
        (Check(address=Address("192.0.2.2")), Address("192.0.2.2", 80)),
        (Check(address=Address("192.0.2.2", 82)), Address("192.0.2.2", 82)),
        (Check(address=Address("192.0.2.2", 82), port=81), Address("192.0.2.2", 81)),
    ],
)
def test_where_a_server_is_checked(check: Check, expected: Address) -> None:
    assert wire.target(Address("192.0.2.1", 80), check) == expected


@pytest.mark.parametrize(
    ("timeouts", "expected"),
    [
        (Timeouts(connect=1), 2),
        (Timeouts(check=5), 2),
        (Timeouts(connect=1, check=5), 1),
        (Timeouts(connect=9, check=5), 2),
    ],
)
def test_how_long_a_check_may_connect(timeouts: Timeouts, expected: float) -> None:
    """timeout connect holds for checks only where timeout check is set."""
    assert wire.patience(Backend("be", 1, NOWHERE, timeouts=timeouts), 2) == expected
