"""``stick-table`` and ``stick`` lines to tables and to a backend's rules."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from greenlb.config.context import Context
from greenlb.config.rules import Compiler
from greenlb.config.schema import STICK_TABLE
from greenlb.config.sections import Given, Settings
from greenlb.config.values import ConfigError, Duration, Integer, one_of
from greenlb.model import Server, StickTable
from greenlb.policy.actions.words import Words
from greenlb.policy.expression import parse
from greenlb.policy.samples import compile_sample
from greenlb.policy.stick.affinity import Affinity, StickRule
from greenlb.policy.stick.columns import MOST_CELLS, TYPES
from greenlb.policy.stick.keys import DEFAULT_LENGTH, encoder
from greenlb.policy.stick.registry import Tables
from greenlb.policy.vocabulary import nearest

FORMS: Final = ("on", "match", "store-request", "store-response")
"""What may follow ``stick``."""

_TYPE: Final = re.compile(r"(\w+)(?:\(([\w,]*)\))?")
_COMMA: Final = re.compile(r",(?![^(]*\))")
_SESSION_ID: Final = ["43", "1"]
"""Where a TLS hello has its session ID: the arguments of payload_lv."""


def declare(context: Context, proxies: Sequence[Settings]) -> Tables:
    """Every section's table, before the rules that name them are compiled."""
    tables = Tables()
    for proxy in proxies:
        line = proxy.last("stick-table")
        if line is not None:
            with context.problems.at(line.where, "'stick-table': "):
                tables.declare(_table(proxy, line))
            if tables.find(proxy.name) is None:  # what is wrong is told once, not by every rule that uses it
                tables.declare(StickTable(proxy.name, line.where, "string", 1, 1))
    return tables


def _table(proxy: Settings, line: Given) -> StickTable:
    fields = STICK_TABLE.read(line.words)
    for needed in ("type", "size"):
        if needed not in fields:
            raise ConfigError(f"expected '{needed}' on the line: {line.option.kind.syntax}")
    type = fields["type"]
    if "length" in fields and type not in ("string", "binary"):
        raise ConfigError(f"'len' is for the types string and binary, not for {type}")
    store: dict[str, tuple[str, int, int]] = {}
    for words in fields.get("store", ()):
        for word in _COMMA.split(",".join(words)):
            stored = _stored(word)
            if stored[0] in store:
                raise ConfigError(f"'store': '{stored[0]}' stands there twice")
            store[stored[0]] = stored
    for name in store:
        for single in TYPES[name].instead:
            if single in store:
                raise ConfigError(f"'store': '{name}' has '{single}' in it: drop '{single}'")
    return StickTable(
        name=proxy.name,
        where=line.where,
        type=type,
        length=fields.get("length", DEFAULT_LENGTH[type]),
        size=fields["size"],
        expire=fields.get("expire"),
        nopurge=fields.get("nopurge", False),
        store=tuple(store.values()),
    )


def _stored(word: str) -> tuple[str, int, int]:
    """A data type, a rate's period in milliseconds, and how many an array has.  Raises ConfigError."""
    found = _TYPE.fullmatch(word)
    name, inside = (found[1], found[2]) if found else (word, None)
    if name not in TYPES:
        known = f": expected one of {', '.join(TYPES)}"
        raise ConfigError(f"'store': unknown data type '{name}'{nearest(name, TYPES) or known}")
    array, rate = TYPES[name].array, TYPES[name].kind == "rate"
    form = [*(["10"] if array else []), *(["10s"] if rate else [])]
    given = [] if inside is None else inside.split(",")
    if len(given) != len(form):
        if not form:
            raise ConfigError(f"'store': '{name}' takes nothing in parentheses")
        meant = " and ".join((*(["its length"] if array else []), *(["its period"] if rate else [])))
        raise ConfigError(f"'store': '{name}' expects {meant}, as {name}({','.join(form)})")
    count: int = Integer(1, MOST_CELLS).word(given[0]) if array else 0
    seconds: float = Duration(positive=True).word(given[-1]) if rate else 0
    return name, round(seconds * 1000), count


def affinity(
    context: Context, proxy: Settings, compiler: Compiler, servers: Sequence[Server], persist: bool
) -> Affinity | None:
    """The rules of a backend's ``stick`` lines; None when there are none."""
    requests: list[StickRule] = []
    responses: list[StickRule] = []
    warned = False
    for line in proxy.given("stick"):
        with context.problems.at(line.where, "'stick': "):
            rule = _rule(line, compiler)
            (responses if line.words[0] == "store-response" else requests).append(rule)
            if rule.hello and not warned:
                warned = True
                _warn_of_tls13(context, line)
    return Affinity(requests, responses, servers, persist) if requests or responses else None


def _rule(line: Given, compiler: Compiler) -> StickRule:
    form = line.words[0]
    if form not in FORMS:
        raise ConfigError(f"expected {one_of(FORMS)}, not '{form}'{nearest(form, FORMS)}")
    scope = replace(compiler.scope_of(line), response=form == "store-response")
    words = Words(f"stick {form}", line.words[1:], scope)
    text = words.take("a sample expression that is the key, such as src")
    fetch, kind = compile_sample(text, scope)
    table = scope.tables.named(words.take("the name of a table") if words.accept("table") else scope.proxy)
    rule = StickRule(
        table=table,
        fetch=fetch,
        encode=encoder(table.spec.type, table.spec.length, kind),
        match=form in ("on", "match"),
        store=form in ("on", "store-request"),
        condition=words.condition(),
        hello=_reads_session_id(text),
        text=line.text,
    )
    table.keep_servers()
    return rule


def _reads_session_id(text: str) -> bool:
    first = parse(text)[0]
    return first.name.endswith("payload_lv") and first.arguments[:2] == _SESSION_ID


def _warn_of_tls13(context: Context, line: Given) -> None:
    context.problems.warning(
        line.where,
        "'stick': a TLS session ID leads a client back to its server up to TLS 1.2 alone: in TLS 1.3 it is "
        "random, and nothing is stored. Where servers or clients speak TLS 1.3, use 'stick on src', or "
        "choose the backend by SNI ('use_backend ... if { req.ssl_sni ... }').",
    )
