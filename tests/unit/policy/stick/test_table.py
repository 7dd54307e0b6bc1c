"""Tables in their files, against a naive model: expiry, purge, counters, what others see."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenlb.model import NOWHERE, StickTable
from greenlb.policy.stick import store
from greenlb.policy.stick.owners import Owners
from greenlb.policy.stick.registry import Tables
from greenlb.policy.stick.store import Store
from greenlb.policy.stick.table import PATIENCE, RETRY, Table

STORE = (("conn_cnt", 0), ("conn_cur", 0), ("http_req_rate", 10_000), ("gpt0", 0))


def spec(**changes: object) -> StickTable:
    fields: dict[str, object] = {
        "name": "t",
        "where": NOWHERE,
        "type": "string",
        "length": 20,
        "size": 100,
        "expire": 60.0,
        "store": STORE,
    }
    return StickTable(**(fields | changes))  # type: ignore[arg-type]


class Clock:
    """The time of every store that is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000
        monkeypatch.setattr(Store, "now", lambda store: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Opened(NamedTuple):
    tables: Tables
    table: Table
    log: list[str]


def opened(folder: Path, made: StickTable, sticks: bool = True) -> Opened:
    tables, log = Tables(), list[str]()
    table = tables.declare(made)
    if sticks:
        table.keep_servers()
    tables.open(str(folder / "state"), lambda severity, text: log.append(text))
    return Opened(tables, table, log)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Opened]:
    found = opened(tmp_path, spec())
    yield found
    found.tables.close()


def count(table: Table, key: bytes, times: int = 1) -> None:
    for _ in range(times):
        entry = table.take(key)
        assert entry is not None
        entry.add(*table.on_track)


def value(table: Table, key: bytes, name: str) -> int | None:
    entry = table.find(key)
    return None if entry is None else entry.value(name)


def forget_here(table: Table) -> None:
    """What this process holds is written and let go: what is found then is the store's."""
    while table.flush():
        pass
    table.entries = {key: entry for key, entry in table.entries.items() if entry.use}


def test_a_new_table_knows_nobody(fresh: Opened) -> None:
    assert fresh.table.server_of(b"k") is None
    assert fresh.table.find(b"k") is None
    assert fresh.table.used() == 0


def test_a_server_is_kept_at_once(fresh: Opened) -> None:
    fresh.table.keep_server(b"k", b"s1", 1)
    assert fresh.table.entries[b"k"].changed is False
    forget_here(fresh.table)
    assert fresh.table.server_of(b"k") == (b"s1", 1)


def test_counts_are_seen_before_they_are_written_and_after(fresh: Opened) -> None:
    count(fresh.table, b"k", 3)
    assert value(fresh.table, b"k", "conn_cnt") == 3
    forget_here(fresh.table)
    assert value(fresh.table, b"k", "conn_cnt") == 3
    count(fresh.table, b"k", 2)
    assert value(fresh.table, b"k", "conn_cnt") == 5


def test_what_a_table_does_not_keep_is_absent(fresh: Opened) -> None:
    count(fresh.table, b"k")
    assert value(fresh.table, b"k", "gpc0") is None


def test_keys_of_any_length(tmp_path: Path) -> None:
    """LMDB's keys are short, ours need not be; an empty one is one too."""
    tables, table, _ = opened(tmp_path, spec(length=4000))
    keys = [b"", b"x" * 255, b"x" * 256, b"x" * 3000, b"x" * 2999 + b"y"]
    for number, key in enumerate(keys, 1):
        table.keep_server(key, b"s%d" % number, number)
    forget_here(table)
    assert [table.server_of(key) for key in keys] == [(b"s%d" % n, n) for n in range(1, 6)]
    assert {record.key for record in table.snapshot()[1]} == set(keys)
    tables.close()


def test_another_opening_finds_it_all(tmp_path: Path) -> None:
    tables, table, _ = opened(tmp_path, spec())
    table.keep_server(b"k", b"s1", 1)
    count(table, b"k", 4)
    tables.close()
    tables, table, log = opened(tmp_path, spec())
    assert (table.server_of(b"k"), value(table, b"k", "conn_cnt"), log) == ((b"s1", 1), 4, [])
    tables.close()


def test_a_table_that_keeps_more_now(tmp_path: Path) -> None:
    """Other data types after a change of the configuration: what both know stays."""
    tables, table, _ = opened(tmp_path, spec())
    table.keep_server(b"k", b"s1", 1)
    count(table, b"k", 4)
    tables.close()
    tables, table, _ = opened(tmp_path, spec(store=(("gpc0", 0, 0), ("conn_cnt", 0, 0)), size=5000))
    assert (table.server_of(b"k"), value(table, b"k", "conn_cnt"), value(table, b"k", "gpc0")) == (
        (b"s1", 1),
        4,
        0,
    )
    tables.close()
    tables, table, _ = opened(tmp_path, spec(type="integer", length=4))
    assert table.used() == 0
    tables.close()


def test_the_log_is_told_once(tmp_path: Path) -> None:
    """A file that cannot be opened: one line, and the table works from memory."""
    folder = tmp_path / "state" / "stick-t"
    folder.mkdir(parents=True)
    (tmp_path / "state").chmod(0o700)
    (folder / "writer").mkdir()
    tables, table, log = opened(tmp_path, spec())
    for _ in range(3):
        table.keep_server(b"k", b"s1", 1)
        tables.flush()
    assert len(log) == 1 and "cannot open" in log[0] and "connections go on without it" in log[0]
    assert table.server_of(b"k") == (b"s1", 1)
    tables.close()


def test_a_full_disk(fresh: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails is told once; what was there is still read; it works again when there is room."""
    table = fresh.table
    table.keep_server(b"old", b"s1", 1)
    limit = fresh.table._store._env.info()["map_size"]  # type: ignore[union-attr]
    used = fresh.table._store._env.info()["last_pgno"]  # type: ignore[union-attr]
    table._store._env.set_mapsize((used + 2) * 4096)  # type: ignore[union-attr]
    for number in range(200):
        table.keep_server(b"new%d" % number, b"s2", 2)
    assert len(fresh.log) == 1 and "cannot write" in fresh.log[0]
    assert table.server_of(b"old") == (b"s1", 1)
    table._store._env.set_mapsize(limit)  # type: ignore[union-attr]
    table.keep_server(b"more", b"s2", 2)
    assert len(fresh.log) == 1, "one write that succeeds says nothing yet"
    now = time.monotonic()
    monkeypatch.setattr("greenlb.policy.stick.table.time.monotonic", lambda: now + RETRY)
    table.keep_server(b"most", b"s2", 2)
    assert len(fresh.log) == 2 and "works again" in fresh.log[1]


def test_a_file_that_breaks_while_it_is_open_is_done_without(tmp_path: Path) -> None:
    tables, table, log = opened(tmp_path, spec())
    for number in range(2000):
        count(table, b"k%d" % number)
    while tables.flush():
        pass
    with open(tmp_path / "state" / "stick-t" / "data.mdb", "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    table.entries.clear()
    for number in range(2000):
        table.server_of(b"k%d" % number)
    assert len(log) <= 1
    table.keep_server(b"new", b"s1", 1)
    tables.close()
    reopened = opened(tmp_path, spec())
    assert "was broken and is now" in reopened.log[0]
    assert reopened.table.used() == 0
    reopened.tables.close()


def test_a_folder_of_somebody_else(tmp_path: Path) -> None:
    """Who else might write there could make us believe anything: it is ours alone, or not used."""
    folder = tmp_path / "state"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    found = opened(tmp_path, spec())
    assert found.log == []
    assert folder.stat().st_mode & 0o077 == 0
    found.tables.close()


# -- expiry and purge ------------------------------------------------------------------------------


def test_an_unused_entry_expires(fresh: Opened, clock: Clock) -> None:
    table = fresh.table
    table.keep_server(b"k", b"s1", 1)
    clock.now += 59_000
    assert table.server_of(b"k") == (b"s1", 1)
    table.flush()
    clock.now += 59_000
    assert table.server_of(b"k") == (b"s1", 1)
    table.flush()
    clock.now += 60_001
    assert table.server_of(b"k") is None
    table.flush()
    assert table.used() == 0


def test_a_refreshed_expiry_is_written_when_it_moved(fresh: Opened, clock: Clock) -> None:
    """Not with every use: within a 64th of ``expire`` nothing is written."""
    table = fresh.table
    table.keep_server(b"k", b"s1", 1)
    forget_here(table)
    clock.now += 60_000 // 64
    assert table.server_of(b"k") == (b"s1", 1)
    assert not table.changed
    clock.now += 2
    assert table.server_of(b"k") == (b"s1", 1)
    assert table.changed


def test_an_expired_count_begins_anew(fresh: Opened, clock: Clock) -> None:
    count(fresh.table, b"k", 5)
    forget_here(fresh.table)
    clock.now += 60_001
    count(fresh.table, b"k")
    assert value(fresh.table, b"k", "conn_cnt") == 1
    forget_here(fresh.table)
    assert value(fresh.table, b"k", "conn_cnt") == 1


def test_what_is_tracked_does_not_expire(fresh: Opened, clock: Clock) -> None:
    table = fresh.table
    count(table, b"k", 5)
    entry = table.take(b"k")
    assert entry is not None
    entry.use = entry.current = 1
    entry.touch()
    for _ in range(200):
        clock.now += 1000
        table.flush()
    assert value(table, b"k", "conn_cnt") == 5
    entry.use = entry.current = 0


def test_without_expire_entries_stay(tmp_path: Path, clock: Clock) -> None:
    tables, table, _ = opened(tmp_path, spec(expire=None))
    table.keep_server(b"k", b"s1", 1)
    clock.now += 10**9
    table.flush()
    assert table.server_of(b"k") == (b"s1", 1)
    tables.close()


def test_nopurge_takes_no_more(tmp_path: Path) -> None:
    tables, table, _ = opened(tmp_path, spec(size=2, nopurge=True))
    assert [table.take(key) is not None for key in (b"a", b"b")] == [True, True]
    for key in (b"a", b"b"):
        count(table, key)
    assert table.take(b"c") is None
    assert table.take(b"a") is not None
    table.keep_server(b"d", b"s1", 1)
    assert table.used() == 2
    tables.close()


STEPS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9000)), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(STEPS)
def test_against_a_naive_table(
    tmp_path_factory: pytest.TempPathFactory, clock: Clock, steps: list[tuple[str, int]]
) -> None:
    """Four places, ten seconds: who is used lives on, who is oldest makes room.  (The steps are longer than
    what a 64th of the expiry can hide.)"""
    tables, table, _ = opened(tmp_path_factory.mktemp("naive"), spec(size=4, expire=10.0))
    naive: dict[bytes, int] = {}
    for letter, pause in steps:
        clock.now += pause + 200
        table.flush()
        naive = {key: used for key, used in naive.items() if used + 10_000 > clock.now}
        key = letter.encode()
        if key not in naive and len(naive) == 4:
            del naive[min(naive, key=lambda known: naive[known])]
        naive[key] = clock.now
        table.keep_server(key, b"s1", 1)
        forget_here(table)
        assert {record.key for record in table.snapshot()[1]} == set(naive)
    tables.close()


# -- several processes -----------------------------------------------------------------------------


def in_another_process(work: object) -> None:
    """Run ``work()`` in a process of its own; AssertionError when it fails."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()  # type: ignore[operator]
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_counts_of_two_processes_add_up(tmp_path: Path) -> None:
    """Each sees the other's after its own next flush."""
    go = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(go[0], 1)
        tables, table, _ = opened(tmp_path, spec())
        count(table, b"k", 5)
        tables.close()
        os._exit(0)
    tables, table, _ = opened(tmp_path, spec())
    count(table, b"k", 3)
    table.flush()
    os.write(go[1], b"x")
    assert os.waitpid(pid, 0)[1] == 0
    count(table, b"k", 1)
    assert value(table, b"k", "conn_cnt") == 4
    table.flush()
    assert value(table, b"k", "conn_cnt") == 9
    tables.close()
    for fd in go:
        os.close(fd)


def test_marks_of_a_process_that_was_killed_do_not_count(tmp_path: Path) -> None:
    """conn_cur and use are those of processes that run."""

    def other() -> None:
        _, table, _ = opened(tmp_path, spec())
        entry = table.take(b"k")
        assert entry is not None
        entry.use = entry.current = 2
        entry.add(*table.on_track)
        table.flush()
        os._exit(0)

    in_another_process(other)
    tables, table, _ = opened(tmp_path, spec())
    assert (value(table, b"k", "conn_cnt"), value(table, b"k", "conn_cur")) == (1, 0)
    assert table.uses(table.snapshot()[1][0]) == (0, 0)
    tables.close()


def test_marks_of_a_process_that_runs_count(tmp_path: Path) -> None:
    ready, go = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        _, table, _ = opened(tmp_path, spec())
        entry = table.take(b"k")
        if entry is not None:
            entry.use = entry.current = 2
            entry.add(*table.on_track)
            table.flush()
            os.write(ready[1], b"x")
            os.read(go[0], 1)
        os._exit(0)
    assert os.read(ready[0], 1) == b"x"
    tables, table, _ = opened(tmp_path, spec())
    try:
        assert value(table, b"k", "conn_cur") == 2
        assert table.remove([b"k"]) == [b"k"]
    finally:
        os.write(go[1], b"x")
        os.waitpid(pid, 0)
    while table.owners is not None and table.owners.alive(table.snapshot()[1][0].marks[0].owner):
        table.owners.look_again()
    assert table.remove([b"k"]) == []
    tables.close()
    for fd in (*ready, *go):
        os.close(fd)


def test_a_slot_is_free_when_its_holder_is_gone(tmp_path: Path) -> None:
    """And what the holder left behind is not its successor's."""
    path = str(tmp_path / "owners")
    numbers: list[int] = []
    for _ in range(2):
        owners = Owners(path)
        numbers.append(owners.number)
        owners.close()
    assert numbers[0] != numbers[1] and numbers[0] % 4096 == numbers[1] % 4096
    owners = Owners(path)
    assert [owners.alive(number) for number in (*numbers, owners.number)] == [False, False, True]
    owners.close()


def writing(folder: Path) -> int:
    """Be another process that writes, until the descriptor is closed."""
    lock = os.open(folder / "state" / "stick-t" / "writer", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def test_a_new_server_is_written_while_others_write_a_little(fresh: Opened, tmp_path: Path) -> None:
    """The next connection of the same client may be another process's, and comes at once."""
    done = threading.Timer(0.001, os.close, (writing(tmp_path),))
    done.start()
    fresh.table.keep_server(b"k", b"s1", 1)
    assert not fresh.table.changed
    done.join()


def test_a_process_that_hangs_while_it_writes_is_not_waited_for(tmp_path: Path) -> None:
    tables, table, _ = opened(tmp_path, spec(size=2000))
    lock = writing(tmp_path)
    begun = time.monotonic()
    for number in range(1000):
        table.keep_server(b"k%d" % number, b"s1", 1)
    assert time.monotonic() - begun < 1000 * PATIENCE / 2
    assert len(table.changed) == 1000
    os.close(lock)
    while tables.flush():
        pass
    assert not table.changed
    tables.close()


def test_what_others_have_open_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sound: to read it once more would keep those who write waiting."""
    tried: list[str] = []

    def is_sound(folder: str) -> bool:
        tried.append(folder)
        return True

    monkeypatch.setattr(store, "_is_sound", is_sound)
    opened(tmp_path, spec()).tables.close()  # makes it
    for expected in (1, 2):
        tables = opened(tmp_path, spec()).tables
        assert len(tried) == expected
        opened(tmp_path, spec()).tables.close()  # as another process would
        assert len(tried) == expected
        tables.close()


def test_a_client_that_another_process_moved(fresh: Opened) -> None:
    """Its entry is held here, for it is counted here too; its server is what the store says."""
    table = fresh.table
    table.keep_server(b"k", b"s1", 1)
    count(table, b"k")
    assert table.server_of(b"k") == (b"s1", 1)
    assert table._store is not None
    with table._store.writing() as writer:
        record = writer.get(b"k")
        assert record is not None
        record.server = b"s2"
        writer.put(record, record.expire)
    found = table.server_of(b"k")
    assert found is not None and found[0] == b"s2"
