"""A frontend at work: its connections, its rules, its choice of a backend, its log line."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import Backend, Frontend
from greenlb.net import greenlets
from greenlb.net.limits import Limits
from greenlb.net.sockets import Stream
from greenlb.policy import forwarded, uniqueid
from greenlb.policy.actions.state import restore
from greenlb.policy.cookie_syntax import capture_request, capture_response
from greenlb.policy.stick import tracking
from greenlb.proxy import counted, finishing
from greenlb.proxy.backend import LiveBackend
from greenlb.proxy.http_mode import DRAIN_SECONDS, HttpConnection
from greenlb.proxy.inspection import first_reply
from greenlb.proxy.plane import Plane
from greenlb.proxy.reach import Reach
from greenlb.proxy.tcp_mode import TcpConnection, limits, splices
from greenlb.proxy.throttle import Throttle

if TYPE_CHECKING:
    from greenlb.proxy.listener import Listener
    from greenlb.proxy.ratelimits import RateLimits


class LiveFrontend:
    """``greets``: without a log format a line goes out when an exchange begins, not when it ends.
    ``connections`` counts its client connections (HAProxy's feconn)."""

    def __init__(self, model: Frontend, plane: Plane) -> None:
        self.model = model
        self.plane = plane
        self.connections = 0
        self.gauge = plane.shared.gauge(model)
        self._count = counted.counter(self)
        self.door = plane.shared.door(model, 0) if model.maxconn else None
        limit = model.rate_limit
        self._throttle = Throttle(limit, plane.farm.session_rate(model)) if limit else None
        self.rates: RateLimits | None = None  # of all frontends together
        settings = plane.settings
        self.bufsize = settings.bufsize
        self.head_limit = settings.bufsize - settings.maxrewrite
        self.maxhdr = settings.maxhdr
        self.plain_lane = settings.http_parser != "h11"
        self.keeps_alive = model.connection != "close"
        self.closes = model.connection != "keep-alive"  # the server's connection, after each exchange
        self.keep_alive_timeout = model.timeouts.http_keep_alive
        self.clients: set[HttpConnection] = set()
        self.tcp_clients: set[TcpConnection] = set()
        self.handshake_timeout = model.timeouts.client
        self.default = plane.backends.get(model.default_backend) if model.default_backend else None
        self.greets = model.log_format is None and bool(model.log_targets)
        plane.log.open(model)
        self.prepare = self._preparations()
        self.finishing: finishing.Finishing | None = None
        self.judge_response = self._judge_response
        if finishing.needed(model, plane.config):
            self.finishing = finishing.Finishing(model, plane)
            self.judge_response = self._judge_and_finish
        self._limits: dict[str, Limits] = {}
        self._splices: dict[str, tuple[str, str]] = {}
        self._forwardfor: dict[str, Callable[[Exchange], None] | None] = {}

    def _preparations(self) -> tuple[Callable[[Exchange], None], ...]:
        """What happens to every request before its rules."""
        steps: list[Callable[[Exchange], None]] = []
        if "addresses" in self.plane.config.reads:
            steps.append(restore)
        if not self.model.accept_underscores:
            steps.append(forwarded.drop_underscores)
        if self.model.trusted_proxies:
            steps.append(forwarded.trust(self.model.trusted_proxies))
        counter = self.plane.farm.counter(self.model)
        if counter is not None:
            steps.append(counter)
        return tuple(steps)

    # -- connections -----------------------------------------------------------------------------

    def admit(self, listener: Listener) -> bool:
        """Take the places that a connection needs; else ``listener`` is resumed when they are free."""
        if self._throttle is not None and self._throttle.holds(listener):
            return False
        if self.rates is not None and self.rates.hold(listener):
            return False
        if not self.plane.door.enter(listener):
            return False
        if self.door is None or self.door.enter(listener):
            return True
        self.plane.door.leave()
        return False

    def dismiss(self) -> None:
        """There was no connection after all."""
        if self.door is not None:
            self.door.leave()
        self.plane.door.leave()

    def enter(self, client: Client) -> None:
        """A connection that was admitted begins."""
        self.connections += 1
        if self.gauge is not None:
            self.gauge.show(self.connections)
        self.plane.enter()
        self.plane.books.opened(client)

    def leave(self, client: Client) -> None:
        """A connection ended; those that waited for its place may accept again."""
        self.plane.books.closed(client)
        client.reach = None
        if client.tracked is not None:
            tracking.left(client)
        self.connections -= 1
        if self.gauge is not None:
            self.gauge.show(self.connections)
        if self.door is not None:
            self.door.leave()
        self.plane.leave()

    def limits(self, backend: Backend) -> Limits:
        """How long a tunnel to ``backend`` waits for its sides."""
        found = self._limits.get(backend.name)
        if found is None:
            found = self._limits[backend.name] = limits(self.model, backend)
        return found

    def splices(self, backend: Backend) -> tuple[str, str]:
        """When a tunnel to ``backend`` uses splice(2), client to server and back."""
        found = self._splices.get(backend.name)
        if found is None:
            found = self._splices[backend.name] = splices(self.model, backend)
        return found

    def accepts(self, stream: Stream, client: Client) -> bool:
        """A new connection through ``tcp-request connection``, before it has said a word."""
        reply = first_reply(self.model.connection_rules, Exchange(client))
        if reply is None:
            return True
        self.plane.books.count(client, "dcon")
        if reply.action == "silent-drop":
            stream.vanish()
        else:
            stream.reset()
        self.leave(client)
        return False

    def _admits(self, stream: Stream, client: Client) -> bool:
        """A connection through ``tcp-request session``, once it has shaken hands."""
        reply = first_reply(self.model.session_rules, Exchange(client))
        if reply is None:
            if client.tracked is not None:
                tracking.admitted(client)
            return True
        self.plane.books.count(client, "dses")
        if reply.action == "silent-drop":
            stream.vanish()
        else:
            stream.close()
        self.leave(client)
        return False

    def serve(self, stream: Stream, client: Client, busy: bool = False) -> None:
        """Hand a connection to its mode; ``busy`` when the running greenlet may go on with it."""
        reach = None
        if self.plane.config.reads:
            client.reach = reach = Reach(self.plane, stream)
        if (self.model.session_rules or client.tracked is not None) and not self._admits(stream, client):
            return
        if self.model.mode == "tcp":
            tcp = TcpConnection(stream, client, self)
            if busy:
                tcp.run()
            else:
                greenlets.run(tcp.run)
            return
        http = HttpConnection(stream, client, self)
        if reach is not None:
            reach.connection = http
        self.clients.add(http)
        if busy:
            http.run()
        else:
            http.start()

    def drain(self) -> None:
        """The process is to end: no connection outlives the request that it serves now or next."""
        self.keeps_alive = False
        self.keep_alive_timeout = DRAIN_SECONDS
        for http in list(self.clients):
            http.drain()

    # -- one exchange ----------------------------------------------------------------------------

    def judge(self, x: Exchange, request: Request) -> Reply | None:
        """The request through this frontend's rules: None, or our own answer to it."""
        model = self.model
        if x.tracked is not None or x.client.tracked is not None:
            tracking.requested(x)
        for step in self.prepare:
            step(x)
        if model.request_captures:
            x.request_captures = [_last(request.fields, n, size) for n, size in model.request_captures]
        if model.response_captures:
            x.response_captures = [None] * len(model.response_captures)
        if model.cookie_capture is not None:
            x.cookie_request = capture_request(request.fields, *model.cookie_capture)
        if model.content_rules:
            reply = first_reply(model.content_rules, x)
            if reply is not None:
                return reply
        return first_reply(model.request_rules, x)

    def route(self, x: Exchange) -> LiveBackend | None:
        """The backend: the first use_backend that holds, else the default."""
        chosen = self.default
        for router in self.model.routes:
            name = router(x)
            if name is not None:
                chosen = self.plane.backends.get(name, self.default)  # a rendered name may be of none
                break
        if chosen is not None:
            x.backend = chosen.model
        return chosen

    def _judge_response(self, x: Exchange, response: Response, backend: LiveBackend) -> Reply | None:
        """The response through cookie, captures and rules: None, or our own answer in its place."""
        model = self.model
        fields = response.fields
        if model.response_captures:
            x.response_captures = [_last(fields, n, size) for n, size in model.response_captures]
        if model.cookie_capture is not None:
            x.cookie_response = capture_response(fields, *model.cookie_capture)
        if backend.persistence is not None:
            backend.persistence.response(x)
        if backend.model.stick is not None:
            backend.model.stick.store(x)
        if backend.model.response_rules:
            reply = first_reply(backend.model.response_rules, x)
            if reply is not None:
                return reply
        if model.response_rules and backend.model.number != model.number:
            return first_reply(model.response_rules, x)
        return None

    def _judge_and_finish(self, x: Exchange, response: Response, backend: LiveBackend) -> Reply | None:
        reply = self._judge_response(x, response, backend)
        if reply is None and self.finishing is not None:
            self.finishing.finish(x, response)
        return reply

    def dress(self, reply: Reply, x: Exchange) -> Reply:
        """Put an errorfile in place of a standard answer, where the backend or we have one."""
        page = x.backend.errorfiles.get(reply.status) if x.backend is not None else None
        if page is None:
            page = self.model.errorfiles.get(reply.status)
        if page is None or isinstance(page, bytes):
            reply.raw = page
        else:
            made = page(x)
            reply.reason, reply.fields, reply.body = made.reason, made.fields, made.body
        return reply

    def forwardfor(self, x: Exchange, backend: LiveBackend) -> None:
        """What our side adds to a request for ``backend``: its id, ``option forwardfor``, ``forwarded``."""
        name = backend.model.name
        try:
            step = self._forwardfor[name]
        except KeyError:
            step = forwarded.forward_for(self.model.forwardfor, backend.model.forwardfor)
            original = forwarded.original_to(self.model.originalto, backend.model.originalto)
            if original is not None:
                step = forwarded.both(step, original)
            if backend.model.forwarded is not None:
                step = forwarded.both(step, backend.model.forwarded)
            if self.model.unique_id is not None:
                step = uniqueid.announced(step)
            if self.finishing is not None and backend.compresses:
                step = forwarded.both(step, partial(self.finishing.ask, backend=backend.model))
            self._forwardfor[name] = step
        if step is not None:
            step(x)

    def finish(self, x: Exchange, backend: LiveBackend | None) -> None:
        """Account and log an exchange, once, at its end."""
        plane = self.plane
        self._count(x, backend)
        plane.books.account(x)
        if x.tracked is not None or x.client.tracked is not None:
            tracking.ended(x)
        if not (self.model.logasap and x.answered >= 0):
            plane.log.exchange(x)

    def log_now(self, x: Exchange, backend: LiveBackend) -> None:
        """option logasap: the line goes out with the response's head."""
        self._count(x, backend)
        self.plane.log.exchange(x)


def _last(fields: Fields, name: bytes, size: int) -> bytes | None:
    """What ``capture header`` sees: the last field of that name, cut to ``size``."""
    values = fields.get_all(name)
    return values[-1][:size] if values else None
