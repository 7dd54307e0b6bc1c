"""What cannot be counted, only watched: maxima, rates, averages, and how it all went lately.

One process samples, from counters that are there anyhow, so an exchange pays nothing for it.  What has to
outlive that process (maxima, averages, when the last session began) lies in its row of the board.
"""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from greenlb.observe.stats import Books, Cells

WINDOW: Final = 1024
"""How many requests an average is of (HAProxy's TIME_STATS_SAMPLES)."""
OFTEN: Final = 0.25
"""Seconds between two looks at the counters."""
SECOND: Final = 1.0
"""What a rate is of, and how far two entries of the history lie apart."""
KEPT: Final = 300
"""Entries of the history."""
TIMERS: Final = ("qtime", "ctime", "rtime", "ttime")
_LEAST: Final = 0.05
"""Seconds between two looks, at least."""


class Rates(NamedTuple):
    """What happened to one object in the last second: sessions or, on servers, requests given to it;
    connections; HTTP requests; TLS sessions, and those of them that were new; bytes sent to clients;
    bytes before and after compression."""

    sessions: int = 0
    connections: int = 0
    requests: int = 0
    tls: int = 0
    keys: int = 0
    sent: int = 0
    comp_in: int = 0
    comp_out: int = 0


class _Now(NamedTuple):
    """One object at one moment: gauges, then counters.  ``arrivals`` are connections at a listener, and
    elsewhere the exchanges that a session is for their backend, however often they were tried."""

    scur: int
    qcur: int
    sessions: int
    arrivals: int
    requests: int
    tls: int = 0
    keys: int = 0
    sent: int = 0
    comp_in: int = 0
    comp_out: int = 0


_SEEN: Final = {
    "L": ("scur", "stot", "dcon", "req_tot", "ssl_sess", "ssl_reused_sess", "bout", "comp_in", "comp_out"),
    "S": ("scur", "qcur", "stot", "wretr", "wredis", "req_tot"),
    "B": ("scur", "qcur", "stot", "req_tot"),
}
_NOTHING: Final = _Now(0, 0, 0, 0, 0)
_BROKEN: Final = ("ereq", "econ", "eresp")
_WATCHED: Final = {
    "L": ("hrsp_5xx", "ereq"),
    "S": ("hrsp_5xx", "econ", "eresp", "stot", *TIMERS),
    "B": ("hrsp_5xx", "econ", "eresp", "stot", *TIMERS),
}


def _now(kind: str, cells: Sequence[int]) -> _Now:
    """Cells of _SEEN."""
    if kind == "L":
        scur, stot, refused, requests, tls, resumed, *bulk = cells
        return _Now(scur, 0, stot - refused, stot, requests, tls, tls - resumed, *bulk)
    scur, qcur, stot, *again, requests = cells
    return _Now(scur, qcur, stot + sum(again), stot, requests)


class _Object:
    """A listener, a server, or what a backend counts itself; or a whole, to which ``parts`` add up."""

    __slots__ = ("before", "block", "http", "parts", "whole")

    def __init__(self, block: Cells, http: bool, parts: Sequence[int] | None = None) -> None:
        self.block = block
        self.http = http
        self.whole = parts is not None
        self.parts = parts or ()
        self.before: tuple[int, ...] = ()  # its _WATCHED when the last entry was made


@dataclass(frozen=True, slots=True)
class Series:
    """The history of one object, oldest second first: sessions begun, sessions at the time, errors (answers
    with a 5xx status; in TCP, connections that failed), microseconds until a response's head."""

    block: Cells
    rate: Sequence[int]
    scur: Sequence[int]
    errors: Sequence[int]
    rtime: Sequence[int]


class _Second(NamedTuple):
    rate: array[int]
    scur: array[int]
    errors: array[int]
    rtime: array[int]


class Sampler:
    """Watches the objects of ``books``.  ``sample`` is to be called every OFTEN."""

    def __init__(self, books: Books, clock: Callable[[], float] = time.monotonic) -> None:
        self._books = books
        self._clock = clock
        self._objects: list[_Object] = []
        self._places: list[tuple[str, slice]] = []  # kind and cells of each that is no whole
        columns: list[int] = []
        for proxy, (whole, blocks) in zip(books.proxies(), books.groups(), strict=True):
            http = proxy.mode == "http"
            parts = range(len(self._objects), len(self._objects) + len(blocks))
            for block in blocks:
                seen = [block.named(name) for name in _SEEN[block.kind]]
                self._places.append((block.kind, slice(len(columns), len(columns) + len(seen))))
                columns += seen
                self._objects.append(_Object(block, http))
            self._objects.append(_Object(whole, http, parts))
        self._index = {each.block.first: n for n, each in enumerate(self._objects)}  # of two, the whole
        self._shown = sorted(self._index.values())
        self._fronts = [n for n, each in enumerate(self._objects) if each.block.kind == "F"]
        self._read = books.board.gather(columns)
        self._looks: deque[tuple[float, list[_Now]]] = deque()
        self._history: deque[_Second] = deque(maxlen=KEPT)
        self._second = 0.0
        self._noted: list[_Now] = []
        self._begin()

    # -- looking -----------------------------------------------------------------------------------

    def sample(self) -> None:
        """Look, unless that was just done."""
        now = self._clock()
        if self._looks and now - self._looks[-1][0] < _LEAST:
            return
        before = self._looks[-1][1] if self._looks else None
        states = self._look()
        self._looks.append((now, states))
        while len(self._looks) > 2 and now - self._looks[1][0] >= SECOND:
            self._looks.popleft()
        self._raise(before, states, int(now * 1000))
        if now - self._second >= SECOND:
            self._second = max(self._second + SECOND, now - SECOND)  # seconds that were missed are lost
            self._note(states)

    def _look(self) -> list[_Now]:
        cells, places = self._read(), iter(self._places)
        states: list[_Now] = []
        for each in self._objects:
            if each.whole:
                states.append(_together(each.block.kind, [states[n] for n in each.parts]))
            else:
                kind, place = next(places)
                states.append(_now(kind, cells[place]))
        return states

    def _raise(self, before: list[_Now] | None, states: list[_Now], moment: int) -> None:
        """Raise the maxima to what is seen now."""
        first, span = self._looks[0][1], self._looks[-1][0] - self._looks[0][0]
        rates = self.whole()
        process = self._books.process
        self._lift(process, "rate_max", rates.sessions)
        self._lift(process, "conn_rate_max", rates.connections)
        self._lift(process, "ssl_rate_max", rates.tls)
        self._lift(process, "ssl_key_rate_max", rates.keys)
        for n in self._shown:
            now, then = states[n], first[n]
            if before is not None and now == then == before[n] and not now.scur and not now.qcur:
                continue
            block = self._objects[n].block
            self._lift(block, "smax", max(now.scur, 1 if now.sessions > 0 else 0))  # at least one was there
            if block.kind == "L":
                continue
            rates = _rates(then, now, span)
            self._lift(block, "rate_max", rates.sessions)
            if block.kind == "F":
                self._lift(block, "req_rate_max", rates.requests)
                self._lift(block, "conn_rate_max", rates.connections)
                continue
            self._lift(block, "qmax", now.qcur)
            if now.sessions > (before[n].sessions if before is not None else 0):
                place = block.named("lastsess")
                if before is not None or not self._books.cells[place]:
                    self._books.cells[place] = moment

    def _lift(self, block: Cells, name: str, value: int) -> None:
        cells, place = self._books.cells, block.named(name)
        if value > cells[place]:
            cells[place] = value

    def rates(self, block: Cells) -> Rates:
        """Of the object whose own block this is, as it was seen last."""
        if not self._looks:
            return Rates()
        (old, first), (new, last) = self._looks[0], self._looks[-1]
        n = self._index[block.first]
        return _rates(first[n], last[n], new - old)

    def clear(self, everything: bool = True) -> None:
        """Maxima, or all counters, from 0 on."""
        self._books.clear(everything)
        self._looks.clear()
        self._begin()

    # -- once a second -----------------------------------------------------------------------------

    def _begin(self) -> None:
        """From here on changes are seen."""
        self._second = self._clock()
        self._noted = self._look()
        for each in self._objects:
            if each.whole:
                each.before = tuple(
                    map(sum, zip(*(self._objects[n].before for n in each.parts), strict=True))
                )
            else:
                each.before = self._watched(each)

    def _watched(self, each: _Object) -> tuple[int, ...]:
        values = self._books.values(each.block)
        return tuple(values[name] for name in _WATCHED[each.block.kind])

    def _note(self, states: list[_Now]) -> None:
        """An entry of the history, and the averages."""
        before, self._noted = self._noted, states
        entry = _Second(*(array("Q", bytes(8 * len(states))) for _ in _Second._fields))
        changes: dict[int, Sequence[int]] = {}
        for n, each in enumerate(self._objects):
            state = states[n]
            entry.scur[n] = max(0, state.scur)
            entry.rate[n] = max(0, state.sessions - before[n].sessions)
            if each.whole:
                parts = [changes[part] for part in each.parts if part in changes]
                if not parts:
                    continue
                change = tuple(map(sum, zip(*parts, strict=True)))
                after = tuple(map(sum, zip(each.before, change, strict=True)))
            elif each.block.kind == "L" or state.arrivals != before[n].arrivals:
                after = self._watched(each)
                change = tuple(new - old for old, new in zip(each.before, after, strict=True))
            else:
                continue
            changes[n] = change
            self._entered(entry, n, change)
            if each.whole == (each.block.kind == "B"):
                self._average(each.block, each.before, change)
            each.before = after
        self._history.append(entry)

    def _entered(self, entry: _Second, n: int, change: tuple[int, ...]) -> None:
        each = self._objects[n]
        told = dict(zip(_WATCHED["L" if each.block.kind == "F" else each.block.kind], change, strict=True))
        broken = told["hrsp_5xx"] if each.http else sum(told.get(name, 0) for name in _BROKEN)
        entry.errors[n] = max(0, broken)
        if told.get("stot", 0) > 0:
            entry.rtime[n] = max(0, told["rtime"] // told["stot"])

    def _average(self, block: Cells, before: tuple[int, ...], change: tuple[int, ...]) -> None:
        """Each request counts for a WINDOWth of the average, once there are so many (HAProxy's swrate)."""
        if block.kind not in "SB":
            return
        names = _WATCHED[block.kind]
        count = names.index("stot")
        had, new = before[count], change[count]
        if new <= 0:
            return
        kept = (1 - 1 / WINDOW) ** new
        cells = self._books.cells
        for timer in TIMERS:
            n, place = names.index(timer), block.named(f"{timer}_avg")
            average = before[n] / had if 0 < had <= WINDOW else cells[place]
            mean = change[n] / new
            cells[place] = round(mean + (average - mean) * kept)

    def history(self, last: int = KEPT) -> Iterator[Series]:
        """Of every object, as ``Books.read`` orders them, of the ``last`` seconds."""
        entries = list(self._history)[-last:]
        for n in self._shown:
            columns = [[second[column][n] for second in entries] for column in range(len(_Second._fields))]
            yield Series(self._objects[n].block, *columns)

    def whole(self) -> Rates:
        """Of all frontends."""
        return self._whole(*self._looks[0], *self._looks[-1]) if self._looks else Rates()

    def _whole(self, old: float, first: list[_Now], new: float, last: list[_Now]) -> Rates:
        before = _together("F", [first[n] for n in self._fronts])
        return _rates(before, _together("F", [last[n] for n in self._fronts]), new - old)


def average(values: Mapping[str, int], timer: str) -> int:
    """Microseconds of ``timer`` for one of the last requests of a server or a backend, from its counters."""
    count = values["stot"]
    return values[timer] // max(1, count) if count <= WINDOW else values[f"{timer}_avg"]


def _rates(before: _Now, now: _Now, span: float) -> Rates:
    """In a second, when a look came late; what happened since the first look otherwise."""
    late = max(1.0, span / SECOND) if span > 1.25 * SECOND else 1.0
    return Rates(*(max(0, round((new - old) / late)) for old, new in zip(before[2:], now[2:], strict=True)))


def _together(kind: str, parts: Sequence[_Now]) -> _Now:
    """A frontend of its listeners, a backend of its servers and its own."""
    if not parts:
        return _NOTHING
    whole = _Now(*map(sum, zip(*parts, strict=True)))
    return whole if kind == "F" else whole._replace(sessions=whole.arrivals)
