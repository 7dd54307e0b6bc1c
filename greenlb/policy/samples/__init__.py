"""Sample fetches and the expressions built from them: ``req.hdr(x-user),lower,field(1,@)``.

One module a family, one row a fetch.  ``compile_sample`` turns the text of an expression into one
function of the exchange when the configuration is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy import converters
from greenlb.policy.expression import Call, parse
from greenlb.policy.kinds import Cast, can_cast, cast
from greenlb.policy.samples import (
    accounts,
    bodies,
    connection,
    cookies,
    counters,
    farm,
    headers,
    internal,
    payload,
    python,
    refused,
    request,
    tls,
)
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import (
    WAITING,
    Fetch,
    Kind,
    Needs,
    Occurrences,
    Sample,
    blaming,
    nearest,
)

TABLE: dict[str, Sample] = {
    name: row
    for family in (
        request,
        headers,
        cookies,
        bodies,
        connection,
        tls,
        payload,
        counters,
        farm,
        internal,
        accounts,
        python,
    )
    for row in family.ROWS
    for name in (row.name, *row.aliases)
}

_DIRECTED = {"hdr": ("req.hdr", "res.hdr"), "cookie": ("req.cook", "res.cook")}
"""Names that mean the request's in a request rule and the response's in a response rule."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.  ``every`` gives all values of a fetch that may have several."""

    fetch: Fetch
    kind: Kind
    needs: Needs
    every: Occurrences | None


def find(name: str) -> Sample:
    """The fetch called ``name``.  Raises ValueError."""
    row = TABLE.get(name)
    if row is not None:
        return row
    if name in refused.REASONS:
        raise ValueError(f"sample fetch '{name}' is not supported: {refused.REASONS[name]}")
    raise ValueError(f"unknown sample fetch '{name}'{nearest(name, TABLE)}")


def compile_sample(text: str, scope: Scope) -> tuple[Fetch, Kind]:
    """A function that gives the expression's value for an exchange, None when there is none, and the
    value's kind.  Raises ValueError when a word is unknown, an argument is wrong, a converter cannot
    take what comes before it, or the fetch needs what the scope does not have."""
    with blaming(text):
        compiled = compile_expression(parse(text), scope)
        check_needs(compiled.needs, scope, text)
    return compiled.fetch, compiled.kind


def compile_bytes(text: str, scope: Scope) -> Callable[[Exchange], bytes | None]:
    """The expression's value as text: for formats, hashes and server names."""
    fetch, kind = compile_sample(text, scope)
    return _then(fetch, _cast(kind, "str"))


def compile_as(text: str, kind: Kind, scope: Scope) -> Fetch:
    """The expression's value cast to ``kind``.  Raises ValueError when it cannot be."""
    fetch, given = compile_sample(text, scope)
    if not can_cast(given, kind):
        raise ValueError(f"'{text}' gives {given}, which cannot be used as {kind}")
    return _then(fetch, _cast(given, kind))


def compile_expression(calls: list[Call], scope: Scope, fetch_name: str | None = None) -> Expression:
    """Compile parsed calls.  ``fetch_name`` replaces the first one's name (a condition's criterion)."""
    first = calls[0]
    name = fetch_name or first.name
    if name in _DIRECTED and fetch_name is None:
        name = _DIRECTED[name][scope.response]
    with blaming(first.text):
        row = find(name)
        if row.reads:
            scope.reads.add(row.reads)
        if scope.log:
            scope.remembers.update(row.asks)
        _warn_of_absence(row, scope)
        values = scope.arguments(row, first.arguments)
        try:
            fetch = row.make(*values)
            every = None if row.every is None else row.every(*values)
        except ValueError as error:
            raise ValueError(f"'{first.name}': {error}") from None
    kind = row.kind
    for call in calls[1:]:
        with blaming(call.text):
            convert, given = _converter(call, kind, scope)
        fetch = _then_convert(fetch, convert)
        every = None if every is None else _each(every, convert)
        kind = given
    return Expression(fetch, kind, row.needs, every)


def _warn_of_absence(row: Sample, scope: Scope) -> None:
    """Of what is there in other sections and not in this one.  A log line is made for all."""
    if row.name in tls.OF_CLIENT and not scope.tls and not scope.log:
        scope.warn(f"'{row.name}' reads TLS, and no 'bind' here has 'ssl': it has no value")
    if row.reads == "body" and not scope.waits:
        scope.warn(
            f"'{row.name}' sees what came with the head alone: 'option http-buffer-request' or"
            " 'http-request wait-for-body' waits for the body"
        )


def cast_expression(expression: Expression, kind: Kind) -> Expression:
    """The expression with its values cast.  Raises ValueError when they cannot be."""
    convert = _cast(expression.kind, kind)
    if convert is None:
        return expression
    change = convert
    every = None if expression.every is None else _each(expression.every, lambda x, value: change(value))
    return Expression(_then(expression.fetch, convert), kind, expression.needs, every)


def check_needs(needs: Needs, scope: Scope, text: str) -> None:
    """Refuse a fetch where what it reads does not exist yet; warn where it never does.  Raises ValueError."""
    if scope.check and needs in ("request", "bytes", "server", "inspection"):
        raise ValueError(f"'{text}' reads what a client sends, and a health check has none")
    if scope.early and needs in (*WAITING, "request", "response"):
        raise ValueError(f"'{text}' reads what the client sends, which this rule comes before")
    if scope.mode == "http" and needs in ("bytes", "server bytes"):
        raise ValueError(f"'{text}' reads the bytes of a connection and needs 'mode tcp'")
    if needs == "server bytes" and not (scope.response or scope.log):
        raise ValueError(f"'{text}' reads the server's bytes, which this rule comes before")
    if scope.mode != "http" and scope.log and needs in ("request", "response"):
        raise ValueError(f"'{text}' reads HTTP, and a log line of mode tcp has none")
    if scope.mode != "http" and not scope.check and needs in ("request", "response"):
        scope.warn(f"'{text}' reads HTTP and needs 'mode http': here it has no value and never matches")
        return
    if needs in ("response", "server") and not (scope.response or scope.log):
        raise ValueError(f"'{text}' reads the response, which a request rule comes before")


def _converter(call: Call, kind: Kind, scope: Scope) -> tuple[Callable[[Exchange, Any], Any], Kind]:
    row = converters.find(call.name)
    if not can_cast(kind, row.takes):
        raise ValueError(f"converter '{call.name}' takes {row.takes}, which {kind} cannot be turned into")
    try:
        convert = row.make(*scope.arguments(row, call.arguments))
    except ValueError as error:
        raise ValueError(f"converter '{call.name}': {error}") from None
    gives = kind if row.gives == "any" else row.gives
    change = _cast(kind, row.takes)
    if change is None:
        return convert, gives

    def changed(x: Exchange, value: Any) -> Any:
        value = change(value)
        return None if value is None else convert(x, value)

    return changed, gives


def _cast(source: Kind, target: Kind) -> Cast | None:
    if not can_cast(source, target):
        raise ValueError(f"{source} cannot be turned into {target}")
    return cast(source, target)


def _then(fetch: Fetch, change: Cast | None) -> Fetch:
    if change is None:
        return fetch

    def changed(x: Exchange) -> Any:
        value = fetch(x)
        return None if value is None else change(value)

    return changed


def _then_convert(fetch: Fetch, convert: Callable[[Exchange, Any], Any]) -> Fetch:
    def converted(x: Exchange) -> Any:
        value = fetch(x)
        return None if value is None else convert(x, value)

    return converted


def _each(every: Occurrences, convert: Callable[[Exchange, Any], Any]) -> Occurrences:
    def converted(x: Exchange) -> list[Any]:
        results = [convert(x, value) for value in every(x)]
        return [result for result in results if result is not None]

    return converted
