"""Services: WSGI applications of ours that a rule lets answer in place of a server."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Reply, Response, Service
from greenlb.protocol.wsgi import Errors
from greenlb.proxy.coded import Coded
from greenlb.proxy.serving import Serving, template

if TYPE_CHECKING:
    from greenlb.proxy.http_mode import HttpConnection


class _Serving(Serving):
    """A service's answer: HAProxy puts an applet's through no ``http-response`` rules."""

    __slots__ = ("name",)


class _Finished(Coded, _Serving):
    """The same where something is done to all answers."""

    __slots__ = ()

    def judge(self, response: Response) -> Reply | None:
        finishing = self.conn.live.finishing
        if finishing is not None:
            finishing.finish(self.x, response)
        return super().judge(response)


def serve(conn: HttpConnection, x: Exchange, service: Service) -> bool:
    """Let ``service`` answer.  True when the client's connection may carry another request.  Raises Cut."""
    request = x.request
    assert request is not None
    if request.method == b"CONNECT":  # a good answer to it would be a tunnel (RFC 9110 section 9.3.6)
        return conn.answer(x, replies.make(501))
    x.service = service.name
    x.served = x.connected = time.monotonic()
    live = conn.live
    made_by = _Serving if live.finishing is None else _Finished
    serving = made_by(conn, x, request, live.model.timeouts.server)
    serving.name = f"{live.model.name}/{service.name}"
    log = live.plane.log
    made = template(
        conn.client,
        service.mount,
        Errors(lambda line: log.event(4, f"{serving.name}: {line}", log.settings.log_targets)),
        processes=live.plane.settings.workers != 0,
    )
    again = serving.run(service.application, made)
    x.ended(service.cause, service.phase)
    return again
