"""What a section says about queues, retries and bound servers, for the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from greenlb.config.context import Context
from greenlb.config.rules import Compiler
from greenlb.config.sections import Given, Settings
from greenlb.config.values import ConfigError
from greenlb.model import Backend, Condition, Frontend, Router, Rule
from greenlb.policy import monitor
from greenlb.policy.actions.words import Words
from greenlb.policy.rules import compile_use_backend
from greenlb.policy.vocabulary import nearest, octets

EVENTS: Final = ("conn-failure", "empty-response", "junk-response", "response-timeout", "0rtt-rejected")
CODES: Final = (401, 403, 404, 408, 425, 500, 501, 502, 503, 504)
ALL: Final = "all-retryable-errors"
_ALL: Final = (*EVENTS, 500, 502, 503, 504)


def monitor_rules(context: Context, proxy: Settings, compiler: Compiler) -> tuple[Rule, ...]:
    """``monitor-uri`` as the first request rule; () without one."""
    line = proxy.last("monitor-uri")
    fails = proxy.given("monitor fail")
    conditions = tuple(_condition(context, compiler, each) for each in fails)
    if line is None or compiler.scope.mode != "http":
        return ()
    rule = monitor.rule(octets(line.words[0]), tuple(each for each in conditions if each is not None))
    return (context.written(rule, f"monitor-uri {line.text}"),)


def backend_fields(context: Context, proxy: Settings, compiler: Compiler) -> dict[str, Any]:
    """What its options fill in a Backend."""
    return {
        "use_server": _use_server(context, proxy, compiler),
        "persist_rules": _persist_rules(context, proxy, compiler),
        "retry_on": _retry_on(context, proxy, compiler.scope.mode),
    }


def balance_factor(context: Context, proxy: Settings) -> int:
    """``hash-balance-factor``."""
    line = proxy.last("hash-balance-factor")
    if line is not None and 0 < line.value <= 100:
        context.problems.error(
            line.where, f"'hash-balance-factor': expected 0 or a percentage above 100, not '{line.value}'"
        )
    return 0 if line is None else int(line.value)


def with_fullconn(
    backends: Iterable[Backend], frontends: Iterable[Frontend], proxies: Iterable[Settings], maxconn: int
) -> tuple[Backend, ...]:
    """The backends with HAProxy's default of ``fullconn``: a tenth of the maxconn of all frontends that may
    lead there.  It stays 0 where one of them has no maxconn of its own and ``maxconn`` is 0 too."""
    sizes = {frontend.name: frontend.maxconn or maxconn for frontend in frontends}
    sums: dict[str, int] = {}
    unknown: set[str] = set()
    for proxy in proxies:
        if proxy.kind == "backend":
            continue
        names = {line.words[0] for line in proxy.given("use_backend", "default_backend")}
        names |= {proxy.name} if proxy.kind == "listen" else set()
        for name in names:
            sums[name] = sums.get(name, 0) + sizes.get(proxy.name, 0)
            unknown |= set() if sizes.get(proxy.name) else {name}
    return tuple(
        backend
        if backend.fullconn or backend.name in unknown or not _ramped(backend)
        else replace(backend, fullconn=max(1, (sums.get(backend.name, 0) + 9) // 10))
        for backend in backends
    )


def _ramped(backend: Backend) -> bool:
    return any(0 < server.minconn < server.maxconn for server in backend.servers)


def _condition(context: Context, compiler: Compiler, line: Given) -> Condition | None:
    with context.problems.at(line.where, f"'{line.option.name}': "):
        condition = None
        if line.words[0] in ("if", "unless"):
            condition = Words(line.option.name, line.words, compiler.scope_of(line)).condition()
        if condition is None:
            raise ConfigError("expected 'if' or 'unless' and a condition")
        return condition
    return None


def _use_server(context: Context, proxy: Settings, compiler: Compiler) -> tuple[Router, ...]:
    routes: list[Router] = []
    for line in proxy.given("use-server"):
        with context.problems.at(line.where, "'use-server': "):
            name = line.words[0]
            if "%" not in name:
                context.farm.find("server", name, proxy.name)
            if len(line.words) < 2:
                raise ConfigError("expected 'if' or 'unless' and a condition after the server")
            route = compile_use_backend(line.words, compiler.scope_of(line))
            routes.append(context.written(route, f"use-server {line.text}"))
    return tuple(routes)


def _persist_rules(
    context: Context, proxy: Settings, compiler: Compiler
) -> tuple[tuple[bool, Condition], ...]:
    rules: list[tuple[bool, Condition]] = []
    for line in proxy.given("force-persist", "ignore-persist"):
        condition = _condition(context, compiler, line)
        if condition is not None:
            context.written(condition, f"{line.option.name} {line.text}")
            rules.append((line.option.name == "force-persist", condition))
    return tuple(rules)


def _retry_on(context: Context, proxy: Settings, mode: str) -> tuple[str | int, ...]:
    line = proxy.last("retry-on")
    if line is None:
        return EVENTS[:1]
    chosen: set[str | int] = set()
    with context.problems.at(line.where, "'retry-on': "):
        for word in line.words:
            if word == ALL:
                chosen.update(_ALL)
            elif word in EVENTS:
                chosen.add(word)
            elif word.isdigit() and int(word) in CODES:
                chosen.add(int(word))
            elif word != "none" or len(line.words) > 1:
                known = ", ".join([*EVENTS, *map(str, CODES), ALL])
                alone = (
                    "'none' stands alone"
                    if word == "none"
                    else f"unknown event '{word}'{nearest(word, EVENTS)}"
                )
                raise ConfigError(f"{alone}: expected none or some of {known}")
    if mode != "http" and not chosen <= {"conn-failure"}:
        context.problems.warning(
            line.where, f"'retry-on' of {proxy.title}: without 'mode http' only conn-failure is tried again."
        )
        chosen &= {"conn-failure"}
    return tuple(each for each in (*EVENTS, *CODES) if each in chosen)
