"""The figures of a page: asked for once a second while somebody looks, and by nobody otherwise."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import gevent
from gevent.lock import Semaphore

from greenlb.admin.runtime.runtime import Unreachable

PERIOD: Final = 1.0
"""Seconds between two snapshots."""
SHOWN: Final = 60
"""Seconds of history that a page shows."""
_FRESH: Final = 0.8
"""For so long a snapshot is everybody's."""
_PAUSES: Final = (0.1, 0.2, 0.4, 0.8)
"""Seconds between two questions to who does not answer."""

Execute = Callable[[str, str], str]
"""Runs one runtime command at a level, and gives its answer."""


@dataclass(frozen=True, slots=True)
class Series:
    """The last SHOWN seconds of one object, oldest first; ``rtime`` is milliseconds."""

    rate: tuple[float, ...] = (0,) * SHOWN
    scur: tuple[float, ...] = (0,) * SHOWN
    errors: tuple[float, ...] = (0,) * SHOWN
    rtime: tuple[float, ...] = (0,) * SHOWN

    @property
    def last(self) -> tuple[float, ...]:
        return tuple(
            values[-1] if values else 0 for values in (self.rate, self.scur, self.errors, self.rtime)
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment.  ``rows`` are those of the CSV, ``history`` is by pxname and svname."""

    taken: float
    rows: list[dict[str, str]]
    info: Mapping[str, str]
    history: Mapping[tuple[str, str], Series] = field(default_factory=dict)


def patient(execute: Execute) -> Execute:
    """For what is only read: where control has just died, or is not there yet, it is waited for."""

    def ask(text: str, level: str) -> str:
        for pause in _PAUSES:
            try:
                return execute(text, level)
            except Unreachable:
                gevent.sleep(pause)
        return execute(text, level)

    return ask


class Feed:
    """The snapshots that all viewers of a process share."""

    def __init__(self, execute: Execute, clock: Callable[[], float] = time.monotonic) -> None:
        self._execute = execute
        self._clock = clock
        self._turn = Semaphore()
        self._last: Snapshot | None = None

    def now(self) -> Snapshot:
        """How it is, not older than a second.  Raises what the runtime does when it does not answer."""
        with self._turn:  # who comes while one asks takes what that one gets
            last = self._last
            if last is None or self._clock() - last.taken > _FRESH:
                last = self._last = self._take()
            return last

    def forget(self) -> None:
        """Something was changed: the next look is a new one."""
        self._last = None

    def _take(self) -> Snapshot:
        return Snapshot(
            self._clock(),
            table(self._execute("show stat", "operator")),
            pairs(self._execute("show info", "operator")),
            series(self._execute(f"show history json {SHOWN}", "operator")),
        )


def table(text: str) -> list[dict[str, str]]:
    """The rows of HAProxy's CSV, by the names of its first line.  Raises ValueError for any other text."""
    if not text.startswith("# "):
        raise ValueError(f"the runtime says: {text.strip()[:200]}")
    lines = csv.reader(text.removeprefix("# ").splitlines())
    names = next(lines, [])
    return [dict(zip(names, line, strict=False)) for line in lines if len(line) > 1]


def pairs(text: str) -> dict[str, str]:
    """``Name: value`` lines."""
    split = (line.partition(":") for line in text.splitlines())
    return {name: value.strip() for name, colon, value in split if colon}


def series(text: str) -> dict[tuple[str, str], Series]:
    """What ``show history json`` answers.  Before there was anything, there was nothing: 0."""
    told: Any = json.loads(text)
    return {(one["pxname"], one["svname"]): _series(one) for one in told["series"]}


def _series(one: Mapping[str, Any]) -> Series:
    rate, scur, errors, rtime = (
        (0,) * (SHOWN - len(one[name])) + tuple(one[name]) for name in ("rate", "scur", "errors", "rtime")
    )
    return Series(rate, scur, errors, tuple(value / 1000 for value in rtime))
