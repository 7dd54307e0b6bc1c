"""Actions that count in stick tables: ``track-sc0`` to ``track-sc2``, ``sc-inc-gpc0``, ``sc-set-gpt0``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy import samples
from greenlb.policy.actions.words import BOTH, TCP, Action, Words
from greenlb.policy.stick.keys import encoder
from greenlb.policy.stick.tracking import NUMBERS, track, track_request, tracked


def track_as(number: int) -> Callable[[Words], Rule]:
    """``track-scN KEY [table NAME]``: without a name in the section's own table."""

    def compile_action(words: Words) -> Rule:
        text = words.take("a sample expression that is the key, such as src")
        fetch, kind = samples.compile_sample(text, words.scope)
        name = words.take("the name of a table") if words.accept("table") else words.scope.proxy
        table = words.scope.tables.named(name)
        encode = encoder(table.spec.type, table.spec.length, kind)
        early = words.scope.early

        def rule(x: Exchange) -> None:
            value = fetch(x)
            key = None if value is None else encode(value)
            if key is None:
                return
            if early:
                track(x.client, number, table, key)
            elif x.request is None:
                track(x, number, table, key)
            else:
                track_request(x, number, table, key)

        return rule

    return compile_action


def _number(words: Words) -> int:
    name, bracket, rest = words.action.partition("(")
    text = rest.removesuffix(")")
    if not bracket or not text.isdigit() or int(text) >= NUMBERS:
        raise ValueError(f"'{name}' expects the number of a tracked key, as '{name}(0)'")
    return int(text)


def raise_gpc0(words: Words) -> Rule:
    number = _number(words)

    def rule(x: Exchange) -> None:
        entry = tracked(x, number)
        if entry is not None:
            entry.add(*entry.table.on_gpc0)

    return rule


def set_gpt0(words: Words) -> Rule:
    number = _number(words)
    text = words.take("an integer or a sample expression")
    if text.isdigit():
        fixed = int(text)
        value: Callable[[Exchange], Any] = lambda x: fixed  # noqa: E731
    else:
        value = samples.compile_as(text, "int", words.scope)

    def rule(x: Exchange) -> None:
        entry = tracked(x, number)
        if entry is not None:
            found = value(x)
            if found is not None:
                entry.put("gpt0", found)

    return rule


EVERY = (*BOTH, *TCP)

ROWS = (
    *(
        Action(
            f"track-sc{number}",
            (BOTH[0], *TCP[:3]),
            "<key> [table <name>]",
            f"Counts under a key, as sc{number}, until the connection or the request ends.",
            track_as(number),
        )
        for number in range(NUMBERS)
    ),
    Action("sc-inc-gpc0", EVERY, "(<number>)", "Raises gpc0 of a tracked key.", raise_gpc0),
    Action("sc-set-gpt0", EVERY, "(<number>) <int>|<expr>", "Sets gpt0 of a tracked key.", set_gpt0),
)
