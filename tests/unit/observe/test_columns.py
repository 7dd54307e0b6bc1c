"""The table of columns, against what HAProxy 2.6.12 prints."""

from __future__ import annotations

import re

import pytest

from greenlb.observe.columns import BY_NAME, COLUMNS, Subject
from greenlb.observe.sampler import Sampler
from tests.unit.observe.test_stats import Clock, books, exchange, rows

HAPROXY = """
pxname svname qcur qmax scur smax slim stot bin bout dreq dresp ereq econ eresp wretr wredis status
weight act bck chkfail chkdown lastchg downtime qlimit pid iid sid throttle lbtot tracked type rate
rate_lim rate_max check_status check_code check_duration hrsp_1xx hrsp_2xx hrsp_3xx hrsp_4xx
hrsp_5xx hrsp_other hanafail req_rate req_rate_max req_tot cli_abrt srv_abrt comp_in comp_out
comp_byp comp_rsp lastsess last_chk last_agt qtime ctime rtime ttime agent_status agent_code
agent_duration check_desc agent_desc check_rise check_fall check_health agent_rise agent_fall
agent_health addr cookie mode algo conn_rate conn_rate_max conn_tot intercepted dcon dses wrew
connect reuse cache_lookups cache_hits srv_icur src_ilim qtime_max ctime_max rtime_max ttime_max
eint idle_conn_cur safe_conn_cur used_conn_cur need_conn_est uweight agg_server_status
agg_server_check_status agg_check_status
"""
NAMES = re.findall(r"\w+", HAPROXY)


def test_the_names_and_their_order_are_haproxy_s() -> None:
    assert [column.name for column in COLUMNS] == NAMES


def test_scripts_find_status_and_check_where_they_always_were() -> None:
    assert (NAMES[1], NAMES[17], NAMES[36]) == ("svname", "status", "check_status")


def test_every_column_can_be_read_of_every_object() -> None:
    (own,) = books()
    own.account(exchange())
    for row in own.read():
        for column in COLUMNS:
            shown = column.value(Subject(row))
            assert shown is None or row.kind in column.kinds


@pytest.mark.parametrize("kind", "FLSB")
def test_metrics_of_a_kind_have_names_of_their_own(kind: str) -> None:
    names = [(c.metric, c.labels) for c in COLUMNS if c.exported(kind)]
    assert len(set(names)) == len(names)


def test_a_server_s_sessions_are_its_attempts() -> None:
    """As HAProxy has it: one exchange that was tried three times is three sessions of its server, and three
    connections, but one of its backend."""
    (own,) = books()
    x = exchange()
    x.connected = x.answered = -1.0
    x.ended("S", "C")
    own.account(x)
    block = own.carrier(x)
    assert block is not None
    own.cells[block.wretr] += 2
    server, backend = (Subject(rows(own)[name]) for name in ("web/s1", "web/BACKEND"))
    assert [BY_NAME[name].value(server) for name in ("stot", "connect", "lbtot")] == [3, 3, 1]
    assert [BY_NAME[name].value(backend) for name in ("stot", "connect", "lbtot")] == [1, 3, 1]


def test_averages_are_of_the_last_requests() -> None:
    """A plain mean at first; then each request moves it by a 1024th of the way, as in HAProxy."""
    (own,) = books()
    clock = Clock()
    sampler = Sampler(own, clock.now)

    def requests(count: int, milliseconds: int) -> None:
        for _ in range(count):
            x = exchange()
            x.end = x.start + milliseconds / 1000
            own.account(x)
        clock.time += 1.0
        sampler.sample()

    requests(1000, 100)
    for name in ("web/s1", "web/BACKEND"):
        assert BY_NAME["ttime"].value(Subject(rows(own)[name])) in (99, 100)
    requests(1024, 200)
    for name in ("web/s1", "web/BACKEND"):
        found = BY_NAME["ttime"].value(Subject(rows(own)[name]))
        assert isinstance(found, int) and found == pytest.approx(200 - 100 / 2.71828, abs=2)
    assert BY_NAME["ttime_max"].value(Subject(rows(own)["web/BACKEND"])) in (199, 200)
