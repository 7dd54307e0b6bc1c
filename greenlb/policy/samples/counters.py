"""Samples of stick tables: what a tracked key has counted (``sc_*``), the client's address in a table
(``src_*``), and tables themselves.

``sc_*`` are absent when nothing is tracked under that number; a key that a table does not hold has
counted 0.
"""

from __future__ import annotations

from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.addresses import parse_address
from greenlb.policy.stick.columns import MOST_CELLS
from greenlb.policy.stick.entry import Entry
from greenlb.policy.stick.keys import encoder
from greenlb.policy.stick.table import Table
from greenlb.policy.stick.tracking import NUMBERS, tracked
from greenlb.policy.vocabulary import Argument, Fetch, Kind, Sample

Read = Callable[[Entry], int | None]
Holder = Callable[[Exchange], "Entry | Table | None"]
"""Gives the entry; the table where it would be when it holds none; or None."""

VALUES: dict[str, tuple[str, str]] = {
    "bytes_in_rate": ("bytes_in_rate", "Bytes from clients in the period."),
    "bytes_out_rate": ("bytes_out_rate", "Bytes to clients in the period."),
    "conn_cnt": ("conn_cnt", "How often the key was tracked."),
    "conn_cur": ("conn_cur", "How many connections or requests track the key now."),
    "conn_rate": ("conn_rate", "How often the key was tracked in the period."),
    "get_gpc0": ("gpc0", "The counter gpc0."),
    "get_gpc1": ("gpc1", "The counter gpc1."),
    "get_gpt0": ("gpt0", "The tag gpt0."),
    "gpc0_rate": ("gpc0_rate", "How often gpc0 was raised in the period."),
    "gpc1_rate": ("gpc1_rate", "How often gpc1 was raised in the period."),
    "http_err_cnt": ("http_err_cnt", "Requests that were denied, invalid, or answered 4xx by a server."),
    "http_err_rate": ("http_err_rate", "The same in the period."),
    "http_fail_cnt": (
        "http_fail_cnt",
        "Answers of servers that were invalid, broken, or 5xx but 501 and 505.",
    ),
    "http_fail_rate": ("http_fail_rate", "The same in the period."),
    "http_req_cnt": ("http_req_cnt", "Requests."),
    "http_req_rate": ("http_req_rate", "Requests in the period."),
    "kbytes_in": ("bytes_in_cnt", "Kilobytes from clients."),
    "kbytes_out": ("bytes_out_cnt", "Kilobytes to clients."),
    "sess_cnt": ("sess_cnt", "Connections that were accepted while they tracked the key."),
    "sess_rate": ("sess_rate", "The same in the period."),
}
"""The end of a sample's name -> the data type it reads, and its doc."""


def reader(name: str) -> Read:
    """What a sample of that ending makes of an entry."""
    column = VALUES[name][0]
    if name.startswith("kbytes"):

        def kilobytes(entry: Entry) -> int | None:
            value = entry.value(column)
            return None if value is None else value >> 10

        return kilobytes
    return lambda entry: entry.value(column)


def _value(holder: Holder, read: Read) -> Fetch:
    def fetch(x: Exchange) -> int | None:
        found = holder(x)
        if isinstance(found, Entry):
            return read(found)
        return None if found is None else 0

    return fetch


# -- whose entry ------------------------------------------------------------------------------------


def _number(number: int) -> int:
    if not 0 <= number < NUMBERS:
        raise ValueError(f"the number of a tracked key is from 0 to {NUMBERS - 1}, got {number}")
    return number


def _of_tracked(number: int, table: Table | None) -> Holder:
    number = _number(number)
    if table is None:
        return lambda x: tracked(x, number)
    other = table

    def holder(x: Exchange) -> Entry | Table | None:
        entry = tracked(x, number)
        return None if entry is None else other.find(entry.key) or other

    return holder


def _source(table: Table, make: bool) -> Holder:
    """The entry of the client's address."""
    encode = encoder(table.spec.type, table.spec.length, "ip")

    def holder(x: Exchange) -> Entry | Table | None:
        address = parse_address(x.src)
        key = None if address is None else encode(address)
        if key is None:
            return None
        return (table.take(key) if make else table.find(key)) or table

    return holder


# -- samples that count --------------------------------------------------------------------------


def _raise(place: int) -> Read:
    def act(entry: Entry) -> int:
        entry.add(*entry.table.on_single[place])
        return _first(entry.value(f"gpc{place}"), entry.value(f"gpc{place}_rate"))

    return act


def _clear(place: int) -> Read:
    name = f"gpc{place}"

    def act(entry: Entry) -> int | None:
        value = entry.value(name)
        entry.put(name, 0)
        return value

    return act


def _raise_cell(index: int) -> Read:
    def act(entry: Entry) -> int:
        entry.add(*entry.table.on_gpc[index])
        return _first(entry.cell("gpc", index), entry.cell("gpc_rate", index))

    return act


def _clear_cell(index: int) -> Read:
    def act(entry: Entry) -> int | None:
        value = entry.cell("gpc", index)
        entry.put_cell("gpc", index, 0)
        return value

    return act


def _first(count: int | None, rate: int | None) -> int:
    """What was raised: the count, or else the rate, or else nothing."""
    return count if count is not None else rate or 0


def _cell(array: str) -> Callable[[int], Read]:
    return lambda index: lambda entry: entry.cell(array, index)


def _count_connection(entry: Entry) -> int | None:
    entry.add(*entry.table.on_track)
    return entry.value("conn_cnt")


_ACTIONS: dict[str, tuple[Read, str]] = {
    "inc_gpc0": (_raise(0), "Raises gpc0; its new value."),
    "inc_gpc1": (_raise(1), "Raises gpc1; its new value."),
    "clr_gpc0": (_clear(0), "Sets gpc0 to 0; the value it had."),
    "clr_gpc1": (_clear(1), "Sets gpc1 to 0; the value it had."),
}

_CELLS: dict[str, tuple[Callable[[int], Read], str]] = {
    "get_gpc": (_cell("gpc"), "One of the counters gpc."),
    "get_gpt": (_cell("gpt"), "One of the tags gpt."),
    "gpc_rate": (_cell("gpc_rate"), "How often one of the gpc was raised in the period."),
    "inc_gpc": (_raise_cell, "Raises one of the gpc; its new value."),
    "clr_gpc": (_clear_cell, "Sets one of the gpc to 0; the value it had."),
}
"""The same of arrays: their first argument is which."""

_COUNTER = Argument("number", "int")
_TABLE = Argument("table", "table", True)
_OWN = Argument("table", "own table", True)
_INDEX = Argument("idx", "int")


def _sc_rows(ending: str, read: Read, doc: str) -> list[Sample]:
    rows = [
        Sample(
            f"sc_{ending}",
            "int",
            "",
            f"Of a tracked key: {doc}",
            lambda number, table: _value(_of_tracked(number, table), read),
            (_COUNTER, _TABLE),
        )
    ]
    for number in range(NUMBERS):
        rows.append(
            Sample(
                f"sc{number}_{ending}",
                "int",
                "",
                f"Of the key tracked as sc{number}: {doc}",
                lambda table, number=number: _value(_of_tracked(number, table), read),
                (_TABLE,),
            )
        )
    return rows


def _src_row(ending: str, read: Read, doc: str, make: bool = False) -> Sample:
    return Sample(
        f"src_{ending}",
        "int",
        "",
        f"Of the client's address: {doc}",
        lambda table: _value(_source(table, make), read),
        (_OWN,),
    )


def _index(index: int) -> int:
    if not 0 <= index < MOST_CELLS:
        raise ValueError(f"the index in an array is from 0 to {MOST_CELLS - 1}, got {index}")
    return index


def _cell_rows(ending: str, act: Callable[[int], Read], doc: str) -> tuple[Sample, Sample]:
    return (
        Sample(
            f"sc_{ending}",
            "int",
            "",
            f"Of a tracked key: {doc}",
            lambda index, number, table: _value(_of_tracked(number, table), act(_index(index))),
            (_INDEX, _COUNTER, _TABLE),
            aliases=("sc1_clr_gpc",) if ending == "clr_gpc" else (),
        ),
        Sample(
            f"src_{ending}",
            "int",
            "",
            f"Of the client's address: {doc}",
            lambda index, table: _value(_source(table, ending == "inc_gpc"), act(_index(index))),
            (_INDEX, _OWN),
        ),
    )


def _is_tracked(number: int, table: Table | None) -> Fetch:
    holder = _of_tracked(number, table)
    return lambda x: isinstance(holder(x), Entry)


def _trackers(entry: Entry) -> int:
    return entry.trackers


def _available(table: Table) -> Fetch:
    return lambda x: max(0, table.spec.size - table.used())


def _rows() -> list[Sample]:
    rows: list[Sample] = []
    for ending, (_, doc) in VALUES.items():
        rows += [*_sc_rows(ending, reader(ending), doc), _src_row(ending, reader(ending), doc)]
    for ending, (act, doc) in _ACTIONS.items():
        rows += [*_sc_rows(ending, act, doc), _src_row(ending, act, doc, make=ending.startswith("inc"))]
    for ending, (cell, doc) in _CELLS.items():
        rows += _cell_rows(ending, cell, doc)
    rows += _sc_rows("trackers", _trackers, "How many connections or requests track it.")
    rows.append(_src_row("updt_conn_cnt", _count_connection, "Raises conn_cnt; its new value.", make=True))
    boolean: Kind = "bool"
    rows.append(
        Sample(
            "sc_tracked",
            boolean,
            "",
            "Whether a key is tracked under that number.",
            _is_tracked,
            (_COUNTER, _TABLE),
        )
    )
    for number in range(NUMBERS):
        rows.append(
            Sample(
                f"sc{number}_tracked",
                boolean,
                "",
                f"Whether a key is tracked as sc{number}.",
                lambda table, number=number: _is_tracked(number, table),
                (_TABLE,),
            )
        )
    rows.append(
        Sample("table_cnt", "int", "", "How many entries a table has.", lambda t: lambda x: t.used(), (_OWN,))
    )
    rows.append(Sample("table_avl", "int", "", "How many more entries it takes.", _available, (_OWN,)))
    return rows


ROWS = tuple(_rows())
