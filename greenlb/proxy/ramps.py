"""How many exchanges a server gets at a time where that is not always its ``maxconn``: ``minconn``, and
``slowstart``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from greenlb.proxy.farm_now import BackendNow, ramp
from greenlb.proxy.slots import RampedSlots

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState


def add(backend: LiveBackend, limited: Iterable[ServerState]) -> None:
    """Let the slots of servers depend on the load, and on how long they have been back."""
    load = BackendNow(backend, backend.plane.books)
    for state in limited:
        if 0 < state.server.minconn < state.maxconn:
            # Without a maxconn in the configuration the default is known by the process alone.
            full = backend.model.fullconn or max(1, backend.plane.maxconn // 10)
            state.ramp = ramp(state.server, load.sessions, full)
        if state.server.slowstart:
            state.ramp = throttled(state, state.ramp)
        if state.ramp is not None and state.slots is not None:
            state.slots = RampedSlots(state.slots, state.room)


def throttled(state: ServerState, ramp: Callable[[], int] | None) -> Callable[[], int]:
    """How many exchanges a server gets at a time that starts slowly: a part of what it would get."""

    def limit() -> int:
        most = state.maxconn if ramp is None else ramp()
        return max(1, most * state.throttle // 100) if state.throttle else most

    return limit
