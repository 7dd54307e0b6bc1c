"""How long the two sides of a tunnel may be silent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """How long each side may keep us waiting, in seconds: while both directions live, and once one is
    shut."""

    client: float | None
    server: float | None
    client_fin: float | None
    server_fin: float | None

    @classmethod
    def of(
        cls,
        client: float | None,
        server: float | None,
        tunnel: float | None,
        client_fin: float | None,
        server_fin: float | None,
    ) -> Limits:
        """``timeout tunnel`` replaces client and server; the -fin ones fall back on what they replace."""
        client = tunnel if tunnel is not None else client
        server = tunnel if tunnel is not None else server
        return cls(
            client,
            server,
            client if client_fin is None else client_fin,
            server if server_fin is None else server_fin,
        )
