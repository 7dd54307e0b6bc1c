"""What operators see of stick tables and do to them: ``show table``, ``clear table``, ``set table``.

The texts, their order and the answers to mistakes are those of HAProxy 2.6's runtime API.  Each function
takes the words after the command's name and gives the lines of its answer; a mistake is one line.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from typing import Final

from greenlb.policy.stick.columns import TYPES, Column, Record, per_period, wrapped
from greenlb.policy.stick.keys import shown, typed
from greenlb.policy.stick.registry import Tables
from greenlb.policy.stick.store import NEVER, Busy, StoreError, identity
from greenlb.policy.stick.table import Table

OPERATORS: Final[dict[str, Callable[[int, int], bool]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "le": operator.le,
    "ge": operator.ge,
    "lt": operator.lt,
    "gt": operator.gt,
}
MOST_FILTERS: Final = 4

_NO_TABLE: Final = "No such table"
_KEY_EXPECTED: Final = "Key value expected"
_SHOW_USAGE: Final = (
    'Optional argument only supports "data.<store_data_type>" <operator> <value> and key <key>'
)
_CLEAR_USAGE: Final = (
    'Required arguments: <table> "data.<store_data_type>" <operator> <value> or <table> key <key>'
)
_SET_USAGE: Final = "Required arguments: <table> key <key> [data.<store_data_type> <value>]*"
_INTEGER: Final = re.compile(r"-?\d+")

Filter = Callable[[Record, int], bool]


def show_table(tables: Tables, words: Sequence[str] = (), admin: bool = True) -> list[str]:
    """``show table [NAME [data.TYPE OPERATOR VALUE]... | NAME key KEY]``.  Without a name: one line a
    table, the last one first; with ``admin`` false the entries are not shown."""
    if not words:
        return [head(table) for table in reversed(list(tables))]
    table = tables.find(words[0])
    if table is None:
        return [_NO_TABLE]
    if not admin:
        return [head(table), "# contents not dumped due to insufficient privileges"]
    try:
        now, records = _select(table, words[1:], _SHOW_USAGE)
    except (ValueError, StoreError) as error:
        return [str(error)]
    if words[1:2] == ["key"] and not records:
        return []
    return [head(table), *(line(table, record, now) for record in records)]


def clear_table(tables: Tables, words: Sequence[str]) -> list[str]:
    """``clear table NAME [data.TYPE OPERATOR VALUE | key KEY]``.  What is tracked stays."""
    if not words:
        return [_CLEAR_USAGE]
    table = tables.find(words[0])
    if table is None:
        return [_NO_TABLE]
    try:
        _, records = _select(table, words[1:], _CLEAR_USAGE)
        kept = table.remove([record.key for record in records])
    except (ValueError, StoreError) as error:
        return [str(error)]
    except Busy:
        return ["The table is being written, try again"]
    return ["Entry currently in use, cannot remove"] if kept and words[1:2] == ["key"] else []


def set_table(tables: Tables, words: Sequence[str]) -> list[str]:
    """``set table NAME key KEY [data.TYPE VALUE]...``: the entry is made, or changed and refreshed."""
    if not words:
        return [_SET_USAGE]
    table = tables.find(words[0])
    if table is None:
        return [_NO_TABLE]
    if words[1:2] != ["key"]:
        return [_SET_USAGE] if len(words) > 1 else []
    if len(words) < 3:
        return [_KEY_EXPECTED]
    try:
        key = _typed(table, words[2])
        changes = _changes(table, words[3:])
    except ValueError as error:
        return [str(error)]
    entry = table.take(key)
    if entry is None:
        return ["Unable to allocate a new entry"]
    entry.touch()
    for name, value in changes:
        entry.put(name, value)
        if name == "server_id":
            entry.server = b""
    while table.flush():
        pass
    return []


def head(table: Table) -> str:
    """``# table: NAME, type: TYPE, size:N, used:N``."""
    spec = table.spec
    return f"# table: {table.name}, type: {spec.type}, size:{spec.size}, used:{table.used()}"


def line(table: Table, record: Record, now: int) -> str:
    """One entry: its address stands for nothing but is the same as long as the entry lives."""
    spec = table.spec
    expire = 0 if record.expire >= NEVER else max(0, record.expire - now)
    place = hash(identity(record.key)) & 0x7FFFFFFFFFF8
    words = [f"{place:#x}: key={shown(spec.type, record.key)} use={table.uses(record)[0]} exp={expire}"]
    for column in table.layout.columns:
        if column.name == "server_key":
            words.append(f"server_key={record.server.decode() or '-'}")
        else:
            words += [
                f"{title}={value_of(table, record, name, now)}"
                for name, title in zip(column.cells, column.titles, strict=True)
            ]
    return " ".join(words)


def value_of(table: Table, record: Record, name: str, now: int) -> int:
    """A cell of an entry as a number."""
    if name == "conn_cur":
        return table.uses(record)[1]
    place = table.layout.at[name]
    if name in table.layout.rates:
        return wrapped(name, per_period(record.rates[place], table.layout.periods[place], now))
    return wrapped(name, record.numbers[place])


def _select(table: Table, words: Sequence[str], usage: str) -> tuple[int, list[Record]]:
    """The table's time, and the entries that a command is about.  Raises ValueError and StoreError."""
    if words and words[0] == "key":
        if len(words) < 2:
            raise ValueError(_KEY_EXPECTED)
        key = _typed(table, words[1])
        now, records = table.snapshot()
        return now, [record for record in records if record.key == key]
    tests = _filters(table, words, usage)
    now, records = table.snapshot()
    return now, [record for record in records if all(test(record, now) for test in tests)]


def _filters(table: Table, words: Sequence[str], usage: str) -> list[Filter]:
    tests: list[Filter] = []
    for number, place in enumerate(range(0, len(words), 3), 1):
        name, *rest = words[place : place + 3]
        if not name.startswith("data.") or number > MOST_FILTERS:
            raise ValueError(usage)
        name = name.removeprefix("data.")
        at = f"Filter entry #{number}: "
        if name not in TYPES:
            raise ValueError(f"{at}Unknown data type")
        column = _column(table, name)
        if column is None or name == "server_key":
            raise ValueError(f"{at}Data type not stored in this table")
        if not rest or rest[0] not in OPERATORS:
            raise ValueError(f'{at}Require and operator among "eq", "ne", "le", "ge", "lt", "gt"')
        if len(rest) < 2 or not _INTEGER.fullmatch(rest[1]):
            raise ValueError(f"{at}Require a valid integer value to compare against")
        tests.append(_test(table, column.first, OPERATORS[rest[0]], int(rest[1])))
    return tests


def _test(table: Table, name: str, compare: Callable[[int, int], bool], value: int) -> Filter:
    return lambda record, now: compare(value_of(table, record, name, now), value)


def _column(table: Table, name: str) -> Column | None:
    return next((column for column in table.layout.columns if column.name == name), None)


def _changes(table: Table, words: Sequence[str]) -> list[tuple[str, int]]:
    """What is to be set.  Raises ValueError."""
    changes = []
    for place in range(0, len(words), 2):
        name = words[place].removeprefix("data.")
        if name == words[place] or name not in TYPES:
            raise ValueError("Unknown data type" if name != words[place] else _SET_USAGE)
        column = _column(table, name)
        if column is None:
            raise ValueError("Data type not stored in this table")
        if place + 1 >= len(words) or not _INTEGER.fullmatch(words[place + 1]):
            raise ValueError("Require a valid integer value to store")
        if name not in ("server_key", "conn_cur"):
            changes.append((column.first, int(words[place + 1])))
    return changes


def _typed(table: Table, text: str) -> bytes:
    spec = table.spec
    return typed(spec.type, spec.length, text)
