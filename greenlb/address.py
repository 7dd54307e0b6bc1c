"""Where to listen and to connect: a part of the model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or to connect.  ``host`` is a numeric IPv4 or IPv6 address, empty for all
    addresses, or the path of a unix socket when ``unix``.  ``name`` is what the configuration said.  A
    server's host is empty while its name has no address.  One to listen on that is open already has its
    descriptor as port, and a name that begins with ``fd@``."""

    host: str
    port: int = 0
    unix: bool = False
    name: str = ""

    @property
    def ipv6(self) -> bool:
        return ":" in self.host and not self.unix

    @property
    def path(self) -> str:
        """Of a unix socket that has one; else empty."""
        return self.host if self.unix and not self.host.startswith("\0") else ""

    @property
    def inherited(self) -> bool:
        return self.name.startswith("fd@")

    def __str__(self) -> str:
        if self.inherited:
            return self.name
        if self.unix:
            return f"abns@{self.host.strip(chr(0))}" if self.host.startswith("\0") else f"unix@{self.host}"
        return f"[{self.host}]:{self.port}" if self.ipv6 else f"{self.host or '*'}:{self.port}"
