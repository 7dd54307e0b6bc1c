"""Which server gets an exchange: ``balance`` and ``hash-type``.

``balancewords`` reads what a configuration says.  For ``proxy``, ``make`` turns that into a ``Balancer``, one
a backend and process.  The caller keeps the servers' states; it calls ``rebuild(usable(those that are up,
allbackups))`` when one changes, and ``pick`` for each exchange.

One class an algorithm, all in the ALGORITHMS table.  What HAProxy places by a hash is placed on the
same server here: the map and the ring below are its own, seen from outside.
"""

from __future__ import annotations

import random
from bisect import bisect, bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

from greenlb.model import Balance
from greenlb.policy import hashing
from greenlb.policy.shares import Shares
from greenlb.policy.transaction import Choice, choose
from greenlb.policy.turns import map_cycle, smooth_cycle

if TYPE_CHECKING:
    from greenlb.exchange import Exchange
    from greenlb.model import Server


class Candidate(Protocol):
    """What a server looks like to an algorithm.  ``weight`` is the effective one, ``load`` the exchanges
    it has now and those queued for it, ``limit`` how many it gets at a time (0: all)."""

    @property
    def server(self) -> Server: ...
    @property
    def weight(self) -> int: ...
    @property
    def load(self) -> int: ...
    @property
    def limit(self) -> int: ...


AnyCandidate = TypeVar("AnyCandidate", bound=Candidate)
Tick = Callable[[], int]
"""A counter that the whole farm shares: each call, in whichever process, gives the next number."""


def usable(candidates: Iterable[AnyCandidate], allbackups: bool = False) -> list[AnyCandidate]:
    """Of the servers that are up, in the order of the configuration, those that may be picked: the active
    ones; when there is none, the first backup, or every backup with ``option allbackups``.  A server of
    weight 0 is only reached by persistence."""
    weighty = [candidate for candidate in candidates if candidate.weight > 0]
    actives = [candidate for candidate in weighty if not candidate.server.backup]
    if actives:
        return actives
    return weighty if allbackups else weighty[:1]


def full(candidate: Candidate) -> bool:
    """Has it all the exchanges that its ``maxconn`` allows?"""
    limit = candidate.limit
    return limit > 0 and candidate.load >= limit


def crowded(candidate: Candidate) -> bool:
    """Is its queue, too, as long as its ``maxqueue`` allows?"""
    limit = candidate.limit
    return limit > 0 and candidate.load >= limit + candidate.server.maxqueue


class Balancer:
    """Base of the algorithms, and of their common interface.

    ``pick`` gives None only when no server is usable.  ``avoid`` is a server that just failed: another
    one is given when there is one.  Servers at their ``maxconn`` are passed over while another has room.
    """

    __slots__ = ("_limited", "_tick", "_usable")
    _full = staticmethod(full)

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        self._tick = tick
        self._usable: list[Candidate] = []
        self._limited = False

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        """Take the servers to choose from.  To be called when the set or a weight changes."""
        self._usable = list(usable)
        self._limited = any(candidate.server.maxconn for candidate in usable)

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        raise NotImplementedError

    def binds(self, chosen: Candidate) -> bool:
        """Whether an exchange that was given a full server waits for that one alone."""
        return False

    def _preferred(self, avoid: Candidate | None) -> list[Candidate]:
        """The usable ones with room that are not ``avoid``, or the best that is left."""
        others = [candidate for candidate in self._usable if candidate is not avoid] or self._usable
        if not self._limited:
            return others
        return [candidate for candidate in others if not self._full(candidate)] or others


class RoundRobin(Balancer):
    """``roundrobin`` and ``static-rr``: in turn, by weight.  The turn is the farm's, not the process's."""

    __slots__ = ("_cycle", "_order")

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        self._cycle: list[Candidate] = []
        self._order = smooth_cycle if spec.algorithm == "roundrobin" else map_cycle

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        super().rebuild(usable)
        self._cycle = [self._usable[i] for i in self._order([c.weight for c in usable])] if usable else []

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        cycle = self._cycle
        if not cycle:
            return None
        chosen = cycle[self._tick() % len(cycle)]
        if self._limited or chosen is avoid:
            return self._other(chosen, avoid)
        return chosen

    def _other(self, chosen: Candidate, avoid: Candidate | None) -> Candidate:
        """``chosen`` if it will do, else the next that does, taking up its turn too: the load of a server
        that fails or is full is shared by all others, it does not fall on its neighbour."""
        preferred = self._preferred(avoid)
        if chosen in preferred:
            return chosen
        cycle = self._cycle
        for _ in preferred:
            chosen = cycle[self._tick() % len(cycle)]
            if chosen in preferred:
                return chosen
        return preferred[self._tick() % len(preferred)]


_load = attrgetter("load")


class LeastConn(Balancer):
    """``leastconn``: the fewest exchanges for its weight, in turn among equals.

    An idle server is always the least loaded, whatever its weight; a busy one counts the exchange that
    it would get, so that heavier servers come first (HAProxy's rule).  What waits in the queue of a server
    with ``maxqueue`` is load like any other.
    """

    __slots__ = ("_ring", "_weighted")
    _full = staticmethod(crowded)

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        self._ring: list[Candidate] = []
        self._weighted = False

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        super().rebuild(usable)
        self._ring = [*usable, *usable]  # so that any turn's order is a slice
        self._weighted = len({candidate.weight for candidate in usable}) > 1

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        size = len(self._usable)
        if not size:
            return None
        start = self._tick() % size
        if self._limited or avoid is not None:
            preferred = self._preferred(avoid)
            start %= len(preferred)
            return self._least(preferred[start:] + preferred[:start])
        first = self._ring[start]
        return first if first.load == 0 else self._least(self._ring[start : start + size])

    def binds(self, chosen: Candidate) -> bool:
        return chosen.server.maxqueue > 0 and not crowded(chosen)

    def _least(self, candidates: list[Candidate]) -> Candidate:
        loads: list[int] = list(map(_load, candidates))
        lowest = min(loads)
        if lowest == 0 or not self._weighted:
            return candidates[loads.index(lowest)]
        scores = [(load + 1) / candidate.weight for load, candidate in zip(loads, candidates, strict=True)]
        return candidates[scores.index(min(scores))]


class First(Balancer):
    """``first``: the server with the lowest number that has room; when none has, the one with the shortest
    queue for its size.  It fills servers one after the other, so it needs ``maxconn`` on them."""

    __slots__ = ()

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        super().rebuild(sorted(usable, key=lambda candidate: candidate.server.number))

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        others = [candidate for candidate in self._usable if candidate is not avoid] or self._usable
        for candidate in others:
            if not full(candidate):
                return candidate
        return min(others, key=lambda c: c.load / c.limit, default=None)


class Random(Balancer):
    """``random(N)``: N servers drawn by weight, the least loaded of them for its weight."""

    __slots__ = ("_draws", "_rand", "_shares", "_steps")

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        self._rand = rand
        self._draws = spec.draws
        self._steps: list[int] = []
        self._shares = Shares(spec.factor)

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        super().rebuild(usable)
        self._shares.rebuild(usable)
        self._steps = list(accumulate(candidate.weight for candidate in usable))

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        if not self._usable:
            return None
        candidates, steps = self._usable, self._steps
        if self._limited or avoid is not None or self._shares.factor:
            candidates = self._preferred(avoid)
            if self._shares.factor:
                candidates = [c for c in candidates if self._shares.room(c)] or candidates
            steps = list(accumulate(candidate.weight for candidate in candidates))
        best = self._draw(candidates, steps)
        for _ in range(self._draws - 1):
            drawn = self._draw(candidates, steps)
            if drawn.load * best.weight <= best.load * drawn.weight:
                best = drawn
        return best

    def _draw(self, candidates: list[Candidate], steps: list[int]) -> Candidate:
        return candidates[bisect(steps, int(self._rand() * steps[-1]))]


class MapHash(RoundRobin):
    """A hashed key looked up in the cycle.  Most keys move when the farm changes.  Without a key: in turn."""

    __slots__ = ("_hash",)

    def binds(self, chosen: Candidate) -> bool:
        return True

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        self._hash = hashing.number_of(spec)

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        number = self._hash(x)
        if number is None:
            return super().pick(x, avoid)
        cycle = self._cycle
        size = len(cycle)
        if not size:
            return None
        chosen = cycle[number % size]
        if chosen is avoid:
            for step in range(1, size):
                chosen = cycle[(number + step) % size]
                if chosen is not avoid:
                    break
        return chosen


NODES_PER_WEIGHT = 16
"""Points on the ring that a server has for each unit of its weight."""
NUMBER_STRIDE = 4096
"""Distance of the points' seeds of two servers with consecutive numbers."""


class ConsistentHash(RoundRobin):
    """``hash-type consistent``: each server has points on a ring of 32-bit numbers; a key goes to the server
    of the nearest point, or to the next one whose server has room under ``hash-balance-factor``.  Only the
    keys of a server that leaves or comes move."""

    __slots__ = ("_hash", "_owners", "_points", "_seeded", "_shares")

    def binds(self, chosen: Candidate) -> bool:
        return True

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        self._hash = hashing.number_of(spec)
        self._points: list[int] = []
        self._owners: list[Candidate] = []
        self._seeded: dict[int, list[int]] = {}
        self._shares = Shares(spec.factor)

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        super(RoundRobin, self).rebuild(usable)
        self._shares.rebuild(usable)
        # A point and its owner's place in one number sort much faster than pairs do.
        packed: list[int] = []
        for place, candidate in enumerate(usable):
            packed += [point << 32 | place for point in self._points_of(candidate)]
        packed.sort()
        self._points = [entry >> 32 for entry in packed]
        self._owners = [self._usable[entry & hashing.MASK] for entry in packed]
        self._cycle = self._owners  # keyless exchanges go round the ring

    def _points_of(self, candidate: Candidate) -> list[int]:
        number = candidate.server.number
        count = candidate.weight * NODES_PER_WEIGHT
        points = self._seeded.setdefault(number, [])
        while len(points) < count:
            points.append(hashing.avalanche(number * NUMBER_STRIDE + len(points) & hashing.MASK))
        return points[:count]

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        number = self._hash(x)
        if number is None:
            return super().pick(x, avoid)
        points = self._points
        if not points:
            return None
        after = bisect_left(points, number) % len(points)
        before = after - 1
        if number - points[before] & hashing.MASK <= points[after] - number & hashing.MASK:
            after = before
        chosen = self._owners[after]
        shares = self._shares
        if chosen is avoid or (shares.factor and not shares.room(chosen)):
            for step in range(1, len(points)):
                other = self._owners[(after + step) % len(points)]
                if other is not avoid and (not shares.factor or shares.room(other)):
                    return other
        return chosen


class ByPython(RoundRobin):
    """``python``: a function chooses among those that are usable and have room; None of it: in turn."""

    __slots__ = ("_hook",)

    def __init__(self, spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> None:
        super().__init__(spec, tick, rand)
        assert spec.hook is not None
        self._hook = spec.hook

    def pick(self, x: Exchange, avoid: Candidate | None = None) -> Candidate | None:
        if not self._usable:
            return None
        choices = [Choice(candidate) for candidate in self._preferred(avoid)]
        chosen = self._hook.ask(x, "C", lambda x: choose(x, self._hook.function, choices))
        return super().pick(x, avoid) if chosen is None else chosen


ALGORITHMS: dict[str, type[Balancer]] = {
    "roundrobin": RoundRobin,
    "static-rr": RoundRobin,
    "leastconn": LeastConn,
    "first": First,
    "random": Random,
    "source": MapHash,
    "uri": MapHash,
    "url_param": MapHash,
    "hdr": MapHash,
    "hash": MapHash,
    "python": ByPython,
}


def make(spec: Balance, tick: Tick, rand: Callable[[], float] = random.random) -> Balancer:
    """The balancer of a backend.  ``rand`` gives floats in [0, 1)."""
    algorithm = ALGORITHMS[spec.algorithm]
    if algorithm is MapHash and spec.consistent:
        algorithm = ConsistentHash
    return algorithm(spec, tick, rand)
