"""Rules that say to which server an exchange is bound: ``use-server``, ``force-persist``,
``ignore-persist``, Python.  Where there are none, none of this runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlb.exchange import Exchange
from greenlb.model import Server
from greenlb.proxy.retrying import TURN_TAKERS

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState

Usable = Callable[[Server], bool]


def choose(backend: LiveBackend, x: Exchange, usable: Usable) -> ServerState | None:
    """The server that an exchange is bound to: by a use-server rule, else by its cookie, else by a stick
    table."""
    model = backend.model
    for force, condition in model.persist_rules:
        if condition(x):
            wishes = x.wish()
            wishes.forced, wishes.unbound = force, not force
            break
    forced = x.wishes is not None and x.wishes.forced
    unbound = x.wishes is not None and x.wishes.unbound
    reachable: Usable = (lambda server: True) if forced or model.persist else usable
    server = _named(backend, x, reachable)
    chosen = server is not None
    if backend.persistence is not None:
        if chosen or unbound:
            _read_cookie(backend, x)
            x.kept = server
        else:
            server = backend.persistence.request(x, reachable)
            if server is not None and not usable(server):
                x.cookie_in = "D"
    if model.stick is not None:
        found = model.stick.match(x, reachable, server is not None)
        if found is not None:
            server = x.kept = found
    return None if server is None else backend.state_of(server)


def _named(backend: LiveBackend, x: Exchange, reachable: Usable) -> Server | None:
    """The server that Python chose, else that of the first use-server rule that holds, if it may be used."""
    wanted = x.wishes.server if x.wishes is not None else ""
    if wanted:
        state = backend.named(wanted)
        if state is not None and reachable(state.server):
            return state.server
    for route in backend.model.use_server:
        name = route(x)
        if name is not None:
            state = backend.named(name)
            if state is None:  # a rendered name may be of none
                return None
            if reachable(state.server):
                return state.server
    return None


def _read_cookie(backend: LiveBackend, x: Exchange) -> None:
    """The cookie decides nothing, yet the server sees it as ever, and the log that it was not used."""
    assert backend.persistence is not None
    backend.persistence.request(x, lambda server: False)
    x.kept = None
    if x.cookie_in in "DIV":
        x.cookie_in = "U"


def prefers(backend: LiveBackend, state: ServerState) -> bool:
    """``option prefer-last-server``: shall a client go on with ``state``, to which it has a
    connection?"""
    model = backend.model
    if not model.prefer_last or not state.chosen or model.balance.algorithm not in TURN_TAKERS:
        return False
    longest = model.max_keep_alive_queue
    return longest < 0 or not state.limit or state.room() or state.queued < longest
