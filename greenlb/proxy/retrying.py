"""Where an exchange goes after a server has failed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from greenlb.exchange import Exchange
from greenlb.proxy.queue import pause

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState

TURN_AROUND: Final = 1.0
"""Seconds before the same server is tried again (at most timeout connect)."""
TURN_TAKERS: Final = frozenset(("roundrobin", "static-rr", "leastconn", "first", "random"))
"""Algorithms that would as well have taken another server."""


def next_try(
    backend: LiveBackend, x: Exchange, state: ServerState, direct: bool, cause: str
) -> ServerState | None:
    """After a failure: the server to try again (after a pause), or None to have another one chosen.
    The rule is HAProxy's (haproxy-facts (e))."""
    model = backend.model
    left = model.retries - x.retries
    forced = x.wishes is not None and x.wishes.forced
    every = None if forced else model.redispatch
    if every is not None:
        due = not state.up or (left % every == 0 if every > 0 else left % (model.retries + 1 + every) == 0)
        if due or (not direct and len(backend.states) > 1 and model.balance.algorithm in TURN_TAKERS):
            return None
    if cause == "S":
        timeout = model.timeouts.connect
        pause(TURN_AROUND if timeout is None else min(TURN_AROUND, timeout))
    return state if state.up or forced or model.persist else None
