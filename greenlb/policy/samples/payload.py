"""Samples of a connection's first bytes, which mode tcp looks at and passes on untouched.

A fetch whose bytes have not come raises Undecided: the rules are asked again when more have.  When no
more are waited for it gives None, and conditions on it are false.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from greenlb.exchange import Ahead, Exchange, Hello, Undecided
from greenlb.policy.vocabulary import Argument, Fetch, Sample

Side = Callable[[Exchange], Ahead | None]

_HEAD_END = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [!-~\x80-\xff]+ HTTP/[0-9]\.[0-9]\r?\n")
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]*(?: |\Z)")


def _client(x: Exchange) -> Ahead | None:
    return x.ahead


def _server(x: Exchange) -> Ahead | None:
    return x.ahead_response


def _current(x: Exchange) -> Ahead | None:
    """The server's bytes once they are looked at, the client's before."""
    return x.ahead if x.ahead_response is None else x.ahead_response


def _hello(side: Side, type_: int, read: Callable[[Hello], Any]) -> Callable[[], Fetch]:
    """A fact of one side's hello; ``type_`` 0: of either type."""

    def fetch(x: Exchange) -> Any:
        ahead = side(x)
        hello = ahead.hello() if ahead is not None else None
        return read(hello) if hello is not None and type_ in (0, hello.type) else None

    return lambda: fetch


def _version(hello: Hello) -> int:
    """As HAProxy counts: 3.3 is 3 * 65536 + 3."""
    return (hello.version >> 8 << 16) + (hello.version & 0xFF)


def parse_version(text: str) -> str:
    """``3.1`` as the number that the sample gives, also in a range; all else as it is."""
    if ":" in text:
        return ":".join(map(parse_version, text.split(":")))
    major, dot, minor = text.partition(".")
    return str((int(major) << 16) + int(minor)) if dot and major.isdigit() and minor.isdigit() else text


def _ticket_offer(hello: Hello) -> int:
    return 0 if hello.ticket is None else 2 if hello.ticket else 1


def _length(side: Side) -> Callable[[], Fetch]:
    def fetch(x: Exchange) -> int | None:
        ahead = side(x)
        if ahead is None:
            return None
        ahead.growing = True
        return len(ahead.data)

    return lambda: fetch


def _payload(side: Side) -> Callable[[int, int], Fetch]:
    def make(offset: int, length: int) -> Fetch:
        if offset < 0 or length < 0:
            raise ValueError("an offset and a length cannot be negative")

        def fetch(x: Exchange) -> bytes | None:
            ahead = side(x)
            if ahead is None:
                return None
            if length:
                return ahead.piece(offset, length)
            if ahead.piece(offset, 0) is None:
                return None
            ahead.growing = True
            return ahead.data[offset:]

        return fetch

    return make


def _payload_lv(side: Side) -> Callable[[int, int, str | None], Fetch]:
    def make(offset: int, size: int, where: str | None) -> Fetch:
        if offset < 0 or not 0 < size <= 8:
            raise ValueError("the length is read from 1 to 8 bytes at an offset that is not negative")
        start, relative = offset + size, 0
        if where:
            try:
                number = int(where)
            except ValueError:
                raise ValueError(f"an offset such as 46 or +2 is expected, got '{where}'") from None
            if where[0] in "+-":
                relative = number
            else:
                start = number
        start += relative
        if start < 0:
            raise ValueError("the offset leads before the first byte")

        def fetch(x: Exchange) -> bytes | None:
            ahead = side(x)
            head = ahead.piece(offset, size) if ahead is not None else None
            if ahead is None or head is None:
                return None
            length = int.from_bytes(head)
            return ahead.piece(start, length) if length else None

        return fetch

    return make


def wait_end(x: Exchange) -> bool | None:
    """True once nothing more is waited for."""
    ahead = _current(x)
    if ahead is None or ahead.final:
        return True
    raise Undecided


def is_http(x: Exchange) -> bool:
    """Whether a whole HTTP request head has come."""
    if x.request is not None:
        return True
    ahead = x.ahead
    if ahead is None:
        return False
    data = ahead.data.lstrip(b"\r\n")
    if _HEAD_END.search(data):
        return _REQUEST_LINE.match(data) is not None
    if ahead.final or _METHOD.match(data) is None:
        return False
    raise Undecided


_PIECE = (Argument("offset", "int"), Argument("length", "int"))
_COUNTED = (Argument("offset1", "int"), Argument("length", "int"), Argument("offset2", optional=True))

ROWS = (
    Sample(
        "req.ssl_hello_type",
        "int",
        "bytes",
        "1 when the client's first bytes are a whole TLS ClientHello.",
        _hello(_client, 0, lambda hello: hello.type),
        aliases=("req_ssl_hello_type",),
    ),
    Sample(
        "res.ssl_hello_type",
        "int",
        "server bytes",
        "2 when the server's first bytes are a whole TLS ServerHello.",
        _hello(_server, 0, lambda hello: hello.type),
        aliases=("rep_ssl_hello_type",),
    ),
    Sample(
        "req.ssl_sni",
        "str",
        "bytes",
        "The server name in the client's TLS ClientHello.",
        _hello(_client, 1, lambda hello: hello.server_name),
        aliases=("req_ssl_sni",),
    ),
    Sample(
        "req.ssl_ver",
        "int",
        "bytes",
        "The version in the client's TLS ClientHello, matched as 3.1 for TLS 1.0 up to 3.3 for TLS 1.2 "
        "and 1.3.",
        _hello(_client, 1, _version),
        aliases=("req_ssl_ver",),
        pattern=parse_version,
    ),
    Sample(
        "req.ssl_alpn",
        "str",
        "bytes",
        "The protocols that the client's TLS ClientHello offers by ALPN, separated by commas.",
        _hello(_client, 1, lambda hello: b",".join(hello.alpn) or None),
    ),
    Sample(
        "req.ssl_ec_ext",
        "bool",
        "bytes",
        "True when the client's TLS ClientHello names groups, as one does that can use ECC certificates.",
        _hello(_client, 1, lambda hello: hello.groups),
    ),
    Sample(
        "req.ssl_st_ext",
        "int",
        "bytes",
        "What the client's TLS ClientHello says of session tickets: 0 nothing, 1 that it takes one, 2 that "
        "it has one.",
        _hello(_client, 1, _ticket_offer),
    ),
    Sample(
        "req.len",
        "int",
        "bytes",
        "How many bytes of the client wait to be passed on.",
        _length(_client),
        aliases=("req_len",),
    ),
    Sample(
        "res.len",
        "int",
        "server bytes",
        "How many bytes of the server wait to be passed on.",
        _length(_server),
    ),
    Sample(
        "payload",
        "bin",
        "bytes",
        "Bytes from an offset on, of the client, or of the server in a tcp-response rule; length 0: all.",
        _payload(_current),
        _PIECE,
    ),
    Sample(
        "req.payload",
        "bin",
        "bytes",
        "The client's bytes from an offset on; length 0: all that have come.",
        _payload(_client),
        _PIECE,
    ),
    Sample(
        "res.payload",
        "bin",
        "server bytes",
        "The server's bytes from an offset on; length 0: all that have come.",
        _payload(_server),
        _PIECE,
    ),
    Sample(
        "payload_lv",
        "bin",
        "bytes",
        "The bytes behind their own length, which stands at an offset.  offset2 says where they begin when "
        "not right behind it: counted from the first byte, or with a sign from there.",
        _payload_lv(_current),
        _COUNTED,
    ),
    Sample(
        "req.payload_lv",
        "bin",
        "bytes",
        "payload_lv of the client's bytes.",
        _payload_lv(_client),
        _COUNTED,
    ),
    Sample(
        "res.payload_lv",
        "bin",
        "server bytes",
        "payload_lv of the server's bytes.",
        _payload_lv(_server),
        _COUNTED,
    ),
    Sample(
        "wait_end",
        "bool",
        "inspection",
        "True once no more bytes are waited for: a rule with it runs at the end of the inspect-delay.",
        lambda: wait_end,
    ),
    Sample(
        "req.proto_http",
        "bool",
        "inspection",
        "True: the client's bytes are an HTTP request.",
        lambda: is_http,
        aliases=("req_proto_http",),
    ),
)
