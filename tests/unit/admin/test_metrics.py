"""The exporter as a WSGI application."""

from __future__ import annotations

from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from greenlb.admin.metrics import SCOPES, BadQuery, application, asked
from greenlb.admin.runtime.runtime import Unreachable


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", list(SCOPES)),
        ("x=1", list(SCOPES)),
        ("scope=*", list(SCOPES)),
        ("scope=server", ["server"]),
        ("scope=server&scope=global", ["global", "server"]),
        ("scope=", []),
        ("scope=server&scope=&scope=backend", ["backend"]),
        ("no-maint", [*SCOPES, "no-maint"]),
        ("no-maint&no-maint&scope=server", ["server", "no-maint"]),
    ],
)
def test_queries(query: str, words: list[str]) -> None:
    assert asked(query) == words


def test_a_scope_that_there_is_not() -> None:
    with pytest.raises(BadQuery):
        asked("scope=servers")


def run(query: str, method: str = "GET") -> tuple[str, dict[str, str], bytes, list[tuple[str, str]]]:
    said: list[tuple[str, str]] = []

    def execute(command: str, level: str) -> str:
        said.append((command, level))
        return "metric 1\n\n"

    environ: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": query}
    setup_testing_defaults(environ)
    begun: list[Any] = []
    answer = validator(application(execute))(
        environ, lambda status, fields, *_: begun.extend((status, dict(fields)))
    )
    try:
        body = b"".join(answer)
    finally:
        answer.close()
    return begun[0], begun[1], body, said


def test_an_answer() -> None:
    status, fields, body, said = run("scope=server&no-maint")
    assert (status, body) == ("200 OK", b"metric 1\n")
    assert fields["Content-Type"] == "text/plain; version=0.0.4"
    assert said == [("show metrics server no-maint", "operator")]


def test_a_head_has_no_body() -> None:
    assert run("", "HEAD")[2] == b""


def test_a_mistake_asks_nobody() -> None:
    status, _, _, said = run("scope=x")
    assert (status, said) == ("400 Bad Request", [])


def test_figures_that_cannot_be_had_are_a_503() -> None:
    def unreachable(text: str, level: str) -> str:
        raise Unreachable("control is not there")

    started: list[str] = []
    made = application(unreachable)
    body = made({"QUERY_STRING": ""}, lambda status, fields: started.append(status))
    assert (started, b"".join(body)) == (["503 Service Unavailable"], b"no figures: control is not there\n")
