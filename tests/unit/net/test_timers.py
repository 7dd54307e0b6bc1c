"""Timers of the hub."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest
from gevent import get_hub

import greenlb
from greenlb.net import timers


def keep_the_hub(seconds: float) -> None:
    """Do something else, as a long computation does."""
    get_hub().loop.update_now()
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        pass


@pytest.mark.parametrize("start", [timers.after, timers.every])
def test_they_count_from_when_they_are_started(start: Callable[..., Any]) -> None:
    """However long the hub has not turned before."""
    keep_the_hub(0.2)
    called: list[float] = []
    begun = time.monotonic()
    timer = start(0.1, lambda: called.append(time.monotonic()))
    while not called:
        gevent.sleep(0.01)
    timers.end(timer)
    assert called[0] - begun > 0.09


def test_the_first_time_may_be_another_one() -> None:
    called: list[int] = []
    timer = timers.every(60.0, lambda: called.append(1), first=0.0)
    gevent.sleep(0.01)
    timers.end(timer)
    assert called == [1]
    timers.end(None)


def test_nobody_starts_one_by_himself() -> None:
    folder = Path(greenlb.__file__).parent
    found = [str(path.relative_to(folder)) for path in folder.rglob("*.py") if ".timer(" in path.read_text()]
    assert found == ["net/timers.py"]
