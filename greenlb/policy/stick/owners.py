"""Which processes of the farm run: whose marks on shared entries count.

Each process holds the lock of one byte of a file, its slot; the kernel frees it when the process ends,
however it ends.  A slot's generation, kept in the file, grows with each holder, so what a dead process
left behind never counts for its successor.
"""

from __future__ import annotations

import fcntl
import os
import struct
from typing import Final

_GENERATION: Final = struct.Struct("<Q")
_SLOTS: Final = 4096
_SLOT_BITS: Final = 12


class Owners:
    """This process's slot.  ``number`` is what its marks bear: the generation and the slot."""

    def __init__(self, path: str) -> None:
        """Take the first free slot.  Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._slot = next((slot for slot in range(_SLOTS) if self._take(slot)), -1)
        if self._slot < 0:
            os.close(self._file)
            raise OSError(f"all {_SLOTS} slots of '{path}' are taken")
        generation = self._generation(self._slot) + 1
        os.pwrite(self._file, _GENERATION.pack(generation), self._slot * _GENERATION.size)
        self.number = generation << _SLOT_BITS | self._slot
        self._known: dict[int, bool] = {}

    def close(self) -> None:
        """Give the slot back."""
        os.close(self._file)

    def look_again(self) -> None:
        """Forget who was seen running."""
        self._known.clear()

    def alive(self, number: int) -> bool:
        """Whether the process behind ``number`` runs, as far as was seen since ``look_again``."""
        if number == self.number:
            return True
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = self._runs(number)
        return known

    def _runs(self, number: int) -> bool:
        slot = number & (_SLOTS - 1)
        if slot == self._slot or self._generation(slot) != number >> _SLOT_BITS:
            return False
        if self._take(slot):
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, slot)
            return False
        return True

    def _take(self, slot: int) -> bool:
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot)
        except OSError:
            return False
        return True

    def _generation(self, slot: int) -> int:
        data = os.pread(self._file, _GENERATION.size, slot * _GENERATION.size)
        generation: int = _GENERATION.unpack(data)[0] if len(data) == _GENERATION.size else 0
        return generation
