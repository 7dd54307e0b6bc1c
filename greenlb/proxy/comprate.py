"""``maxcomprate``: how much is compressed in a second, by all processes together."""

from __future__ import annotations

import time
from collections.abc import Callable

from greenlb.model import Config
from greenlb.observe.stats import Books


class CompressionRate:
    """``limit`` is bytes a second, counted before they are compressed, when their answer ends."""

    __slots__ = ("_base", "_books", "_clock", "_limit", "_places", "_since")

    def __init__(
        self, config: Config, books: Books, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._books = books
        self._places = [books.bind(bind).comp_in for front in config.frontends for bind in front.binds]
        self._limit = limit
        self._clock = clock
        self._since = clock()
        self._base = self._total()

    def _total(self) -> int:
        return sum(map(self._books.board.total, self._places))

    def room(self) -> bool:
        """Whether one more answer may be compressed in this second."""
        total, now = self._total(), self._clock()
        if now - self._since >= 1.0:
            self._since, self._base = now, total
        return total - self._base <= self._limit
