"""What log lines say of how many connections there are: HAProxy's actconn, feconn, beconn and srv_conn.

Several processes show one another what they have, so a line tells the farm's.  One process knows it anyhow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from greenlb.exchange import Exchange
from greenlb.model import Backend, Server
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.shared import Gauge

if TYPE_CHECKING:
    from greenlb.proxy.frontend import LiveFrontend
    from greenlb.proxy.plane import Plane, TlsContexts

Count = Callable[[Exchange, LiveBackend | None], None]
"""Fill in the counts of an exchange that ends, in that backend."""


class CountedBackend(LiveBackend):
    """A backend among several processes: what it has is shown to the others."""

    gauge: Gauge

    def __init__(self, model: Backend, plane: Plane, contexts: TlsContexts, gauge: Gauge) -> None:
        self.gauge = gauge
        super().__init__(model, plane, contexts)

    def load_of(self, server: Server) -> int:
        return self.state_of(server).sessions

    @property
    def connections(self) -> int:
        return self._connections

    @connections.setter
    def connections(self, count: int) -> None:
        self._connections = count
        self.gauge.show(count)


def counter(live: LiveFrontend) -> Count:
    """What counts for the lines of a frontend."""
    process = live.plane.shared.gauge(None)
    if process is None or live.gauge is None:
        return _own(live)
    return _farm(process, live.gauge)


def _own(live: LiveFrontend) -> Count:
    plane = live.plane

    def count(x: Exchange, backend: LiveBackend | None) -> None:
        if backend is None:
            x.counts = (plane.connections, live.connections, 0, 0)
        else:
            x.counts = (
                plane.connections,
                live.connections,
                backend.connections,
                backend.load_of(x.server) if x.server is not None else 0,
            )

    return count


def _farm(process: Gauge, frontend: Gauge) -> Count:
    all_connections, connections = process.total, frontend.total

    def count(x: Exchange, backend: LiveBackend | None) -> None:
        if backend is None or backend.gauge is None:
            x.counts = (all_connections(), connections(), 0, 0)
        else:
            x.counts = (
                all_connections(),
                connections(),
                backend.gauge.total(),
                backend.load_of(x.server) if x.server is not None else 0,
            )

    return count
