"""Timers of the hub, which count from when they are started.

The hub's own clock stands between two of its turns: a timer that is started with it after something has
kept the hub for a second is a second early, and a short one comes at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gevent import get_hub

Action = Callable[[], object]


def after(seconds: float, action: Action, *, ref: bool = True) -> Any:
    """Call ``action`` from the hub in so many seconds, once.  Without ``ref`` the hub does not stay alive
    for it.  The timer is to be ended."""
    timer = get_hub().loop.timer(seconds, ref=ref)
    timer.start(action, update=True)
    return timer


def every(seconds: float, action: Action, *, first: float | None = None, ref: bool = True) -> Any:
    """The same, again and again; for the first time after ``first`` seconds, if that is another time."""
    timer = get_hub().loop.timer(seconds if first is None else first, seconds, ref=ref)
    timer.start(action, update=True)
    return timer


def end(timer: Any) -> None:
    """Stop it for good; None is none."""
    if timer is not None:
        timer.stop()
        timer.close()
