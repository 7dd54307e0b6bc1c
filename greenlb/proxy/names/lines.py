"""What the log says of names, in HAProxy's words."""

from __future__ import annotations

from typing import Final

from greenlb.model import Backend, Server
from greenlb.protocol import dns
from greenlb.proxy.health import Farm
from greenlb.proxy.standing import DRAIN_BITS, MAINTENANCE_BITS, RESOLUTION, Standing

NO_ADDRESS: Final = "No IP for server "
REMOVED: Final = "entry removed from SRV record"
CACHE: Final = "DNS cache"
ALONG: Final = "DNS additional record"
OPERATOR: Final = "stats socket command"

_REASONS: Final = {
    dns.NX: "DNS NX status",
    dns.TIMEOUT: "DNS timeout status",
    dns.REFUSED: "DNS refused status",
}


def reason(kind: str) -> str:
    """Why a server has no address any more: how the answer was."""
    return _REASONS.get(kind, "unspecified DNS error")


def _which(backend: Backend, server: Server) -> str:
    return f"{'Backup ' if server.backup else ''}Server {backend.name}/{server.name}"


def moved(backend: Backend, server: Server, before: str, host: str, by: str) -> str:
    """It is at another address."""
    return f"{backend.name}/{server.name} changed its IP from {before or '(none)'} to {host} by {by}."


def renamed(backend: Backend, server: Server, before: str, name: str, by: str) -> str:
    """It has another name."""
    return f"{backend.name}/{server.name} changed its FQDN from {before or '(null)'} to {name} by '{by}'"


def found(backend: Backend, server: Server, name: str, standing: Standing, thanks: bool) -> list[str]:
    """It has an address again; ``thanks``: an answer of a name server of its own gave it."""
    which = _which(backend, server)
    if standing.admin & MAINTENANCE_BITS & ~RESOLUTION:
        lines = [f"{which} ('{name}') resolves again but remains in maintenance."]
    elif standing.admin & DRAIN_BITS:
        lines = [
            f"{which} ('{name}') is UP/DRAIN (resolves again).",
            f"{which} remains in forced drain mode.",
        ]
    else:
        lines = [f"{which} ('{name}') is UP/READY (resolves again)."]
    if thanks:
        lines.append(
            f"Server {backend.name}/{server.name} administratively READY thanks to valid DNS answer."
        )
    return lines


def lost(
    backend: Backend, server: Server, why: str, farm: Farm, sessions: int, requeued: int, queued: int
) -> str:
    """It has no address any more."""
    return (
        f"{_which(backend, server)} is going DOWN for maintenance ({why}). {farm.servers('left')} "
        f"{sessions} sessions active, {requeued} requeued, {queued} remaining in queue."
    )


def lost_down(backend: Backend, server: Server, why: str) -> str:
    """The same of one that was down anyhow."""
    return f"{_which(backend, server)} was DOWN and now enters maintenance ({why})."
