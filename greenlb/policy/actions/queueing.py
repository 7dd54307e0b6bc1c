"""Actions about the way to a server: whose turn it is in a queue, what is tried again."""

from __future__ import annotations

from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy import samples
from greenlb.policy.actions.words import CONTENT, REQUEST, Action, Words, expression, seconds

CLASSES, OFFSETS = 2047, 524287
"""How far a priority's class and its offset in milliseconds go, to either side."""


def set_class(words: Words) -> Rule:
    value = samples.compile_as(expression(words), "int", words.scope)

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None:
            wishes = x.wish()
            wishes.priority = max(-CLASSES, min(found, CLASSES)), wishes.priority[1]

    return rule


def set_offset(words: Words) -> Rule:
    value = samples.compile_as(expression(words), "int", words.scope)

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None:
            wishes = x.wish()
            wishes.priority = wishes.priority[0], max(-OFFSETS, min(found, OFFSETS))

    return rule


def set_timeout(words: Words) -> Rule:
    which = words.take("'server' or 'tunnel'")
    if which not in ("server", "tunnel"):
        raise ValueError(f"'set-timeout' expects 'server' or 'tunnel', got '{which}'")
    text = expression(words)
    if text[:1].isdigit():
        fixed = seconds(text)
        value: Callable[[Exchange], float | None] = lambda x: fixed  # noqa: E731
    else:
        milliseconds = samples.compile_as(text, "int", words.scope)

        def value(x: Exchange) -> float | None:
            found = milliseconds(x)
            return None if found is None else found / 1000

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None and found > 0:
            wishes = x.wish()
            wishes.timeouts = {**(wishes.timeouts or {}), which: found}

    return rule


def once(words: Words) -> Rule:
    def rule(x: Exchange) -> None:
        x.wish().once = True

    return rule


ROWS = (
    Action(
        "set-priority-class",
        (REQUEST, CONTENT),
        "<expr>",
        "The class in a queue, from -2047 to 2047: lower ones are served first.",
        set_class,
    ),
    Action(
        "set-priority-offset",
        (REQUEST, CONTENT),
        "<expr>",
        "The place within its class: milliseconds before (negative) or after its time of arrival.",
        set_offset,
    ),
    Action(
        "set-timeout",
        (REQUEST,),
        "server|tunnel <time>|<expr>",
        "Another timeout server or timeout tunnel for this request; of an expression in milliseconds.",
        set_timeout,
    ),
    Action(
        "disable-l7-retry",
        (REQUEST,),
        "",
        "Whatever retry-on says, only a connection that failed is tried again.",
        once,
    ),
)
