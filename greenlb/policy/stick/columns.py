"""What an entry may hold: the data types of ``store``, their arithmetic, and how they lie in a record.

The types and the order in which they are shown are HAProxy's (configuration manual, "stick-table",
"store"; src/stick_table.c, the enumeration STKTABLE_DT_*).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple


class Type(NamedTuple):
    """A data type.  ``kind``: ``value`` is set, ``count`` is added to, ``rate`` is a count over a sliding
    period, ``gauge`` is how many there are now (each process has its own and they are added up).  ``array``:
    a table says how many it has; ``instead``: the single ones that an array takes the place of."""

    kind: str
    doc: str
    array: bool = False
    instead: tuple[str, ...] = ()


TYPES: Final[dict[str, Type]] = {
    "server_id": Type("value", "the number of the server that the key belongs to"),
    "gpt0": Type("value", "a tag for rules to set"),
    "gpc0": Type("count", "a counter for rules to raise"),
    "gpc0_rate": Type("rate", "how fast gpc0 is raised"),
    "conn_cnt": Type("count", "how often the key was tracked"),
    "conn_rate": Type("rate", "how often the key was tracked in the period"),
    "conn_cur": Type("gauge", "how many connections or requests track the key now"),
    "sess_cnt": Type("count", "connections that were accepted while they tracked the key"),
    "sess_rate": Type("rate", "the same in the period"),
    "http_req_cnt": Type("count", "requests"),
    "http_req_rate": Type("rate", "requests in the period"),
    "http_err_cnt": Type("count", "requests that were denied, invalid, or answered 4xx by a server"),
    "http_err_rate": Type("rate", "the same in the period"),
    "bytes_in_cnt": Type("count", "bytes from clients"),
    "bytes_in_rate": Type("rate", "bytes from clients in the period"),
    "bytes_out_cnt": Type("count", "bytes to clients"),
    "bytes_out_rate": Type("rate", "bytes to clients in the period"),
    "gpc1": Type("count", "a second counter for rules to raise"),
    "gpc1_rate": Type("rate", "how fast gpc1 is raised"),
    "server_key": Type("value", "the name of the server that the key belongs to"),
    "http_fail_cnt": Type("count", "invalid and broken answers of servers, and 5xx but for 501 and 505"),
    "http_fail_rate": Type("rate", "the same in the period"),
    "gpt": Type("value", "tags for rules to set", True, ("gpt0",)),
    "gpc": Type("count", "counters for rules to raise", True, ("gpc0", "gpc1")),
    "gpc_rate": Type("rate", "how fast those counters are raised", True, ("gpc0_rate", "gpc1_rate")),
}
"""All of them, in the order in which ``show table`` prints them."""

WIDE: Final = frozenset(("bytes_in_cnt", "bytes_out_cnt"))
"""Counts of 64 bits; the others wrap at 32, as HAProxy's do."""


class Rate(NamedTuple):
    """Events of the current and of the last period; ``tick`` is when the current one began, in ms."""

    tick: int = 0
    current: int = 0
    last: int = 0


NO_RATE: Final = Rate()


def raised(rate: Rate, period: int, now: int, amount: int) -> Rate:
    """``rate`` after ``amount`` more events at ``now`` (src/freq_ctr.c, update_freq_ctr_period)."""
    tick, current, last = rate
    passed = now - tick
    if passed >= period:
        if passed >= 2 * period:
            tick, last = now, 0
        else:
            tick, last = tick + period, current
        current = 0
    return Rate(tick, current + amount, last)


def per_period(rate: Rate, period: int, now: int, pending: int = 0) -> int:
    """The events of the sliding period that ends at ``now``: the current period's, and of the last one
    the share that is still in the window (src/freq_ctr.c, read_freq_ctr_period).  ``pending`` are those
    that are not in ``rate`` yet."""
    tick, current, last = rate
    remain = tick + period - now
    if remain < 0:
        remain += period
        last = current if remain >= 0 else 0
        current = 0
    current += pending
    if not current and last <= 1:
        return last  # a single event does not flap between 0 and 1
    return (last * min(remain, period) + current * period) // period


MOST_CELLS: Final = 100
"""So many has an array at most."""


def cell(array: str, index: int) -> str:
    """What one of an array is called: ``gpc_rate`` 1 is ``gpc1_rate``."""
    head, underscore, tail = array.partition("_")
    return f"{head}{index}{underscore}{tail}"


@dataclass(frozen=True, slots=True)
class Column:
    """One data type of one table; ``period`` in ms, of a rate alone; ``count``, of an array."""

    name: str
    period: int = 0
    count: int = 0

    @property
    def kind(self) -> str:
        return TYPES[self.name].kind

    @property
    def cells(self) -> list[str]:
        """The names under which its numbers are kept."""
        return [cell(self.name, index) for index in range(self.count)] if self.count else [self.name]

    @property
    def first(self) -> str:
        """The cell that operators mean by its name."""
        return self.cells[0]

    @property
    def titles(self) -> list[str]:
        """As ``show table`` prints its cells: ``conn_rate(10000)``."""
        return [f"{name}({self.period})" if self.period else name for name in self.cells]

    def __str__(self) -> str:
        """As ``parse_columns`` reads it."""
        count = f"[{self.count}]" if self.count else ""
        return f"{self.name}{count}({self.period})" if self.period else f"{self.name}{count}"


class Mark(NamedTuple):
    """What one process adds to a gauge: how often it tracks the entry now."""

    owner: int
    use: int
    current: int


@dataclass(slots=True)
class Record:
    """One entry as it is kept.  ``expire`` is on the table's clock in ms, ``key`` the whole key,
    ``numbers`` the counts and set values and ``rates`` the rates in the layout's order, ``server`` the
    server's name."""

    expire: int
    key: bytes
    numbers: list[int]
    rates: list[Rate]
    server: bytes = b""
    marks: tuple[Mark, ...] = ()


_HEAD: Final = struct.Struct("<Q")
_MARK: Final = struct.Struct("<QIQ")
_TAIL: Final = struct.Struct("<HHH")


class Layout:
    """How the entries of a table lie in bytes: the expiry first, then the numbers (64 bits each), the
    rates (tick, current, last), and at the end the server's name, the marks and the key.  ``counts`` says
    how many each array has."""

    __slots__ = ("_fixed", "at", "columns", "counts", "numbers", "periods", "rates", "text")

    def __init__(self, columns: Iterable[Column]) -> None:
        order = list(TYPES)
        self.columns = tuple(sorted(columns, key=lambda column: order.index(column.name)))
        kept = [c for c in self.columns if c.kind in ("count", "value") and c.name != "server_key"]
        rated = [c for c in self.columns if c.kind == "rate"]
        self.numbers = [name for column in kept for name in column.cells]
        self.rates = [name for column in rated for name in column.cells]
        self.periods = [column.period for column in rated for _ in column.cells]
        self.counts = {column.name: column.count for column in self.columns if column.count}
        self.at = {name: place for place, name in enumerate(self.numbers)} | {
            name: place for place, name in enumerate(self.rates)
        }
        self.text = ",".join(str(column) for column in self.columns)
        self._fixed = struct.Struct("<Q" + "Q" * len(self.numbers) + "QQQ" * len(self.rates))

    def places(self, *wanted: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Where those are that are kept: among the numbers, and among the rates."""
        return (
            tuple(self.at[name] for name in wanted if name in self.numbers),
            tuple(self.at[name] for name in wanted if name in self.rates),
        )

    def blank(self, key: bytes, expire: int) -> Record:
        return Record(expire, key, [0] * len(self.numbers), [NO_RATE] * len(self.rates))

    def pack(self, record: Record) -> bytes:
        flat = [part for rate in record.rates for part in rate]
        marks = record.marks
        return b"".join(
            (
                self._fixed.pack(record.expire, *record.numbers, *flat),
                _TAIL.pack(len(record.server), len(marks), len(record.key)),
                record.server,
                *(_MARK.pack(*mark) for mark in marks),
                record.key,
            )
        )

    def unpack(self, data: bytes) -> Record:
        """Raises struct.error or ValueError when ``data`` is no record of this layout."""
        fixed = self._fixed
        flat = fixed.unpack_from(data)
        numbers = 1 + len(self.numbers)
        rates = [Rate(*flat[place : place + 3]) for place in range(numbers, len(flat), 3)]
        server, marks, key = _TAIL.unpack_from(data, fixed.size)
        place = fixed.size + _TAIL.size
        name = data[place : place + server]
        place += server
        found = tuple(Mark(*_MARK.unpack_from(data, place + n * _MARK.size)) for n in range(marks))
        place += marks * _MARK.size
        if len(data) != place + key:
            raise ValueError("a record of another length")
        return Record(flat[0], data[place:], list(flat[1:numbers]), rates, name, found)

    def server_of(self, data: bytes) -> tuple[bytes, int]:
        """The server's name and number without unpacking the rest."""
        size = self._fixed.size
        length = _TAIL.unpack_from(data, size)[0]
        start = size + _TAIL.size
        number = _HEAD.unpack_from(data, 8 * (1 + self.at["server_id"]))[0] if "server_id" in self.at else 0
        return data[start : start + length], number

    def carry(self, record: Record, old: Layout) -> Record:
        """``record`` of an older layout in this one: what both have is kept, rates of the same period."""
        new = self.blank(record.key, record.expire)
        new.server, new.marks = record.server, record.marks
        for place, name in enumerate(self.numbers):
            if name in old.numbers:
                new.numbers[place] = record.numbers[old.at[name]]
        for place, name in enumerate(self.rates):
            if name in old.rates and old.periods[old.at[name]] == self.periods[place]:
                new.rates[place] = record.rates[old.at[name]]
        return new


def expire_of(data: bytes) -> int:
    """When a packed record expires."""
    moment: int = _HEAD.unpack_from(data)[0]
    return moment


_COLUMN: Final = re.compile(r"(\w+)(?:\[(\d+)\])?(?:\((\d+)\))?")


def parse_columns(text: str) -> list[Column]:
    """``conn_cnt,conn_rate(10000)``: what ``Layout.text`` writes.  Raises ValueError."""
    found = []
    for part in text.split(",") if text else ():
        written = _COLUMN.fullmatch(part)
        if written is None or written[1] not in TYPES:
            raise ValueError(f"'{part}' is no data type")
        found.append(Column(written[1], int(written[3] or 0), int(written[2] or 0)))
    return found


def wrapped(name: str, value: int) -> int:
    """A count as HAProxy's cells hold it."""
    return value & (0xFFFFFFFFFFFFFFFF if name in WIDE else 0xFFFFFFFF)


def names(columns: Sequence[Column]) -> set[str]:
    return {column.name for column in columns}
