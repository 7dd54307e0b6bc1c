"""Actions that wait for a body: ``wait-for-body``, which ``option http-buffer-request`` is too."""

from __future__ import annotations

import re

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy.actions.words import BOTH, Action, Words, seconds

_SIZE = re.compile(r"(\d+)([kmg]?)")
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
    time = seconds(words.take("a time"))
    if not time:
        raise ValueError("'wait-for-body' expects a time of more than 0")
    least = 0
    if words.accept("at-least"):
        text = words.take("a number of bytes")
        size = _SIZE.fullmatch(text)
        if size is None:
            raise ValueError(f"'wait-for-body' expects a number of bytes such as 1k, got '{text}'")
        least = int(size[1]) * _UNITS[size[2]]
    response = words.scope.response
    words.scope.reads.add("response body" if response else "body")
    return waiting(time, least, response)


ROWS = (
    Action(
        "wait-for-body",
        BOTH,
        "time <time> [at-least <bytes>]",
        "Waits until the body is here, or so much of it, or the buffer is full, so that rules can read it.",
        wait_for_body,
    ),
)
