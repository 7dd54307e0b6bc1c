"""Actions that wait for a body: ``wait-for-body``, which ``option http-buffer-request`` is too."""

from __future__ import annotations

import re

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy.actions.words import BOTH, Action, Words

_TIME = re.compile(r"(\d+)(us|ms|s|m|h|d)?")
_SIZE = re.compile(r"(\d+)([kmg]?)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, None: 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def waiting(seconds: float | None, least: int = 0, response: bool = False) -> Rule:
    """A rule that waits at most ``seconds`` for ``least`` bytes of the body, 0 for all of it."""

    def request_rule(x: Exchange) -> None:
        if x.client.reach is not None:
            x.client.reach.wait_for_body(x, seconds, least)

    def response_rule(x: Exchange) -> None:
        if x.client.reach is not None:
            x.client.reach.wait_for_response_body(x, seconds, least)

    return response_rule if response else request_rule


def wait_for_body(words: Words) -> Rule:
    if not words.accept("time"):
        raise ValueError("'wait-for-body' expects 'time' and how long, such as 'time 1s'")
    text = words.take("a time")
    time = _TIME.fullmatch(text)
    if time is None or not int(time[1]):
        raise ValueError(f"'wait-for-body' expects a time such as 500ms or 1s, got '{text}'")
    least = 0
    if words.accept("at-least"):
        text = words.take("a number of bytes")
        size = _SIZE.fullmatch(text)
        if size is None:
            raise ValueError(f"'wait-for-body' expects a number of bytes such as 1k, got '{text}'")
        least = int(size[1]) * _UNITS[size[2]]
    response = words.scope.response
    words.scope.reads.add("response body" if response else "body")
    return waiting(int(time[1]) * _SECONDS[time[2]], least, response)


ROWS = (
    Action(
        "wait-for-body",
        BOTH,
        "time <time> [at-least <bytes>]",
        "Waits until the body is here, or so much of it, or the buffer is full, so that rules can read it.",
        wait_for_body,
    ),
)
