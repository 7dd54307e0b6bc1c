"""As much of MySQL, PostgreSQL and LDAP as a health check speaks."""

from __future__ import annotations

from typing import Final

from greenlb.script import Verdict

_PROTOCOL_3: Final = 0x00030000
_QUIT: Final = bytes.fromhex("0100000001")
_ERROR: Final = 0xFF

LDAP_BIND: Final = bytes.fromhex("300c020101600702010304008000")
"""A bind without a name (RFC 4511 section 4.2): message 1, version 3, no password."""
_NOT_LDAP: Final = Verdict("L7RSP", b"Not LDAPv3 protocol")


def pgsql_startup(user: bytes) -> bytes:
    """The packet that begins a session of version 3.0."""
    body = _PROTOCOL_3.to_bytes(4, "big") + b"user\0" + user + b"\0\0"
    return (len(body) + 4).to_bytes(4, "big") + body


def mysql_login(user: bytes, old: bool) -> bytes:
    """A login without a password, for servers before 4.1 if ``old``, and the word to end the session."""
    if old:
        body = bytes.fromhex("0080000001") + user + b"\0\0"
    else:
        body = bytes.fromhex("008200000080000121") + bytes(23) + user + b"\0\0"
    return len(body).to_bytes(3, "little") + b"\x01" + body + _QUIT


def mysql_packet(data: bytes, ended: bool, number: int, last: bool) -> Verdict | None:
    """What the ``number``-th packet, counted from 0, says.  ``last``: nothing else is asked for, so the
    greeting's version is told."""
    start = 0
    for _ in range(number):
        start += 4 + int.from_bytes(data[start : start + 3], "little")
    size = int.from_bytes(data[start : start + 3], "little")
    packet = data[start + 4 : start + 4 + size]
    if len(data) < start + 4 or len(packet) < size:
        return Verdict("L7RSP") if ended else None
    if packet[:1] == bytes((_ERROR,)):
        return Verdict("L7STS", packet[3:], int.from_bytes(packet[1:3], "little"))
    return Verdict(info=data[5:].partition(b"\0")[0] if last else b"")


def ldap_bound(data: bytes, ended: bool) -> Verdict | None:
    """What the server says to LDAP_BIND (RFC 4511 section 4.2.2), of which BER is read as far as needed."""
    octets, content = _element(data)
    if octets is None:
        return Verdict("L7RSP") if ended else None
    if octets < 0 or content[:4] != b"\x02\x01\x01\x61":
        return _NOT_LDAP
    octets, result = _element(content[3:])
    if octets is None or octets < 0 or result[:2] != b"\x0a\x01" or len(result) < 3:
        return _NOT_LDAP
    if result[2]:
        info = b"See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9"
        return Verdict("L7STS", info, result[2])
    return Verdict(info=b"Success")


def _element(data: bytes) -> tuple[int | None, bytes]:
    """The length and the content of the element that begins there: None while it is not whole, -1 when it is
    of no length that a server would send."""
    if len(data) < 2:
        return None, b""
    size, start = data[1], 2
    if size & 0x80:
        count = size & 0x7F
        if count not in (1, 2, 4):
            return -1, b""
        size, start = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if len(data) < start + size:
        return None, b""
    return size, data[start : start + size]
