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
from greenlb.config.values import ConfigError, Duration, one_of
from greenlb.model import Server, StickTable
from greenlb.policy.actions.words import Words
from greenlb.policy.expression import parse
from greenlb.policy.samples import compile_sample
from greenlb.policy.stick.affinity import Affinity, StickRule
from greenlb.policy.stick.columns import TYPES
from greenlb.policy.stick.keys import DEFAULT_LENGTH, encoder
from greenlb.policy.stick.registry import Tables
from greenlb.policy.vocabulary import nearest

FORMS: Final = ("on", "match", "store-request", "store-response")
"""What may follow ``stick``."""

_TYPE: Final = re.compile(r"(\w+)(?:\((\w+)\))?")
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
    store: dict[str, int] = {}
    for words in fields.get("store", ()):
        for word in words:
            name, period = _stored(word)
            if name in store:
                raise ConfigError(f"'store': '{name}' stands there twice")
            store[name] = period
    return StickTable(
        name=proxy.name,
        where=line.where,
        type=type,
        length=fields.get("length", DEFAULT_LENGTH[type]),
        size=fields["size"],
        expire=fields.get("expire"),
        nopurge=fields.get("nopurge", False),
        store=tuple(store.items()),
    )


def _stored(word: str) -> tuple[str, int]:
    """A data type, and a rate's period in milliseconds.  Raises ConfigError."""
    found = _TYPE.fullmatch(word)
    name, period = (found[1], found[2]) if found else (word, None)
    if name not in TYPES:
        known = f": expected one of {', '.join(TYPES)}"
        raise ConfigError(f"'store': unknown data type '{name}'{nearest(name, TYPES) or known}")
    if TYPES[name].kind != "rate":
        if period is not None:
            raise ConfigError(f"'store': '{name}' takes no period")
        return name, 0
    if period is None:
        raise ConfigError(f"'store': '{name}' expects its period, as {name}(10s)")
    seconds: float = Duration(positive=True).word(period)
    return name, round(seconds * 1000)


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
