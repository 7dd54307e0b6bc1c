"""``observe``: what traffic tells of servers.

Each process counts the errors of a server that follow each other.  When there are as many as
``error-limit`` says, whoever runs the checks is told, and the count begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from greenlb.board import Board
from greenlb.exchange import Exchange
from greenlb.model import Config, Server
from greenlb.observe.stats import Books

Report = Callable[[str, int, str], None]
"""Is given ``backend/server``, how many errors there were, and what the last one was."""

_UNREACHED: Final = "L4 unsuccessful connection"
_ENDINGS: Final = {
    ("S", "C"): _UNREACHED,
    ("s", "C"): _UNREACHED,
    ("S", "H"): "Close from server (http)",
    ("s", "H"): "Read timeout (http)",
    ("P", "H"): "Invalid http response (headers)",
    ("S", "D"): "Read error (http)",
}
"""How exchanges end that a server is to blame for, in HAProxy's words."""
_WRONG: Final = "Wrong http response"
_NOT_WRONG: Final = (501, 505)
"""Of the statuses from 500 on, those that tell more of the request than of the server."""


class ObservingBooks(Books):
    """Books that look at what they are given."""

    def __init__(self, config: Config, board: Board, writer: int = 0) -> None:
        super().__init__(config, board, writer)
        self.report: Report = lambda name, errors, last: None
        self._errors: dict[int, int] = {}
        self._names = {
            id(server): f"{backend.name}/{server.name}"
            for backend in config.backends
            for server in backend.servers
            if server.observe is not None
        }

    def account(self, x: Exchange) -> None:
        super().account(x)
        server = x.server
        if server is not None and server.observe is not None:
            self._look(x, server, server.observe.layer, server.observe.error_limit)

    def _look(self, x: Exchange, server: Server, layer: int, limit: int) -> None:
        last = _error(x, layer)
        if last is None:
            return
        if not last:
            self._errors.pop(id(server), None)
            return
        tries = x.retries + 1 if last is _UNREACHED and not x.redispatched else 1
        errors = self._errors.get(id(server), 0) + tries
        if errors < limit:
            self._errors[id(server)] = errors
            return
        self._errors.pop(id(server), None)
        self.report(self._names[id(server)], errors, last)


def _error(x: Exchange, layer: int) -> str | None:
    """What was wrong with the server; empty: nothing was, None: it cannot be told."""
    last = _ENDINGS.get((x.cause, x.phase))
    if last is _UNREACHED:
        return last
    if layer == 4:
        return "" if x.connected >= 0.0 else None
    if last is not None:
        return last
    if x.response is None:
        return None
    return _WRONG if x.response.status >= 500 and x.response.status not in _NOT_WRONG else ""


def books(config: Config, board: Board, writer: int = 0) -> Books:
    """The books of a process that carries traffic."""
    observed = any(server.observe is not None for backend in config.backends for server in backend.servers)
    return (ObservingBooks if observed else Books)(config, board, writer)
