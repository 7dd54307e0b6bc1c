"""Who the client is, when others stand before us, and what we tell the servers about it.

``trusted-proxies`` decides whose word counts; ``option forwardfor`` adds ours.  Fields whose name has
an underscore are dropped, because a CGI or WSGI server cannot tell ``X_Forwarded_For`` from
``X-Forwarded-For``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import IPv6Address
from operator import attrgetter

from greenlb.exchange import Exchange
from greenlb.message import Fields
from greenlb.model import ForwardFor, Network
from greenlb.policy.addresses import address_text, matcher, parse_address, peer_address

Step = Callable[[Exchange], None]
"""Something that happens to every request of a proxy."""

_CLAIMS = re.compile(rb"\r\n(?:x[-_]forwarded[-_][^:\r]*|forwarded):[^\r]*")
_UNDERSCORED = re.compile(rb"\r\n[^:\r_]*_[^:\r]*:[^\r]*")
_WITH_PORT = re.compile(r"\[([^\]]+)\](?::\d+)?|([0-9.]+):\d+")


def trust(networks: Iterable[Network]) -> Step:
    """What ``trusted-proxies`` does to a request.

    From a client within ``networks``, ``x.src`` becomes the rightmost address of X-Forwarded-For that
    is not trusted itself; when all are, the leftmost.  The walk stops at what is not an address: nobody
    trustworthy wrote what stands left of it.  From any other client the fields that claim to know
    better (X-Forwarded-*, Forwarded) are removed.
    """
    inside = matcher(networks)

    @lru_cache(maxsize=8192)
    def trusted(text: str) -> bool:
        address = peer_address(text)
        return address is not None and inside(address)

    def step(x: Exchange) -> None:
        request = x.request
        if request is None:
            return
        if not trusted(x.client.src):
            remove_claims(request.fields)
            return
        for hop in reversed(hops(request.fields)):
            address = hop_address(hop)
            if address is None:
                return
            x.src = address
            if not trusted(address):
                return

    return step


def hops(fields: Fields) -> list[str]:
    """The elements of all X-Forwarded-For fields, in order."""
    values = fields.get_all(b"x-forwarded-for")
    return [hop.strip() for value in values for hop in value.decode("latin-1").split(",")]


def hop_address(hop: str) -> str | None:
    """The address of one hop, without a port and brackets; None for anything else.  A v4 client of a
    proxy's v6 socket (``::ffff:192.0.2.1``) is a v4 client, as it is for our own sockets."""
    match = _WITH_PORT.fullmatch(hop)
    address = parse_address((match.group(1) or match.group(2)) if match else hop)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return None if address is None else address_text(address)


def remove_claims(fields: Fields) -> None:
    """Drop X-Forwarded-* and Forwarded (RFC 7239), with underscores for hyphens too: where such names are
    accepted, a CGI or WSGI server reads them as these."""
    fields.cut(_CLAIMS)


def drop_underscores(x: Exchange) -> None:
    """Drop the fields whose name has an underscore."""
    request = x.request
    if request is not None and request.fields.lower.find(b"_") >= 0:
        request.fields.cut(_UNDERSCORED)


def forward_for(
    frontend: ForwardFor | None,
    backend: ForwardFor | None,
    address_of: Callable[[Exchange], str] = attrgetter("src"),
) -> Step | None:
    """``option forwardfor`` of a frontend and of the backend it uses, as one step; None when neither
    has it.

    The backend's field name wins; ``if-none`` holds when everyone who has the option says so; an
    ``except`` network of either keeps the field out.  The address is appended as a field of its own
    after all others.
    """
    options = [option for option in (frontend, backend) if option is not None]
    if not options:
        return None
    header = options[-1].header
    name = header.lower()
    start = header + b": "
    if_none = all(option.if_none for option in options)
    excepted = [network for option in options for network in option.excepted]
    inside = matcher(excepted)

    @lru_cache(maxsize=8192)
    def line(source: str) -> bytes:
        """The field for one client, empty when it is excepted or has no address."""
        address = peer_address(source)
        if address is None or (excepted and inside(address)):
            return b""
        return start + source.encode() + b"\r\n"

    def step(x: Exchange) -> None:
        request = x.request
        if request is None or (if_none and request.fields.has(name)):
            return
        added = line(address_of(x))
        if added:
            request.fields.append(added)

    return step


def original_to(frontend: ForwardFor | None, backend: ForwardFor | None) -> Step | None:
    """``option originalto``, likewise: the address that the client connected to."""
    return forward_for(frontend, backend, lambda x: x.client.dst)


def both(first: Step | None, second: Step) -> Step:
    """One step after the other."""
    if first is None:
        return second

    def step(x: Exchange) -> None:
        first(x)
        second(x)

    return step
