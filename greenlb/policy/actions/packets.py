"""Actions on what goes to the client before its answer, and on its packets: early-hint, set-mark, set-tos."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy.actions.fields import field_value
from greenlb.policy.actions.words import (
    BOTH,
    CONTENT,
    REQUEST,
    SESSION,
    TCP_RESPONSE,
    Action,
    Value,
    Words,
    action_of,
    condition_of,
)
from greenlb.policy.heads import field_name


class EarlyHint:
    """One ``early-hint``: a rule, if it stands alone."""

    __slots__ = ("_start", "_value")

    def __init__(self, name: bytes, value: Value) -> None:
        self._start = name + b": "
        self._value = value

    def line(self, x: Exchange) -> bytes:
        return self._start + self._value(x) + b"\r\n"

    def __call__(self, x: Exchange) -> None:
        _hint(x, self.line(x))


def _hint(x: Exchange, lines: bytes) -> None:
    request, reach = x.request, x.client.reach
    # RFC 9110 section 15.2: a client of HTTP/1.0 knows no such answers.
    if lines and reach is not None and request is not None and request.http11:
        reach.hint(x, lines)


def early_hint(words: Words) -> Rule:
    name = field_name(words.take("a header name"))
    value = field_value(words.take("a value"), words.scope)
    words.scope.reads.add("reach")
    return EarlyHint(name, value)


def is_hint(rule: Rule) -> bool:
    return isinstance(action_of(rule), EarlyHint)


def hints(rules: Sequence[Rule]) -> Rule:
    """These early-hint rules as one: browsers look at the first 103 alone."""
    parts = [(condition_of(rule), action_of(rule)) for rule in rules]

    def rule(x: Exchange) -> None:
        _hint(
            x,
            b"".join(
                action.line(x)
                for condition, action in parts
                if isinstance(action, EarlyHint) and (condition is None or condition(x))
            ),
        )

    return rule


def _option(level: int, option: int, high: int) -> Callable[[Words], Rule]:
    """A number for the client's socket, decimal or hexadecimal."""

    def compile_action(words: Words) -> Rule:
        text = words.take("a number")
        try:
            value = int(text, 0)
        except ValueError:
            value = -1
        if not 0 <= value <= high:
            raise ValueError(f"'{words.action}' expects a number from 0 to {high:#x}, got '{text}'")
        words.scope.reads.add("reach")

        def rule(x: Exchange) -> None:
            if x.client.reach is not None:
                x.client.reach.set_option(level, option, value)

        return rule

    return compile_action


_STAGES = (*BOTH, SESSION, CONTENT, TCP_RESPONSE)

ROWS = (
    Action(
        "early-hint",
        (REQUEST,),
        "<name> <fmt>",
        "Sends a 103 with that field to the client, one for several in a row (RFC 8297).",
        early_hint,
    ),
    Action(
        "set-mark",
        _STAGES,
        "<mark>",
        "Marks the packets to the client for the kernel's routing; it needs CAP_NET_ADMIN.",
        _option(socket.SOL_SOCKET, socket.SO_MARK, 0xFFFFFFFF),
    ),
    Action(
        "set-tos",
        _STAGES,
        "<tos>",
        "Sets the TOS or DSCP field of the packets to the client.",
        _option(socket.IPPROTO_IP, socket.IP_TOS, 0xFF),
    ),
)
