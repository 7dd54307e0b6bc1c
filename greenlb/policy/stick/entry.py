"""What a process holds of one key of a stick table: what the store said when it was read last, and what has
happened here since.  ``Table.flush`` brings the second into the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from greenlb.policy.stick.columns import Record, cell, per_period

if TYPE_CHECKING:
    from greenlb.policy.stick.table import Table


class Entry:
    """One key here.  ``numbers``, ``rates``, ``server``, ``elsewhere`` (uses and connections of the other
    processes) are the store's as of ``epoch``; ``added`` and ``happened`` are ours since, ``set`` what we
    put in place of a number.  ``use`` and ``current`` count those here that track it."""

    __slots__ = (
        "added",
        "changed",
        "current",
        "elsewhere",
        "epoch",
        "expire",
        "happened",
        "key",
        "numbers",
        "rates",
        "server",
        "set",
        "since",
        "table",
        "touched",
        "use",
    )

    def __init__(self, table: Table, key: bytes, record: Record) -> None:
        self.table = table
        self.key = key
        self.use = self.current = 0
        self.added = [0] * len(record.numbers)
        self.happened = [0] * len(record.rates)
        self.since = 0
        self.set: dict[int, int] | None = None
        self.touched = 0
        self.changed = False
        self.learn(record)

    def learn(self, record: Record) -> None:
        """Take over what the store says."""
        owners = self.table.owners
        self.expire = record.expire
        self.numbers, self.rates = record.numbers, record.rates
        if not self.changed or self.set is None:
            self.server = record.server
        use = current = 0
        for mark in record.marks:
            if owners is not None and mark.owner != owners.number and owners.alive(mark.owner):
                use += mark.use
                current += mark.current
        self.elsewhere = (use, current)
        self.epoch = self.table.epoch

    # -- reading ---------------------------------------------------------------------------------

    def value(self, name: str) -> int | None:
        """A number, a rate per period or ``conn_cur``, all processes together; None when the table does
        not keep it."""
        table = self.table
        if name == "conn_cur":
            return self.current + self.elsewhere[1] if table.gauges else None
        place = table.layout.at.get(name)
        if place is None:
            return None
        if name in table.layout.rates:
            period = table.layout.periods[place]
            return per_period(self.rates[place], period, table.now(), self.happened[place])
        if self.set is not None and place in self.set:
            return self.set[place] + self.added[place]
        return self.numbers[place] + self.added[place]

    def cell(self, array: str, index: int) -> int | None:
        """One of an array; None when the table keeps no such array, or none so long."""
        return self.value(cell(array, index)) if index < self.table.layout.counts.get(array, 0) else None

    @property
    def trackers(self) -> int:
        return self.use + self.elsewhere[0]

    # -- writing ---------------------------------------------------------------------------------

    def add(self, numbers: Sequence[int], rates: Sequence[int], amount: int = 1) -> None:
        """Raise the numbers and the rates at those places, and refresh the expiry."""
        added, happened = self.added, self.happened
        for place in numbers:
            added[place] += amount
        for place in rates:
            happened[place] += amount
        self.touch()

    def put(self, name: str, value: int) -> None:
        """Set a number; nothing when the table does not keep it."""
        place = self.table.layout.at.get(name)
        if place is None:
            return
        if name in self.table.layout.rates:
            self.happened[place] += value - (self.value(name) or 0)
            self.touch()
            return
        if self.set is None:
            self.set = {}
        self.set[place] = value
        self.added[place] = 0
        self.touch()

    def put_cell(self, array: str, index: int, value: int) -> None:
        """Set one of an array, where the table has it."""
        if index < self.table.layout.counts.get(array, 0):
            self.put(cell(array, index), value)

    def touch(self) -> None:
        """It is used now."""
        table = self.table
        self.touched = now = table.now()
        if not self.changed:
            self.changed = True
            self.since = now
            table.changed[self.key] = self

    def written(self, record: Record) -> None:
        """The store has it all."""
        self.changed = False
        self.set = None
        self.touched = 0
        self.added = [0] * len(record.numbers)
        self.happened = [0] * len(record.rates)
        self.learn(record)
