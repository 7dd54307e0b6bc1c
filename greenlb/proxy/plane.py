"""The data plane of one process: its live frontends and backends, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, field

from greenlb.model import Backend, Bind, Config, Global, Server, ServerTls
from greenlb.net.tls import ClientContext, ServerContext
from greenlb.observe.log import Log
from greenlb.observe.stats import Books
from greenlb.policy import variables
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.captures import Captures
from greenlb.proxy.counted import CountedBackend
from greenlb.proxy.farm_now import FarmNow
from greenlb.proxy.shared import ALONE, Alone


@dataclass(slots=True)
class TlsContexts:
    """Every TLS context of a configuration, made before the first connection.  Binds and servers are
    known by ``id``: they are unhashable where they hold dicts, and they live as long as the Config."""

    binds: dict[int, ServerContext] = field(default_factory=dict)
    servers: dict[int, ClientContext] = field(default_factory=dict)
    checks: dict[int, ClientContext] = field(default_factory=dict)

    def of_bind(self, bind: Bind) -> ServerContext | None:
        return self.binds.get(id(bind))

    def of_server(self, server: Server) -> ClientContext | None:
        return self.servers.get(id(server))

    def of_check(self, tls: ServerTls) -> ClientContext | None:
        return self.checks.get(id(tls))


class Plane:
    """``connections`` counts the client connections of this process (HAProxy's actconn); ``door`` is their
    limit.  ``shared`` is what other processes have a part in, ``farm`` what rules may ask about;
    ``captures`` are the last invalid messages."""

    __slots__ = (
        "backends",
        "books",
        "captures",
        "config",
        "connections",
        "door",
        "farm",
        "log",
        "maxconn",
        "settings",
        "shared",
        "stopping",
    )

    def __init__(
        self,
        config: Config,
        log: Log,
        books: Books,
        contexts: TlsContexts,
        maxconn: int,
        shared: Alone = ALONE,
    ) -> None:
        self.config = config
        self.settings: Global = config.settings
        self.log = log
        self.books = books
        self.connections = 0
        self.shared = shared
        self.maxconn = maxconn
        self.door = shared.door(None, maxconn)
        self.stopping = False
        self.captures = Captures()
        self.backends = {backend.name: self._live(backend, contexts) for backend in config.backends}
        self.farm = FarmNow(self)
        variables.begin(config.settings.variables)
        if config.farm:
            config.farm.bind(self.farm)
            self.farm.keep()

    def _live(self, backend: Backend, contexts: TlsContexts) -> LiveBackend:
        gauge = self.shared.gauge(backend)
        if gauge is None:
            return LiveBackend(backend, self, contexts)
        return CountedBackend(backend, self, contexts, gauge)

    def enter(self) -> None:
        """A client connection begins, for which a place was taken at the door."""
        self.connections += 1
        self.shared.entered()

    def count_idle(self) -> None:
        """Say how many idle connections to servers there are."""
        cells = self.books.cells
        for backend in self.backends.values():
            for state in backend.states:
                block = self.books.server(state.server)
                cells[block.srv_icur] = len(state.pool)
                cells[block.safe_conn_cur] = state.pool.proven()

    def leave(self) -> None:
        """A client connection ended: who waited for its place may accept again."""
        self.connections -= 1
        self.shared.left()
        self.door.leave()
