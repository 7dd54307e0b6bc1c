"""Rates against HAProxy's rules in the plainest words, and records that come back as they went."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenlb.policy.stick.columns import (
    NO_RATE,
    TYPES,
    Column,
    Layout,
    Mark,
    Rate,
    Record,
    parse_columns,
    per_period,
    raised,
)

PERIOD = 1000
TIMES = st.lists(st.integers(1, 1500), max_size=60)
"""Milliseconds from one event to the next."""


class Naive:
    """Windows that follow each other: the first begins with the first event, and with an event after more
    than a window of silence a new first one."""

    def __init__(self) -> None:
        self.start: int | None = None
        self.this: list[int] = []
        self.before: list[int] = []

    def event(self, now: int) -> None:
        if self.start is None or now - self.start >= 2 * PERIOD:
            self.start, self.this, self.before = now, [], []
        elif now - self.start >= PERIOD:
            self.start, self.this, self.before = self.start + PERIOD, [], self.this
        self.this.append(now)

    def rate(self, now: int) -> int:
        if self.start is None:
            return 0
        passed = now - self.start
        this, before = len(self.this), len(self.before)
        if passed > PERIOD:
            passed, this, before = passed - PERIOD, 0, this
            if passed > PERIOD:
                before = 0
        if not this and before <= 1:
            return before
        return int(this + before * (PERIOD - passed) / PERIOD + 1e-9)


@given(TIMES, st.integers(0, 3000))
def test_a_rate_is_that_of_windows(steps: list[int], later: int) -> None:
    now, rate, naive = 1_000_000, NO_RATE, Naive()
    for step in steps:
        now += step
        rate = raised(rate, PERIOD, now, 1)
        naive.event(now)
        assert per_period(rate, PERIOD, now) == naive.rate(now)
    assert per_period(rate, PERIOD, now + later) == naive.rate(now + later)


@given(TIMES, st.integers(0, 50))
def test_what_is_pending_counts_as_now(steps: list[int], pending: int) -> None:
    """A count that is not written yet is not lost, and not counted twice once it is."""
    now, rate = 1_000_000, NO_RATE
    for step in steps:
        now += step
        rate = raised(rate, PERIOD, now, 1)
    if pending:
        assert per_period(rate, PERIOD, now, pending) == per_period(
            raised(rate, PERIOD, now, pending), PERIOD, now
        )


def test_one_event_stays_for_two_windows() -> None:
    rate = raised(NO_RATE, PERIOD, 5000, 1)
    assert [per_period(rate, PERIOD, 5000 + t) for t in (0, 999, 1000, 1999, 2000, 2001)] == [
        1,
        1,
        1,
        1,
        1,
        0,
    ]


def test_many_events_fade() -> None:
    rate = raised(NO_RATE, PERIOD, 5000, 10)
    assert [per_period(rate, PERIOD, 5000 + t) for t in (0, 1000, 1001, 1500, 1999, 2001)] == [
        10,
        10,
        9,
        5,
        0,
        0,
    ]


@st.composite
def columns(draw: st.DrawFn) -> list[Column]:
    """Some of all types, arrays of some length; none beside the array that takes its place."""
    found = draw(st.lists(st.sampled_from(sorted(TYPES)), unique=True))
    replaced = {single for name in found for single in TYPES[name].instead}
    return [
        Column(
            name,
            10_000 if TYPES[name].kind == "rate" else 0,
            draw(st.integers(1, 100)) if TYPES[name].array else 0,
        )
        for name in found
        if name not in replaced
    ]


def test_the_cells_of_arrays() -> None:
    """They are called by their numbers, and lie behind one another."""
    layout = Layout(parse_columns("gpc_rate[2](10000),gpc[3],gpt[1]"))
    assert layout.numbers == ["gpt0", "gpc0", "gpc1", "gpc2"]
    assert layout.rates == ["gpc0_rate", "gpc1_rate"]
    assert layout.text == "gpt[1],gpc[3],gpc_rate[2](10000)"
    assert [title for column in layout.columns for title in column.titles][-1] == "gpc1_rate(10000)"


@st.composite
def layouts_and_records(draw: st.DrawFn) -> tuple[Layout, Record]:
    layout = Layout(draw(columns()))
    number = st.integers(0, (1 << 64) - 1)
    return layout, Record(
        draw(number),
        draw(st.binary(max_size=300)),
        [draw(number) for _ in layout.numbers],
        [Rate(draw(number), draw(number), draw(number)) for _ in layout.rates],
        draw(st.binary(max_size=40)),
        tuple(
            Mark(draw(number), draw(st.integers(0, 9)), draw(number)) for _ in range(draw(st.integers(0, 3)))
        ),
    )


@given(layouts_and_records())
def test_a_record_comes_back(made: tuple[Layout, Record]) -> None:
    layout, record = made
    packed = layout.pack(record)
    assert layout.unpack(packed) == record
    number = record.numbers[layout.at["server_id"]] if "server_id" in layout.numbers else 0
    assert layout.server_of(packed) == (record.server, number)


@given(columns())
def test_a_layout_s_text_says_it_all(found: list[Column]) -> None:
    layout = Layout(found)
    assert Layout(parse_columns(layout.text)).columns == layout.columns


@given(layouts_and_records(), columns())
def test_another_layout_keeps_what_both_have(made: tuple[Layout, Record], found: list[Column]) -> None:
    old, record = made
    new = Layout(found)
    carried = new.carry(record, old)
    assert (carried.key, carried.expire, carried.server) == (record.key, record.expire, record.server)
    for name in new.numbers:
        before = record.numbers[old.at[name]] if name in old.numbers else 0
        assert carried.numbers[new.at[name]] == before
    for name in new.rates:
        kept = record.rates[old.at[name]] if name in old.rates else NO_RATE
        assert carried.rates[new.at[name]] == kept


def test_a_rate_of_another_period_begins_anew() -> None:
    old, new = Layout([Column("conn_rate", 1000)]), Layout([Column("conn_rate", 2000)])
    record = old.blank(b"k", 5)
    record.rates[0] = Rate(1, 2, 3)
    assert new.carry(record, old).rates == [NO_RATE]
