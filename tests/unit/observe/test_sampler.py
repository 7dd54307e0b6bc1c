"""Rates, maxima and the history, by a clock that the test moves."""

from __future__ import annotations

from greenlb.exchange import Client
from greenlb.observe.sampler import KEPT, Rates, Sampler
from tests.unit.observe.test_stats import BINDS, WWW, Clock, books, exchange, rows


def client() -> Client:
    return Client(WWW, BINDS[0], "192.0.2.1", 1, "192.0.2.9", 80)


def test_a_rate_is_what_came_in_the_last_second() -> None:
    (own,) = books()
    clock = Clock()
    sampler = Sampler(own, clock.now)
    sampler.sample()
    for _ in range(5):
        own.opened(client())
        own.account(exchange())
    sampler.sample()
    front, server = rows(own)["www/FRONTEND"], rows(own)["web/s1"]
    assert sampler.rates(front.block) == Rates(5, 5, 5, 0, 0, 100)
    assert sampler.rates(server.block).sessions == 5
    for _ in range(15):
        sampler.sample()
    assert sampler.rates(front.block) == Rates()
    table = rows(own)
    assert [table["www/FRONTEND"].values[n] for n in ("rate_max", "conn_rate_max", "req_rate_max")] == [5] * 3
    assert table["web/BACKEND"].values["rate_max"] == 5
    assert own.values(own.process)["conn_rate_max"] == 5


def test_a_refused_connection_is_no_session() -> None:
    (own,) = books()
    sampler = Sampler(own, Clock().now)
    sampler.sample()
    own.opened(client())
    own.count(client(), "dcon")
    sampler.sample()
    assert sampler.rates(rows(own)["www/FRONTEND"].block)[:2] == (0, 1)


def test_a_session_between_two_looks_was_there() -> None:
    (own,) = books()
    sampler = Sampler(own, Clock().now)
    sampler.sample()
    own.account(exchange())
    sampler.sample()
    table = rows(own)
    assert table["web/s1"].values["smax"] == 1
    assert table["web/s2"].values["smax"] == 0
    assert table["web/s1"].values["lastsess"] > 0 == table["web/s2"].values["lastsess"]


def test_the_history_forgets() -> None:
    (own,) = books()
    clock = Clock()
    sampler = Sampler(own, clock.now)
    for number in range(KEPT + 10):
        if number == KEPT:
            broken = exchange()
            broken.status = 503
            own.account(broken)
            own.account(exchange())
        clock.time += 1.0
        sampler.sample()
    series = {each.block.first: each for each in sampler.history()}
    table = rows(own)
    for name in ("web/s1", "web/BACKEND"):
        found = series[table[name].block.first]
        assert len(found.rate) == KEPT
        assert (sum(found.rate), sum(found.errors), found.rate[-10]) == (2, 1, 2)
        assert 9000 < max(found.rtime) < 11000
    assert len(next(iter(sampler.history(5))).rate) == 5
