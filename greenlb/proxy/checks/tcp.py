"""The check that only connects."""

from __future__ import annotations

import errno
import os
import time

from greenlb.model import Address, Backend, Check, SendProxy, Server
from greenlb.net.sockets import Timeout, dial, touch
from greenlb.proxy.announce import check_header
from greenlb.proxy.health import Result

_FROM_AFAR = frozenset(
    (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN)
)
"""What the network answers; all else is our own kernel's word, and HAProxy says so."""


def probe(address: Address, timeout: float, send_proxy: SendProxy | None = None) -> Result:
    """Connect, no more: the server's program does not hear of it, unless it is to be sent a PROXY header.
    Waits at most ``timeout`` seconds."""
    start = time.monotonic()
    try:
        if send_proxy is None:
            touch(address, timeout)
        else:
            _announce(address, timeout, send_proxy)
    except Timeout:
        status, info = "L4TOUT", ""
    except OSError as error:
        info = os.strerror(error.errno) if error.errno else str(error)
        status = "SOCKERR" if address.unix else "L4CON"
        if address.unix or error.errno not in _FROM_AFAR:
            info = f"General socket error ({info})"
    else:
        status, info = "L4OK", ""
    return Result(status, info, int((time.monotonic() - start) * 1000))


def _announce(address: Address, timeout: float, spec: SendProxy) -> None:
    """Connect and send a PROXY header.  Raises Timeout, OSError."""
    stream = dial(address, timeout)
    try:
        stream.send(check_header(spec, stream), timeout)
    finally:
        stream.close()


def target(server: Server, check: Check) -> Address:
    """Where a server is checked: its own address unless ``addr`` or ``port`` say otherwise."""
    address = check.address or server.address
    port = check.port or address.port or server.address.port
    return Address(address.host, port, address.unix)


def patience(backend: Backend, check: Check) -> float:
    """How long a connection may take.  ``inter`` covers all of a check; with ``timeout check`` set, what
    follows the connection has its own time, and ``timeout connect`` holds for the connection."""
    timeouts = backend.timeouts
    if timeouts.check is None or timeouts.connect is None:
        return check.inter
    return min(check.inter, timeouts.connect)
