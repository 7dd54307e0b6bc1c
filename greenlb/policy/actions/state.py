"""Actions that answer nothing and change nothing on the wire but the status: variables, the log's
level, captures, the client's address, the end of a rule list."""

from __future__ import annotations

from collections.abc import Callable

from greenlb import replies
from greenlb.exchange import Client, Exchange
from greenlb.model import ALLOW, Rule
from greenlb.policy import samples
from greenlb.policy.actions.words import (
    AFTER,
    BOTH,
    CONTENT,
    HTTP,
    REQUEST,
    RESPONSE,
    TCP,
    TCP_RESPONSE,
    Action,
    Words,
    expression,
)
from greenlb.policy.addresses import address_text
from greenlb.policy.heads import clean
from greenlb.policy.logformat import compile_format
from greenlb.policy.variables import Setter, conditional, setter
from greenlb.policy.vocabulary import octets

LEVELS = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
SILENT = -1
"""The level of an exchange that is not logged."""


def allow(words: Words) -> Rule:
    return lambda x: ALLOW


def _parenthesised(words: Words) -> str:
    name, bracket, rest = words.action.partition("(")
    if not bracket or not rest.endswith(")"):
        raise ValueError(f"'{name}' expects a variable between parentheses, as '{name}(txn.name)'")
    if words.scope.early and not rest.startswith(("sess.", "proc.")):
        raise ValueError(f"only variables of sess and proc last from here on, got '{rest[:-1]}'")
    return rest[:-1]


def _conditional(words: Words) -> Setter:
    name, *conditions = _parenthesised(words).split(",")
    if not conditions:
        return setter(name)
    put = conditional(name, conditions)

    def put_if(x: Exchange, value: object) -> None:
        put(x, value)

    return put_if


def set_var(words: Words) -> Rule:
    put = _conditional(words)
    value, _ = samples.compile_sample(expression(words), words.scope)

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None:
            put(x, found)

    return rule


def set_var_fmt(words: Words) -> Rule:
    put = _conditional(words)
    value = compile_format(words.take("a format"), words.scope, quotes=True)
    return lambda x: put(x, value(x))


def unset_var(words: Words) -> Rule:
    put = setter(_parenthesised(words))
    return lambda x: put(x, None)


def set_log_level(words: Words) -> Rule:
    text = words.take("a level")
    if text not in (*LEVELS, "silent"):
        raise ValueError(f"'set-log-level' expects one of {', '.join(LEVELS)} or silent, got '{text}'")
    level = SILENT if text == "silent" else LEVELS.index(text)

    def rule(x: Exchange) -> None:
        x.level = level

    return rule


def capture(words: Words) -> Rule:
    value = samples.compile_bytes(expression(words), words.scope)
    response = words.scope.response
    slots = words.scope.slots.response if response else words.scope.slots.request
    if words.accept("len") and not response:
        if not words.scope.frontend:
            raise ValueError("'capture' with 'len' belongs into a frontend, whose log line has the slot")
        slot = len(slots)
        slots.append((b"", words.integer("a number of bytes", 1, 99999)))
    elif words.accept("id"):
        slot = words.integer("a slot", 0, 1 << 16)
        if words.scope.frontend and slot >= len(slots):
            raise ValueError(f"'capture': there is no slot {slot}: 'declare capture' lines make them, from 0")
    else:
        also = "" if response else "'len' and the size of a slot of its own, or "
        raise ValueError(f"'capture' expects {also}'id' and the number of a slot")

    def rule(x: Exchange) -> None:
        slots = x.response_captures if response else x.request_captures
        limits = x.frontend.response_captures if response else x.frontend.request_captures
        if (
            slots is None and not response and x.request is None and limits
        ):  # in mode tcp rules alone fill them
            slots = x.request_captures = [None] * len(limits)
        if slots is None or slot >= len(slots):
            return
        found = value(x)
        if found is not None:
            slots[slot] = found[: limits[slot][1]] if slot < len(limits) else found

    return rule


def set_src(words: Words) -> Rule:
    value = samples.compile_as(expression(words), "ip", words.scope)
    early = words.scope.early

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None:
            x.src = address_text(found)
            if early:  # the requests of the connection begin with it
                x.client.src = x.src

    return rule


def set_dst(words: Words) -> Rule:
    client_of = _changing(words)
    value = samples.compile_as(expression(words), "ip", words.scope)

    def rule(x: Exchange) -> None:
        found = value(x)
        if found is not None:
            client_of(x).dst = address_text(found)

    return rule


def set_port(side: str) -> Callable[[Words], Rule]:
    def compile_action(words: Words) -> Rule:
        client_of = _changing(words)
        value = samples.compile_as(expression(words), "int", words.scope)

        def rule(x: Exchange) -> None:
            found = value(x)
            if found is not None:
                setattr(client_of(x), side, found & 0xFFFF)

        return rule

    return compile_action


def _changing(words: Words) -> Callable[[Exchange], Client]:
    """The client whose addresses a rule changes: for good, or until the connection's next request."""
    if words.scope.early:
        return lambda x: x.client
    words.scope.reads.add("addresses")

    def client_of(x: Exchange) -> Client:
        client = x.client
        if client.reach is not None and client.reach.ends is None:
            client.reach.ends = client.src_port, client.dst, client.dst_port
        return client

    return client_of


def restore(x: Exchange) -> None:
    """A further request of the connection begins with its own addresses."""
    client = x.client
    if client.reach is not None and client.reach.ends is not None:
        client.src_port, client.dst, client.dst_port = client.reach.ends
        client.reach.ends = None


def nothing_to_do(words: Words) -> Rule:
    return lambda x: None


def strict_mode(words: Words) -> Rule:
    text = words.take("'on'")
    if text != "on":
        raise ValueError(f"'strict-mode' is always on: a rewrite that fails is an error; got '{text}'")
    return lambda x: None


def set_status(words: Words) -> Rule:
    status = words.integer("a status", 100, 999)
    reason = clean(octets(words.take("a reason"))) if words.accept("reason") else replies.reason(status)

    def rule(x: Exchange) -> None:
        if x.response is not None:
            x.response.status = status
            x.response.reason = reason

    return rule


EVERY = (*HTTP, *TCP)

ROWS = (
    Action("allow", HTTP, "", "Ends the rules of this section.", allow),
    Action(
        "set-var",
        EVERY,
        "(<name>[,<cond>...]) <expr>",
        "Sets a variable, when the expression has a value.",
        set_var,
    ),
    Action(
        "set-var-fmt",
        EVERY,
        "(<name>[,<cond>...]) <fmt>",
        "Sets a variable to a rendered format.",
        set_var_fmt,
    ),
    Action("unset-var", EVERY, "(<name>)", "Takes a variable away.", unset_var),
    Action(
        "set-log-level",
        (*BOTH, CONTENT, TCP_RESPONSE),
        "<level>",
        "The severity of the log line; silent: none is sent.",
        set_log_level,
    ),
    Action(
        "capture",
        (*HTTP, CONTENT),
        "<expr> len <bytes> | id <slot>",
        "Fills a capture slot, with len one of its own.",
        capture,
    ),
    Action(
        "set-src",
        (REQUEST, *TCP[:3]),
        "<expr>",
        "Changes the client's address for rules, logs and PROXY headers.",
        set_src,
    ),
    Action(
        "set-src-port",
        (REQUEST, *TCP[:3]),
        "<expr>",
        "Changes the client's port likewise.",
        set_port("src_port"),
    ),
    Action(
        "set-dst",
        (REQUEST, *TCP[:3]),
        "<expr>",
        "Changes the address that the client connected to likewise.",
        set_dst,
    ),
    Action(
        "set-dst-port",
        (REQUEST, *TCP[:3]),
        "<expr>",
        "Changes the port of that likewise.",
        set_port("dst_port"),
    ),
    Action(
        "wait-for-handshake",
        (REQUEST,),
        "",
        "Nothing: a request is read behind the whole handshake, early data is not accepted.",
        nothing_to_do,
    ),
    Action("strict-mode", HTTP, "on", "A rewrite that fails is an error, as it always is.", strict_mode),
    Action(
        "set-status",
        (RESPONSE, AFTER),
        "<status> [reason <str>]",
        "Changes the response's status.",
        set_status,
    ),
)
