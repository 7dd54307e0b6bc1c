"""Shared 64-bit cells.

A board is anonymous shared memory (memfd_create(2)) made before the processes fork; every process sees
the same cells.  A cell has one writer, so adding to it needs no lock; readers add the writers' rows up.
An aligned 64-bit store is a single one on the machines greenlb runs on, so a reader never sees half a
number.

A row belongs to one process at a time.  The one that takes the place of a dead process goes on in its
row, so what was counted stays where it is and is never counted twice.  Memory that nobody has touched
costs nothing, so a board is made wide and never has to grow.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from struct import Struct
from typing import Final

HEARTBEAT: Final = 0
"""In each row: when its process's hub last turned, in milliseconds of the monotonic clock."""
GENERATION: Final = 1
"""In each row: raised when anything that others read there (a server's state) has changed."""
_USED: Final = 2
"""In the first row: how many rows have ever been in use."""
FIRST: Final = 8
"""Where named places begin."""


class BoardFull(Exception):
    """There is no room for a name that is new."""


class Board:
    """``rows`` writers with ``width`` signed 64-bit cells each, all zero at first.

    ``places`` says where the cells of each named object begin, in every row: names are only added, so
    an object has the same cells after the configuration has changed.  With a ``descriptor`` the board
    is one that exists already.
    """

    def __init__(
        self, rows: int, width: int, descriptor: int = -1, places: Mapping[str, int] | None = None
    ) -> None:
        self.rows = rows
        self.width = width
        size = max(1, rows * width) * 8
        if descriptor < 0:
            descriptor = os.memfd_create("greenlb-board", os.MFD_CLOEXEC)
            os.ftruncate(descriptor, size)
        self.descriptor = descriptor
        self.places: dict[str, int] = dict(places or {})
        self._memory = mmap.mmap(descriptor, size)
        self._cells = memoryview(self._memory).cast("q")
        self._end = self.places.pop("", FIRST)
        self._readers: dict[int, list[Callable[..., tuple[int, ...]]]] = {}

    def close(self) -> None:
        """Let go of the memory; the rows that were given out must be gone."""
        self._cells.release()
        self._memory.close()
        os.close(self.descriptor)

    def place(self, name: str, size: int) -> int:
        """The first of the ``size`` cells that are called ``name``; a new name gets new ones.  Raises
        BoardFull.  Only the process that forks the others gives out places, before it does."""
        place = self.places.get(name)
        if place is None:
            if self._end + size >= self.width:  # a row's last cell is nobody's
                raise BoardFull(f"no room for '{name}' on a board of {self.width} cells a row")
            place = self.places[name] = self._end
            self._end += size
        return place

    def known(self) -> dict[str, int]:
        """What the next program needs as ``places``."""
        return self.places | {"": self._end}

    def row(self, writer: int) -> memoryview:
        """The cells of one writer: index it like a list of ints.  Rows that were not in use before are taken
        into use by the process that forks the others.  Raises IndexError."""
        if not 0 <= writer < self.rows:
            raise IndexError(f"row {writer} of a board with {self.rows}")
        if writer >= self._cells[_USED]:
            self._cells[_USED] = writer + 1
        return self._cells[writer * self.width : (writer + 1) * self.width]

    def column(self, column: int) -> memoryview:
        """One column, a cell a writer."""
        return self._cells[column :: self.width]

    def across(self, column: int, columns: int = 1) -> Callable[[], tuple[int, ...]]:
        """A reader of neighbouring columns: each call gives their cells of every row that has ever been
        in use, in one step (0.4 us for three rows; to index them takes three times that)."""
        read = self._readers.get(columns)
        if read is None:
            gap = f"{(self.width - columns) * 8}x"
            shapes = [Struct("@" + gap.join([f"{columns}q"] * rows)) for rows in range(self.rows + 1)]
            read = self._readers[columns] = [shape.unpack_from for shape in shapes]
        cells, memory, place = self._cells, self._memory, column * 8
        return lambda: read[cells[_USED]](memory, place)

    def rows_of(self, first: int, count: int) -> list[list[int]]:
        """``count`` neighbouring columns from ``first``: a list for every row that has ever been in use."""
        width, cells = self.width, self._cells
        return [
            cells[start : start + count].tolist()
            for start in range(first, first + cells[_USED] * width, width)
        ]

    def gather(self, columns: Sequence[int]) -> Callable[[], list[int]]:
        """A reader of columns that lie anywhere: each call gives their totals over all rows (0.1 us a column
        and row)."""
        if not columns:
            return list
        pick = itemgetter(*columns, columns[0])  # two at least, so that they come as a tuple
        width, cells = self.width, self._cells

        def read() -> list[int]:
            rows = [pick(cells[n * width : (n + 1) * width]) for n in range(cells[_USED])]
            totals = list(rows[0] if len(rows) == 1 else map(sum, zip(*rows, strict=True)))
            totals.pop()
            return totals

        return read

    def total(self, column: int) -> int:
        """One column added up over all writers."""
        return sum(self._cells[column :: self.width])
