"""The Forwarded field (RFC 7239) that ``option forwarded`` adds."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv6Address

from greenlb.exchange import Exchange
from greenlb.policy.addresses import address_text, peer_address

Part = Callable[[Exchange], bytes | None]
"""What gives a value of the field for an exchange; None when there is none."""

_HIDDEN = re.compile(rb"[A-Za-z0-9._\-]+")
_PORT = re.compile(rb"[0-9]{1,5}|_[A-Za-z0-9._\-]+")
_HOST = re.compile(rb"[!#-\[\]-~]+")


def field(
    *,
    proto: bool = False,
    host: Part | None = None,
    by: Part | None = None,
    by_port: Part | None = None,
    given: Part | None = None,
    given_port: Part | None = None,
) -> Callable[[Exchange], None]:
    """A step that adds the field; ``given`` is what ``for`` says.  When a part has no value that it may have,
    none is added: half the truth would be taken for all of it."""

    def step(x: Exchange) -> None:
        request = x.request
        if request is None:
            return
        parts = []
        if proto:
            parts.append(b"proto=https" if x.client.tls is not None else b"proto=http")
        if host is not None:
            name = host(x)
            if name is None or _HOST.fullmatch(name) is None:
                return
            parts.append(b'host="%b"' % name)
        for word, node, port in ((b"by", by, by_port), (b"for", given, given_port)):
            if node is not None:
                written = _node(node(x), None if port is None else port(x) or b"")
                if written is None:
                    return
                parts.append(word + b"=" + written)
        request.fields.append(b"Forwarded: %b\r\n" % b";".join(parts))

    return step


def _node(name: bytes | None, port: bytes | None) -> bytes | None:
    """A node (section 6), quoted where it has to be; None when it cannot be one."""
    if name is None or (port is not None and _PORT.fullmatch(port) is None):
        return None
    address = peer_address(name.decode("latin-1"))
    if isinstance(address, IPv6Address):
        name = b"[%b]" % address_text(address).encode()
    elif address is not None:
        name = address_text(address).encode()
    elif _HIDDEN.fullmatch(name) is None:
        return None
    elif name != b"unknown" and not name.startswith(b"_"):
        name = b"_" + name
    if port is not None:
        name = b"%b:%b" % (name, port)
    return b'"%b"' % name if b":" in name else name


def client_address(x: Exchange) -> bytes:
    return x.src.encode() if peer_address(x.src) is not None else b"unknown"


def client_port(x: Exchange) -> bytes:
    return b"%d" % x.client.src_port


def own_address(x: Exchange) -> bytes:
    return x.client.dst.encode() if peer_address(x.client.dst) is not None else b"unknown"


def own_port(x: Exchange) -> bytes:
    return b"%d" % x.client.dst_port


def requested_host(x: Exchange) -> bytes | None:
    return x.request.host or None if x.request is not None else None
