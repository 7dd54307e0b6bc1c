"""A connection to a network server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenlb.model import Address
from greenlb.net.sockets import Stream

if TYPE_CHECKING:
    from greenlb.proxy.backend import ServerState


class Upstream:
    """One connection to ``state``'s server.

    ``name`` is what its TLS was asked for; ``used`` counts the exchanges it carried; ``ends`` are our own
    address and port on it, and the server's address; ``pool`` is where it waits when it is idle.
    ``private``: it carries an authentication of the connection itself (NTLM, Negotiate), so it belongs to one
    client for good.  ``announced``: it began with a PROXY header that names one client, so no other may use
    it.
    """

    __slots__ = ("announced", "ends", "name", "pool", "private", "state", "stream", "used")

    def __init__(self, state: ServerState, stream: Stream, name: bytes | None = None) -> None:
        self.state = state
        self.stream = stream
        self.name = name
        local = stream.sock.getsockname()
        host, port = local[:2] if isinstance(local, tuple) else ("", 0)
        self.ends: tuple[str, int, Address | None] = (host, port, state.address)
        self.pool = state.pool
        self.used = 0
        self.private = False
        self.announced = state.server.send_proxy is not None

    def evict(self) -> None:
        """Called by the hub when an idle connection got bytes, its end, or too old."""
        self.pool.drop(self)

    def close(self) -> None:
        self.stream.close()

    def __repr__(self) -> str:
        return f"<Upstream {self.state.server.name} used={self.used}>"
