"""Log lines read back into their fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.observe.logline import parse

HTTP = (
    "<134>Nov 20 08:46:05 haproxy[8888]: 127.0.0.1:51066 [20/Nov/2026:08:46:05.729] fe~ be/s1 "
    '0/1/2/3/6 200 133 SRV=a SRV=b --VN 1/2/3/4/+5 6/7 {curl|} {x} "GET /?a=b HTTP/1.1"'
)


def test_http() -> None:
    line = parse(HTTP)
    assert (line.kind, line.client, line.port, line.date) == (
        "http",
        "127.0.0.1",
        51066,
        "20/Nov/2026:08:46:05.729",
    )
    assert (line.frontend, line.tls, line.backend, line.server) == ("fe", True, "be", "s1")
    assert line.timers == {"TR": 0, "Tw": 1, "Tc": 2, "Tr": 3, "Ta": 6}
    assert (line.status, line.size, line.cookie, line.set_cookie) == (200, 133, "SRV=a", "SRV=b")
    assert (line.flags, line.counts, line.retries, line.redispatched) == ("--VN", (1, 2, 3, 4), 5, True)
    assert (line.queues, line.captures, line.request) == ((6, 7), "{curl|} {x}", "GET /?a=b HTTP/1.1")


def test_http_without_a_request() -> None:
    line = parse(
        "::1:1 [20/Nov/2026:08:46:05.729] fe fe/<NOSRV> -1/-1/-1/-1/5001 408 212 - - cR-- "
        '1/1/0/0/0 0/0 "<BADREQ>"'
    )
    assert (line.client, line.server, line.request, line.captures) == ("::1", "<NOSRV>", "<BADREQ>", "")
    assert line.timers is not None
    assert line.timers["TR"] == -1


def test_early_and_https() -> None:
    line = parse(
        '1.2.3.4:1 [d] fe~ be/s1 0/0/0/1/+1 200 +133 - - ---- 1/1/0/0/0 0/0 "GET / HTTP/1.1" '
        "0/0/0/0/1 a.example/TLSv1.3/TLS_AES_256_GCM_SHA384"
    )
    assert (line.early, line.size, line.request) == (True, 133, "GET / HTTP/1.1")
    assert line.tls_facts == "0/0/0/0/1 a.example/TLSv1.3/TLS_AES_256_GCM_SHA384"


def test_tcp() -> None:
    line = parse("haproxy[1]: 10.0.0.1:33 [20/Nov/2026:08:46:05.729] fe be/s1 1/0/5007 212 sD 1/1/0/0/0 0/0")
    assert (line.kind, line.timers, line.flags, line.status) == (
        "tcp",
        {"Tw": 1, "Tc": 0, "Tt": 5007},
        "sD",
        None,
    )


def test_connect() -> None:
    line = parse("Nov 20 host haproxy[1]: Connect from 127.0.0.1:5 to 127.0.0.1:80 (fe/HTTP)")
    assert (line.kind, line.client, line.to, line.frontend, line.message) == (
        "connect",
        "127.0.0.1",
        "127.0.0.1:80",
        "fe",
        "HTTP",
    )


def test_error() -> None:
    line = parse("haproxy[1]: 127.0.0.1:5 [20/Nov/2026:08:46:05.729] fe/1: SSL handshake failure")
    assert (line.kind, line.frontend, line.to, line.message) == ("error", "fe", "1", "SSL handshake failure")


@pytest.mark.parametrize("text", ["", "hello", HTTP[:-5], "Server be/s1 is DOWN."])
def test_others(text: str) -> None:
    with pytest.raises(ValueError, match="no log line"):
        parse(text)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert parse(text).kind
    except ValueError as error:
        assert "no log line" in str(error)
