"""Pipes for splice(2), kept for the next who needs one: making one costs two descriptors and a
megabyte's worth of kernel accounting."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import Final

SIZE: Final = 1 << 20
"""Bytes that a pipe holds, where the user's pipe budget allows it."""

_SPARE: Final = 16
_pipes: list[tuple[int, int]] = []


def take() -> tuple[int, int]:
    """An empty pipe: its reading end, its writing end.  Raises OSError."""
    if _pipes:
        return _pipes.pop()
    ends = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    with contextlib.suppress(OSError):  # over the budget: a small pipe works too
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, SIZE)
    return ends


def give(ends: tuple[int, int], empty: bool) -> None:
    """Give a pipe back; one with bytes left in it serves nobody else."""
    if empty and len(_pipes) < _SPARE:
        _pipes.append(ends)
    else:
        os.close(ends[0])
        os.close(ends[1])
