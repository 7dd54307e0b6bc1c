"""Sees when code keeps the hub from its work, and says which.

Somebody's Python that computes for long, or waits without letting others work, stops everything in its
process.  A thread looks a few times a second whether the hub has turned; when it has not for long it notes
what the process is doing, and the hub tells it when it turns again.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from gevent import monkey

from greenlb.net import timers
from greenlb.policy.hooks import Hook
from greenlb.proxy.serving import Serving

LIMIT: Final = 1.0
"""Seconds without a turn of the hub that are worth a line."""
_LOOK: Final = 0.25
_OURS: Final = "greenlb."


class Pulse:
    """``say`` gets the line."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._beaten = time.monotonic()
        self._seen = ""
        self._stopped = False
        self._main = threading.get_ident()
        if monkey.is_module_patched("threading"):
            self._main = monkey.get_original("threading", "get_ident")()
        self._timer = timers.every(_LOOK, self._beat, ref=False)
        monkey.get_original("_thread", "start_new_thread")(self._watch, ())

    def _beat(self) -> None:
        """In the hub."""
        now = time.monotonic()
        late, self._beaten = now - self._beaten - _LOOK, now
        seen, self._seen = self._seen, ""
        if late > LIMIT:
            self._say(f"{seen or 'something'} has kept its process from all other work for {late:.1f} s")

    def _watch(self) -> None:
        """In a thread of the kernel's."""
        sleep = monkey.get_original("time", "sleep")
        while not self._stopped:
            sleep(_LOOK)
            if not self._seen and time.monotonic() - self._beaten > LIMIT:
                self._seen = _busy(sys._current_frames().get(self._main))

    def stop(self) -> None:
        self._stopped = True
        timers.end(self._timer)


def _busy(frame: FrameType | None) -> str:
    """The application that runs, and the innermost line of it that is not the interpreter's library."""
    at = ""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if isinstance(owner, Serving) and frame.f_code is Serving.run.__code__:
            return f"{owner.name} at {at}" if at else owner.name
        if isinstance(owner, Hook) and frame.f_code is Hook.run.__code__:
            return f"{owner} at {at}" if at else str(owner)
        if not at or at.startswith(sys.prefix):
            at = f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return at
