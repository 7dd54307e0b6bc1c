"""The services that rules may answer with.  A rule holds a slot; the process puts an application into it
before anybody is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from greenlb.message import Service
from greenlb.model import StatsPage

Application = Callable[..., Iterable[bytes]]
"""A WSGI application."""

SERVICES: Final = {"prometheus-exporter": "<PROMEX>"}
"""Those that ``use-service`` knows, and what the log has in a server's place."""

PAGE: Final = "stats"
"""The service that a statistics page is."""
PAGE_LABEL: Final = "<STATS>"


def _absent(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What stands in a slot at first."""
    start_response("503 Service Unavailable", [("Content-Type", "text/plain")])
    return [b"This service is not at work here.\n"]


class Slot:
    """``page`` is set for a statistics page, ``admin`` for one that may change servers."""

    __slots__ = ("admin", "application", "label", "name", "page")

    def __init__(self, name: str, label: str, page: StatsPage | None = None, admin: bool = False) -> None:
        self.name = name
        self.label = label
        self.page = page
        self.admin = admin
        self.application: Application = _absent

    def __call__(self) -> Service:
        """The answer that the service gives."""
        return Service(self.application, self.label)


class Services:
    """All slots of a configuration."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self._named: dict[str, Slot] = {}

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots)

    def named(self, name: str) -> Slot:
        """The slot of a service that ``use-service`` knows.  Raises KeyError."""
        slot = self._named.get(name)
        if slot is None:
            slot = self._named[name] = self._add(Slot(name, SERVICES[name]))
        return slot

    def page(self, page: StatsPage, admin: bool) -> Slot:
        """A slot for a statistics page."""
        return self._add(Slot(PAGE, PAGE_LABEL, page, admin))

    def _add(self, slot: Slot) -> Slot:
        self._slots.append(slot)
        return slot
