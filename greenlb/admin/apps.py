"""The statistics page, the metrics and the runtime commands as WSGI applications, to be mounted elsewhere.

Each takes ``execute``, which runs a runtime command: a ``greenlb.RuntimeClient`` of a runtime socket.  What
may be done is up to the level of that socket.  Who may come is up to who mounts them.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote

from greenlb.admin import metrics as exporter
from greenlb.admin.metrics import Application, Execute, refuse
from greenlb.admin.page.app import Pages
from greenlb.admin.page.look import Look
from greenlb.client import Unreachable
from greenlb.model import StatsPage

_LARGEST: Final = 1 << 16
_SAFE: Final = "/;=,:@&+$!~*'()"


def metrics(execute: Execute) -> Application:
    """The metrics for Prometheus, as ``use-service prometheus-exporter`` serves them."""
    return exporter.application(execute)


def statistics(execute: Execute, *, admin: bool = False, refresh: int = 0) -> Application:
    """The statistics page, at whatever path it is mounted.  ``admin``: servers are changed from it;
    ``refresh`` is seconds, for browsers without JavaScript."""
    look, secret, pages = Look(), secrets.token_bytes(32), threading.local()

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        mount = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"), safe=_SAFE)
        target = mount + quote(environ.get("PATH_INFO", "").encode("latin-1"), safe=_SAFE)
        if target == mount:  # what belongs to the page has names that begin with ;
            start_response("308 Permanent Redirect", [("Location", f"{mount}/"), ("Content-Length", "0")])
            return []
        environ["REQUEST_URI"] = target
        known = getattr(pages, "known", None)  # each thread waits in its own way
        if known is None:
            known = pages.known = Pages(look, execute, secret)
        page = StatsPage("", target.partition(";")[0], refresh)
        return known.application(page, admin)(environ, start_response)

    return serve


def runtime(execute: Execute) -> Application:
    """Runtime commands over HTTP: POST ``{"command": "show info"}`` as ``application/json``, and the answer
    is ``{"answer": ...}``.  A page of another site cannot send that type unasked."""

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST":
            return refuse(start_response, "405 Method Not Allowed", "POST a command")
        if environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() != "application/json":
            return refuse(start_response, "415 Unsupported Media Type", "application/json is expected")
        try:
            size = int(environ.get("CONTENT_LENGTH") or 0)
            if not 0 < size <= _LARGEST:
                return refuse(start_response, "413 Content Too Large", f"1 to {_LARGEST} bytes are expected")
            command = json.loads(environ["wsgi.input"].read(size))["command"]
            if not isinstance(command, str) or "\n" in command:
                raise ValueError
        except (ValueError, KeyError, TypeError):
            return refuse(start_response, "400 Bad Request", '{"command": "..."} is expected')
        try:
            answer = execute(command, "admin")
        except ValueError as error:
            return refuse(start_response, "400 Bad Request", str(error))
        except Unreachable as error:
            return refuse(start_response, "503 Service Unavailable", f"no answer: {error}")
        body = json.dumps({"answer": answer}).encode()
        start_response(
            "200 OK",
            [
                ("Cache-Control", "no-store"),
                ("Content-Type", "application/json"),
                ("Content-Length", str(len(body))),
            ],
        )
        return [body]

    return serve
