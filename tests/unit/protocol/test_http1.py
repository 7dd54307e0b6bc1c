"""The strict law, row by row: what a head has to be, and what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from greenlb.message import CHUNKED, UNTIL_CLOSE, Request, Response
from greenlb.protocol import http1
from greenlb.protocol.http1 import BadMessage, head_end, may_be_response, parse_request, parse_response

LANES = pytest.mark.parametrize("plain", [True, False], ids=["plain", "h11"])


def head(*lines: str, start: str = "POST / HTTP/1.1", host: str | None = "Host: a") -> bytes:
    all_lines = [start, *([host] if host is not None else []), *lines, "", ""]
    return "\r\n".join(all_lines).encode("latin-1")


def answer(*lines: str, start: str = "HTTP/1.1 200 OK") -> bytes:
    return head(*lines, start=start, host=None)


CL, TE = "Content-Length: 5", "Transfer-Encoding: chunked"

BROKEN_LINES = {
    "bare LF after the first line": b"%b\nHost: a\r\n\r\n",
    "bare LF after a field": b"%b\r\nHost: a\nX: 1\r\n\r\n",
    "bare LF at the end": b"%b\r\nHost: a\r\n\n",
    "bare CR in a value": b"%b\r\nHost: a\r\nX: a\rb\r\n\r\n",
    "bare CR ends a line": b"%b\r\nHost: a\rX: 1\r\n\r\n",
    "CR CR LF": b"%b\r\nHost: a\r\r\n\r\n",
    "folded line": b"%b\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
    "line folded by a tab": b"%b\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n",
    "folded first line": b"%b\r\n Host: a\r\n\r\n",
    "blank before the colon": b"%b\r\nHost: a\r\nX : a\r\n\r\n",
    "tab before the colon": b"%b\r\nHost: a\r\nX\t: a\r\n\r\n",
    "no colon": b"%b\r\nHost: a\r\nnothing\r\n\r\n",
    "no name": b"%b\r\nHost: a\r\n: a\r\n\r\n",
    "quoted name": b'%b\r\nHost: a\r\n"X": a\r\n\r\n',
    "byte over 127 in a name": b"%b\r\nHost: a\r\nX\xff: a\r\n\r\n",
    "NUL in a name": b"%b\r\nHost: a\r\nX\0: a\r\n\r\n",
    "more behind the head": b"%b\r\nHost: a\r\n\r\nX",
    "two heads": b"%b\r\nHost: a\r\n\r\nX: 1\r\n\r\n",
    "no end": b"%b\r\nHost: a\r\n",
}
BROKEN_LINES |= {
    f"control byte {byte:#04x} in a value": b"%%b\r\nHost: a\r\nX: a%cb\r\n\r\n" % byte
    for byte in [*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F]
}

REFUSED_FRAMINGS = {
    "length and coding": (CL, TE),
    "coding and length": (TE, CL),
    "length 0 and coding": ("Content-Length: 0", TE),
    "two lengths": (CL, "Content-Length: 6"),
    "two lengths in one field": ("Content-Length: 5, 6",),
    "equal values, other digits": (CL, "Content-Length: 05"),
    "five and nothing": ("Content-Length: 5,",),
    "nothing and five": ("Content-Length: ,5",),
    "a length and an empty one": (CL, "Content-Length:"),
    "empty length": ("Content-Length:",),
    "signed": ("Content-Length: +5",),
    "negative": ("Content-Length: -5",),
    "hexadecimal": ("Content-Length: 0x5",),
    "two numbers": ("Content-Length: 5 5",),
    "underscore": ("Content-Length: 1_0",),
    "fraction": ("Content-Length: 5.0",),
    "exponent": ("Content-Length: 5e1",),
    "words": ("Content-Length: five",),
    "Latin digit": ("Content-Length: \u00b2",),
    "quoted": ('Content-Length: "5"',),
    "19 digits": ("Content-Length: " + "1" * 19,),
    "beyond 64 bits": ("Content-Length: 18446744073709551621",),
    "10,000 digits": ("Content-Length: " + "9" * 10_000,),
    "unknown coding": ("Transfer-Encoding: xchunked",),
    "gzip before chunked": ("Transfer-Encoding: gzip, chunked",),
    "chunked not last": ("Transfer-Encoding: chunked, gzip",),
    "chunked twice": ("Transfer-Encoding: chunked, chunked",),
    "chunked in two fields": (TE, TE),
    "identity": ("Transfer-Encoding: identity",),
    "identity and chunked": ("Transfer-Encoding: identity", TE),
    "empty coding": ("Transfer-Encoding:",),
    "an empty coding and chunked": ("Transfer-Encoding: ,chunked",),
    "a parameter": ("Transfer-Encoding: chunked;q=1",),
    "quoted coding": ('Transfer-Encoding: "chunked"',),
    "a no-break space": ("Transfer-Encoding: \xa0chunked",),
}


def table(rows: Mapping[str, object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows.values(), ids=[name.replace(" ", "-") for name in rows])


# -- lines -------------------------------------------------------------------------------------------


@LANES
@table(BROKEN_LINES)
def test_a_head_with_a_broken_line_is_refused(row: bytes, plain: bool) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_request(row % b"GET / HTTP/1.1", plain=plain)
    assert refusal.value.status == 400
    with pytest.raises(BadMessage):
        parse_response(row % b"HTTP/1.1 200 OK", b"GET", plain=plain)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (" b", "a folded field line"),
        ("X : a", "white space before the colon"),
        ("X(1): a", "a malformed field line"),
        ("X: \0", "a malformed field line"),
    ],
)
def test_a_refusal_says_why(line: str, reason: str) -> None:
    with pytest.raises(BadMessage, match=f"^{reason}$"):
        parse_request(head(line))


def test_a_refusal_of_the_first_line_says_so() -> None:
    with pytest.raises(BadMessage, match="malformed request line"):
        parse_request(head(start="GET  / HTTP/1.1"))
    with pytest.raises(BadMessage, match="malformed status line"):
        parse_response(answer(start="HTTP/1.1  200 OK"), b"GET")


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r", 0),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\0\n\r", 27),
    ],
)
def test_where_a_head_ends(data: bytes, end: int) -> None:
    assert head_end(data) == end


@pytest.mark.parametrize(
    "data",
    [b"\n", b"GET /\n", b"GET / HTTP/1.1\r\nHost: a\n", b"a\rb", b"\x16\x03\x01", b"a\0", b"a\x7f", b"\r\r"],
)
def test_what_can_never_end_well_is_refused_at_once(data: bytes) -> None:
    """However it is cut into pieces: each byte is looked at once, not the whole again for each piece."""
    with pytest.raises(BadMessage):
        head_end(data)
    with pytest.raises(BadMessage):
        for size in range(1, len(data) + 1):
            assert head_end(data[:size], size - 1) == 0


def test_a_head_in_pieces_ends_where_it_ends() -> None:
    data = head("X: 1")
    ends = [head_end(data[:size], size - 1) for size in range(1, len(data) + 1)]
    assert ends == [0] * (len(data) - 1) + [len(data)]


@pytest.mark.parametrize(
    ("data", "may"),
    [
        (b"H", True),
        (b"HTTP/1.", True),
        (b"HTTP/1.1 200", True),
        (b"HTTP/2", False),
        (b"h", False),
        (b"220 mail", False),
    ],
)
def test_how_a_response_may_begin(data: bytes, may: bool) -> None:
    assert may_be_response(data) is may


# -- requests: first line ----------------------------------------------------------------------------


@LANES
@pytest.mark.parametrize(
    "start",
    [
        "GET /",  # HTTP/0.9
        "GET / HTTP/0.9",
        "GET / HTTP/2.0",
        "GET / HTTP/1.",
        "GET / HTTP/1.10",
        "GET / HTTP/01.1",
        "GET / http/1.1",
        "GET / HTTP/1.1 ",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET\t/ HTTP/1.1",
        " GET / HTTP/1.1",
        "GET HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET /#top HTTP/1.1",
        "GET /\xe9 HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "G{T / HTTP/1.1",
        "G\xe9T / HTTP/1.1",
        "GET index.html HTTP/1.1",
        "GET * HTTP/1.1",
        "PRI * HTTP/2.0",
    ],
)
def test_a_first_line_against_the_law(start: str, plain: bool) -> None:
    with pytest.raises(BadMessage):
        parse_request(head(start=start), plain=plain)


@LANES
@pytest.mark.parametrize(
    ("start", "http11"),
    [
        ("get / HTTP/1.1", True),
        ("M-SEARCH / HTTP/1.1", True),
        ("!#$%&'*+-.^_`|~ / HTTP/1.1", True),
        ("GET / HTTP/1.0", False),
        ("GET / HTTP/1.2", True),
        ("GET / HTTP/1.9", True),
        ('GET /a"<>\\^`{|}?b=[c] HTTP/1.1', True),
        ("GET //a/b HTTP/1.1", True),
        ("OPTIONS * HTTP/1.1", True),
    ],
)
def test_a_first_line_within_the_law(start: str, http11: bool, plain: bool) -> None:
    request = parse_request(head(start=start), plain=plain)
    assert (request.method.decode(), request.target.decode()) == tuple(start.split()[:2])
    assert (request.http11, request.keep_alive) == (http11, http11)
    assert request.line == start.encode()
    assert request.head_size == len(head(start=start))


# -- requests: framing -------------------------------------------------------------------------------


@LANES
@table(REFUSED_FRAMINGS)
def test_a_framing_against_the_law(row: tuple[str, ...], plain: bool) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_request(head(*row), plain=plain)
    assert refusal.value.status == 400
    with pytest.raises(BadMessage):
        parse_response(answer(*row), b"GET", plain=plain)


@LANES
@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ((), 0),
        ((CL,), 5),
        (("Content-Length:5",), 5),
        (("content-length:\t 5 \t",), 5),
        (("Content-Length: 0",), 0),
        (("Content-Length: 007",), 7),
        (("Content-Length: " + "9" * 18,), 10**18 - 1),
        ((CL, CL), 5),
        (("Content-Length: 5, 5",), 5),
        (("Content-Length: 5", "Content-Length: 5,5"), 5),
        ((TE,), CHUNKED),
        (("transfer-encoding:\tChunked ",), CHUNKED),
        (("X-Content-Length: 6", "Content-Length-X: 7"), 0),
    ],
)
def test_a_framing_within_the_law(fields: tuple[str, ...], length: int, plain: bool) -> None:
    request = parse_request(head(*fields), plain=plain)
    assert request.length == length
    assert len(request.fields.get_all(b"content-length")) <= 1
    response = parse_response(answer(*fields), b"GET", plain=plain)
    framed = any(re.match("content-length:|transfer-encoding:", field, re.IGNORECASE) for field in fields)
    assert response.length == (length if framed else UNTIL_CLOSE)


@LANES
def test_a_length_said_twice_is_sent_on_once(plain: bool) -> None:
    request = parse_request(head("Content-Length: 5, 5", "Content-Length: 5"), plain=plain)
    assert request.fields.get_all(b"content-length") == [b"5"]


@LANES
@pytest.mark.parametrize(
    ("start", "fields", "status"),
    [
        ("POST / HTTP/1.0", (TE,), 400),
        ("GET / HTTP/1.0", (CL,), 413),
        ("HEAD / HTTP/1.0", (CL,), 413),
        ("DELETE / HTTP/1.0", (CL,), 413),
        ("CONNECT a:1 HTTP/1.1", (CL,), 400),
        ("CONNECT a:1 HTTP/1.1", (TE,), 400),
    ],
)
def test_a_body_that_its_request_cannot_have(
    start: str, fields: tuple[str, ...], status: int, plain: bool
) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_request(head(*fields, start=start, host="Host: a:1"), plain=plain)
    assert refusal.value.status == status


@LANES
def test_an_old_client_may_post(plain: bool) -> None:
    assert parse_request(head(CL, start="POST / HTTP/1.0", host=None), plain=plain).length == 5
    assert parse_request(head("Content-Length: 0", start="GET / HTTP/1.0"), plain=plain).length == 0


# -- requests: Host and target -----------------------------------------------------------------------


@LANES
@pytest.mark.parametrize(
    ("start", "hosts"),
    [
        ("GET / HTTP/1.1", ()),
        ("GET / HTTP/1.2", ()),
        ("GET / HTTP/1.1", ("a", "b")),
        ("GET / HTTP/1.1", ("a", "a")),
        ("GET / HTTP/1.0", ("a", "a")),
        ("GET / HTTP/1.1", ("a/b",)),
        ("GET / HTTP/1.1", ("a b",)),
        ("GET / HTTP/1.1", ("a b/",)),
        ("GET / HTTP/1.1", ("a, b",)),
        ("GET / HTTP/1.1", ("u@a",)),
        ("GET / HTTP/1.1", ("u:p@a",)),
        ("GET / HTTP/1.1", ("a?b",)),
        ("GET / HTTP/1.1", ("a#b",)),
        ("GET / HTTP/1.1", ("a\\b",)),
        ("GET / HTTP/1.1", ("a:b",)),
        ("GET / HTTP/1.1", ("a:80:80",)),
        ("GET / HTTP/1.1", ("a:123456",)),
        ("GET / HTTP/1.1", ("[::1",)),
        ("GET / HTTP/1.1", ("::1",)),
        ("GET / HTTP/1.1", ("[::1]a",)),
        ("GET / HTTP/1.1", ("a%",)),
        ("GET / HTTP/1.1", ("a%4",)),
        ("GET / HTTP/1.1", ("\xe9",)),
        ("GET / HTTP/1.0", ("a b",)),
        ("GET http://a/ HTTP/1.1", ()),
        ("GET http://a/ HTTP/1.1", ("b",)),
        ("GET http://a:81/ HTTP/1.1", ("a",)),
        ("GET http://a/ HTTP/1.1", ("a:81",)),
        ("GET http://a:443/ HTTP/1.1", ("a",)),
        ("GET http://u@a/ HTTP/1.1", ("a",)),
        ("GET http://u:p@a/ HTTP/1.1", ("u:p@a",)),
        ("GET http:///x HTTP/1.1", ("",)),
        ("GET http://:80/x HTTP/1.1", (":80",)),
        ("GET http://a b/ HTTP/1.1", ("a",)),
        ("GET http:/a HTTP/1.1", ("a",)),
        ("GET a:80 HTTP/1.1", ("a:80",)),
        ("OPTIONS *x HTTP/1.1", ("a",)),
        ("CONNECT a HTTP/1.1", ("a",)),
        ("CONNECT a: HTTP/1.1", ("a:",)),
        ("CONNECT :1 HTTP/1.1", (":1",)),
        ("CONNECT [::1] HTTP/1.1", ("[::1]",)),
        ("CONNECT a:1 HTTP/1.1", ("b:1",)),
        ("CONNECT /a:1 HTTP/1.1", ("a:1",)),
        ("CONNECT http://a:1/ HTTP/1.1", ("a:1",)),
    ],
)
def test_an_authority_against_the_law(start: str, hosts: tuple[str, ...], plain: bool) -> None:
    with pytest.raises(BadMessage) as refusal:
        parse_request(head(*(f"Host: {host}" for host in hosts), start=start, host=None), plain=plain)
    assert refusal.value.status == 400


@LANES
@pytest.mark.parametrize(
    ("start", "host", "path"),
    [
        ("GET / HTTP/1.1", "", "/"),
        ("GET / HTTP/1.1", "a", "/"),
        ("GET / HTTP/1.1", "a:", "/"),
        ("GET / HTTP/1.1", "a.b-c_d:8080", "/"),
        ("GET / HTTP/1.1", "a%41b", "/"),
        ("GET / HTTP/1.1", "192.0.2.1:65535", "/"),
        ("GET / HTTP/1.1", "[::1]", "/"),
        ("GET / HTTP/1.1", "[fe80::1%25eth0]:80", "/"),
        ("GET http://a/x?y HTTP/1.1", "a", "/x"),
        ("GET HTTP://A/ HTTP/1.1", "a", "/"),
        ("GET http://a HTTP/1.1", "a:80", "/"),
        ("GET http://a:80?x HTTP/1.1", "a", "/"),
        ("GET https://a/ HTTP/1.1", "a:443", "/"),
        ("CONNECT a:1 HTTP/1.1", "A:1", "a:1"),
        ("CONNECT [::1]:443 HTTP/1.1", "[::1]:443", "[::1]:443"),
        ("OPTIONS * HTTP/1.1", "", "*"),
    ],
)
def test_an_authority_within_the_law(start: str, host: str, path: str, plain: bool) -> None:
    request = parse_request(head(start=start, host=f"hOsT: {host} "), plain=plain)
    assert (request.host.decode(), request.path.decode()) == (host, path)


@LANES
@pytest.mark.parametrize(
    ("start", "hosts"),
    [
        ("GET / HTTP/1.0", []),
        ("GET http://a:81/x HTTP/1.0", [b"a:81"]),
        ("CONNECT a:1 HTTP/1.0", [b"a:1"]),
    ],
)
def test_an_old_client_without_host_means_its_target(start: str, hosts: list[bytes], plain: bool) -> None:
    """The rules look at Host, the server at the target: both have to see the same (RFC 9112 3.2.2)."""
    assert parse_request(head(start=start, host=None), plain=plain).fields.get_all(b"host") == hosts


# -- requests: Connection ----------------------------------------------------------------------------


def kept(request: Request | Response) -> list[str]:
    return [name.decode() for name, _ in request.fields.items()]


@LANES
@pytest.mark.parametrize(
    ("start", "fields", "keep_alive"),
    [
        ("GET / HTTP/1.1", (), True),
        ("GET / HTTP/1.1", ("Connection: keep-alive",), True),
        ("GET / HTTP/1.1", ("Connection: close",), False),
        ("GET / HTTP/1.1", ("connection:CLOSE",), False),
        ("GET / HTTP/1.1", ("Connection: keep-alive, close",), False),
        ("GET / HTTP/1.1", ("Connection: keep-alive", "Connection: close"), False),
        ("GET / HTTP/1.1", ("Connection: close", "Connection: keep-alive"), False),
        ("GET / HTTP/1.1", ('Connection: ", close, "',), False),
        ("GET / HTTP/1.1", ("Proxy-Connection: close",), False),
        ("GET / HTTP/1.1", ("Connection: keep-alive", "Proxy-Connection: close"), True),
        ("GET / HTTP/1.1", ("X-Connection: close",), True),
        ("GET / HTTP/1.0", (), False),
        ("GET / HTTP/1.0", ("Connection: keep-alive",), True),
        ("GET / HTTP/1.0", ("Connection: Keep-Alive, x",), True),
        ("GET / HTTP/1.0", ("Proxy-Connection: keep-alive",), True),
        ("CONNECT a:1 HTTP/1.1", ("Connection: keep-alive",), False),
    ],
)
def test_whether_the_client_stays(start: str, fields: tuple[str, ...], keep_alive: bool, plain: bool) -> None:
    host = "Host: a:1" if start.startswith("CONNECT") else "Host: a"
    assert parse_request(head(*fields, start=start, host=host), plain=plain).keep_alive is keep_alive


@LANES
def test_fields_that_connection_names_stay_here(plain: bool) -> None:
    data = head("Connection: X-One, x-two,,keep-alive", "x-one: 1", "X-Two: 2", "X-Two: 3", "X-Three: 4")
    assert kept(parse_request(data, plain=plain)) == ["Host", "Connection", "X-Three"]


@LANES
@pytest.mark.parametrize("name", sorted(http1.PROTECTED | {b"x-forwarded-for", b"x-forwarded-proto"}))
def test_fields_that_connection_may_not_name(name: bytes, plain: bool) -> None:
    field = name.decode()
    value = {"host": "a", "content-length": "5", "transfer-encoding": "chunked"}.get(field, "x")
    data = head(f"Connection: {field}", *([] if field == "host" else [f"{field}: {value}"]))
    assert parse_request(data, plain=plain).fields.has(name)


@LANES
@pytest.mark.parametrize(
    ("start", "fields", "upgrade"),
    [
        ("GET / HTTP/1.1", ("Connection: Upgrade", "Upgrade: websocket"), b"websocket"),
        ("GET / HTTP/1.1", ("Connection: keep-alive, upgrade", "Upgrade: a", "Upgrade: b"), b"a, b"),
        ("GET / HTTP/1.1", ("Upgrade: websocket",), b""),
        ("GET / HTTP/1.1", ("Connection: Upgrade",), b""),
        ("GET / HTTP/1.0", ("Connection: Upgrade", "Upgrade: websocket"), b""),
    ],
)
def test_what_the_client_would_switch_to(
    start: str, fields: tuple[str, ...], upgrade: bytes, plain: bool
) -> None:
    assert parse_request(head(*fields, start=start), plain=plain).upgrade == upgrade


@LANES
@pytest.mark.parametrize(
    ("start", "fields", "waits"),
    [
        ("POST / HTTP/1.1", ("Expect: 100-continue",), True),
        ("POST / HTTP/1.1", ("Expect: x, 100-Continue",), True),
        ("POST / HTTP/1.1", ("Expect: 200-ok",), False),
        ("POST / HTTP/1.0", ("Expect: 100-continue",), False),
    ],
)
def test_who_waits_for_a_100(start: str, fields: tuple[str, ...], waits: bool, plain: bool) -> None:
    assert parse_request(head(CL, *fields, start=start), plain=plain).expect_continue is waits
