"""The process that runtime commands run in, as they can reach it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenlb.admin.runtime.desk import Desk, Empty, Transaction
from greenlb.admin.runtime.versions import AllVersions
from greenlb.model import Config, Frontend, Server
from greenlb.observe.log import Log
from greenlb.observe.sampler import Sampler
from greenlb.observe.stats import Books
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.checks.runner import Runner
from greenlb.proxy.farm_state import FarmState, Turn
from greenlb.proxy.frontend_state import FrontendStates
from greenlb.proxy.names.names import Names
from greenlb.proxy.standing import Standing
from greenlb.runtime import RuntimeSocket

Ask = Callable[..., list[dict[str, Any]]]
"""``ask(kind, **fields)``: every worker does ``kind`` (see ``process.requests``); what each answers."""


def _nobody(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return []


@dataclass(slots=True)
class Operations:
    """What control has, or with ``workers = 0`` the one process.  ``backends`` are its own mirror of them:
    states of servers are true there, sessions only in the workers, who are reached by ``ask``.  ``workers``:
    0 for everything in one process; ``gate`` opens and closes a frontend's sockets for all; ``remember``
    has processes to come know of edits of patterns; ``reload`` has the master take up the
    configuration anew, which it has done ``reloads`` times; ``started``: when the farm began (monotonic
    clock)."""

    config: Config
    books: Books
    log: Log
    backends: Mapping[str, LiveBackend]
    state: FarmState
    checks: Runner
    sampler: Sampler
    fronts: FrontendStates
    ask: Ask = _nobody
    workers: int = 0
    names: Names | None = None
    desk: Desk = field(default_factory=Empty)
    gate: Callable[[Frontend, int], None] = lambda frontend, state: None
    remember: Callable[[dict[str, Any]], object] = lambda edits: None
    transaction: Transaction = field(default_factory=Transaction)
    versions: AllVersions = field(default_factory=AllVersions)
    reload: Callable[[], object] = lambda: None
    reloads: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def sockets(self) -> Sequence[RuntimeSocket]:
        """Where the runtime answers."""
        return self.config.settings.runtime_sockets

    def read(self, server: Server) -> Standing:
        """How a server stands."""
        return self.state.read(server)

    def change(self, servers: Iterable[Server], **changes: Any) -> list[Turn]:
        """Change how servers stand, in all processes."""
        return self.state.change(servers, **changes)
