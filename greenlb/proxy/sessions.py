"""The sessions of a process: who is served now, and how one is ended from outside.

A session is an exchange that runs.  One that waits in its greenlet, for a slot, a server or bytes, is
ended by an exception there, so that it gives back what it holds as after any other failure; a tunnel, which
has no greenlet, is told to end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gevent import get_hub

from greenlb.exchange import Exchange
from greenlb.proxy.backend import LiveBackend, Refusal, ServerState
from greenlb.proxy.frontend import LiveFrontend
from greenlb.proxy.http_mode import HttpConnection
from greenlb.proxy.tcp_mode import TcpConnection
from greenlb.proxy.upload import Cut

Carrier = HttpConnection | TcpConnection
_QUEUED, _CONNECTING, _ESTABLISHED = 2, 5, 8
"""How the server's side stands, by HAProxy's numbers."""
_ROW_BITS = 40


def running(frontends: Iterable[LiveFrontend]) -> Iterator[tuple[Carrier, Exchange]]:
    """Every session, with who carries it."""
    for live in frontends:
        for http in list(live.clients):
            if http.x is not None and http.x.request is not None:
                yield http, http.x
        for tcp in list(live.tcp_clients):
            yield tcp, tcp.x


def identity(x: Exchange, row: int) -> int:
    """What a session is called by: another for each of all processes; ``row`` is its process's."""
    return (row + 1) << _ROW_BITS | x.number + 1


def facts(carrier: Carrier, x: Exchange, row: int) -> dict[str, Any]:
    """What there is to know of a session, as plain values."""
    client = x.client
    now = time.monotonic()
    began = max(client.accepted, x.start)
    host, port, where = x.ends
    kind = "unix_stream" if client.bind.address.unix else "tcpv6" if ":" in client.src else "tcpv4"
    return {
        "id": identity(x, row),
        "proto": kind,
        "src": client.src,
        "port": client.src_port,
        "frontend": x.frontend.name,
        "mode": x.frontend.mode,
        "listener": client.bind.name,
        "dst": client.dst,
        "dst_port": client.dst_port,
        "backend": x.backend.name if x.backend is not None else None,
        "server": x.server.name if x.server is not None else None,
        "ids": [part.number if part is not None else -1 for part in (x.frontend, x.backend, x.server)],
        "from": f"{host}:{port}" if host else "",
        "to": str(where) if where is not None else "",
        "age": now - began,
        "began": time.time() - (now - began),
        "retries": x.retries,
        "state": _server_state(x),
        "fd": -1 if carrier.stream.closed else carrier.stream.fd,
        "server_fd": carrier.server_fd,
        "line": x.request_line.decode("latin-1"),
    }


def _server_state(x: Exchange) -> int:
    if x.connected >= 0:
        return _ESTABLISHED
    if x.backend is None:
        return 0
    return _CONNECTING if x.served >= 0 else _QUEUED


def shut(frontends: Iterable[LiveFrontend], wanted: Callable[[Exchange], bool], cause: str = "K") -> int:
    """End every session that is ``wanted``; how many that were.  ``cause`` is the log's first flag.  They end
    in the hub's next turn."""
    count = 0
    for carrier, x in running(frontends):
        if wanted(x):
            get_hub().loop.run_callback(_end, carrier, x, cause)
            count += 1
    return count


def marked(frontends: Iterable[LiveFrontend]) -> Callable[[LiveBackend, ServerState], None]:
    """What is done when a server goes down (``on-marked-down``) or comes back (``on-marked-up``)."""

    def turned(backend: LiveBackend, state: ServerState) -> None:
        server = state.server
        if not state.up and server.down_shuts_sessions:
            shut(frontends, lambda x: x.server is server, "D")
        elif state.up and server.up_shuts_backups and not server.backup and state.weight:
            model = backend.model
            shut(frontends, lambda x: x.backend is model and x.server is not None and x.server.backup, "U")

    return turned


def _end(carrier: Carrier, x: Exchange, cause: str) -> None:
    """Called by the hub.  It may have ended meanwhile, and its greenlet may do something else."""
    if carrier.x is not x or carrier.stream.closed:
        return
    if isinstance(carrier, TcpConnection):
        if carrier.tunnel is not None:
            carrier.tunnel.end(cause)
        elif carrier.greenlet is not None:
            carrier.greenlet.throw(Refusal(cause, _phase(x)))
    elif carrier.serving is not None:
        carrier.serving.end(Cut(cause, _phase(x)))
    elif carrier.greenlet is not None:
        carrier.greenlet.throw(Cut(cause, _phase(x)))


def _phase(x: Exchange) -> str:
    if x.answered >= 0:
        return "D"
    if x.connected >= 0:
        return "H"
    return "C" if x.served >= 0 else "Q"
