"""What a master is given: one configuration as it sees it, and how it is started again.  Standard
library only."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from greenlb.process.channel import Message
from greenlb.process.seat import Role

Log = Callable[[int, str], None]
"""Takes a severity (RFC 5424 section 6.2.1) and one line."""

Service = Callable[[Message], tuple[dict[str, object], list[int]]]
"""Answers a child's request: fields and descriptors, which are closed when they have been sent."""


class Tell(Protocol):
    """Tells every child of the current configuration something."""

    def __call__(self, kind: str, descriptors: Sequence[int] = (), **fields: object) -> None: ...


@dataclass(slots=True)
class Plan:
    """One configuration.

    ``roles`` has "worker" and "control".  ``sockets`` listen, by the address that they are known by from
    one program to the next; ``descriptors`` are others that the next program needs.  ``gauges`` are the
    cells that are nothing once their process has ended.  ``services`` answer what children ask for, by
    the message's kind; ``turn`` is called about once a second.  Times are seconds, None for no limit.
    """

    workers: int
    roles: Mapping[str, Role]
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    descriptors: dict[str, int] = field(default_factory=dict)
    gauges: Sequence[int] = ()
    worker_timeout: float | None = None
    hard_stop_after: float | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    turn: Callable[[Tell], None] | None = None


@dataclass(slots=True)
class Launch:
    """How this program is started again: ``check`` looks at the configuration, ``command`` runs it."""

    check: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    remembered: Callable[[], Mapping[str, str]] = dict

    @property
    def surroundings(self) -> dict[str, str]:
        """The environment, with what the next program is to know of this one as it is now."""
        return {**self.environment, **self.remembered()}
