"""Greenlets kept for the next job.

A new greenlet makes CPython map a fresh piece of memory for its frames and unmap it at its end, which
costs more than all else a short job does.  So a greenlet that has finished waits for another job.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gevent import get_hub
from greenlet import getcurrent, greenlet

_KEPT: Final = 64
_idle: list[greenlet] = []
_alive = 0

Job = Callable[[], object]


def _work(job: Job) -> None:
    hub = get_hub()
    me = getcurrent()
    todo: Any = job
    while todo:
        todo()
        todo = None  # what the job held must not live until the next one
        if len(_idle) >= _KEPT:
            global _alive
            _alive -= 1
            return
        _idle.append(me)
        todo = hub.switch()


def run(job: Job) -> None:
    """Run ``job`` in a greenlet, from the hub: returns when it first waits or ends.  ``job`` must not
    raise."""
    if _idle:
        _idle.pop().switch(job)
    else:
        global _alive
        _alive += 1
        greenlet(_work, get_hub()).switch(job)


def alive() -> int:
    """How many there are, those that wait for a job among them."""
    return _alive
