"""The runtime commands about tables, to the letter of HAProxy 2.6's answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenlb.model import NOWHERE, StickTable
from greenlb.policy.stick.registry import Tables
from greenlb.policy.stick.show import clear_table, set_table, show_table


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    made = Tables()
    counts = (("conn_cnt", 0), ("conn_rate", 10_000))
    made.declare(StickTable("btcp", NOWHERE, "ip", 4, 204_800, 1800.0, store=counts)).keep_servers()
    made.declare(StickTable("words", NOWHERE, "string", 20, 100)).keep_servers()
    made.declare(StickTable("ids", NOWHERE, "binary", 32, 30_720, 1800.0))
    made.open(str(tmp_path / "state"), lambda severity, text: pytest.fail(text))
    yield made
    made.close()


def plain(lines: list[str]) -> list[str]:
    """Without the addresses, and the time left in round seconds."""
    lines = [re.sub(r"^0x[0-9a-f]+: ", "0x: ", line) for line in lines]
    return [re.sub(r"exp=(\d+)", lambda found: f"exp={-(-int(found[1]) // 1000)}s", line) for line in lines]


def seen(tables: Tables, line: str) -> list[str]:
    return plain(show_table(tables, shlex.split(line)))


def test_as_the_oracle_printed_it(tables: Tables) -> None:
    """Columns in HAProxy's order, whatever the order of ``store``; server_key last."""
    table = tables.named("btcp")
    for _ in range(3):
        entry = table.take(b"\x7f\0\0\x01")
        assert entry is not None
        entry.add(*table.on_track)
    table.keep_server(b"\x7f\0\0\x01", b"s1", 1)
    assert seen(tables, "btcp") == [
        "# table: btcp, type: ip, size:204800, used:1",
        "0x: key=127.0.0.1 use=0 exp=1800s server_id=1 conn_cnt=3 conn_rate(10000)=3 server_key=s1",
    ]


def test_heads_alone_the_last_table_first(tables: Tables) -> None:
    assert show_table(tables) == [
        "# table: ids, type: binary, size:30720, used:0",
        "# table: words, type: string, size:100, used:0",
        "# table: btcp, type: ip, size:204800, used:0",
    ]


def test_users_see_no_entries(tables: Tables) -> None:
    assert show_table(tables, ["btcp"], admin=False) == [
        "# table: btcp, type: ip, size:204800, used:0",
        "# contents not dumped due to insufficient privileges",
    ]


def test_set_and_filter(tables: Tables) -> None:
    assert set_table(tables, shlex.split("btcp key 127.0.0.2 data.conn_cnt 5")) == []
    assert set_table(tables, shlex.split("btcp key 127.0.0.3 data.conn_cnt 4 data.conn_rate 9")) == []
    two = "0x: key=127.0.0.2 use=0 exp=1800s server_id=0 conn_cnt=5 conn_rate(10000)=0 server_key=-"
    head = "# table: btcp, type: ip, size:204800, used:2"
    assert seen(tables, "btcp data.conn_cnt gt 4") == [head, two]
    assert seen(tables, "btcp key 127.0.0.2") == [head, two]
    assert [line.split()[1] for line in seen(tables, "btcp data.conn_cnt ge 4 data.conn_rate eq 9")[1:]] == [
        "key=127.0.0.3"
    ]
    assert seen(tables, "btcp data.conn_cnt ne 5 data.conn_cnt lt 4") == [head]


def test_entries_are_in_the_order_of_their_keys(tables: Tables) -> None:
    for key in ("b", "a", "abcdeZ", "abcdefgh", ""):
        tables.named("words").keep_server(key.encode(), b"s1", 1)
    assert [line.split()[1] for line in show_table(tables, ["words"])[1:]] == [
        "key=",
        "key=a",
        "key=abcdeZ",
        "key=abcdefgh",
        "key=b",
    ]


def test_without_expire_exp_is_0(tables: Tables) -> None:
    tables.named("words").keep_server(b"a", b"s1", 1)
    assert seen(tables, "words")[1] == "0x: key=a use=0 exp=0s server_id=1 server_key=s1"


def test_a_number_set_by_hand_counts_until_there_is_a_name(tables: Tables) -> None:
    tables.named("words").keep_server(b"a", b"s1", 1)
    set_table(tables, shlex.split("words key a data.server_id 77"))
    assert tables.named("words").server_of(b"a") == (b"", 77)


def test_clear(tables: Tables) -> None:
    for key in ("a", "b", "c"):
        set_table(tables, ["words", "key", key, "data.server_id", str(ord(key))])
    assert clear_table(tables, ["words", "key", "a"]) == []
    assert tables.named("words").used() == 2
    assert clear_table(tables, ["words", "data.server_id", "eq", str(ord("b"))]) == []
    assert [line.split()[1] for line in show_table(tables, ["words"])[1:]] == ["key=c"]
    assert clear_table(tables, ["words"]) == []
    assert tables.named("words").used() == 0


def test_what_is_tracked_stays(tables: Tables) -> None:
    entry = tables.named("words").take(b"a")
    assert entry is not None
    entry.use = 1
    entry.touch()
    assert clear_table(tables, ["words", "key", "a"]) == ["Entry currently in use, cannot remove"]
    assert clear_table(tables, ["words"]) == []
    assert tables.named("words").used() == 1
    entry.use = 0


SHOW = 'Optional argument only supports "data.<store_data_type>" <operator> <value> and key <key>'
CLEAR = 'Required arguments: <table> "data.<store_data_type>" <operator> <value> or <table> key <key>'
SET = "Required arguments: <table> key <key> [data.<store_data_type> <value>]*"
OPERATOR = 'Filter entry #1: Require and operator among "eq", "ne", "le", "ge", "lt", "gt"'
VALUE = "Filter entry #1: Require a valid integer value to compare against"
BINARY = "Showing keys from tables of type other than ip, ipv6, string and integer is not supported"


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("nope", "No such table"),
        ("btcp key", "Key value expected"),
        ("btcp key zzz", "Invalid key"),
        ("ids key aa", BINARY),
        ("btcp foo", SHOW),
        ("btcp data.foo gt 1", "Filter entry #1: Unknown data type"),
        ("btcp data.gpc0 gt 1", "Filter entry #1: Data type not stored in this table"),
        ("btcp data.conn_cnt", OPERATOR),
        ("btcp data.conn_cnt zz 1", OPERATOR),
        ("btcp data.conn_cnt gt", VALUE),
        ("btcp data.conn_cnt gt x", VALUE),
        ("btcp data.conn_cnt gt 1 data.foo gt 1", "Filter entry #2: Unknown data type"),
    ],
)
def test_mistakes_of_show(tables: Tables, line: str, answer: str) -> None:
    assert show_table(tables, line.split()) == [answer]


def test_a_key_that_is_not_there(tables: Tables) -> None:
    assert show_table(tables, ["words", "key", "none"]) == []


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", CLEAR),
        ("nope", "No such table"),
        ("btcp key", "Key value expected"),
        ("btcp foo", CLEAR),
        ("btcp data.foo eq 1", "Filter entry #1: Unknown data type"),
    ],
)
def test_mistakes_of_clear(tables: Tables, line: str, answer: str) -> None:
    assert clear_table(tables, line.split()) == [answer]


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("", SET),
        ("nope", "No such table"),
        ("btcp key", "Key value expected"),
        ("btcp key 1.2.3.4 data.gpc0 5", "Data type not stored in this table"),
        ("btcp key 1.2.3.4 data.foo 5", "Unknown data type"),
        ("btcp key 1.2.3.4 data.conn_cnt", "Require a valid integer value to store"),
        ("btcp key 1.2.3.4 data.conn_cnt x", "Require a valid integer value to store"),
        ("btcp key zzz data.conn_cnt 1", "Invalid key"),
    ],
)
def test_mistakes_of_set(tables: Tables, line: str, answer: str) -> None:
    assert set_table(tables, line.split()) == [answer]
    assert tables.named("btcp").used() == 0
