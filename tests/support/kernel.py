"""What the kernel knows about a connection (sock_diag(7))."""

from __future__ import annotations

import socket
import struct

from greenlb.testing.kernel import NO_COOKIE, ask
from greenlb.testing.kernel import listening_ports as listening_ports

_QUEUES_AT = 56  # in inet_diag_msg: its receive and send queue


def unread(here: tuple[str, int], there: tuple[str, int]) -> int:
    """How many bytes have come to the socket at ``there`` from ``here`` that its process has not read; 0
    when it is closed."""
    identity = struct.pack("!HH", there[1], here[1])
    for address in (there, here):
        identity += socket.inet_aton(address[0]).ljust(16, b"\0")
    answers = ask(socket.AF_INET, 0, 0xFFFFFFFF, identity + bytes(4) + NO_COOKIE)
    return int(struct.unpack_from("=I", answers[0], _QUEUES_AT)[0]) if answers else 0
