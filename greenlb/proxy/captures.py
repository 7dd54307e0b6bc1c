"""The last invalid message of each proxy, kept for people who wonder what it was (``show errors``)."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Final

from greenlb.exchange import Exchange

_MOST: Final = 16384
"""Bytes of a message that are kept."""


@dataclass(frozen=True, slots=True)
class Captured:
    """One invalid message: when it came (seconds of the wall clock), whose it was, and how it begins."""

    when: float
    proxy: str
    number: int
    kind: str  # request | response
    other: str
    other_number: int
    server: str
    server_number: int
    event: int
    source: str
    length: int
    data: str


class Captures:
    """The captures of one process; ``total`` counts all there have been."""

    def __init__(self) -> None:
        self.total = 0
        self._last: dict[tuple[str, str], Captured] = {}

    def request(self, x: Exchange, data: bytes) -> None:
        """A client has sent what is no request."""
        self._keep(x, x.frontend.name, x.frontend.number, "request", data)

    def response(self, x: Exchange, data: bytes) -> None:
        """A server has sent what is no response."""
        if x.backend is not None:
            self._keep(x, x.backend.name, x.backend.number, "response", data)

    def _keep(self, x: Exchange, proxy: str, number: int, kind: str, data: bytes) -> None:
        if kind == "request":
            other, other_number = (x.backend.name, x.backend.number) if x.backend else ("<NONE>", -1)
        else:
            other, other_number = x.frontend.name, x.frontend.number
        server, server_number = (x.server.name, x.server.number) if x.server else ("<NONE>", -1)
        text = data[:_MOST].decode("latin-1")
        client = x.client
        self._last[proxy, kind] = Captured(
            *(time.time(), proxy, number, kind, other, other_number, server, server_number),
            *(self.total, f"{client.src}:{client.src_port}", len(data), text),
        )
        self.total += 1

    def plain(self) -> dict[str, Any]:
        """All there is, as plain values."""
        return {"total": self.total, "errors": [asdict(each) for each in self._last.values()]}
