"""A table's entries in LMDB: one environment a table, shared by all processes, alive after all of them.

Three databases: ``entries`` (key -> record), ``order`` (expiry and key, so that the oldest come first)
and ``meta`` (the layout, the clock).

* ``writemap`` is off: a full disk is then an error of the write, with it a SIGBUS.
* ``sync`` and ``metasync`` are off: nothing waits for the disk.  What is written survives the end of every
  process, ``kill -9`` too, because the kernel has it; a power failure may leave a broken file.
* So, before the first process opens a file, a throwaway process reads it from end to end: a broken file
  may end a process that maps it.  What fails there is set aside, and the table begins empty.
* A write that would have to wait long for another process (one that is stopped while it writes) is not
  begun: ``Busy``.  The lock for that is one the kernel frees when its holder dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import signal
import struct
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final

import lmdb

from greenlb.policy.stick.columns import Layout, Record, expire_of, parse_columns

LONGEST_ID: Final = 255
"""LMDB's keys are short (511 bytes): a longer key of ours is found by its digest."""

_MOMENT: Final = struct.Struct(">Q")
_CLOCK: Final = struct.Struct("<36sqqq")
_MAP_MINIMUM: Final = 4 << 20
_PAGE: Final = 4096
_READERS: Final = 1022
_CHECK_SECONDS: Final = 20
_OPEN_SECONDS: Final = 5.0
_AGAIN: Final = 0.0002
"""Seconds between two tries to have a lock: most are held for less."""
NEVER: Final = 1 << 62
"""The expiry of an entry in a table without ``expire``."""

Alive = Callable[[int], bool]
"""Whether the process behind an owner number runs."""


class StoreError(Exception):
    """The file cannot be read or written."""


class Busy(Exception):
    """Another process writes just now."""


def identity(key: bytes) -> bytes:
    """What a key is found by.  LMDB has no empty key; nothing but an empty string is stored as NUL, for
    strings end at one."""
    return (key or b"\0") if len(key) <= LONGEST_ID else hashlib.blake2b(key, digest_size=32).digest()


class Store:
    """The open file of one table.  ``aside`` is where a broken one was put, empty when it was sound."""

    def __init__(self, folder: str, layout: Layout, type: str, size: int, length: int) -> None:
        """Open or make it.  Raises StoreError."""
        self.folder = folder
        self.layout = layout
        self.aside = ""
        self._title = f"{type}({length}) {layout.text}".encode()
        room = _MAP_MINIMUM + 3 * size * (len(layout.pack(layout.blank(b"", 0))) + 3 * length + 128)
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
            self._open(-(-room // _PAGE) * _PAGE)
        except (OSError, lmdb.Error, ValueError, struct.error) as error:
            raise StoreError(str(error)) from error

    def close(self) -> None:
        self._env.close()
        os.close(self._lock)
        os.close(self._users)

    # -- opening ---------------------------------------------------------------------------------

    def _open(self, map_size: int) -> None:
        """Raises TimeoutError when a process that writes does not go on."""
        with contextlib.ExitStack() as undo:
            self._lock = self._lockable("writer")
            undo.callback(os.close, self._lock)
            self._users = self._lockable("users")
            undo.callback(os.close, self._users)
            if not _locked(self._lock, _OPEN_SECONDS):
                raise TimeoutError("another process holds it")
            undo.callback(fcntl.flock, self._lock, fcntl.LOCK_UN)
            if _locked(self._users):  # whoever has it open has found it sound
                self._inspect()
            fcntl.flock(self._users, fcntl.LOCK_SH)
            self._env = _open(self.folder, map_size)
            undo.callback(self._env.close)
            self._settle()
            undo.pop_all()
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _lockable(self, name: str) -> int:
        return os.open(os.path.join(self.folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _inspect(self) -> None:
        """Set a file aside that cannot be read whole."""
        path = os.path.join(self.folder, "data.mdb")
        if not os.path.exists(path) or _is_sound(self.folder):
            return
        self.aside = f"{path}.broken-{time.time_ns()}"
        os.rename(path, self.aside)
        lock = os.path.join(self.folder, "lock.mdb")
        if os.path.exists(lock):
            os.unlink(lock)

    def _settle(self) -> None:
        """Learn or set the clock; bring the entries of another layout over into this one."""
        self._meta = self._env.open_db(b"meta")
        self._entries = self._env.open_db(b"entries")
        self._order = self._env.open_db(b"order")
        self._env.reader_check()
        with self._env.begin(write=True) as txn:
            before = txn.get(b"layout", db=self._meta)
            if before is not None and before != self._title:
                self._convert(txn, bytes(before))
            txn.put(b"layout", self._title, db=self._meta)
            self._offset = self._set_clock(txn)

    def _convert(self, txn: lmdb.Transaction, before: bytes) -> None:
        kind, _, text = before.decode().partition(" ")
        if kind != self._title.decode().partition(" ")[0]:  # keys of another type mean nothing here
            txn.drop(self._entries, delete=False)
            txn.drop(self._order, delete=False)
            return
        old = Layout(parse_columns(text))
        for key, value in list(txn.cursor(db=self._entries)):
            record = self.layout.carry(old.unpack(bytes(value)), old)
            txn.put(key, self.layout.pack(record), db=self._entries)

    def _set_clock(self, txn: lmdb.Transaction) -> int:
        """The table's clock is the machine's monotonic one, shifted so that it goes on after a restart of
        the machine: no entry lives longer or shorter because somebody set the time."""
        boot = _boot_id()
        monotonic, wall = time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000
        known = txn.get(b"clock", db=self._meta)
        if known is None:
            offset = wall - monotonic
        else:
            last_boot, offset, last, last_wall = _CLOCK.unpack(known)
            if last_boot != boot:
                offset = last + max(0, wall - last_wall) - monotonic
        txn.put(b"clock", _CLOCK.pack(boot, offset, monotonic + offset, wall), db=self._meta)
        return offset

    def now(self) -> int:
        """The table's time in milliseconds."""
        return time.monotonic_ns() // 1_000_000 + self._offset

    # -- reading ---------------------------------------------------------------------------------

    def get(self, key: bytes) -> bytes | None:
        """The packed record.  Raises StoreError."""
        try:
            with self._begin() as txn:
                data: bytes | None = txn.get(identity(key), db=self._entries)  # type: ignore[assignment]
                return data
        except lmdb.Error as error:
            raise StoreError(str(error)) from error

    def count(self) -> int:
        """How many entries there are.  Raises StoreError."""
        try:
            with self._begin() as txn:
                entries: int = txn.stat(self._entries)["entries"]
                return entries
        except lmdb.Error as error:
            raise StoreError(str(error)) from error

    def records(self) -> list[Record]:
        """All entries, in the order of their keys.  Raises StoreError."""
        unpack = self.layout.unpack
        try:
            with self._begin() as txn:
                return [unpack(bytes(value)) for _, value in txn.cursor(db=self._entries)]
        except (lmdb.Error, struct.error, ValueError) as error:
            raise StoreError(str(error)) from error

    def _begin(self) -> lmdb.Transaction:
        try:
            return self._env.begin()
        except lmdb.MapResizedError:  # another process made room for more
            self._env.set_mapsize(0)
            return self._env.begin()

    def forget_readers(self) -> None:
        """Free what processes held that died while they read: their view keeps pages from being reused."""
        self._env.reader_check()

    # -- writing ---------------------------------------------------------------------------------

    def writing(self, patience: float = 0.0) -> Writer:
        """One transaction, for a ``with``: committed at its end, undone by an exception.  Raises Busy when
        others write for longer than ``patience`` seconds, and StoreError on a full disk or a broken file."""
        return Writer(self, patience)


class Writer:
    """A write transaction."""

    __slots__ = ("_layout", "_patience", "_store", "_txn", "entries", "order")

    def __init__(self, store: Store, patience: float = 0.0) -> None:
        self._store = store
        self._patience = patience
        self._layout = store.layout
        self.entries = store._entries
        self.order = store._order

    def __enter__(self) -> Writer:
        store = self._store
        if not _locked(store._lock, self._patience):
            raise Busy
        try:
            try:
                self._txn = store._env.begin(write=True)
            except lmdb.MapResizedError:
                store._env.set_mapsize(0)
                self._txn = store._env.begin(write=True)
        except lmdb.Error as error:
            fcntl.flock(store._lock, fcntl.LOCK_UN)
            raise StoreError(str(error)) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._txn.commit()
            else:
                self._txn.abort()
        except lmdb.Error as failure:
            raise StoreError(str(failure)) from failure
        finally:
            fcntl.flock(self._store._lock, fcntl.LOCK_UN)
        if isinstance(error, lmdb.Error | struct.error | ValueError):
            raise StoreError(str(error)) from error

    def get(self, key: bytes) -> Record | None:
        data = self._txn.get(identity(key), db=self.entries)
        return None if data is None else self._layout.unpack(data)

    def put(self, record: Record, before: int | None) -> None:
        """Write an entry; ``before`` is the expiry that it had, None for a new one."""
        found = identity(record.key)
        self._txn.put(found, self._layout.pack(record), db=self.entries)
        if before != record.expire:
            if before is not None:
                self._txn.delete(_MOMENT.pack(before) + found, db=self.order)
            self._txn.put(_MOMENT.pack(record.expire) + found, b"", db=self.order)

    def delete(self, record: Record) -> None:
        found = identity(record.key)
        self._txn.delete(found, db=self.entries)
        self._txn.delete(_MOMENT.pack(record.expire) + found, db=self.order)

    def clear(self) -> None:
        self._txn.drop(self.entries, delete=False)
        self._txn.drop(self.order, delete=False)

    def count(self) -> int:
        entries: int = self._txn.stat(self.entries)["entries"]
        return entries

    def _oldest(self, until: int) -> Iterator[Record]:
        """Entries that expire up to ``until``, the oldest first."""
        cursor = self._txn.cursor(db=self.order)
        for key, _ in cursor:
            if _MOMENT.unpack_from(key)[0] > until:
                return
            data = self._txn.get(key[_MOMENT.size :], db=self.entries)
            if data is not None:
                yield self._layout.unpack(data)

    def drop(self, until: int, limit: int, alive: Alive) -> int:
        """Delete up to ``limit`` of the oldest entries, none that expires after ``until`` or that a living
        process tracks; how many were deleted."""
        doomed: list[Record] = []
        for record in self._oldest(until):
            if not any(mark.use and alive(mark.owner) for mark in record.marks):
                doomed.append(record)
                if len(doomed) >= limit:
                    break
        for record in doomed:
            self.delete(record)
        return len(doomed)

    def note_time(self) -> None:
        """Let the clock of the next start of the machine know how late it is."""
        store = self._store
        clock = _CLOCK.pack(_boot_id(), store._offset, store.now(), time.time_ns() // 1_000_000)
        self._txn.put(b"clock", clock, db=store._meta)


def _locked(lock: int, seconds: float = 0.0) -> bool:
    """Whether a lock can be had for ourselves, within so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_AGAIN)


def _open(folder: str, map_size: int = 0) -> lmdb.Environment:
    return lmdb.open(
        folder,
        map_size=map_size,
        max_dbs=3,
        max_readers=_READERS,
        sync=False,
        metasync=False,
        writemap=False,
        mode=0o600,
    )


def _boot_id() -> bytes:
    try:
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            return file.read(36).ljust(36)
    except OSError:
        return b" " * 36


def _is_sound(folder: str) -> bool:
    """Whether a throwaway process can read the whole file.  A pipe says so, because whoever else waits
    for children may take its exit status."""
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_CHECK_SECONDS)
            os.close(here)
            _read_whole(folder)
            os.write(there, b"sound")
        finally:
            os._exit(0)
    os.close(there)
    try:
        said = os.read(here, 16)
    finally:
        os.close(here)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    return said == b"sound"


def _read_whole(folder: str) -> None:
    """Raises when an entry cannot be read, or is not where its expiry says."""
    with _open(folder) as env:
        meta = env.open_db(b"meta")
        entries = env.open_db(b"entries")
        order = env.open_db(b"order")
        with env.begin() as txn:
            title = txn.get(b"layout", db=meta)
            if title is None:
                if txn.stat(entries)["entries"]:
                    raise ValueError("entries of no layout")
                return
            layout = Layout(parse_columns(bytes(title).decode().partition(" ")[2]))
            places = 0
            for key, value in txn.cursor(db=entries):
                record = layout.unpack(value)
                if identity(record.key) != key:
                    raise ValueError("an entry under another's key")
                if txn.get(_MOMENT.pack(expire_of(value)) + key, db=order) is None:
                    raise ValueError("an entry without its place in the order")
                places += 1
            if txn.stat(order)["entries"] != places:
                raise ValueError("places without entries")
