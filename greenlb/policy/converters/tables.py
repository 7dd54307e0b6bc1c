"""Converters that look a value up in a stick table: ``src,table_http_req_rate(limits)``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.kinds import kind_of
from greenlb.policy.stick.columns import MOST_CELLS
from greenlb.policy.stick.entry import Entry
from greenlb.policy.stick.keys import Encode, encoder
from greenlb.policy.stick.table import Table
from greenlb.policy.vocabulary import Argument, Convert, Converter, Kind

_READ: dict[str, tuple[str, str]] = {
    "bytes_in_rate": ("bytes_in_rate", "bytes from clients in the period"),
    "bytes_out_rate": ("bytes_out_rate", "bytes to clients in the period"),
    "conn_cnt": ("conn_cnt", "how often it was tracked"),
    "conn_cur": ("conn_cur", "how many connections or requests track it now"),
    "conn_rate": ("conn_rate", "how often it was tracked in the period"),
    "gpc0": ("gpc0", "the counter gpc0"),
    "gpc0_rate": ("gpc0_rate", "how often gpc0 was raised in the period"),
    "gpc1": ("gpc1", "the counter gpc1"),
    "gpc1_rate": ("gpc1_rate", "how often gpc1 was raised in the period"),
    "gpt0": ("gpt0", "the tag gpt0"),
    "http_err_cnt": ("http_err_cnt", "requests that failed"),
    "http_err_rate": ("http_err_rate", "requests that failed in the period"),
    "http_fail_cnt": ("http_fail_cnt", "answers that failed"),
    "http_fail_rate": ("http_fail_rate", "answers that failed in the period"),
    "http_req_cnt": ("http_req_cnt", "requests"),
    "http_req_rate": ("http_req_rate", "requests in the period"),
    "kbytes_in": ("bytes_in_cnt", "kilobytes from clients"),
    "kbytes_out": ("bytes_out_cnt", "kilobytes to clients"),
    "server_id": ("server_id", "the number of its server"),
    "sess_cnt": ("sess_cnt", "connections accepted while they tracked it"),
    "sess_rate": ("sess_rate", "connections accepted in the period"),
}


def _finder(table: Table) -> Callable[[Any], Entry | None]:
    encoders: dict[Kind, Encode] = {}

    def find(value: Any) -> Entry | None:
        kind = kind_of(value)
        encode = encoders.get(kind)
        if encode is None:
            try:
                encode = encoder(table.spec.type, table.spec.length, kind)
            except ValueError:
                encode = _never
            encoders[kind] = encode
        key = encode(value)
        return None if key is None else table.find(key)

    return find


def _never(value: Any) -> None:
    return None


def _in_table(table: Table) -> Convert:
    find = _finder(table)
    return lambda x, value: find(value) is not None


def _trackers(table: Table) -> Convert:
    find = _finder(table)

    def convert(x: Exchange, value: Any) -> int:
        entry = find(value)
        return 0 if entry is None else entry.trackers

    return convert


def _value(column: str, shift: int) -> Callable[[Table], Convert]:
    def make(table: Table) -> Convert:
        find = _finder(table)

        def convert(x: Exchange, value: Any) -> int | None:
            entry = find(value)
            if entry is None:
                return 0
            number = entry.value(column)
            return None if number is None else number >> shift

        return convert

    return make


def _cell(array: str) -> Callable[[int, Table], Convert]:
    def make(index: int, table: Table) -> Convert:
        if not 0 <= index < MOST_CELLS:
            raise ValueError(f"the index in an array is from 0 to {MOST_CELLS - 1}, got {index}")
        find = _finder(table)

        def convert(x: Exchange, value: Any) -> int | None:
            entry = find(value)
            return 0 if entry is None else entry.cell(array, index)

        return convert

    return make


def _age(idle: bool) -> Callable[[Table, int | None], Convert]:
    """Milliseconds that are left of ``expire``, or that went by since the key was used; what stands as the
    second argument for a key that the table does not have."""

    def make(table: Table, default: int | None) -> Convert:
        find = _finder(table)
        whole = None if table.spec.expire is None else round(table.spec.expire * 1000)

        def convert(x: Exchange, value: Any) -> int | None:
            entry = find(value)
            if entry is None or whole is None:
                return default if entry is None else 0
            now = table.now()
            used = now - entry.touched if entry.touched else whole - (entry.expire - now)
            return max(0, used if idle else whole - used)

        return convert

    return make


_ARGUMENTS = (Argument("table", "table"),)

ROWS = (
    Converter("in_table", "any", "bool", "Whether a table has that key.", _in_table, _ARGUMENTS),
    Converter("table_trackers", "any", "int", "How many track that key in a table.", _trackers, _ARGUMENTS),
    Converter(
        "table_expire",
        "any",
        "int",
        "Milliseconds until that key expires in a table, or the default when the table has none.",
        _age(idle=False),
        (*_ARGUMENTS, Argument("default_value", "int", True)),
    ),
    Converter(
        "table_idle",
        "any",
        "int",
        "Milliseconds since that key was used in a table, or the default when the table has none.",
        _age(idle=True),
        (*_ARGUMENTS, Argument("default_value", "int", True)),
    ),
    *(
        Converter(
            f"table_{name}",
            "any",
            "int",
            f"Of that key in a table: {doc}; 0 when it has none.",
            _value(column, 10 if name.startswith("kbytes") else 0),
            _ARGUMENTS,
        )
        for name, (column, doc) in _READ.items()
    ),
    *(
        Converter(
            f"table_{array}",
            "any",
            "int",
            f"Of that key in a table: {doc}; 0 when it has none.",
            _cell(array),
            (Argument("idx", "int"), *_ARGUMENTS),
        )
        for array, doc in (
            ("gpc", "one of the counters gpc"),
            ("gpc_rate", "how often one of the gpc was raised in the period"),
            ("gpt", "one of the tags gpt"),
        )
    ),
)
