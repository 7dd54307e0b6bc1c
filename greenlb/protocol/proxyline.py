"""The PROXY protocol (haproxy.org, doc/proxy-protocol.txt): what stands before a connection's first byte
to say whose connection it is, in version 1 (a line of text) and version 2 (binary, with fields).

Addresses are written as text; a unix socket's is its path and its port 0.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from greenlb.checksum import crc32c

SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
"""The beginning of version 2."""
LONGEST_LINE: Final = 107
"""Of version 1, with its CRLF (section 2.1)."""

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 1, 2, 3, 4, 5, 0x20, 0x30
"""Types of fields (section 2.2)."""
SSL_VERSION, SSL_CN, SSL_CIPHER = 0x21, 0x22, 0x23
"""Types of the fields inside SSL."""
CLIENT_SSL, CLIENT_CERT_CONN, CLIENT_CERT_SESS = 1, 2, 4
"""Bits of SSL's first byte."""

_LONGEST: Final = {AUTHORITY: 255, UNIQUE_ID: 128}
_FAMILIES: Final = {0x1: (12, 4), 0x2: (36, 16), 0x3: (216, 108)}  # bytes of both ends, bytes of an address
_LINE = re.compile(
    rb"PROXY (?:TCP(?P<family>[46]) (?P<src>[0-9A-Fa-f:.]+) (?P<dst>[0-9A-Fa-f:.]+)"
    rb" (?P<sport>0|[1-9][0-9]{0,4}) (?P<dport>0|[1-9][0-9]{0,4})|UNKNOWN(?: .*)?)",
    re.DOTALL,
)
_BEGINNING: Final = b"PROXY "


class Refused(Exception):
    """These bytes are no PROXY header that can be taken.  The text is HAProxy's, for the log."""


NOT_HEADER: Final = "Received something which does not look like a PROXY protocol header"
BAD_HEADER: Final = "Received an invalid PROXY protocol header"
BAD_PROTOCOL: Final = "Received an unhandled protocol in the PROXY protocol header"
TRUNCATED: Final = "Truncated PROXY protocol header received"
EMPTY: Final = "Connection closed while waiting for PROXY protocol header"
ABORTED: Final = "Connection error while waiting for PROXY protocol header"
LATE: Final = "Timeout while waiting for PROXY protocol header"


@dataclass(frozen=True, slots=True)
class Ends:
    """Where a connection comes from and what it was made to."""

    src: str
    src_port: int
    dst: str
    dst_port: int


@dataclass(frozen=True, slots=True)
class Tls:
    """The client's TLS as version 2 tells it.  ``verify`` is 0 for a good certificate."""

    version: str = ""
    cipher: str = ""
    common_name: str | None = None
    connection_certificate: bool = False
    session_certificate: bool = False
    verify: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was read.  ``size`` is its length; ``ends`` is None for what tells nothing of the client
    (LOCAL, UNKNOWN, UNSPEC): the connection's own addresses then hold.  ``fields`` are version 2's."""

    size: int
    ends: Ends | None
    fields: tuple[tuple[int, bytes], ...] = ()

    def field(self, kind: int) -> bytes | None:
        """The first field of a type."""
        return next((value for found, value in self.fields if found == kind), None)


# -- reading -----------------------------------------------------------------------------------------------


def read(data: bytes) -> Header | None:
    """The header that ``data`` begins with; None while it may still become one.  Raises Refused."""
    if data[:1] == b"P":
        return _read_line(data)
    if data[:12] != SIGNATURE[: len(data)]:
        raise Refused(NOT_HEADER)
    if len(data) < 13:
        return None
    if data[12] >> 4 != 2:
        raise Refused(NOT_HEADER)
    if data[12] & 15 > 1:
        raise Refused(BAD_HEADER)
    if len(data) < 16:
        return None
    size = 16 + int.from_bytes(data[14:16])
    if len(data) < size:
        return None
    return _read_binary(data[:size])


def _read_line(data: bytes) -> Header | None:
    if data[:6] != _BEGINNING[: len(data)]:
        raise Refused(NOT_HEADER)
    end = data.find(b"\r\n", 0, LONGEST_LINE)
    if end < 0:
        if len(data) >= LONGEST_LINE:
            raise Refused(BAD_HEADER)
        return None
    line = _LINE.fullmatch(data, 0, end)
    if line is None:
        known = data.startswith((b"PROXY TCP4 ", b"PROXY TCP6 ", b"PROXY UNKNOWN"))
        raise Refused(BAD_HEADER if known else BAD_PROTOCOL)
    if line["family"] is None:
        return Header(end + 2, None)
    family = socket.AF_INET if line["family"] == b"4" else socket.AF_INET6
    ports = int(line["sport"]), int(line["dport"])
    try:
        src, dst = (_address(family, line[name].decode()) for name in ("src", "dst"))
    except (OSError, ValueError):
        raise Refused(BAD_HEADER) from None
    if max(ports) > 65535:
        raise Refused(BAD_HEADER)
    return Header(end + 2, Ends(src, ports[0], dst, ports[1]))


def _address(family: int, text: str) -> str:
    """The address in its canonical form.  Raises OSError, ValueError."""
    return socket.inet_ntop(family, socket.inet_pton(family, text))


def _read_binary(data: bytes) -> Header:
    ends = None
    fields_at = 16
    if data[12] & 15:
        family, transport = data[13] >> 4, data[13] & 15
        if family > 3 or transport > 2:
            raise Refused(BAD_PROTOCOL)
        if family:
            fields_at += _FAMILIES[family][0]
            if len(data) < fields_at:
                raise Refused(BAD_HEADER)
            if transport:
                ends = _read_ends(family, data[16:fields_at])
        else:
            fields_at = len(data)  # UNSPEC: what stands there is not to be looked at
    fields = tuple(_read_fields(data[fields_at:]))
    _check(data, fields_at, fields)
    return Header(len(data), ends, fields)


def _read_ends(family: int, block: bytes) -> Ends:
    size = _FAMILIES[family][1]
    src, dst = block[:size], block[size : 2 * size]
    if family == 3:
        return Ends(_path(src), 0, _path(dst), 0)
    kind = socket.AF_INET if family == 1 else socket.AF_INET6
    ports = block[2 * size :]
    return Ends(
        socket.inet_ntop(kind, src),
        int.from_bytes(ports[:2]),
        socket.inet_ntop(kind, dst),
        int.from_bytes(ports[2:]),
    )


def _path(name: bytes) -> str:
    return name.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _read_fields(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each field.  Raises Refused where one is cut."""
    at = 0
    while at < len(block):
        value_at = at + 3
        end = value_at + int.from_bytes(block[at + 1 : value_at])
        if value_at > len(block) or end > len(block):
            raise Refused(BAD_HEADER)
        yield block[at], block[value_at:end]
        at = end


def _check(data: bytes, at: int, fields: tuple[tuple[int, bytes], ...]) -> None:
    """Refuse a wrong checksum (section 2.2.3), and names of a length that they cannot have."""
    for kind, value in fields:
        if kind == CRC32C:
            blank = data[: at + 3] + bytes(4) + data[at + 7 :]
            if len(value) != 4 or int.from_bytes(value) != crc32c(blank):
                raise Refused(BAD_HEADER)
        elif len(value) > _LONGEST.get(kind, len(value)):
            raise Refused(BAD_HEADER)
        at += 3 + len(value)


# -- writing -----------------------------------------------------------------------------------------------


def line(ends: Ends | None) -> bytes:
    """Version 1.  ``UNKNOWN`` where there are no addresses, or paths for addresses."""
    family, src, dst = _family(ends)
    if ends is None or not family:
        return b"PROXY UNKNOWN\r\n"
    return f"PROXY TCP{family} {src} {dst} {ends.src_port} {ends.dst_port}\r\n".encode()


def binary(ends: Ends | None, fields: tuple[tuple[int, bytes], ...] = (), checksum: bool = False) -> bytes:
    """Version 2; LOCAL where there are no addresses, or paths for addresses.  ``checksum`` adds CRC32C."""
    family, src, dst = _family(ends)
    if ends is None or not family:
        start, block = b"\x20\x00", b""
    else:
        start = b"\x21\x11" if family == 4 else b"\x21\x21"
        block = (
            ipaddress.ip_address(src).packed
            + ipaddress.ip_address(dst).packed
            + ends.src_port.to_bytes(2)
            + ends.dst_port.to_bytes(2)
        )
    rest = b"".join(field(kind, value) for kind, value in fields)
    if not checksum:
        return SIGNATURE + start + (len(block) + len(rest)).to_bytes(2) + block + rest
    head = SIGNATURE + start + (len(block) + len(rest) + 7).to_bytes(2) + block + b"\x03\x00\x04"
    return head + crc32c(head + bytes(4) + rest).to_bytes(4) + rest


def field(kind: int, value: bytes) -> bytes:
    """One field: type, length, value."""
    return bytes((kind,)) + len(value).to_bytes(2) + value


def ssl_value(tls: Tls | None, common_name: bool, cipher: bool) -> bytes:
    """The value of the SSL field (section 2.2.6), with the fields inside it; None: no TLS."""
    if tls is None:
        return bytes(5)
    bits = CLIENT_SSL
    if tls.session_certificate:
        bits |= CLIENT_CERT_SESS
        if tls.connection_certificate:
            bits |= CLIENT_CERT_CONN
    inside = field(SSL_VERSION, tls.version.encode())
    if common_name and tls.common_name is not None:
        inside += field(SSL_CN, tls.common_name.encode("utf-8", "surrogateescape"))
    if cipher:
        inside += field(SSL_CIPHER, tls.cipher.encode())
    return bytes((bits,)) + tls.verify.to_bytes(4) + inside


def _family(ends: Ends | None) -> tuple[int, str, str]:
    """4 or 6 and both addresses in it, 0 for what is no address: an IPv4 one beside an IPv6 one is written as
    an IPv6 address."""
    if ends is None:
        return 0, "", ""
    src, dst = ends.src, ends.dst
    try:
        six = [ipaddress.ip_address(address).version == 6 for address in (src, dst)]
    except ValueError:
        return 0, "", ""
    if not any(six):
        return 4, src, dst
    return 6, src if six[0] else f"::ffff:{src}", dst if six[1] else f"::ffff:{dst}"
