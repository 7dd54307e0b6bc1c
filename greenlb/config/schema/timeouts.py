"""How long is waited for what."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.schema.where import BACK, EVERY, FRONT
from greenlb.config.values import Timeout

TIMEOUTS: Final = (
    Option(
        name="timeout client",
        where=FRONT,
        kind=Timeout(),
        field="timeouts.client",
        default="none",
        doc="How long a client may keep us waiting for data or for room to write.",
        example="30s",
    ),
    Option(
        name="timeout server",
        where=BACK,
        kind=Timeout(),
        field="timeouts.server",
        default="none",
        doc="How long a server may keep us waiting.",
        example="30s",
    ),
    Option(
        name="timeout connect",
        where=BACK,
        kind=Timeout(),
        field="timeouts.connect",
        default="none",
        doc="How long a server may take to accept a connection.",
        example="5s",
    ),
    Option(
        name="timeout queue",
        where=BACK,
        kind=Timeout(),
        field="timeouts.queue",
        default="timeout connect",
        doc="How long a request may wait for a server that has room.",
        example="30s",
    ),
    Option(
        name="timeout http-request",
        where=EVERY,
        kind=Timeout(),
        field="timeouts.http_request",
        default="timeout client",
        http=True,
        doc="How long a client may take for a whole request head.",
        example="10s",
    ),
    Option(
        name="timeout http-keep-alive",
        where=EVERY,
        kind=Timeout(),
        field="timeouts.http_keep_alive",
        default="timeout http-request",
        http=True,
        doc="How long an idle client connection is kept for the next request.",
        example="10s",
    ),
    Option(
        name="timeout tunnel",
        where=BACK,
        kind=Timeout(),
        field="timeouts.tunnel",
        default="timeouts client and server",
        doc="How long both sides of a tunnel (an upgraded connection, or tcp once data flowed both ways) "
        "may be silent.",
        example="1h",
    ),
    Option(
        name="timeout client-fin",
        where=FRONT,
        kind=Timeout(),
        field="timeouts.client_fin",
        default="timeout client",
        doc="The same as timeout client once one side has ended its half.",
        example="30s",
    ),
    Option(
        name="timeout server-fin",
        where=BACK,
        kind=Timeout(),
        field="timeouts.server_fin",
        default="timeout server",
        doc="The same as timeout server once one side has ended its half.",
        example="30s",
    ),
    Option(
        name="timeout tarpit",
        where=EVERY,
        kind=Timeout(),
        field="timeouts.tarpit",
        default="timeout connect",
        http=True,
        doc="How long http-request tarpit keeps a client waiting.",
        example="20s",
    ),
    Option(
        name="timeout check",
        where=BACK,
        kind=Timeout(),
        field="timeouts.check",
        default="inter",
        doc="How long a health check may take once it is connected.",
        example="5s",
    ),
    # connections
)
