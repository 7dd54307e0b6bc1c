"""A request through a configuration, without a socket: what its rules would do, and where it would go.

The parts are the real ones (rules, frontends, backends, balancing), so what they say here they do there.
What needs other processes or the network is as it is at the start: every server that is not disabled is
up, stick tables are empty, counters are 0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from greenlb.board import Board
from greenlb.config.load import Loaded, load
from greenlb.config.predicates import Facts
from greenlb.exchange import Client, Cut, Exchange, TlsFacts
from greenlb.message import Reply, Request
from greenlb.model import ALLOW, Bind, Config, Frontend, Where
from greenlb.net.tls import client_hello
from greenlb.observe import log as logging
from greenlb.observe.stats import Books
from greenlb.policy.actions.words import action_of, condition_of
from greenlb.process import applications
from greenlb.protocol.http1 import BadMessage, parse_request
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.forward import Forward
from greenlb.proxy.frontend import LiveFrontend
from greenlb.proxy.inspection import ahead, first_reply
from greenlb.proxy.plane import Plane, TlsContexts


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as one would type it.  ``head`` is whole, with its empty line; ``frontend`` may be empty:
    the first that listens on ``port``, with TLS or without, is taken."""

    head: bytes
    host: str
    port: int
    tls: bool = False
    src: str = "127.0.0.1"
    frontend: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A rule that was asked.  ``matched``: its condition held.  ``verdict``: what it ended the list with, or
    empty."""

    where: Where
    text: str
    matched: bool
    verdict: str = ""


@dataclass(slots=True)
class Outcome:
    """What came of a request.  ``reply`` is our own answer, ``reason`` why there is neither a server nor a
    reply; ``head`` what the server would get, ``servers`` those that would be tried, in that order, and
    ``kept`` says that the first one is the client's own."""

    frontend: str = ""
    bind: str = ""
    asked: list[Asked] = field(default_factory=list)
    backend: str = ""
    reply: Reply | None = None
    reason: str = ""
    head: bytes = b""
    servers: list[str] = field(default_factory=list)
    kept: bool = False


class Rehearsal:
    """A configuration that requests can be led through.  Raises ValueError with what is wrong in it."""

    def __init__(self, files: Sequence[str], facts: Facts) -> None:
        self._asked: list[Asked] = []
        loaded: Loaded = load(files, facts, self._watch)
        self.errors = loaded.errors
        if loaded.config is None or loaded.errors:
            raise ValueError("\n".join(str(problem) for problem in loaded.errors))
        self._config = _silent(loaded.config)
        self._failed = ""
        try:
            applications.find(self._config)
            applications.functions(self._config, self._note_failure)
        except applications.CannotImport as problem:
            raise ValueError(str(problem)) from None

    def _note_failure(self, text: str, error: BaseException) -> None:
        """Somebody's Python has failed."""
        self._failed = f"{text}: {type(error).__name__}: {error}: 500"

    def _watch(self, rule: Any, text: str, where: Where) -> Any:
        """Put something round a rule or a route that notes what it did."""
        condition, action = condition_of(rule), action_of(rule)
        routes = text.startswith("use_backend ")

        def watched(x: Exchange) -> Any:
            holds = condition is None or condition(x)
            verdict = action(x) if holds else None
            self._asked.append(Asked(where, text, verdict is not None if routes else holds, _told(verdict)))
            return verdict

        return watched

    def run(self, wanted: Wanted) -> Outcome:
        """Lead a request through.  Raises ValueError: it cannot be one, or nothing listens for it."""
        self._asked.clear()
        config = self._config
        frontend, bind = _entrance(config, wanted)
        with tempfile.TemporaryDirectory(prefix="greenlb-") as folder:
            if config.tables is not None:
                config.tables.open(folder, lambda severity, text: None)
            try:
                outcome = self._lead(Plane(*_alone(config)), frontend, bind, wanted)
            except Cut:
                outcome = Outcome(reason=self._failed)
            finally:
                if config.tables is not None:
                    config.tables.close()
        outcome.frontend, outcome.bind = frontend.name, str(bind.address)
        outcome.asked = list(self._asked)
        return outcome

    def _lead(self, plane: Plane, frontend: Frontend, bind: Bind, wanted: Wanted) -> Outcome:
        live = LiveFrontend(frontend, plane)
        client = Client(frontend, bind, wanted.src, 50000, "127.0.0.1", wanted.port)
        if wanted.tls and frontend.mode == "http":
            client.tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384", wanted.host, "http/1.1")
        x = Exchange(client)
        reply = first_reply(frontend.connection_rules, x) or first_reply(frontend.session_rules, x)
        if reply is not None:
            return Outcome(reply=reply)
        if frontend.mode == "http":
            return _http(live, x, wanted)
        return _tcp(live, x, wanted)


def _told(verdict: object) -> str:
    if isinstance(verdict, Reply):
        return verdict.action or f"answers {verdict.status}"
    if verdict is ALLOW:
        return "ends the list"
    return str(verdict) if verdict is not None else ""


def _silent(config: Config) -> Config:
    """The configuration with nowhere to log to."""
    settings = replace(config.settings, log_targets=())
    frontends = tuple(replace(f, log_targets=()) for f in config.frontends)
    return replace(config, settings=settings, frontends=frontends)


def _alone(config: Config) -> tuple[Config, logging.Log, Books, TlsContexts, int]:
    books = Books(config, Board(1, Books.width(config)))
    return config, logging.setup(config.settings), books, TlsContexts(), 1


def _entrance(config: Config, wanted: Wanted) -> tuple[Frontend, Bind]:
    """Where the request comes in.  Raises ValueError."""
    there = [(f, bind) for f in config.frontends if not f.disabled for bind in f.binds]
    if wanted.frontend:
        there = [(f, bind) for f, bind in there if f.name == wanted.frontend]
        if not there:
            names = ", ".join(dict.fromkeys(f.name for f in config.frontends))
            raise ValueError(f"there is no frontend '{wanted.frontend}' that listens: there are {names}")
    fitting = [(f, bind) for f, bind in there if f.mode == "tcp" or (bind.tls is not None) == wanted.tls]
    exact = [(f, bind) for f, bind in fitting if bind.address.port == wanted.port]
    if exact or fitting:
        return (exact or fitting)[0]
    raise ValueError(f"no frontend listens {'with' if wanted.tls else 'without'} TLS")


def _http(live: LiveFrontend, x: Exchange, wanted: Wanted) -> Outcome:
    try:
        request = parse_request(wanted.head, plain=live.plain_lane)
    except BadMessage as bad:
        raise ValueError(f"greenlb would answer {bad.status}: {bad}") from None
    x.request, x.request_line = request, request.line
    x.start = x.head_done = x.client.accepted
    reply = live.judge(x, request)
    if reply is not None:
        return Outcome(reply=live.dress(reply, x) if reply.standard else reply)
    backend = live.route(x)
    if backend is None:
        return Outcome(reason="no use_backend matches and there is no default_backend: 503")
    outcome = Outcome(backend=backend.model.name)
    if backend.model.number != live.model.number:
        outcome.reply = backend.judge(x)
    if outcome.reply is None:
        _serve(live, backend, x, request, outcome)
    return outcome


class _Nobody:
    """Stands for the client's connection where a request is made ready for a server."""

    def __init__(self, live: LiveFrontend) -> None:
        self.live = live
        self.held = None


def _serve(live: LiveFrontend, backend: LiveBackend, x: Exchange, request: Request, outcome: Outcome) -> None:
    live.forwardfor(x, backend)
    _choose(backend, x, outcome)
    forward = Forward(_Nobody(live), x, request, backend)  # type: ignore[arg-type]  # it asks no more of it
    outcome.head = forward.request_head()


def _tcp(live: LiveFrontend, x: Exchange, wanted: Wanted) -> Outcome:
    x.ahead = ahead(live.plane.settings)
    x.ahead.data = client_hello(wanted.host) if wanted.tls else wanted.head
    x.ahead.final = True
    reply = first_reply(live.model.content_rules, x)
    if reply is not None:
        return Outcome(reply=reply)
    backend = live.route(x)
    if backend is None:
        return Outcome(
            reason="no use_backend matches and there is no default_backend: the connection is closed"
        )
    outcome = Outcome(backend=backend.model.name)
    if backend.model.number != live.model.number:
        outcome.reply = first_reply(backend.model.content_rules, x)
    if outcome.reply is None:
        _choose(backend, x, outcome)
    return outcome


def _choose(backend: LiveBackend, x: Exchange, outcome: Outcome) -> None:
    """The client's own server, then those that balancing would take one after the other."""
    bound = backend.persistent(x)
    if bound is not None:
        outcome.kept = True
        outcome.servers.append(bound.server.name)
        backend.set_up(bound, up=False)
    while (state := backend.balancer.pick(x, None)) is not None:
        outcome.servers.append(state.server.name)
        backend.set_up(backend.state_of(state.server), up=False)
    if not outcome.servers:
        outcome.reason = "no server of the backend can be used: 503"
