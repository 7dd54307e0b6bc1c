"""How much of the load a server may have under ``hash-balance-factor``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenlb.policy.balance import Candidate


class Shares:
    """``hash-balance-factor``: how much more than its share of the load a server may have, in per cent of
    it; 0: as much as comes.  The rounding is HAProxy's."""

    __slots__ = ("_before", "_usable", "_whole", "factor")

    def __init__(self, factor: int) -> None:
        self.factor = factor
        self._usable: Sequence[Candidate] = ()
        self._before: dict[int, int] = {}
        self._whole = 0

    def rebuild(self, usable: Sequence[Candidate]) -> None:
        self._usable = usable
        self._whole = 0
        for candidate in usable:
            self._before[id(candidate)] = self._whole
            self._whole += candidate.weight

    def room(self, candidate: Candidate) -> bool:
        slots = -(-(sum(candidate.load for candidate in self._usable) + 1) * self.factor // 100)
        each, rest = divmod(slots, self._whole)
        before, weight = self._before[id(candidate)], candidate.weight
        share = weight * each + (before + weight) * rest // self._whole - before * rest // self._whole
        return candidate.load < max(1, share)
