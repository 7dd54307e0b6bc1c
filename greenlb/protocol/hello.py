"""What a TLS ClientHello or ServerHello says, read from the first bytes of a direction without a key.

The bytes come in pieces of any size, and the message may be spread over several records (RFC 8446
section 5.1), so ``read`` is asked again with all that has come so far until it has an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

from greenlb.exchange import Hello

CLIENT, SERVER = 1, 2
"""Handshake types (RFC 8446 section 4)."""

LONGEST: Final = 1 << 16
"""A longer hello is none: the real ones stay below some thousand bytes, post-quantum keys included."""

_HANDSHAKE: Final = 0x16
_LONGEST_RECORD: Final = (1 << 14) + 2048  # what TLS 1.2 allowed a compressed fragment, as HAProxy does
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
_SUPPORTED_GROUPS, _SESSION_TICKET = 10, 35
_TLS_1_3: Final = 0x0304


class Verdict(Enum):
    """What the bytes are when they are not a whole hello: its beginning, or something else."""

    MORE = "more"
    OTHER = "other"


class _Malformed(Exception):
    """A length that does not fit what it stands in."""


def read(data: bytes) -> Hello | Verdict:
    """The hello that ``data`` begins with.  Never raises; what follows the hello is not looked at."""
    message = _message(data)
    if isinstance(message, Verdict):
        return message
    try:
        return _client(message[4:]) if message[0] == CLIENT else _server(message[4:])
    except _Malformed:
        return Verdict.OTHER


def _message(data: bytes) -> bytes | Verdict:
    """The first handshake message with its header, out of as many records as it takes."""
    pieces = bytearray()
    position = 0
    wanted = 4
    while len(pieces) < wanted:
        header = data[position : position + 5]
        if header[:1] and header[0] != _HANDSHAKE:
            return Verdict.OTHER
        if header[1:2] and header[1] != 3:
            return Verdict.OTHER
        if len(header) < 5:
            return Verdict.MORE
        length = int.from_bytes(header[3:])
        if not 0 < length <= _LONGEST_RECORD:
            return Verdict.OTHER
        position += 5
        pieces += data[position : position + length]
        if pieces and pieces[0] not in (CLIENT, SERVER):
            return Verdict.OTHER
        if len(pieces) >= 4:
            wanted = 4 + int.from_bytes(pieces[1:4])
            if wanted > LONGEST:
                return Verdict.OTHER
        position += length
        if position > len(data) and len(pieces) < wanted:
            return Verdict.MORE
    return bytes(pieces[:wanted])


class _Fields:
    """The fields of a message, taken from its beginning.  Raises _Malformed where one is cut."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def __bool__(self) -> bool:
        return self.at < len(self.data)

    def take(self, count: int) -> bytes:
        piece = self.data[self.at : self.at + count]
        if len(piece) < count:
            raise _Malformed
        self.at += count
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        """What follows a length of ``size`` bytes."""
        return self.take(self.number(size))

    def extensions(self) -> Iterator[tuple[int, bytes]]:
        """Each extension's type and body; none where the message ends before them."""
        if not self:
            return
        block = _Fields(self.vector(2))
        while block:
            yield block.number(2), block.vector(2)


def _client(body: bytes) -> Hello:
    fields = _Fields(body)
    version = fields.number(2)
    fields.take(32)
    session_id = _session_id(fields)
    ciphers = fields.vector(2)
    if not ciphers or len(ciphers) % 2:
        raise _Malformed
    fields.vector(1)  # compression methods
    name: bytes | None = None
    alpn: tuple[bytes, ...] = ()
    tls13 = groups = False
    ticket: bytes | None = None
    for kind, value in fields.extensions():
        if kind == _SERVER_NAME:
            name = _server_name(value)
        elif kind == _SUPPORTED_GROUPS:
            groups = True
        elif kind == _SESSION_TICKET:
            ticket = value
        elif kind == _ALPN:
            alpn = tuple(_protocols(value))
        elif kind == _SUPPORTED_VERSIONS:
            versions = _Fields(_Fields(value).vector(1))
            while versions:
                if versions.number(2) == _TLS_1_3:
                    tls13 = True
    return Hello(CLIENT, version, session_id, name, alpn, len(ciphers) // 2, tls13, groups, ticket)


def _server(body: bytes) -> Hello:
    fields = _Fields(body)
    version = fields.number(2)
    fields.take(32)
    session_id = _session_id(fields)
    fields.take(3)  # the cipher and the compression method
    alpn: tuple[bytes, ...] = ()
    tls13 = False
    for kind, value in fields.extensions():
        if kind == _ALPN:
            alpn = tuple(_protocols(value))
        elif kind == _SUPPORTED_VERSIONS:
            tls13 = _Fields(value).number(2) == _TLS_1_3
    return Hello(SERVER, version, session_id, None, alpn, 1, tls13)


def _session_id(fields: _Fields) -> bytes:
    session_id = fields.vector(1)
    if len(session_id) > 32:
        raise _Malformed
    return session_id


def _server_name(value: bytes) -> bytes | None:
    """The first host name of the list (RFC 6066 section 3)."""
    names = _Fields(_Fields(value).vector(2))
    while names:
        kind, name = names.number(1), names.vector(2)
        if kind == 0:
            return name
    return None


def _protocols(value: bytes) -> Iterator[bytes]:
    """The protocols in the order of preference (RFC 7301 section 3.1)."""
    names = _Fields(_Fields(value).vector(2))
    while names:
        yield names.vector(1)
