"""What a configuration holds that is more than words: rules are made with it, and the process opens or binds
it before it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from greenlb.exchange import Exchange
    from greenlb.model import Server, StatsPage, StickTable, Where


class StickTables(Protocol):
    """The stick tables at work.  Rules hold them, so they are made with the rules."""

    def __len__(self) -> int: ...

    def specs(self) -> Sequence[StickTable]:
        """What each is."""

    def open(self, folder: str, log: Callable[[int, str], None]) -> None:
        """Open their files, in the process that uses them."""

    def flush(self) -> bool:
        """Write what happened; True when there is more."""

    def close(self) -> None:
        """Write the rest."""


class Farm(Protocol):
    """What rules ask about the farm as it is now."""

    def __len__(self) -> int: ...

    def bind(self, live: Any) -> None:
        """Let them ask ``live``, in the process that serves."""


class ServiceSlot(Protocol):
    """The place of a service of ours in the rules that answer with it: ``application``, which is WSGI's, is
    put there before anybody is served.  ``page`` and ``admin`` are a statistics page's."""

    name: str
    page: StatsPage | None
    admin: bool
    application: Callable[..., Iterable[bytes]]


class Hook(Protocol):
    """A place where somebody's Python is called: ``function`` and ``report`` are put there before anybody is
    served."""

    module: str
    attribute: str
    where: Where
    function: Callable[..., Any]
    report: Callable[[str, BaseException], None]

    def run(self, call: Callable[..., Any], *arguments: object) -> Any: ...

    def ask(self, x: Exchange, phase: str, call: Callable[[Exchange], Any]) -> Any: ...


class Affinity(Protocol):
    """The ``stick`` rules of a backend, compiled."""

    @property
    def wants_hello(self) -> bool: ...

    def match(
        self, x: Exchange, usable: Callable[[Server], bool], decided: bool = False
    ) -> Server | None: ...

    def store(self, x: Exchange) -> None: ...
