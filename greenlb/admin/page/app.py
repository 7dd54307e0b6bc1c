"""The page as a WSGI application.

What is wanted stands behind a semicolon in the target, as with HAProxy's page: ``;csv``, ``;json``,
``;typed``, ``;norefresh``, ``;st=``.  ``;events`` is the live stream, ``;row=`` all figures of one row,
``;page.css`` and ``;page.js`` what the page is made of.
"""

from __future__ import annotations

import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import gevent

from greenlb import __version__
from greenlb.admin.page import actions
from greenlb.admin.page.actions import Guard, Outcome
from greenlb.admin.page.feed import PERIOD, Execute, Feed, Snapshot, patient
from greenlb.admin.page.look import Look
from greenlb.admin.page.view import Line, View, span, view
from greenlb.admin.runtime.runtime import Unreachable
from greenlb.model import StatsPage
from greenlb.observe.columns import COLUMNS

Environ = Mapping[str, Any]
StartResponse = Callable[..., Any]

LARGEST: Final = 1 << 20
"""The longest form that is read, in bytes."""
_MOST_FIELDS: Final = 5000
"""Fields of a form, at most."""
_BREATH: Final = 1000
"""After so many pieces of a page others have their turn: about 5 ms."""
_HEADERS: Final = (
    ("Cache-Control", "no-store"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; connect-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
_FORMS: Final = (  # a later one counts, as in HAProxy
    ("typed", "show stat typed", "text/plain; charset=utf-8"),
    ("csv", "show stat", "text/plain; charset=utf-8"),
    ("json", "show stat json", "application/json"),
    ("json-schema", "show schema json", "application/json"),
)


class Pages:
    """The pages of one process.  ``execute`` runs runtime commands; ``secret`` is the same in every process
    that serves pages, and another one at the next start; ``notes`` are the descriptions of proxies."""

    def __init__(
        self, look: Look, execute: Execute, secret: bytes, notes: Mapping[str, str] | None = None
    ) -> None:
        self.look = look
        self.execute = execute
        self.show = patient(execute)
        self.feed = Feed(self.show)
        self.guard = Guard(secret)
        self.notes = notes or {}

    def application(
        self, page: StatsPage, admin: bool
    ) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
        """The application of one page; ``admin``: it may change servers."""

        def serve(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            return _Request(self, page, admin, environ, start_response).answer()

        return serve


class _Request:
    """One request for a page."""

    def __init__(
        self, pages: Pages, page: StatsPage, admin: bool, environ: Environ, start: StartResponse
    ) -> None:
        self.pages = pages
        self.page = page
        self.admin = admin
        self.environ = environ
        self.start = start
        target = environ.get("REQUEST_URI") or environ.get("PATH_INFO", "")
        at = target.find(page.uri)
        words = target[at + len(page.uri) :].split(";") if at >= 0 else []
        self.words = {name: unquote(value) for name, _, value in (word.partition("=") for word in words[1:])}
        self.user = _user(environ)

    def answer(self) -> Iterable[bytes]:
        if self.environ["REQUEST_METHOD"] == "POST":
            return self._act()
        for name in self.pages.look.assets:
            if name in self.words:
                data, kind = self.pages.look.assets[name]
                return self._send(data, kind, ("Cache-Control", "private, max-age=31536000, immutable"))
        try:
            if "events" in self.words:
                return self._events()
            if "row" in self.words:
                return self._row(self.words["row"])
            for name, command, kind in reversed(_FORMS):
                if name in self.words:
                    return self._send(self._form(command, name), kind, *self._refresh())
            return self._send(self._page(), "text/html; charset=utf-8")
        except (Unreachable, ValueError) as error:
            return self._unavailable(error)

    # -- to read -----------------------------------------------------------------------------------

    def _page(self) -> bytes:
        snapshot = self.pages.feed.now()
        page = self.page
        live = "norefresh" not in self.words
        shown = self._view(snapshot)
        pieces = self.pages.look.page.generate(
            actions=actions.ACTIONS,
            base=page.uri,
            info=snapshot.info,
            live=live,
            page=page,
            release=__version__,
            said=actions.STATES.get(self.words.get("st", "")),
            title=" ".join(filter(None, ("greenlb", page.node, "statistics"))),
            token=self._token(),
            uptime=_uptime(snapshot),
            version=self.pages.look.version,
            layout=_layout(shown),
            view=shown,
        )
        return _unhurried(pieces).encode("utf-8", "replace")

    def _view(self, snapshot: Snapshot) -> View:
        return view(snapshot, self.page, self.pages.notes)

    def _token(self) -> str:
        return self.pages.guard.token(self.page.proxy, self.user) if self.admin else ""

    def _form(self, command: str, name: str) -> bytes:
        """``;csv`` and its like: the command's answer, cut down to the scope."""
        text = self.pages.show(command, "operator" if self.page.legends else "user")
        text = text.rstrip("\n") + "\n"  # without the empty line that ends an answer of the runtime
        scope = self.page.scope
        if scope and name == "json":
            told = [row for row in json.loads(text) if _field(row, "pxname") in scope]
            text = json.dumps(told, separators=(",", ":")) + "\n"
        elif scope and name == "csv":
            head, *rows = text.splitlines(keepends=True)
            text = head + "".join(row for row in rows if row.partition(",")[0] in scope)
        elif scope and name == "typed":
            text = _typed_in(scope, text)
        return text.encode("utf-8", "replace")

    def _row(self, key: str) -> Iterable[bytes]:
        """All figures of a row, with what they mean."""
        snapshot = self.pages.feed.now()
        line = next((line for line in self._view(snapshot).lines if line.key == key), None)
        if line is None:
            return self._send(b"There is no such row.\n", "text/plain", status="404 Not Found")
        row = next(r for r in snapshot.rows if r["pxname"] == line.proxy and r["svname"] == line.name)
        figures = [
            (column.name, row[column.name], column.doc)
            for column in COLUMNS
            if row.get(column.name) and (self.page.legends or not column.secret)
        ]
        text = self.pages.look.row.render(
            base=self.page.uri,
            figures=figures,
            kind=line.kind,
            name=line.server,
            version=self.pages.look.version,
        )
        return self._send(text.encode("utf-8", "replace"), "text/html; charset=utf-8")

    # -- live ----------------------------------------------------------------------------------------

    def _events(self) -> Iterable[bytes]:
        """A stream without end: what has changed, once a second."""
        first = self._view(self.pages.feed.now())  # what goes wrong now still has a status
        self.start("200 OK", [("Content-Type", "text/event-stream; charset=utf-8"), *_HEADERS])
        if self.environ["REQUEST_METHOD"] == "HEAD":
            return []
        return self._stream(first)

    def _stream(self, first: View) -> Iterator[bytes]:
        told: dict[str, tuple[Any, ...]] = {}
        yield _event("hello", {"token": self._token(), "layout": _layout(first) + self.pages.look.version})
        now, snapshot = first, None
        while True:
            news = _news(now, told, snapshot)
            # Without news a comment goes: who has left is noticed, and 'timeout server' sees that we live.
            yield _event("news", news) if news else b":\n\n"
            gevent.sleep(PERIOD)
            try:
                snapshot = self.pages.feed.now()
            except (Unreachable, ValueError):
                yield _event("stale", {})
                continue
            now = self._view(snapshot)

    # -- to change -----------------------------------------------------------------------------------

    def _act(self) -> Iterable[bytes]:
        """A form: what it asks for is done, and the browser is sent to a page that says how it went."""
        outcome = self._outcome()
        if self.environ.get("HTTP_ACCEPT", "").startswith("application/json"):
            kind, text = actions.STATES[outcome.state]
            said = " ".join((*outcome.done, *outcome.errors)) or text
            body = json.dumps({"state": outcome.state, "kind": kind, "text": said})
            return self._send(body.encode(), "application/json")
        location = f"{self.page.uri};st={outcome.state}"
        return self._send(b"", "text/plain", ("Location", location), status="303 See Other")

    def _outcome(self) -> Outcome:
        try:
            length = int(self.environ.get("CONTENT_LENGTH") or LARGEST + 1)
        except ValueError:
            return Outcome("ERRP")
        body = b""
        if "CONTENT_LENGTH" in self.environ or self.environ.get("wsgi.input_terminated"):
            body = self.environ["wsgi.input"].read(min(length, LARGEST + 1))
        if len(body) > LARGEST:
            return Outcome("EXCD")
        try:
            form = parse_qs(
                body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS
            )
        except ValueError:
            return Outcome("EXCD")
        token = form.get("token", [""])[-1]
        if not self.admin or not self.pages.guard.admits(self.environ, self.page.proxy, self.user, token):
            return Outcome("DENY")
        try:
            known = {line.server for line in self._view(self.pages.feed.now()).servers}
            outcome = actions.run(self.pages.execute, form, known)
        except (Unreachable, ValueError):
            return Outcome("UNKN")
        finally:
            self.pages.feed.forget()
        return outcome

    # -- answers -------------------------------------------------------------------------------------

    def _refresh(self) -> list[tuple[str, str]]:
        if not self.page.refresh or "norefresh" in self.words:
            return []
        return [("Refresh", str(self.page.refresh))]

    def _send(
        self, body: bytes, kind: str, *fields: tuple[str, str], status: str = "200 OK"
    ) -> Iterable[bytes]:
        given = {name for name, _ in fields}
        self.start(
            status,
            [
                ("Content-Type", kind),
                ("Content-Length", str(len(body))),
                *fields,
                *(field for field in _HEADERS if field[0] not in given),
            ],
        )
        return [] if self.environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _unavailable(self, error: Exception) -> Iterable[bytes]:
        self.environ["wsgi.errors"].write(f"no figures: {error}\n")
        return self._send(
            b"The figures cannot be had at the moment.\n",
            "text/plain",
            ("Retry-After", "1"),
            ("Refresh", "1"),
            status="503 Service Unavailable",
        )


def _news(now: View, told: dict[str, tuple[Any, ...]], snapshot: Snapshot | None) -> dict[str, Any]:
    """What a viewer does not know yet; ``told`` is what it knows."""
    rows = [_row_news(line) for line in now.lines if told.get(line.key) != line.fingerprint]
    told |= {line.key: line.fingerprint for line in now.lines}
    news: dict[str, Any] = {}
    tiles = {tile.key: (tile.text, tile.note, *tile.series[-1:]) for tile in now.tiles}
    trouble = tuple((line.key, line.server, line.colour, line.state) for line in now.trouble)
    for name, value in (("tiles", tuple(tiles.items())), ("trouble", trouble)):
        if told.get(name) != value:
            told[name] = value
            news[name] = tiles if name == "tiles" else value
    if rows:
        news["rows"] = rows
    if snapshot is not None and news:
        news["uptime"] = _uptime(snapshot)
    return news


def _row_news(line: Line) -> dict[str, Any]:
    cells = line.cells | {"state": line.state or "-", "details": ", ".join(line.details.values())}
    return {"key": line.key, "colour": line.colour, "cells": cells, "values": line.values}


def _unhurried(pieces: Iterable[str]) -> str:
    """The whole text; traffic goes on while a long one is made."""
    made = []
    for number, piece in enumerate(pieces, 1):
        made.append(piece)
        if not number % _BREATH:
            gevent.sleep(0)
    return "".join(made)


def _layout(shown: View) -> str:
    """Tells whether a page has the rows that there are now."""
    return hashlib.sha256("\n".join(line.key for line in shown.lines).encode()).hexdigest()[:12]


def _event(name: str, data: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _user(environ: Environ) -> str:
    """Who was let in, for the token; the rule before us has checked it."""
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return binascii.a2b_base64(token).partition(b":")[0].decode("utf-8", "replace")
    except binascii.Error:
        return ""


def _uptime(snapshot: Snapshot) -> str:
    return span(int(snapshot.info.get("Uptime_sec", "0") or 0))


def _field(row: Iterable[Mapping[str, Any]], name: str) -> Any:
    """The value of a column in a row of ``show stat json``."""
    return next((cell["value"]["value"] for cell in row if cell["field"]["name"] == name), None)


def _typed_in(scope: Sequence[str], text: str) -> str:
    """The lines of ``show stat typed`` that are about proxies in ``scope``: what comes before the first dot
    that follows the number of the proxy is the row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    names: dict[tuple[str, ...], str] = {}
    for line in text.splitlines(keepends=True):
        head, _, rest = line.partition(":")
        row = tuple(head.split(".")[:3])
        rows.setdefault(row, []).append(line)
        if ".pxname." in head:
            names[row] = rest.rstrip("\n").split(":", 2)[2]
    return "".join(line for row, lines in rows.items() if names.get(row, "") in scope for line in lines)
