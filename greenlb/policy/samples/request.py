"""Samples of the request line."""

from __future__ import annotations

import re
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.addresses import Address, parse_address
from greenlb.policy.hashing import avalanche, sdbm
from greenlb.policy.vocabulary import Fetch, Sample

_AUTHORITY = re.compile(rb"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?")


def path_and_query(target: bytes) -> bytes | None:
    """From the first ``/`` after scheme and authority; None for ``*`` and for CONNECT's authority."""
    if target[:1] == b"/":
        return target
    authority = target.find(b"://")
    if authority < 0:
        return None
    slash = target.find(b"/", authority + 3)
    return target[slash:] if slash >= 0 else None


def path(x: Exchange) -> bytes | None:
    if x.request is None:
        return None
    target = x.request.target
    if target[:1] != b"/":
        found = path_and_query(target)
        if found is None:
            return None
        target = found
    mark = target.find(b"?")
    return target if mark < 0 else target[:mark]


def pathq(x: Exchange) -> bytes | None:
    return None if x.request is None else path_and_query(x.request.target)


def url(x: Exchange) -> bytes | None:
    return None if x.request is None else x.request.target


def query(x: Exchange) -> bytes | None:
    if x.request is None:
        return None
    _, mark, found = x.request.target.partition(b"?")
    return found if mark else None


def _with_host(x: Exchange, found: bytes | None) -> bytes | None:
    host = x.request.fields.get(b"host") if x.request is not None else None
    return host + (found or b"") if host else found


def base(x: Exchange) -> bytes | None:
    return _with_host(x, path(x))


def baseq(x: Exchange) -> bytes | None:
    return _with_host(x, pathq(x))


def method(x: Exchange) -> bytes | None:
    return None if x.request is None else x.request.method


def version(x: Exchange) -> bytes | None:
    return None if x.request is None else x.request.version


def first_request(x: Exchange) -> bool | None:
    return None if x.request is None else x.client.exchanges <= 1


def url_ip(x: Exchange) -> Address | None:
    match = _AUTHORITY.match(x.request.target) if x.request is not None else None
    return parse_address(match.group(1).strip(b"[]").decode("latin-1")) if match else None


def url_port(x: Exchange) -> int | None:
    match = _AUTHORITY.match(x.request.target) if x.request is not None else None
    return (int(match.group(2)) if match.group(2) else 80) if match else None


def _hash(part: Callable[[Exchange], bytes | None]) -> Fetch:
    def fetch(x: Exchange) -> int | None:
        found = part(x)
        return None if found is None else avalanche(sdbm(found))

    return fetch


def _with_source(number: Fetch) -> Fetch:
    """The hash in four octets and the client's address behind it: a key for a table."""

    def fetch(x: Exchange) -> bytes | None:
        found, address = number(x), parse_address(x.src)
        return None if found is None or address is None else found.to_bytes(4) + address.packed

    return fetch


_base32, _url32 = _hash(base), _hash(baseq)

ROWS = (
    Sample("method", "meth", "request", "The request's method.", lambda: method),
    Sample(
        "path", "str", "request", "The request's path, from the first slash up to the query.", lambda: path
    ),
    Sample("pathq", "str", "request", "The request's path with its query.", lambda: pathq),
    Sample(
        "query", "str", "request", "What follows the first question mark; absent without one.", lambda: query
    ),
    Sample("url", "str", "request", "The request target as it stands in the request line.", lambda: url),
    Sample("url_ip", "ip", "request", "The address in an absolute request target.", lambda: url_ip),
    Sample(
        "url_port",
        "int",
        "request",
        "The port in an absolute request target, 80 without one.",
        lambda: url_port,
    ),
    Sample("base", "str", "request", "The Host field followed by the path.", lambda: base),
    Sample("baseq", "str", "request", "The Host field followed by the path and its query.", lambda: baseq),
    Sample(
        "req.ver",
        "str",
        "request",
        "The request's HTTP version: 1.0 or 1.1.",
        lambda: version,
        aliases=("req_ver",),
    ),
    Sample(
        "http_first_req",
        "bool",
        "request",
        "True for the first request of its connection.",
        lambda: first_request,
    ),
    Sample("base32", "int", "request", "A 32-bit hash of base.", lambda: _base32),
    Sample(
        "base32+src",
        "bin",
        "request",
        "The hash of base and the client's address: a key for a table.",
        lambda: _with_source(_base32),
    ),
    Sample("url32", "int", "request", "A 32-bit hash of baseq.", lambda: _url32),
    Sample(
        "url32+src",
        "bin",
        "request",
        "The hash of baseq and the client's address: a key for a table.",
        lambda: _with_source(_url32),
    ),
)
