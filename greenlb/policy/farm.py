"""What rules may ask about the farm as it is now: frontends, backends and servers, by name.

Names are known before the rules are compiled, what they stand for only in the process that serves: a rule
holds a ``Handle``, and ``Farm.bind`` gives each its ``now``.  Nothing is asked about that no rule names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol

from greenlb.policy.vocabulary import nearest

PERIOD: Final = 1.0
"""Seconds that a rate is counted over."""


class Live(Protocol):
    """What a process knows of all of them; each answer has the functions that the samples call."""

    def frontend(self, handle: Handle) -> Any: ...
    def backend(self, handle: Handle) -> Any: ...
    def server(self, handle: Handle) -> Any: ...


class Handle:
    """One of them, as a rule names it; ``asked`` is what rules want to know of it.  ``now`` is there once
    the process is."""

    __slots__ = ("asked", "backend", "kind", "name", "now")

    def __init__(self, kind: str, name: str, backend: str = "") -> None:
        self.kind = kind
        self.name = name
        self.backend = backend
        self.asked: set[str] = set()
        self.now: Any = None


class Rate:
    """How often something happened in the last second: the part of the second before that is not yet over,
    and what came since (HAProxy's sliding average).  ``tick`` is to be called once a second."""

    __slots__ = ("_at", "_before", "_began", "_count")

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._at = 0
        self._before = 0
        self._began = 0.0

    def start(self) -> None:
        self._at = self._count()
        self._began = time.monotonic()

    def tick(self) -> None:
        before = self._at
        self.start()
        self._before = self._at - before

    def value(self) -> int:
        since = self._count() - self._at
        before = self._before
        if not since and before <= 1:  # one a second, seen in the second in which it did not come
            return before
        left = max(0.0, PERIOD - (time.monotonic() - self._began))
        return since + int(before * left / PERIOD)


class Farm:
    """The names of a configuration, and the handles that its rules hold."""

    def __init__(self) -> None:
        self._frontends: set[str] = set()
        self._servers: dict[str, list[str]] = {}
        self._handles: dict[tuple[str, str, str], Handle] = {}

    def declare(self, name: str, *, frontend: bool, servers: Sequence[str] | None) -> None:
        """A section; ``servers`` None: it is no backend."""
        if frontend:
            self._frontends.add(name)
        if servers is not None:
            self._servers[name] = list(servers)

    def find(self, kind: str, text: str, own: str) -> Handle | dict[str, Handle]:
        """What an argument of ``kind`` names; ``own`` is the section that it stands in.  ``backends`` and
        ``servers`` are all of them by name, for names that only show when a request is there.  Raises
        ValueError."""
        if kind in ("backends", "servers"):
            return self._all(kind)
        if kind == "frontend":
            return self._handle(kind, self._known(kind, text or own, bool(text), self._frontends))
        if kind == "backend":
            return self._handle(kind, self._known(kind, text or own, bool(text), self._servers))
        backend, slash, name = text.rpartition("/")
        backend = self._known("backend", backend if slash else own, bool(slash), self._servers)
        servers = self._servers[backend]
        if name not in servers:
            raise ValueError(f"backend '{backend}' has no server '{name}'{nearest(name, servers)}")
        return self._handle(kind, name, backend)

    def _known(self, kind: str, name: str, given: bool, known: Any) -> str:
        if name in known:
            return name
        if not given:
            raise ValueError(f"this section is no {kind}: the name of one is expected between parentheses")
        raise ValueError(f"there is no {kind} '{name}'{nearest(name, known)}")

    def _handle(self, kind: str, name: str, backend: str = "") -> Handle:
        return self._handles.setdefault((kind, backend, name), Handle(kind, name, backend))

    def _all(self, kind: str) -> dict[str, Handle]:
        if kind == "backends":
            return {name: self._handle("backend", name) for name in self._servers}
        return {
            f"{backend}/{name}": self._handle("server", name, backend)
            for backend, servers in self._servers.items()
            for name in servers
        }

    def __len__(self) -> int:
        return len(self._handles)

    def __iter__(self) -> Iterator[Handle]:
        return iter(self._handles.values())

    def bind(self, live: Live) -> None:
        """Give every handle what it stands for in this process."""
        for handle in self:
            handle.now = getattr(live, handle.kind)(handle)
