"""What the kernel knows about sockets (sock_diag(7)): asked directly, for /proc/net/tcp grows slow when
thousands of connections have just ended, and to connect would leave traces."""

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
NO_COOKIE = b"\xff" * 8
_PORTS_AT = 4  # in inet_diag_msg, behind family, state, timer and retransmissions


def ask(family: int, flags: int, states: int, identity: bytes) -> list[bytes]:
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
        for answer in ask(family, _DUMP, 1 << _LISTEN, bytes(40) + NO_COOKIE):
            ports.add(struct.unpack_from("!H", answer, _PORTS_AT)[0])
    return ports
