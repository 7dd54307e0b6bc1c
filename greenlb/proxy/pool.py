"""Idle server connections: one LIFO a server.

The newest is used first, so that the rest can grow old and be closed: an idle connection that nobody
took for ``IDLE`` seconds goes, and so does one on which anything arrives while no request is out: the
server closed it, or sent what nobody asked for.
"""

from __future__ import annotations

from typing import Final

from greenlb.proxy.upstream.network import Upstream

IDLE: Final = 5.0
"""Seconds an unused connection is kept (HAProxy's pool-purge-delay)."""


class Pool:
    """``dict`` as an ordered set: the last in is the first out, and any can leave in one step."""

    __slots__ = ("_idle", "_patience")

    def __init__(self) -> None:
        self._idle: dict[Upstream, None] = {}
        self._patience = IDLE

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, name: bytes | None = None) -> Upstream | None:
        """The connection for ``name`` that was put back last and still seems good."""
        while self._idle:
            upstream, _ = self._idle.popitem()
            if upstream.name != name:
                self._idle[upstream] = None
                found = next((other for other in reversed(self._idle) if other.name == name), None)
                if found is None:
                    return None
                del self._idle[found]
                upstream = found
            stream = upstream.stream
            stream.unpark()
            if stream.silent():
                return upstream
            stream.close()
        return None

    def proven(self) -> int:
        """How many have carried more than one request."""
        return sum(upstream.used > 1 for upstream in self._idle)

    def put(self, upstream: Upstream) -> None:
        """Keep ``upstream`` for whoever comes next."""
        self._idle[upstream] = None
        upstream.stream.park(upstream.evict, self._patience)

    def drop(self, upstream: Upstream) -> None:
        self._idle.pop(upstream, None)
        upstream.close()

    def clear(self) -> None:
        """Close all, e.g. because the server went down."""
        while self._idle:
            self._idle.popitem()[0].close()

    def retire(self) -> None:
        """Close all, and whatever is still put here: nobody takes from this pool any more."""
        self._patience = 0.0
        self.clear()
