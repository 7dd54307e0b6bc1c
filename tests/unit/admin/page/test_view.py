"""What the page makes of figures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.admin.page.feed import SHOWN, Series, Snapshot, pairs, series, table
from greenlb.admin.page.view import colour, count, points, size, span, span_ms, view
from greenlb.model import StatsPage


@pytest.mark.parametrize(
    ("state", "name"),
    [
        ("UP", "up"),
        ("UP 1/3", "going"),
        ("DOWN", "down"),
        ("DOWN 1/2", "down"),
        ("DOWN (agent)", "down"),
        ("NOLB", "drain"),
        ("NOLB 1/2", "drain"),
        ("DRAIN", "drain"),
        ("DRAIN (agent)", "drain"),
        ("MAINT", "maint"),
        ("MAINT (via be/s1)", "maint"),
        ("MAINT (resolution)", "maint"),
        ("no check", "plain"),
        ("OPEN", "up"),
        ("STOP", "down"),
        ("PAUSED", "maint"),
        ("WAITING", "maint"),
        ("FULL", "down"),
        ("something new", "plain"),
        ("", "plain"),
    ],
)
def test_colours(state: str, name: str) -> None:
    assert colour(state) == name


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (count(0), "0"),
        (count(9999), "9999"),
        (count(12345), "12.3k"),
        (count(1234567), "1.23M"),
        (count(5 * 10**9), "5G"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(1024), "1 KiB"),
        (size(10**6), "977 KiB"),
        (size(3 << 40), "3 TiB"),
        (span(0), "0 s"),
        (span(59), "59 s"),
        (span(60), "1 min"),
        (span(86399), "23 h"),
        (span(10**6), "11 d"),
        (span_ms(0), "0 ms"),
        (span_ms(0.42), "0.42 ms"),
        (span_ms(34.4), "34 ms"),
        (span_ms(12345), "12.3 s"),
    ],
)
def test_texts(made: str, text: str) -> None:
    assert made == text


@given(st.lists(st.integers(0, 10**12), max_size=SHOWN))
def test_a_chart_stays_in_its_box(values: list[int]) -> None:
    drawn = [tuple(map(float, point.split(","))) for point in points(values).split()]
    assert len(drawn) == (len(values) if any(values) else 2)
    assert all(0 <= x <= SHOWN * 2 and 0 < y <= 19 for x, y in drawn)
    assert math.isclose(drawn[-1][0], (SHOWN - 1) * 2)


def test_nothing_at_all_is_a_page_too() -> None:
    whole = view(Snapshot(0.0, [], {}), StatsPage("fe", "/s"), {})
    assert (whole.groups, whole.servers, whole.trouble) == ([], [], [])
    assert [tile.text for tile in whole.tiles] == ["0", "0", "0", "0 ms", "0/0"]


def test_tiles_add_frontends_and_weigh_times_by_requests() -> None:
    def row(name: str, svname: str, kind: str) -> dict[str, str]:
        return {"pxname": name, "svname": svname, "type": kind, "status": "UP"}

    rows = [
        row("a", "FRONTEND", "0"),
        row("b", "FRONTEND", "0"),
        row("x", "BACKEND", "1"),
        row("y", "BACKEND", "1"),
    ]
    history = {
        ("a", "FRONTEND"): Series((1, 2), (3, 4), (0, 1), (0, 0)),
        ("b", "FRONTEND"): Series((10,), (1,), (0,), (0,)),
        ("x", "BACKEND"): Series((3,), (0,), (0,), (10,)),
        ("y", "BACKEND"): Series((1,), (0,), (0,), (50,)),
    }
    tiles = {
        tile.key: tile for tile in view(Snapshot(0.0, rows, {}, history), StatsPage("fe", "/s"), {}).tiles
    }
    assert (tiles["rate"].text, tiles["scur"].text, tiles["errors"].text) == ("12", "5", "1")
    assert tiles["rtime"].text == "20 ms"
    assert len(tiles["rate"].series) == SHOWN


def test_the_csv_is_read_as_it_is_written() -> None:
    text = '# pxname,svname,check_desc,\nbe,s1,"a, ""b""",\nbe,s2,,\n\n'
    assert table(text) == [
        {"pxname": "be", "svname": "s1", "check_desc": 'a, "b"', "": ""},
        {"pxname": "be", "svname": "s2", "check_desc": "", "": ""},
    ]
    with pytest.raises(ValueError, match="Internal error"):
        table("Internal error, see the log.\n\n")
    assert pairs("Name: x: y\nno colon\nEmpty:\n") == {"Name": "x: y", "Empty": ""}
    told = '{"series": [{"pxname":"b","svname":"s","rate":[1],"scur":[2],"errors":[0],"rtime":[1500]}]}'
    found = series(told)["b", "s"]
    assert found.last == (1, 2, 0, 1.5)
    assert {len(values) for values in (found.rate, found.scur, found.errors, found.rtime)} == {SHOWN}
