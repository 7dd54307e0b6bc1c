"""Every exchange is booked once, and the numbers add up over objects and over processes."""

from __future__ import annotations

import pytest

from greenlb.board import Board
from greenlb.exchange import ENDINGS, Client, Exchange
from greenlb.message import Fields, Request, Response
from greenlb.model import NOWHERE, Address, Backend, Bind, Config, Frontend, Global, Server
from greenlb.observe.sampler import Sampler
from greenlb.observe.stats import COUNTERS, Books, Row, gauges


def server(name: str, number: int) -> Server:
    return Server(name, number, Address("127.0.0.1", 9000 + number), NOWHERE)


BINDS = (Bind("1", Address("", 80), NOWHERE), Bind("tls", Address("", 443), NOWHERE))
WWW = Frontend("www", 1, NOWHERE, "http", binds=BINDS)
DB = Frontend("db", 2, NOWHERE, "tcp", binds=(Bind("1", Address("", 5432), NOWHERE),))
WEB = Backend("web", 3, NOWHERE, "http", servers=(server("s1", 1), server("s2", 2)))
EMPTY = Backend("empty", 4, NOWHERE, "http")
CONFIG = Config(Global(), (WWW, DB), (WEB, EMPTY))


def books(rows: int = 1) -> list[Books]:
    board = Board(rows, Books.width(CONFIG))
    return [Books(CONFIG, board, writer) for writer in range(rows)]


def exchange(frontend: Frontend = WWW, bind: int = 0, *, at: int | None = 0) -> Exchange:
    """An exchange of 10 bytes in and 20 out; ``at`` is the server's index in WEB."""
    x = Exchange(Client(frontend, frontend.binds[bind], "192.0.2.1", 1, "192.0.2.9", 80))
    x.bytes_in, x.bytes_out = 10, 20
    if frontend.mode == "http":
        x.status = 200
        x.request = Request(b"GET", b"/", True, Fields())
    if at is not None:
        x.backend, x.server = WEB, WEB.servers[at]
    x.start = 1.0
    x.head_done, x.served, x.connected, x.answered, x.end = 1.001, 1.003, 1.006, 1.016, 1.026
    return x


class Clock:
    """A clock that a test moves; each look at it is a tenth of a second later."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        self.time += 0.1
        return self.time


def rows(*own: Books) -> dict[str, Row]:
    return {f"{row.pxname}/{row.svname}": row for row in own[0].read()}


def values(row: Row) -> dict[str, int]:
    return {name: value for name, value in row.values.items() if value}


def test_an_exchange_shows_once_on_each_object_it_touched() -> None:
    (own,) = books()
    own.account(exchange(bind=1))
    table = rows(own)
    front = {"bin": 10, "bout": 20, "req_tot": 1, "hrsp_2xx": 1}
    back = front | {"stot": 1, "lbtot": 1, "connect": 1}
    back |= {"qtime": 2000, "ctime": 3000, "rtime": 10000, "ttime": 26000}
    expected = {"www/FRONTEND": front, "www/tls": front, "web/s1": back, "web/BACKEND": back}
    back |= {f"{name}_max": value for name, value in back.items() if name.endswith("time")}
    expected |= {"web/s1": back, "web/BACKEND": back}
    for name, row in table.items():
        found = values(row)
        wanted = dict(expected.get(name, {}))
        for timer in [name for name in back if "time" in name]:
            assert found.pop(timer, 0) == pytest.approx(wanted.pop(timer, 0), abs=2)
        assert found == wanted, name


def test_order_and_names_of_the_rows() -> None:
    (own,) = books()
    assert [(row.kind, row.pxname, row.svname) for row in own.read()] == [
        ("F", "www", "FRONTEND"),
        ("L", "www", "sock-1"),
        ("L", "www", "tls"),
        ("F", "db", "FRONTEND"),
        ("L", "db", "sock-1"),
        ("S", "web", "s1"),
        ("S", "web", "s2"),
        ("B", "web", "BACKEND"),
        ("B", "empty", "BACKEND"),
    ]


def test_blocks_do_not_overlap() -> None:
    (own,) = books()
    for place in range(len(own.cells) - 1):
        own.cells[place] = 1
    for row in own.read():
        if row.kind in "LS":
            assert set(row.values.values()) == {1}
    assert rows(own)["web/BACKEND"].values["stot"] == 3
    assert rows(own)["www/FRONTEND"].values["stot"] == 2


def test_processes_add_up() -> None:
    one, two = books(2)
    one.account(exchange(at=0))
    two.account(exchange(at=1))
    two.account(exchange(at=1))
    table = rows(one)
    assert [table[f"web/{name}"].values["stot"] for name in ("s1", "s2", "BACKEND")] == [1, 2, 3]
    assert table["www/FRONTEND"].values["req_tot"] == 3


@pytest.mark.parametrize(
    ("status", "counter"),
    [
        (200, "hrsp_2xx"),
        (101, "hrsp_1xx"),
        (304, "hrsp_3xx"),
        (404, "hrsp_4xx"),
        (503, "hrsp_5xx"),
        (600, "hrsp_other"),
    ],
)
def test_statuses(status: int, counter: str) -> None:
    (own,) = books()
    x = exchange()
    x.status = status
    own.account(x)
    for name in ("www/FRONTEND", "web/BACKEND"):
        found = values(rows(own)[name])
        assert [key for key in found if key.startswith("hrsp")] == [counter]


def test_no_status_no_answer_and_no_http_in_tcp() -> None:
    (own,) = books()
    x = exchange()
    x.status = -1
    own.account(x)
    own.account(exchange(DB))
    table = rows(own)
    assert not [name for row in table.values() for name in values(row) if name.startswith("hrsp")]
    assert table["www/FRONTEND"].values["req_tot"] == 1
    assert values(table["db/FRONTEND"]) == {"bin": 10, "bout": 20}


@pytest.mark.parametrize(("ending", "counter"), [(k, v.counter) for k, v in ENDINGS.items() if v.counter])
def test_each_ending_is_counted_where_its_counter_stands(ending: tuple[str, str], counter: str) -> None:
    (own,) = books()
    x = exchange()
    x.request = None
    x.ended(*ending)
    own.account(x)
    table = rows(own)
    place = "www/FRONTEND" if "L" in COUNTERS[counter].kinds else "web/s1"
    assert table[place].values[counter] == 1
    assert table["web/s1"].values["eresp"] == (counter in ("eresp", "srv_abrt"))


def test_what_a_rule_denied_is_no_error() -> None:
    (own,) = books()
    denied = exchange(at=None)
    denied.ended("P", "R")
    own.account(denied)
    refused = exchange()
    refused.response = Response(200, b"OK", True, Fields())
    refused.ended("P", "H")
    own.account(refused)
    table = rows(own)
    assert (table["www/FRONTEND"].values["dreq"], table["www/FRONTEND"].values["ereq"]) == (1, 0)
    assert (table["web/s1"].values["dresp"], table["web/s1"].values["eresp"]) == (1, 0)


def test_answers_of_our_own() -> None:
    (own,) = books()
    x = exchange(at=None)
    x.ended("L", "R")
    own.account(x)
    assert values(rows(own)["www/FRONTEND"])["intercepted"] == 1


def test_a_backend_without_a_server_keeps_its_own_books() -> None:
    (own,) = books()
    x = exchange(at=None)
    x.backend, x.status = EMPTY, 503
    x.ended("S", "C")
    own.account(x)
    assert values(rows(own)["empty/BACKEND"]) == {
        "bin": 10,
        "bout": 20,
        "stot": 1,
        "req_tot": 1,
        "hrsp_5xx": 1,
        "econ": 1,
    }


def test_a_cookie_is_not_a_choice_and_an_idle_connection_is_reused() -> None:
    (own,) = books()
    x = exchange()
    x.cookie_in, x.reused = "V", True
    own.account(x)
    found = values(rows(own)["web/s1"])
    assert (found.get("lbtot"), found.get("reuse"), found.get("connect")) == (None, 1, None)


def test_gauges_and_their_maxima() -> None:
    control, one, two = books(3)
    sampler = Sampler(control, Clock().now)
    first, second = exchange(bind=0).client, exchange(bind=1).client
    one.opened(first)
    two.opened(second)
    carrier = one.carrier(exchange())
    assert carrier is not None
    one.cells[carrier.scur] += 3
    one.cells[carrier.qcur] += 1
    sampler.sample()
    one.closed(first)
    one.cells[carrier.scur] -= 2
    sampler.sample()
    table = rows(control)
    front, listener = table["www/FRONTEND"].values, table["www/sock-1"].values
    assert (front["scur"], front["smax"], front["stot"]) == (1, 2, 2)
    assert (listener["scur"], listener["smax"]) == (0, 1)
    back, web1 = table["web/BACKEND"].values, table["web/s1"].values
    assert (web1["scur"], web1["smax"], web1["qcur"], web1["qmax"]) == (1, 3, 1, 1)
    assert (back["scur"], back["smax"], back["qmax"]) == (1, 3, 1)


def test_counts_stay_with_a_name_when_the_configuration_changes() -> None:
    """A server that moved to another place in the file, after one that is new, keeps its numbers."""
    board = Board(1, 4 * Books.width(CONFIG))
    Books(CONFIG, board).account(exchange(at=1))
    web = Backend("web", 3, NOWHERE, "http", servers=(server("s0", 1), server("s2", 2)))
    table = rows(Books(Config(Global(), (DB,), (web,)), board))
    assert table["web/s2"].values["stot"] == 1
    assert table["web/s0"].values["stot"] == 0


def test_gauges_are_found_by_name_and_kind() -> None:
    """What a dead process leaves in its row is no longer so; what it has counted is."""
    board = Board(1, Books.width(CONFIG))
    own = Books(CONFIG, board)
    client = Client(WWW, BINDS[0], "192.0.2.1", 1, "192.0.2.9", 80)
    own.opened(client)
    for place in gauges(board):
        own.cells[place] = 0
    listener = rows(own)["www/sock-1"].values
    assert (listener["scur"], listener["stot"]) == (0, 1)
    assert len(gauges(board)) == 3 * 2 + 2 * 4 + 2 * 2


def test_cleared_counters_lose_nothing_that_comes_after() -> None:
    """What was counted is taken off in the row of who clears; gauges stay, maxima begin at them."""
    own, other = books(2)
    client = Client(WWW, BINDS[0], "192.0.2.1", 1, "192.0.2.9", 80)
    other.opened(client)
    other.opened(client)
    other.account(exchange())
    own.cells[own.backend(WEB).named("changed")] = 77
    sampler = Sampler(own, Clock().now)
    sampler.sample()
    other.closed(client)
    sampler.clear()
    sampler.sample()
    listener = rows(own)["www/sock-1"].values
    assert (listener["stot"], listener["bin"], listener["scur"], listener["smax"]) == (0, 0, 1, 1)
    assert rows(own)["web/s1"].values["ttime_max"] == 0
    assert rows(own)["web/BACKEND"].values["changed"] == 77
    other.account(exchange())
    assert rows(own)["web/s1"].values["stot"] == 1
    assert rows(own)["web/BACKEND"].values["stot"] == 1
