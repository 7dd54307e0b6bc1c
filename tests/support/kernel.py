"""What the kernel knows about sockets (sock_diag(7)): asked directly, for /proc/net/tcp grows slow when
thousands of connections have just ended."""

from __future__ import annotations

import socket
import struct

_NETLINK_SOCK_DIAG = 4
_BY_FAMILY = 20
_REQUEST, _DUMP = 0x1, 0x300
_DONE, _ERROR = 3, 2
_LISTEN = 10
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
_QUERY = struct.Struct("=BBBBI")  # inet_diag_req_v2 before its socket id: family, protocol, ..., states
_NO_COOKIE = b"\xff" * 8
_PORTS_AT = 4  # in inet_diag_msg, behind family, state, timer and retransmissions
_QUEUES_AT = 56  # its receive and send queue


def _ask(family: int, flags: int, states: int, identity: bytes) -> list[bytes]:
    """The answers of one query, each an inet_diag_msg; none when there is no such socket."""
    body = _QUERY.pack(family, socket.IPPROTO_TCP, 0, 0, states) + identity
    found: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_SOCK_DIAG) as diag:
        diag.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST | flags, 0, 0) + body)
        while True:
            data = diag.recv(1 << 16)
            while data:
                length, kind, *_ = _HEADER.unpack_from(data)
                if kind in (_DONE, _ERROR):
                    return found
                found.append(data[_HEADER.size : length])
                data = data[(length + 3) & ~3 :]
            if not flags & _DUMP:
                return found


def listening_ports() -> set[int]:
    """The TCP ports of this machine that listen.  Looking does not disturb them, as connecting would."""
    ports = set()
    for family in (socket.AF_INET, socket.AF_INET6):
        for answer in _ask(family, _DUMP, 1 << _LISTEN, bytes(40) + _NO_COOKIE):
            ports.add(struct.unpack_from("!H", answer, _PORTS_AT)[0])
    return ports


def unread(here: tuple[str, int], there: tuple[str, int]) -> int:
    """How many bytes have come to the socket at ``there`` from ``here`` that its process has not read; 0
    when it is closed."""
    identity = struct.pack("!HH", there[1], here[1])
    for address in (there, here):
        identity += socket.inet_aton(address[0]).ljust(16, b"\0")
    answers = _ask(socket.AF_INET, 0, 0xFFFFFFFF, identity + bytes(4) + _NO_COOKIE)
    return int(struct.unpack_from("=I", answers[0], _QUEUES_AT)[0]) if answers else 0
