"""The strict law for responses: what a server may say, and what its answer means."""

from __future__ import annotations

import pytest

from greenlb.message import CHUNKED, UNTIL_CLOSE
from greenlb.protocol.http1 import BadMessage, parse_response
from tests.unit.protocol.test_http1 import CL, LANES, TE, answer, kept


@LANES
@pytest.mark.parametrize(
    "start",
    [
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1 20",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 020 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200OK",
        "HTTP/2.0 200 OK",
        "HTTP/1.10 200 OK",
        "http/1.1 200 OK",
        "ICY 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 200 O\x01K",
        "HTTP/1.1 200 O\rK",
    ],
)
def test_a_status_line_against_the_law(start: str, plain: bool) -> None:
    with pytest.raises(BadMessage):
        parse_response(answer(CL, start=start), b"GET", plain=plain)


@LANES
@pytest.mark.parametrize(
    ("start", "status", "reason", "http11"),
    [
        ("HTTP/1.1 200 OK", 200, b"OK", True),
        ("HTTP/1.1 200 ", 200, b"", True),
        ("HTTP/1.1 200", 200, b"", True),
        ("HTTP/1.1 404 Nicht gefunden, \xe4h", 404, b"Nicht gefunden, \xe4h", True),
        ("HTTP/1.1 200 a\tb", 200, b"a\tb", True),
        ("HTTP/1.0 200 OK", 200, b"OK", False),
        ("HTTP/1.7 200 OK", 200, b"OK", True),
        ("HTTP/1.1 999 x", 999, b"x", True),
    ],
)
def test_a_status_line_within_the_law(
    start: str, status: int, reason: bytes, http11: bool, plain: bool
) -> None:
    response = parse_response(answer(CL, start=start), b"GET", plain=plain)
    assert (response.status, response.reason, response.http11) == (status, reason, http11)
    assert (response.length, response.keep_alive) == (5, http11)


@LANES
@pytest.mark.parametrize(
    ("method", "status", "fields", "length", "names"),
    [
        (b"GET", 200, (CL,), 5, ["Content-Length"]),
        (b"GET", 200, (TE,), CHUNKED, ["Transfer-Encoding"]),
        (b"GET", 200, (), UNTIL_CLOSE, []),
        (b"GET", 304, (CL,), 0, ["Content-Length"]),
        (b"GET", 304, (TE,), 0, ["Transfer-Encoding"]),
        (b"GET", 304, (), 0, []),
        (b"HEAD", 200, (CL,), 0, ["Content-Length"]),
        (b"HEAD", 200, (TE,), 0, ["Transfer-Encoding"]),
        (b"HEAD", 200, (), 0, []),
        (b"head", 200, (CL,), 5, ["Content-Length"]),
        (b"GET", 204, (CL,), 0, []),
        (b"GET", 204, (TE,), 0, []),
        (b"GET", 100, (CL,), 0, []),
        (b"GET", 103, (TE, "Link: <a>"), 0, ["Link"]),
        (b"GET", 101, ("Connection: Upgrade", "Upgrade: a", TE), 0, ["Connection", "Upgrade"]),
        (b"CONNECT", 200, (CL,), 0, []),
        (b"CONNECT", 200, (TE,), 0, []),
        (b"CONNECT", 403, (CL,), 5, ["Content-Length"]),
        (b"CONNECT", 304, (CL,), 0, ["Content-Length"]),
        (b"GET", 205, (CL,), 5, ["Content-Length"]),
    ],
)
def test_how_long_an_answer_is(
    method: bytes, status: int, fields: tuple[str, ...], length: int, names: list[str], plain: bool
) -> None:
    """RFC 9112 section 6.3, and no framing field where none may stand."""
    response = parse_response(answer(*fields, start=f"HTTP/1.1 {status} x"), method, plain=plain)
    assert (response.length, kept(response)) == (length, names)
    assert response.keep_alive is (length != UNTIL_CLOSE)


@LANES
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"CONNECT"])
@pytest.mark.parametrize("status", [100, 204, 304, 200])
def test_two_framings_are_refused_even_without_a_body(method: bytes, status: int, plain: bool) -> None:
    with pytest.raises(BadMessage):
        parse_response(answer(CL, TE, start=f"HTTP/1.1 {status} x"), method, plain=plain)


@LANES
def test_an_old_server_may_not_chunk(plain: bool) -> None:
    with pytest.raises(BadMessage):
        parse_response(answer(TE, start="HTTP/1.0 200 OK"), b"GET", plain=plain)


@LANES
@pytest.mark.parametrize(
    ("start", "fields", "keep_alive"),
    [
        ("HTTP/1.1 200 OK", (CL,), True),
        ("HTTP/1.1 200 OK", (CL, "Connection: close"), False),
        ("HTTP/1.1 200 OK", (CL, "Connection: keep-alive, Close"), False),
        ("HTTP/1.1 200 OK", ("Connection: keep-alive",), False),
        ("HTTP/1.0 200 OK", (CL,), False),
        ("HTTP/1.0 200 OK", (CL, "Connection: keep-alive"), True),
        ("HTTP/1.0 200 OK", ("Connection: keep-alive",), False),
        ("HTTP/1.0 304 x", ("Connection: keep-alive",), True),
    ],
)
def test_whether_the_server_stays(start: str, fields: tuple[str, ...], keep_alive: bool, plain: bool) -> None:
    assert parse_response(answer(*fields, start=start), b"GET", plain=plain).keep_alive is keep_alive


@LANES
def test_fields_that_a_servers_connection_names_stay_here(plain: bool) -> None:
    data = answer(CL, "Connection: X-One, Set-Cookie, Content-Length", "X-One: 1", "Set-Cookie: a=b")
    assert kept(parse_response(data, b"GET", plain=plain)) == ["Content-Length", "Connection", "Set-Cookie"]
