"""Actions that count in stick tables: ``track-sc0`` to ``track-sc2``, ``sc-inc-gpc0``, ``sc-set-gpt0`` ..."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange
from greenlb.model import Rule
from greenlb.policy import samples
from greenlb.policy.actions.words import BOTH, TCP, Action, Words
from greenlb.policy.stick.columns import MOST_CELLS
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


def _numbers(words: Words, *bounds: int) -> list[int]:
    """What stands in the action's parentheses: numbers below those bounds.  Raises ValueError."""
    name, _, rest = words.action.partition("(")
    given = rest.removesuffix(")").split(",") if rest.endswith(")") else []
    if len(given) != len(bounds) or not all(map(str.isdigit, given)):
        array, form = ("", "0") if len(bounds) == 1 else ("an index and ", "0,0")
        raise ValueError(f"'{name}' expects {array}the number of a tracked key, as '{name}({form})'")
    numbers = [int(text) for text in given]
    for number, bound in zip(numbers, bounds, strict=True):
        if number >= bound:
            raise ValueError(f"'{name}' expects a number from 0 to {bound - 1}, got {number}")
    return numbers


def raise_single(place: int) -> Callable[[Words], Rule]:
    """``sc-inc-gpc0(N)`` and ``sc-inc-gpc1(N)``."""

    def compile_action(words: Words) -> Rule:
        (number,) = _numbers(words, NUMBERS)

        def rule(x: Exchange) -> None:
            entry = tracked(x, number)
            if entry is not None:
                entry.add(*entry.table.on_single[place])

        return rule

    return compile_action


def raise_cell(words: Words) -> Rule:
    index, number = _numbers(words, MOST_CELLS, NUMBERS)

    def rule(x: Exchange) -> None:
        entry = tracked(x, number)
        if entry is not None:
            entry.add(*entry.table.on_gpc[index])

    return rule


def set_gpt0(words: Words) -> Rule:
    (number,) = _numbers(words, NUMBERS)
    value = _value(words)

    def rule(x: Exchange) -> None:
        entry = tracked(x, number)
        if entry is not None:
            found = value(x)
            if found is not None:
                entry.put("gpt0", found)

    return rule


def set_cell(words: Words) -> Rule:
    index, number = _numbers(words, MOST_CELLS, NUMBERS)
    value = _value(words)

    def rule(x: Exchange) -> None:
        entry = tracked(x, number)
        if entry is not None:
            found = value(x)
            if found is not None:
                entry.put_cell("gpt", index, found)

    return rule


def _value(words: Words) -> Callable[[Exchange], Any]:
    text = words.take("an integer or a sample expression")
    if text.isdigit():
        fixed = int(text)
        return lambda x: fixed
    return samples.compile_as(text, "int", words.scope)


EVERY = (*BOTH, *TCP)

ROWS = (
    *(
        Action(
            f"track-sc{number}",
            (*BOTH, *TCP[:3]),
            "<key> [table <name>]",
            f"Counts under a key, as sc{number}, until the connection or the request ends.",
            track_as(number),
        )
        for number in range(NUMBERS)
    ),
    Action("sc-inc-gpc", EVERY, "(<index>,<number>)", "Raises one of a tracked key's gpc.", raise_cell),
    Action("sc-inc-gpc0", EVERY, "(<number>)", "Raises gpc0 of a tracked key.", raise_single(0)),
    Action("sc-inc-gpc1", EVERY, "(<number>)", "Raises gpc1 of a tracked key.", raise_single(1)),
    Action(
        "sc-set-gpt",
        EVERY,
        "(<index>,<number>) <int>|<expr>",
        "Sets one of a tracked key's gpt.",
        set_cell,
    ),
    Action("sc-set-gpt0", EVERY, "(<number>) <int>|<expr>", "Sets gpt0 of a tracked key.", set_gpt0),
)
