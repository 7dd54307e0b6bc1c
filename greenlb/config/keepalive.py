"""Keepalive packets of TCP: what a section says of them, as socket options (tcp(7))."""

from __future__ import annotations

import socket
from typing import Final

from greenlb.config.sections import Settings

TIMES: Final = {
    "cnt": socket.TCP_KEEPCNT,
    "idle": socket.TCP_KEEPIDLE,
    "intvl": socket.TCP_KEEPINTVL,
}
"""The ends of the options' names (``clitcpka-cnt``), and what each sets."""


def keepalive(proxy: Settings, side: str) -> tuple[tuple[int, int, int], ...]:
    """What is set on the sockets of one side, clitcpka or srvtcpka; nothing where they send no packets.
    ``option tcpka`` says both; the last word on a side counts."""
    item = proxy.last(f"option {side}", "option tcpka")
    if item is None or not item.value:
        return ()
    times = [(option, proxy.value(f"{side}-{end}")) for end, option in TIMES.items()]
    return (
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        *((socket.IPPROTO_TCP, option, int(value)) for option, value in times if value is not None),
    )
