"""The Forwarded field, to the letter of RFC 7239 and of HAProxy 2.8's examples."""

from __future__ import annotations

import pytest

from greenlb.config.load import load_text
from greenlb.exchange import Client, Exchange, TlsFacts
from greenlb.message import Fields, Request

INI = """
[listen l]
mode = http
bind = 127.0.0.1:1
timeout client = 1s
timeout server = 1s
timeout connect = 1s
option forwarded = %s
server s = 127.0.0.1:2
"""


def forwarded(
    words: str, *, src: str = "192.0.2.1", tls: bool = False, host: bytes = b"a.example:8"
) -> bytes | None:
    loaded = load_text(INI % words)
    assert not loaded.errors and loaded.config is not None
    frontend, backend = loaded.config.frontends[0], loaded.config.backends[0]
    client = Client(frontend, frontend.binds[0], src, 4711, "198.51.100.1", 443)
    client.tls = TlsFacts() if tls else None
    x = Exchange(client)
    x.request = Request(b"GET", b"/", True, Fields(b"\r\nHost: %b\r\n" % host if host else b"\r\n"))
    assert backend.forwarded is not None
    backend.forwarded(x)
    return x.request.fields.get(b"forwarded")


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("yes", b"proto=http;for=192.0.2.1"),
        ("proto", b"proto=http"),
        ("proto for", b"proto=http;for=192.0.2.1"),
        ("for for_port", b'for="192.0.2.1:4711"'),
        ("by by_port", b'by="198.51.100.1:443"'),
        ("for host by proto", b'proto=http;host="a.example:8";by=198.51.100.1;for=192.0.2.1'),
        ("host-expr str(host.com) by-expr str(_haproxy) for for_port-expr int(10)",
         b'host="host.com";by=_haproxy;for="192.0.2.1:10"'),
        ("for-expr str(7F2F367E)", b"for=_7F2F367E"),
        ("for-expr str(unknown)", b"for=unknown"),
        ("for-expr hdr(nothing)", None),
        ("proto for-expr str(a;b)", None),
        ("for for_port-expr str(123456)", None),
    ],
)  # fmt: skip
def test_parts(words: str, value: bytes | None) -> None:
    assert forwarded(words) == value


def test_what_the_connection_is() -> None:
    assert forwarded("yes", tls=True) == b"proto=https;for=192.0.2.1"
    assert forwarded("yes", src="2001:db8::1") == b'proto=http;for="[2001:db8::1]"'
    assert forwarded("for for_port", src="2001:db8::1") == b'for="[2001:db8::1]:4711"'
    assert forwarded("yes", src="") == b"proto=http;for=unknown"
    assert forwarded("host", host=b"") is None


@pytest.mark.parametrize("words", ["by_port", "for_port proto", "forr", "for-expr", "for-expr nosuch"])
def test_mistakes(words: str) -> None:
    (problem,) = load_text(INI % words).errors
    assert problem.where.line == 8
