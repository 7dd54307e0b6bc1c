"""What a master leaves to the program that it becomes: descriptors, and what they are.

A master that reloads executes itself anew (execve(2)): the process and its children stay, the program
is the one that is now installed.  Descriptors survive that; what they mean is written to a memfd, whose
number is in the environment.  Standard library only.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

from greenlb.process.seat import OURS

VARIABLE: Final = "GREENLB_HANDOVER"
VERSION: Final = 1


@dataclass(slots=True)
class Former:
    """A child of the program before.  ``deadline``: when it is killed (monotonic clock), 0 for never."""

    pid: int
    role: str
    number: int
    generation: int
    row: int
    channel: int
    dump: int
    started: float
    ready: bool = False
    deadline: float = 0.0


@dataclass(slots=True)
class Handover:
    """``sockets`` by the address they listen on, ``descriptors`` by what they are for; ``board`` is
    (descriptor, rows, width)."""

    board: tuple[int, int, int]
    places: dict[str, int]
    generation: int
    sockets: dict[str, int] = field(default_factory=dict)
    descriptors: dict[str, int] = field(default_factory=dict)
    children: list[Former] = field(default_factory=list)

    def _all(self) -> list[int]:
        return [
            self.board[0],
            *self.sockets.values(),
            *self.descriptors.values(),
            *(fd for child in self.children for fd in (child.channel, child.dump)),
        ]

    def execute(self, command: list[str], environment: Mapping[str, str]) -> None:
        """Become ``command``.  Returns only by raising OSError, and then nothing has changed."""
        descriptor = os.memfd_create("greenlb-handover")
        os.write(descriptor, json.dumps({"version": VERSION, **asdict(self)}).encode())
        os.set_inheritable(descriptor, True)
        for fd in self._all():
            os.set_inheritable(fd, True)
        # Until the new program has its handlers a signal would end it.
        signal.pthread_sigmask(signal.SIG_BLOCK, OURS)
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            os.execve(command[0], command, {**environment, VARIABLE: str(descriptor)})
        except OSError:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, OURS)
            for fd in self._all():
                os.set_inheritable(fd, False)
            os.close(descriptor)
            raise


def take() -> Handover | None:
    """What the program before left to this one; None when there was none.  Taken once."""
    named = os.environ.pop(VARIABLE, None)
    if named is None:
        return None
    descriptor = int(named)
    with open(descriptor, "rb") as file:
        file.seek(0)
        found = json.load(file)
    version = found.pop("version")
    if version != VERSION:
        raise RuntimeError(f"a handover of version {version}; this program reads {VERSION}: restart it")
    found["board"] = tuple(found["board"])
    found["children"] = [Former(**child) for child in found["children"]]
    handover = Handover(**found)
    for fd in handover._all():
        os.set_inheritable(fd, False)
    return handover
