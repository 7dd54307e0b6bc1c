"""A new connection to a server: dialled, announced, and its TLS shaken hands over."""

from __future__ import annotations

import socket
from functools import partial
from typing import TYPE_CHECKING

from greenlb.exchange import Exchange
from greenlb.model import Backend
from greenlb.net.sockets import Stream, dial
from greenlb.proxy import announce
from greenlb.proxy.upstream.uwsgi import UwsgiStream
from greenlb.proxy.watch import Watch

if TYPE_CHECKING:
    from greenlb.proxy.backend import ServerState

Options = tuple[tuple[int, int, int], ...]


def socket_options(model: Backend) -> Options:
    """What is set on connections to servers before they are made."""
    options = list(model.keepalive)
    if model.smart_connect:
        options.append((socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0))
    return tuple(options)


def open_stream(
    x: Exchange, state: ServerState, name: bytes | None, options: Options, watch: Watch | None
) -> Stream:
    """Connect to a server; ``name`` is what its TLS is asked for.  Raises Timeout, OSError, and ClientGone
    where there is a ``watch``."""
    if watch is None:
        return _open(x, state, name, options)
    with watch.throwing():
        return _open(x, state, name, options)


def _open(x: Exchange, state: ServerState, name: bytes | None, options: Options) -> Stream:
    timeout = state.backend.model.timeouts.connect
    server = state.server
    if server.proto == "uwsgi":
        make = partial(UwsgiStream, x=x)
        stream = dial(state.address, timeout, server.source, options, make)
    else:
        stream = dial(state.address, timeout, server.source, options)
    if server.send_proxy is not None:
        try:
            stream.send(announce.header(server.send_proxy, x), timeout)
        except BaseException:
            stream.close()
            raise
    if state.tls is None:
        return stream
    return state.tls.connect(stream, name.decode("latin-1") if name else None, timeout)
