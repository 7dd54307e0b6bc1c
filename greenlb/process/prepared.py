"""What is made of a configuration before anything is bound or forked."""

from __future__ import annotations

import contextlib
import os
import resource
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from greenlb.model import Config, Server, Where
from greenlb.net.certs import Store, TlsConfigError
from greenlb.net.tls import ClientContext, ServerContext
from greenlb.net.tlsstream import TlsStream
from greenlb.process.services import look_of
from greenlb.proxy.plane import TlsContexts

if TYPE_CHECKING:
    from greenlb.admin.page.look import Look

_SPARE_DESCRIPTORS = 64
"""Descriptors beside those of connections: logs, libraries, the hub's own."""


@dataclass(slots=True)
class Prepared:
    """All that must exist before the first connection; ``problems`` say what could not be made,
    ``warnings`` (where, text) what was made but will not please everybody.  The contexts of all binds
    have their certificates from ``store``.  ``look`` is what statistics pages are made of, ``secret`` what
    their forms are known by."""

    contexts: TlsContexts
    store: Store
    problems: list[TlsConfigError] = field(default_factory=list)
    look: Look | None = None
    secret: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def warnings(self) -> list[tuple[Where, str]]:
        of_binds = [warning for context in self.contexts.binds.values() for warning in context.warnings]
        return of_binds + [
            warning for context in self.contexts.servers.values() for warning in context.warnings
        ]


def prepare(config: Config) -> Prepared:
    """Load every certificate and build every TLS context.  Opens no socket."""
    prepared = Prepared(TlsContexts(), Store(), look=look_of(config))
    TlsStream.remembers = config.remembers
    for frontend in config.frontends:
        for bind in frontend.binds:
            if bind.tls is not None:
                try:
                    prepared.contexts.binds[id(bind)] = ServerContext(bind.tls, prepared.store)
                except TlsConfigError as problem:
                    prepared.problems.append(problem)
    for backend in config.backends:
        for server in backend.servers:
            if server.tls is not None:
                try:
                    prepared.contexts.servers[id(server)] = ClientContext(server.tls, prepared.store)
                except TlsConfigError as problem:
                    prepared.problems.append(problem)
            _prepare_checks(prepared, server)
    return prepared


def _prepare_checks(prepared: Prepared, server: Server) -> None:
    """Checks that speak the server's own TLS have its context, the others one for what they ask of it."""
    check, contexts = server.check, prepared.contexts
    for tls in () if check is None else (check.tls, *(tls for _, tls in check.step_tls)):
        if tls is None or (tls == server.tls and id(server) not in contexts.servers):
            continue  # it has no TLS, or one whose problem is told already
        try:
            own = contexts.servers[id(server)] if tls == server.tls else ClientContext(tls, prepared.store)
            contexts.checks[id(tls)] = own
        except TlsConfigError as problem:
            prepared.problems.append(problem)


def descriptors(config: Config, others: int = 0) -> int:
    """Raise RLIMIT_NOFILE to what maxconn needs; the maxconn that the limit allows where none is set.
    Each connection needs two, the client's and the server's; ``others`` are open beside."""
    wanted = config.settings.maxconn
    spare = _SPARE_DESCRIPTORS + others
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = max(soft, hard) if hard != resource.RLIM_INFINITY else 1 << 20
    if config.settings.fd_hard_limit:
        limit = min(limit, config.settings.fd_hard_limit)
    if config.settings.ulimit_n:
        limit = config.settings.ulimit_n
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(hard, limit)))
        return wanted or max(1, (limit - spare) // 2)
    if wanted:
        needed = 2 * wanted + spare
        if needed > soft:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (needed, max(hard, needed)))
        return wanted
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return max(1, (limit - spare) // 2)
