"""What options make rules of: odd names of fields, cookies that caches could keep."""

from __future__ import annotations

import pytest

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.policy.strictness import check_cache, restrict

COOKIE = b"Set-Cookie: a=1\r\n"


def exchange(
    request: bytes = b"", answer: bytes = b"", status: int = 200, method: bytes = b"GET"
) -> Exchange:
    bind = Bind("1", Address("", 80), NOWHERE)
    x = Exchange(Client(Frontend("f", 2, NOWHERE, "http"), bind, "192.0.2.1", 1, "192.0.2.9", 80))
    x.request = Request(method, b"/", True, Fields(b"\r\n" + request))
    x.response = Response(status, b"", True, Fields(b"\r\n" + answer))
    return x


def test_names() -> None:
    fields = b"Host: a\r\nX_A: 1\r\nX-1: 2\r\nx.y: 3_\r\nB!: x\r\nC: d_e\r\n"
    delete, reject = restrict("delete"), restrict("reject")
    assert restrict("preserve") is None
    assert delete is not None
    assert reject is not None
    x = exchange(fields)
    reply = reject(x)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.cause, reply.phase) == (403, "P", "R")
    assert delete(x) is None
    assert x.request is not None
    assert x.request.fields.raw == b"\r\nHost: a\r\nX-1: 2\r\nC: d_e\r\n"
    assert reject(x) is None


@pytest.mark.parametrize(
    ("fields", "status", "method", "refused"),
    [
        (COOKIE + b"Cache-Control: max-age=9\r\n", 200, b"GET", True),
        (COOKIE + b"Cache-Control: s-maxage=9\r\n", 404, b"HEAD", True),
        (COOKIE + b"Expires: 0\r\n", 200, b"GET", True),
        (COOKIE + b"Last-Modified: x\r\nPragma: x\r\n", 200, b"GET", True),
        (COOKIE + b'Cache-Control: no-cache="other", max-age=9\r\n', 200, b"GET", True),
        (COOKIE + b"Cache-Control: Public, max-age=9\r\n", 302, b"POST", True),
        (b"Set-Cookie2: a\r\nETag: x\r\n", 200, b"GET", True),
        (COOKIE, 200, b"GET", False),
        (b"Cache-Control: public, max-age=9\r\n", 200, b"GET", False),
        (COOKIE + b"Cache-Control: max-age=9\r\n", 302, b"GET", False),
        (COOKIE + b"Cache-Control: max-age=9\r\n", 200, b"POST", False),
        (COOKIE + b"Cache-Control: max-age=0\r\nETag: x\r\n", 200, b"GET", False),
        (COOKIE + b"Cache-Control: public, Private, max-age=9\r\n", 200, b"GET", False),
        (COOKIE + b'Cache-Control: no-cache="set-cookie, x", max-age=9\r\n', 200, b"GET", False),
        (COOKIE + b"Cache-Control: no-cache, max-age=9\r\n", 200, b"GET", False),
        (COOKIE + b"Pragma: No-Cache\r\nETag: x\r\n", 200, b"GET", False),
    ],
)
def test_cookies_in_caches(fields: bytes, status: int, method: bytes, refused: bool) -> None:
    x = exchange(answer=fields, status=status, method=method)
    reply = check_cache(x)
    assert (reply is not None) == refused
    if reply is not None:
        assert (reply.status, reply.cause, reply.phase, x.level) == (502, "P", "H", 1)
