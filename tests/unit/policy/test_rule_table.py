"""Samples, conditions and rules, against the table of what HAProxy does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from greenlb import replies
from greenlb.config.words import split_words
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import ALLOW, NOWHERE, Address, Bind, Condition, Frontend, Rule
from greenlb.policy import rules, samples
from greenlb.policy.scope import Scope
from tests.support import rule_table
from tests.support.rule_table import Answer, Row, normal, with_files

BIND = Bind("1", Address("203.0.113.1", 8080), NOWHERE)
SCOPE = Scope("f", "http", frontend=True, backend=False)


def parse(text: str) -> Request:
    head, _, body = text.partition("\r\n\r\n")
    line, _, block = head.encode("latin-1").partition(b"\r\n")
    method, target, version = line.split(b" ")
    fields = Fields(b"\r\n" + block + (b"\r\n" if block else b""))
    http11 = version == b"HTTP/1.1"
    said = (fields.get(b"connection") or b"").lower()
    keep = said != b"close" and (http11 or said == b"keep-alive")
    return Request(method, target, http11, fields, length=len(body), keep_alive=keep, line=line)


def exchange(row: Row) -> Exchange:
    _, src, dst, sport, dport = row.client.split(" ")
    client = Client(Frontend("f0", 1, NOWHERE), BIND, src, int(sport), dst, int(dport))
    x = Exchange(client)
    x.request = parse(row.request)
    x.request_line = x.request.line
    return x


def compiled(text: str) -> Iterator[tuple[str, Rule]]:
    """The rules of a row's lines, with the rule list each belongs to."""
    acls: dict[str, list[Condition]] = {}
    for line in text.splitlines():
        keyword, *words = split_words(line)
        scope = replace(SCOPE, acls={name: rules.any_of(found) for name, found in acls.items()})
        if keyword == "acl":
            acls.setdefault(words[0], []).append(rules.compile_acl(words[1:], scope))
        elif keyword == "redirect":
            yield "request", rules.compile_redirect(words, scope)
        elif keyword == "http-request":
            yield "request", rules.compile_http_request(words, scope)
        elif keyword == "http-after-response":
            yield "after", rules.compile_after_response(words, scope)
        else:
            yield "response", rules.compile_http_response(words, scope)


def run(text: str, stage: str, x: Exchange) -> Reply | None:
    for found, rule in list(compiled(text)):
        verdict = rule(x) if found == stage else None
        if verdict is not None:
            return None if verdict is ALLOW else verdict  # type: ignore[return-value]
    return None


def lines(fields: Fields) -> list[str]:
    return normal([f"{name.decode('latin-1')}: {value.decode('latin-1')}" for name, value in fields.items()])


def rendered(reply: Reply | None, request: Request) -> list[str]:
    """The answer as the client gets it; without one, what a frontend without backend says."""
    if reply is None:
        reply = replies.make(503)
    keep = request.keep_alive and not reply.close
    text = replies.render(reply, keep=keep, request=request).decode("latin-1")
    head, _, body = text.partition("\r\n\r\n")
    status, *fields = head.split("\r\n")
    return [status, *normal(fields), "", body]


def answer(row: Row) -> Answer:
    x = exchange(row)
    assert x.request is not None
    if row.kind == "sample":
        value = samples.compile_bytes(row.rule, SCOPE)(x)
        return None if value is None else value.decode("latin-1")
    if row.kind == "condition":
        return bool(rules.compile_condition(split_words(row.rule), SCOPE)(x))
    reply = run(row.rule, "request", x)
    if row.kind == "answer":
        return rendered(reply, x.request)
    if row.kind == "edit":
        assert reply is None
        return [f"{x.request.method.decode()} {x.request.target.decode()}", *lines(x.request.fields)]
    assert reply is None
    block = "".join(f"{line}\r\n" for line in row.response)
    x.response = Response(
        200, b"OK", True, Fields(f"\r\n{block}Content-length: 4\r\nContent-Type: text/plain\r\n".encode())
    )
    reply = run(row.rule, "response", x)
    if reply is not None:
        return rendered(reply, x.request)[:-2]
    assert run(row.rule, "after", x) is None
    return [f"HTTP/1.1 {x.response.status} {x.response.reason.decode()}", *lines(x.response.fields)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [pytest.param(row, found, id=f"{row.kind}-{n}") for n, (row, found) in enumerate(rule_table.load())],
)
def test_greenlb_agrees(row: Row, expected: Answer, tmp_path: Path) -> None:
    assert answer(replace(row, rule=with_files(row.rule, tmp_path))) == expected, row
