"""A stick table at work in one process: what it reads from the store, and what it has to write there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from greenlb.model import StickTable
from greenlb.policy.stick.columns import MOST_CELLS, Column, Layout, Mark, Record, cell, expire_of, raised
from greenlb.policy.stick.entry import Entry
from greenlb.policy.stick.owners import Owners
from greenlb.policy.stick.store import NEVER, Busy, Store, StoreError, Writer

Log = Callable[[int, str], None]
"""Takes a syslog severity and a sentence."""

BATCH: Final = 100
"""Entries written in one transaction: about 1.5 ms, in which a process does nothing else."""
SHARE: Final = 64
"""An entry's new expiry is written when it moved by this part of ``expire``."""
SWEEP: Final = 1000
"""Milliseconds from one look for expired entries to the next."""
RETRY: Final = 10.0
"""Seconds until a file that could not be opened is tried again, and without trouble until all is well."""

PATIENCE: Final = 0.005
"""Seconds that others may write while a client's new server, or an operator's wish, waits to be written.  The
hub stands still meanwhile: when they need more, it is not tried again before one could write at all."""

_ERR, _WARNING, _NOTICE = 3, 4, 5


class Table:
    """A table, and what this process holds of it.  Until its file is open, and while it cannot be, its
    entries live in this process alone."""

    def __init__(self, spec: StickTable) -> None:
        self.spec = spec
        self.name = spec.name
        self.sticks = False
        self.owners: Owners | None = None
        self.epoch = 0
        self.entries: dict[bytes, Entry] = {}
        self.changed: dict[bytes, Entry] = {}
        self._store: Store | None = None
        self._folder = ""
        self._log: Log = lambda severity, text: None
        self._expire = NEVER if spec.expire is None else round(spec.expire * 1000)
        self._share = self._expire // SHARE
        self._alarmed = False
        self._calm_at = 0.0  # when the last trouble is long enough ago to be over
        self._sweep_at = 0
        self._retry_at = 0.0
        self._patience = PATIENCE
        self._arrange()

    # -- what it is ------------------------------------------------------------------------------

    def keep_servers(self) -> None:
        """A rule keeps clients on their servers by this table."""
        self.sticks = True
        self._arrange()

    def _arrange(self) -> None:
        columns = [Column(*stored) for stored in self.spec.store]
        names = {column.name for column in columns}
        if self.sticks:
            columns += [Column(n) for n in ("server_id", "server_key") if n not in names]
        self.layout = layout = Layout(columns)
        self.gauges = "conn_cur" in names

        places, arrays = layout.places, ("gpc", "gpc_rate")
        self.on_track = places("conn_cnt", "conn_rate")
        self.on_session = places("sess_cnt", "sess_rate")
        self.on_request = places("http_req_cnt", "http_req_rate")
        self.on_error = places("http_err_cnt", "http_err_rate")
        self.on_bytes_in = places("bytes_in_cnt", "bytes_in_rate")
        self.on_bytes_out = places("bytes_out_cnt", "bytes_out_rate")
        self.on_failure = places("http_fail_cnt", "http_fail_rate")
        self.on_single = [places(f"gpc{number}", f"gpc{number}_rate") for number in (0, 1)]
        self.on_gpc = [
            places(*(cell(array, index) for array in arrays if index < layout.counts.get(array, 0)))
            for index in range(MOST_CELLS)
        ]

    def now(self) -> int:
        """The table's time in milliseconds."""
        return time.monotonic_ns() // 1_000_000 if self._store is None else self._store.now()

    # -- open and closed -------------------------------------------------------------------------

    def open(self, folder: str, owners: Owners, log: Log) -> None:
        """Open the file, in the process that is to use it.  What goes wrong is logged, and tried again by
        ``flush``."""
        self.owners = owners
        self._folder = os.path.join(folder, f"stick-{self.name}")
        self._log = log
        self._open()

    def _open(self) -> None:
        spec = self.spec
        try:
            self._store = store = Store(self._folder, self.layout, spec.type, spec.size, spec.length)
        except StoreError as error:
            self._retry_at = time.monotonic() + RETRY
            self._trouble("cannot open", error)
            return
        if store.aside:
            self._log(
                _WARNING,
                f"Stick table {self.name}: '{self._folder}' was broken and is now '{store.aside}'; "
                "the table begins empty.",
            )
        self._well()

    def close(self) -> None:
        """Write what is left, and close the file."""
        for entry in self.entries.values():
            if entry.use:
                entry.use = entry.current = 0
                entry.touch()
        while self.flush():
            pass
        if self._store is not None:
            self._store.close()
            self._store = None

    def _trouble(self, what: str, error: Exception) -> None:
        """Log it, once: on a full disk a small write may well succeed between others that do not."""
        self._calm_at = time.monotonic() + RETRY
        if not self._alarmed:
            self._alarmed = True
            self._log(
                _ERR,
                f"Stick table {self.name}: {what} '{self._folder}': {error}; connections go on without it.",
            )

    def _well(self) -> None:
        if self._alarmed and time.monotonic() >= self._calm_at:
            self._alarmed = False
            self._log(_NOTICE, f"Stick table {self.name}: '{self._folder}' works again.")

    def _broken(self, error: StoreError) -> None:
        """It cannot be read: do without, and open it anew later, which puts a broken file aside."""
        self._trouble("cannot read", error)
        if self._store is not None:
            self._store.close()
        self._store = None
        self._retry_at = time.monotonic() + RETRY

    # -- entries ---------------------------------------------------------------------------------

    def _read(self, key: bytes) -> bytes | None:
        """The packed record, if there is one that has not expired."""
        store = self._store
        if store is None:
            return None
        try:
            data = store.get(key)
        except StoreError as error:
            self._broken(error)
            return None
        return data if data is not None and expire_of(data) > store.now() else None

    def _hold(self, key: bytes, data: bytes | None) -> Entry:
        layout = self.layout
        record = layout.blank(key, 0) if data is None else layout.unpack(data)
        entry = self.entries[key] = Entry(self, key, record)
        return entry

    def _known(self, key: bytes) -> Entry | None:
        """The entry that this process holds, as the farm sees it."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry.expire <= self.now() and not (entry.use or entry.changed):
            del self.entries[key]
            return None
        if entry.epoch == self.epoch or self._store is None:
            return entry
        data = self._read(key)
        if data is not None:
            entry.learn(self.layout.unpack(data))
        elif not entry.use:
            entry.learn(self.layout.blank(key, 0))
        return entry

    def find(self, key: bytes) -> Entry | None:
        """The entry of ``key`` if there is one; looking does not refresh it."""
        entry = self._known(key)
        if entry is None:
            data = self._read(key)
            return None if data is None else self._hold(key, data)
        return entry if entry.expire or entry.changed or entry.use else None

    def take(self, key: bytes) -> Entry | None:
        """The entry of ``key``, made if need be; None when a ``nopurge`` table is full."""
        entry = self._known(key)
        if entry is None:
            data = self._read(key)
            if data is None and self._is_shut():
                return None
            entry = self._hold(key, data)
        return entry

    def _is_shut(self) -> bool:
        spec, store = self.spec, self._store
        if not spec.nopurge or store is None:
            return False
        try:
            return self._count(store) >= spec.size
        except StoreError as error:
            self._broken(error)
            return False

    # -- servers ---------------------------------------------------------------------------------

    def server_of(self, key: bytes) -> tuple[bytes, int] | None:
        """The name (empty: not known) and the number of the key's server, and the expiry refreshed."""
        entry = self._known(key)
        if entry is not None:
            if not (entry.expire or entry.changed):
                return None
            entry.touch()
            if entry.set is None and (now := self._read(key)) is not None:
                return self.layout.server_of(now)  # another process may just have given it another one
            return entry.server, entry.value("server_id") or 0
        data = self._read(key)
        if data is None:
            return None
        if self.now() + self._expire - expire_of(data) > self._share:
            self._hold(key, data).touch()
        return self.layout.server_of(data)

    def keep_server(self, key: bytes, name: bytes, number: int) -> None:
        """The key belongs to that server.  A change is written at once, so that the next connection of
        the same client is at home in every process."""
        if self.server_of(key) == (name, number):
            return
        entry = self.take(key)
        if entry is None:
            return
        entry.put("server_id", number)
        entry.server = name
        self._write([entry], patience=self._patience)

    # -- the store -------------------------------------------------------------------------------

    def flush(self) -> bool:
        """Bring what happened here into the store, and what others wrote back.  True when there is more to
        write.  Never raises."""
        self.epoch += 1
        if self._store is None:
            self._go_without()
            return False
        now = self.now()
        sweep = now >= self._sweep_at
        if sweep:
            self._sweep_at = now + SWEEP
            self._tidy(now)
        batch = list(islice(self.changed.values(), BATCH))
        if not batch and not sweep:
            return False
        return self._write(batch, sweep) and bool(self.changed)

    def _tidy(self, now: int) -> None:
        """Keep alive what is tracked here, and let go what is not needed."""
        if self.owners is not None:
            self.owners.look_again()
        if self._store is not None:
            self._store.forget_readers()
        old = self.epoch - 2
        for key, entry in list(self.entries.items()):
            if entry.use:
                if entry.expire <= now + 2 * SWEEP:
                    entry.touch()
            elif not entry.changed and entry.epoch < old:
                del self.entries[key]

    def _go_without(self) -> None:
        """Without the file entries live in this process alone; the file is tried again now and then."""
        now = self.now()
        for entry in self.changed.values():
            entry.written(self._own(entry, now))
        self.changed.clear()
        if now >= self._sweep_at and self.entries:
            self._sweep_at = now + SWEEP
            full = len(self.entries) > self.spec.size
            self.entries = {k: e for k, e in self.entries.items() if e.use or (e.expire > now and not full)}
        if self._folder and time.monotonic() >= self._retry_at:
            self._open()

    def _own(self, entry: Entry, now: int) -> Record:
        """What an entry is by what this process knows of it."""
        return self._merged(
            entry, Record(entry.expire, entry.key, entry.numbers, entry.rates, entry.server), now
        )

    def _write(self, batch: Sequence[Entry], sweep: bool = False, patience: float = 0.0) -> bool:
        """One transaction; whether it took place."""
        store = self._store
        if store is None or self.owners is None:
            return False
        now = store.now()
        done: list[tuple[Entry, Record]] = []
        try:
            with store.writing(patience) as writer:
                if sweep:
                    writer.drop(now, BATCH, self.owners.alive)
                    writer.note_time()
                room = self.spec.size - writer.count()
                for entry in batch:
                    record = writer.get(entry.key)
                    if record is None and room <= 0:
                        room += self._purge(writer)
                        if room <= 0:
                            continue
                    room -= record is None
                    before = None if record is None else record.expire
                    merged = self._merged(entry, record, now)
                    writer.put(merged, before)
                    done.append((entry, merged))
        except Busy:
            self._patience = 0.0
            return False
        except StoreError as error:
            self._trouble("cannot write", error)
            self._settle(batch, [(entry, self._own(entry, now)) for entry in batch if entry.use])
            return False
        self._patience = PATIENCE
        self._settle(batch, done)
        self._well()
        return True

    def _settle(self, batch: Sequence[Entry], done: Sequence[tuple[Entry, Record]]) -> None:
        """What was written is no longer ours; what found no room is forgotten."""
        for entry, record in done:
            entry.written(record)
        for entry in batch:
            self.changed.pop(entry.key, None)
            if entry.changed:
                entry.changed = False
                if not entry.use:
                    self.entries.pop(entry.key, None)

    def _purge(self, writer: Writer) -> int:
        """Make room by the oldest, some at a time as HAProxy does (src/stick_table.c: size / 256 + 1)."""
        spec, owners = self.spec, self.owners
        if spec.nopurge or owners is None:
            return 0
        return writer.drop(2 * NEVER, (spec.size >> 8) + 1, owners.alive)

    def _merged(self, entry: Entry, record: Record | None, now: int) -> Record:
        """``record`` and what happened here."""
        if record is None or (record.expire <= now and not entry.expire and not self._others(record)):
            record = self.layout.blank(entry.key, 0)
        numbers, periods = record.numbers, self.layout.periods
        for place, value in (entry.set or {}).items():
            numbers[place] = value
        record.numbers = [number + more for number, more in zip(numbers, entry.added, strict=True)]
        record.rates = [
            raised(rate, period, max(entry.since, rate.tick), more) if more else rate
            for rate, period, more in zip(record.rates, periods, entry.happened, strict=True)
        ]
        if entry.set is not None and self.sticks:
            record.server = entry.server
        marks = self._others(record)
        if entry.use and self.owners is not None:
            marks.append(Mark(self.owners.number, entry.use, entry.current))
        record.marks = tuple(marks)
        expire = (entry.touched or now) + self._expire if self._expire < NEVER else NEVER
        if expire - record.expire > self._share or not record.expire:
            record.expire = expire
        return record

    def _others(self, record: Record) -> list[Mark]:
        """The marks of the other processes that run."""
        owners = self.owners
        if owners is None or not record.marks:
            return []
        return [m for m in record.marks if m.owner != owners.number and owners.alive(m.owner)]

    # -- for operators ---------------------------------------------------------------------------

    def snapshot(self) -> tuple[int, list[Record]]:
        """The table's time and all entries in the order of their keys.  Raises StoreError."""
        while self.flush():
            pass
        now = self.now()
        if self._store is None:
            records = [self._own(entry, now) for _, entry in sorted(self.entries.items())]
        else:
            records = self._store.records()
        return now, [r for r in records if r.expire > now or self.uses(r)[0]]

    def used(self) -> int:
        """How many entries there are."""
        try:
            return len(self.entries) if self._store is None else self._count(self._store)
        except StoreError:
            return 0

    def _count(self, store: Store) -> int:
        """What is in the store and what will be."""
        return store.count() + sum(not entry.expire for entry in self.changed.values())

    def uses(self, record: Record) -> tuple[int, int]:
        """How many track the entry now, and how many connections that are."""
        owners = self.owners
        marks = [m for m in record.marks if owners is not None and owners.alive(m.owner)]
        return sum(m.use for m in marks), sum(m.current for m in marks)

    def remove(self, keys: Sequence[bytes]) -> list[bytes]:
        """Delete entries; the keys of those that are tracked and so stay.  Raises StoreError and Busy."""
        kept = [key for key in keys if (entry := self.entries.get(key)) is not None and entry.use]
        for key in set(keys).difference(kept):
            self.entries.pop(key, None)
            self.changed.pop(key, None)
        if self._store is None:
            return kept
        with self._store.writing(PATIENCE) as writer:
            for key in keys:
                record = writer.get(key)
                if record is None:
                    continue
                if self.uses(record)[0]:
                    kept.append(key)
                else:
                    writer.delete(record)
        return kept
