"""How often all frontends together may accept: ``maxconnrate``, ``maxsessrate``, ``maxsslrate``, and what
operators make of them.

Who comes when a limit is reached waits in the kernel's backlog, as at a ``maxconn``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from greenlb.model import Global
from greenlb.net import timers
from greenlb.policy.farm import PERIOD, Rate
from greenlb.proxy.throttle import Throttle

if TYPE_CHECKING:
    from greenlb.proxy.listener import Listener
    from greenlb.proxy.plane import Plane

TLS: Final = "ssl-sessions"
KINDS: Final = ("connections", "sessions", TLS)
"""What is limited, by the words of ``set rate-limit``."""


def configured(settings: Global) -> dict[str, int]:
    """The limits of the configuration; 0 is none."""
    return dict(zip(KINDS, (settings.maxconnrate, settings.maxsessrate, settings.maxsslrate), strict=True))


class RateLimits:
    """The limits of one process, which holds back its listeners; the rates are those of all."""

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._rates: dict[str, Rate] = {}
        self._throttles: dict[str, Throttle] = {}
        self._timer: Any = None

    @property
    def any(self) -> bool:
        """Whether there is a limit at all."""
        return bool(self._throttles)

    def limit(self, kind: str, most: int) -> None:
        """Let there be so many of a kind in a second; 0: as many as come."""
        self._throttles.pop(kind, None)  # whom it holds back, it lets look again
        if most:
            self._throttles[kind] = Throttle(most, self._rate(kind))

    def hold(self, listener: Listener) -> bool:
        """Whether ``listener`` must not accept just now; it is resumed when it may."""
        return any(
            throttle.holds(listener)
            for kind, throttle in self._throttles.items()
            if kind != TLS or listener.tls is not None
        )

    def _rate(self, kind: str) -> Rate:
        rate = self._rates.get(kind)
        if rate is None:
            rate = self._rates[kind] = Rate(self._count(kind))
            rate.start()
        if self._timer is None:
            self._timer = timers.every(PERIOD, self._tick, ref=False)
        return rate

    def _tick(self) -> None:
        for rate in self._rates.values():
            rate.tick()

    def _count(self, kind: str) -> Callable[[], int]:
        books, total = self._plane.books, self._plane.books.board.total
        binds = [bind for frontend in self._plane.config.frontends for bind in frontend.binds]
        blocks = [books.bind(bind) for bind in binds if kind != TLS or bind.tls is not None]
        begun = [block.stot for block in blocks]
        refused = [block.named("dcon") for block in blocks] if kind == "sessions" else []
        return lambda: sum(map(total, begun)) - sum(map(total, refused))
