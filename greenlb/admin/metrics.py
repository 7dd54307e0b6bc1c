"""The metrics for Prometheus, as a WSGI application: ``http-request use-service prometheus-exporter``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from greenlb.admin.runtime.runtime import Unreachable

SCOPES: Final = ("global", "frontend", "listener", "backend", "server", "sticktable")
"""What ``?scope=`` may name; without it, and with ``*``, there are all of them."""
TYPE: Final = "text/plain; version=0.0.4"

Execute = Callable[[str, str], str]
"""Runs one runtime command at a level, and gives its answer."""
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class BadQuery(Exception):
    """A scope that there is not."""


def asked(query: str) -> list[str]:
    """The words of ``show metrics`` that a query string stands for.  Raises BadQuery."""
    scopes: list[str] | None = None
    words = []
    for name, value in parse_qsl(query, keep_blank_values=True, max_num_fields=100):
        if name == "no-maint":
            words.append(name)
        elif name == "scope":
            if value and value != "*" and value not in SCOPES:
                raise BadQuery(value)
            chosen = list(SCOPES) if value == "*" else [value] if value else []
            scopes = [*(scopes or ()), *chosen] if value else []
    if scopes is None:
        scopes = list(SCOPES)
    return [*(scope for scope in SCOPES if scope in scopes), *words[:1]]


def refuse(start_response: Callable[..., Any], status: str, why: str) -> Iterable[bytes]:
    """Answer with a sentence."""
    body = f"{why}\n".encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def application(execute: Execute) -> Application:
    """The exporter.  ``execute`` reaches the process that knows."""

    def metrics(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            words = asked(environ.get("QUERY_STRING", ""))
        except (BadQuery, ValueError):
            return refuse(start_response, "400 Bad Request", f"scope is one of {', '.join(SCOPES)} or *")
        try:
            body = execute("show metrics " + " ".join(words), "operator").removesuffix("\n").encode()
        except Unreachable as error:
            return refuse(start_response, "503 Service Unavailable", f"no figures: {error}")
        start_response(
            "200 OK",
            [("Cache-Control", "no-cache"), ("Content-Type", TYPE), ("Content-Length", str(len(body)))],
        )
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]

    return metrics
