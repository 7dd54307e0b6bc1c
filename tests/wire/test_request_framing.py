"""Requests that try to be two things at once: answered 400, closed, and no server sees a byte.

Each row is one attack of RFC 9112 (sections 2.2, 3.2, 5, 6, 7 and 11.2).  HAProxy is asked as well,
save for the rows where 2.6 is more forgiving than the law.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import HttpOrigin, Origin, Origins
from tests.support.stream import get

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
timeout http-request = 3s
use_backend = chunks if { path /chunks }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}

[backend chunks]
server s2 = 127.0.0.1:{s2}
"""


@dataclass(frozen=True)
class Attack:
    """``lax``: HAProxy 2.6 takes it, so it is not asked."""

    name: str
    data: bytes
    lax: bool = False


def head(
    *lines: str, start: str = "POST / HTTP/1.1", host: str | None = "Host: a", body: bytes = b""
) -> bytes:
    all_lines = [start, *([host] if host is not None else []), *lines, "", ""]
    return "\r\n".join(all_lines).encode("latin-1") + body


SMUGGLED = get("/smuggled")
CL5, TE = "Content-Length: 5", "Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"

LENGTHS = [
    Attack("length and chunked", head(CL5, TE, body=LAST + SMUGGLED), lax=True),
    Attack("chunked and length", head(TE, CL5, body=LAST + SMUGGLED), lax=True),
    Attack("length 0 and chunked", head("Content-Length: 0", TE, body=LAST), lax=True),
    Attack("two lengths", head(CL5, "Content-Length: 6", body=b"abcdef")),
    Attack("two lengths in one field", head("Content-Length: 5, 6", body=b"abcdef")),
    Attack("negative length", head("Content-Length: -5", body=b"abcde")),
    Attack("signed length", head("Content-Length: +5", body=b"abcde")),
    Attack("hexadecimal length", head("Content-Length: 0x5", body=b"abcde")),
    Attack("length with an underscore", head("Content-Length: 1_0", body=b"abcdeabcde")),
    Attack("fractional length", head("Content-Length: 5.0", body=b"abcde")),
    Attack("empty length", head("Content-Length:", body=b"abcde")),
    Attack("length of words", head("Content-Length: five", body=b"abcde")),
    Attack("length with a blank inside", head("Content-Length: 1 0", body=b"abcdeabcde")),
    Attack("length in Unicode digits", head("Content-Length: \u00b2", body=b"ab")),
    Attack("length beyond 64 bits", head("Content-Length: 18446744073709551621", body=b"abcde")),
    Attack("length beyond all", head("Content-Length: " + "9" * 60, body=b"abcde")),
]

CODINGS = [
    Attack("unknown coding", head("Transfer-Encoding: xchunked", body=LAST)),
    Attack("gzip before chunked", head("Transfer-Encoding: gzip, chunked", body=LAST), lax=True),
    Attack("chunked not last", head("Transfer-Encoding: chunked, gzip", body=LAST)),
    Attack("identity", head("Transfer-Encoding: identity", body=LAST), lax=True),
    Attack("chunked twice", head("Transfer-Encoding: chunked, chunked", body=LAST)),
    Attack("chunked in two fields", head(TE, TE, body=LAST)),
    Attack("coding with a parameter", head("Transfer-Encoding: chunked;q=1", body=LAST)),
    Attack("quoted coding", head('Transfer-Encoding: "chunked"', body=LAST)),
    Attack("vertical tab before chunked", head("Transfer-Encoding: \x0bchunked", body=LAST)),
    Attack("empty coding", head("Transfer-Encoding:", body=LAST), lax=True),
    Attack("chunked from HTTP/1.0", head(TE, start="POST / HTTP/1.0", body=LAST), lax=True),
    Attack("chunked and an unknown one", head(TE, "Transfer-Encoding: cow", body=LAST)),
]

LINES = [
    Attack("bare LF after the request line", b"GET / HTTP/1.1\nHost: a\r\n\r\n", lax=True),
    Attack("bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", lax=True),
    Attack("bare LF ends the head", b"GET / HTTP/1.1\r\nHost: a\r\n\n", lax=True),
    Attack("only bare LF", b"GET / HTTP/1.1\nHost: a\n\n", lax=True),
    Attack("bare CR in a value", head("X: a\rb")),
    Attack("bare CR ends a line", b"GET / HTTP/1.1\r\nHost: a\rX: 1\r\n\r\n"),
    Attack("CR CR LF", b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
    Attack("folded line", head("X: a", " b"), lax=True),
    Attack("line folded by a tab", head("X: a", "\tb"), lax=True),
    Attack("folded first line", b"GET / HTTP/1.1\r\n X: 1\r\nHost: a\r\n\r\n"),
    Attack("folded length", head("Content-Length:", " 5", body=b"abcde"), lax=True),
    Attack("NUL in a value", head("X: a\0b"), lax=True),
    Attack("NUL in a name", head("X\0: a")),
    Attack("bell in a value", head("X: a\x07b"), lax=True),
    Attack("escape in a value", head("X: a\x1bb"), lax=True),
    Attack("DEL in a value", head("X: a\x7fb"), lax=True),
    Attack("vertical tab in a value", head("X: a\x0bb"), lax=True),
    Attack("control byte in a name", head("X\x01: a")),
    Attack("byte over 127 in a name", head("X\xff: a")),
    Attack("blank before the colon", head("X : a")),
    Attack("tab before the colon", head("X\t: a")),
    Attack("blank before the colon of a length", head("Content-Length : 5", body=b"abcde")),
    Attack("blank in a name", head("X Y: a")),
    Attack("no colon", head("nothing")),
    Attack("no name", head(": a")),
    Attack("parenthesis in a name", head("X(1): a")),
    Attack("quote in a name", head('"X": a')),
]

START_LINES = [
    Attack("no version", b"GET /\r\nHost: a\r\n\r\n"),
    Attack("version in lower case", head(start="GET / http/1.1")),
    Attack("version 1.", head(start="GET / HTTP/1.")),
    Attack("version 1.10", head(start="GET / HTTP/1.10")),
    Attack("version 01.1", head(start="GET / HTTP/01.1")),
    Attack("version 2.0", head(start="GET / HTTP/2.0"), lax=True),
    Attack("version 3.1", head(start="GET / HTTP/3.1"), lax=True),
    Attack("another protocol", head(start="GET / XTTP/1.1")),
    Attack("two blanks after the method", head(start="GET  / HTTP/1.1"), lax=True),
    Attack("two blanks before the version", head(start="GET /  HTTP/1.1"), lax=True),
    Attack("tab for a blank", head(start="GET\t/ HTTP/1.1"), lax=True),
    Attack("blank before the method", head(start=" GET / HTTP/1.1")),
    Attack("blank after the version", head(start="GET / HTTP/1.1 "), lax=True),
    Attack("blank in the target", head(start="GET /a b HTTP/1.1")),
    Attack("no target", head(start="GET HTTP/1.1")),
    Attack("NUL in the target", head(start="GET /\0 HTTP/1.1")),
    Attack("DEL in the target", head(start="GET /\x7f HTTP/1.1"), lax=True),
    Attack("byte over 127 in the target", head(start="GET /\xe9 HTTP/1.1")),
    Attack("fragment in the target", head(start="GET /#top HTTP/1.1"), lax=True),
    Attack("target without its slash", head(start="GET index.html HTTP/1.1"), lax=True),
    Attack("control byte in the method", head(start="G\x01T / HTTP/1.1")),
    Attack("brace in the method", head(start="G{T / HTTP/1.1")),
    Attack("star that is no OPTIONS", head(start="GET * HTTP/1.1"), lax=True),
    Attack("a TLS hello", b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03" + b"\0" * 190),
    Attack("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", lax=True),
    Attack("words", b"hello there\r\n\r\n"),
]

HOSTS = [
    Attack("no Host", head(host=None, start="GET / HTTP/1.1"), lax=True),
    Attack("two Hosts", head("Host: b", start="GET / HTTP/1.1"), lax=True),
    Attack("two equal Hosts", head("Host: a", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a path", head(host="Host: a/b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a blank", head(host="Host: a b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a blank and a path", head(host="Host: a b/", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with userinfo", head(host="Host: u@a", start="GET / HTTP/1.1"), lax=True),
    Attack("Host list", head(host="Host: a, b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a question mark", head(host="Host: a?b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a fragment", head(host="Host: a#b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a backslash", head(host="Host: a\\b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a port of words", head(host="Host: a:b", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a half address", head(host="Host: [::1", start="GET / HTTP/1.1"), lax=True),
    Attack("Host with a byte over 127", head(host="Host: \xe9", start="GET / HTTP/1.1"), lax=True),
    Attack("Host other than the target's", head(host="Host: b", start="GET http://a/ HTTP/1.1")),
    Attack(
        "Host with another port than the target's", head(host="Host: a:81", start="GET http://a:82/ HTTP/1.1")
    ),
    Attack("target with userinfo", head(start="GET http://u@a/ HTTP/1.1"), lax=True),
    Attack("target without authority", head(start="GET http:///x HTTP/1.1"), lax=True),
]

ATTACKS = LENGTHS + CODINGS + LINES + START_LINES + HOSTS


BODIES = [
    Attack("size of words", b"five\r\nabcde\r\n" + LAST),
    Attack("negative size", b"-5\r\nabcde\r\n" + LAST),
    Attack("signed size", b"+5\r\nabcde\r\n" + LAST),
    Attack("size with 0x", b"0x5\r\nabcde\r\n" + LAST),
    Attack("size with an underscore", b"0_5\r\nabcde\r\n" + LAST),
    Attack("no size", b"\r\nabcde\r\n" + LAST),
    Attack("blank before the size", b" 5\r\nabcde\r\n" + LAST),
    Attack("size beyond 64 bits", b"10000000000000005\r\nabcde\r\n" + LAST),
    Attack("size that wraps to 5", b"ffffffff00000005\r\nabcde\r\n" + LAST),
    Attack("size of a hundred digits", b"0" * 100 + b"5\r\nabcde\r\n" + LAST, lax=True),
    Attack("bare LF after the size", b"5\nabcde\r\n" + LAST, lax=True),
    Attack("bare LF after the chunk", b"5\r\nabcde\n" + LAST, lax=True),
    Attack("bare CR after the size", b"5\rabcde\r\n" + LAST),
    Attack("chunk longer than its size", b"5\r\nabcdefgh\r\n" + LAST),
    Attack("chunk shorter than its size", b"5\r\nabc\r\n" + LAST),
    Attack("extension with a bare LF", b"5;x=\ny\r\nabcde\r\n" + LAST, lax=True),
    Attack("extension with a bare CR", b"5;x=\ry\r\nabcde\r\n" + LAST, lax=True),
    Attack("extension with NUL", b"5;x=\0\r\nabcde\r\n" + LAST, lax=True),
    Attack("extension with a control byte", b"5;x=\x01\r\nabcde\r\n" + LAST, lax=True),
    Attack("comma after the size", b"5,5\r\nabcde\r\n" + LAST),
    Attack("last chunk of words", b"5\r\nabcde\r\nzero\r\n\r\n"),
    Attack("trailer without a colon", b"5\r\nabcde\r\n0\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
    Attack("trailer folded", b"5\r\nabcde\r\n0\r\nX: a\r\n b\r\n\r\n", lax=True),
    Attack("trailer with a blank before its colon", b"5\r\nabcde\r\n0\r\nX : a\r\n\r\n", lax=True),
    Attack("trailer with NUL", b"5\r\nabcde\r\n0\r\nX: a\0\r\n\r\n", lax=True),
    Attack("trailer with bare LF", b"5\r\nabcde\r\n0\r\nX: a\n\r\n", lax=True),
]


def name_of(value: object) -> str | None:
    return value.name.replace(" ", "-") if isinstance(value, Attack) else None


both_parsers = pytest.mark.parametrize("module_proxy", ["greenlb", "greenlb-h11"], indirect=True)
only_haproxy = pytest.mark.parametrize("module_proxy", ["haproxy"], indirect=True)


def strict(attacks: list[Attack]) -> list[Attack]:
    """Those that HAProxy refuses too."""
    return [attack for attack in attacks if not attack.lax]


@dataclass
class Bench:
    """One balancer and its servers for all rows of a table; each row brings its own connection."""

    lb: Balancer
    s1: HttpOrigin
    s2: Origin


@pytest.fixture(scope="module")
def bench(module_proxy: Launcher, module_origin: Origins) -> Bench:
    s1, s2 = module_origin.http("s1"), module_origin()
    return Bench(module_proxy(INI, s1=s1, s2=s2), s1, s2)


def expect_refused(bench: Bench, attack: Attack) -> None:
    """400, Connection: close, the end; the server sees nothing; PR in the log."""
    before = len(bench.s1.requests)
    with bench.lb.connect() as client:
        client.send(attack.data)
        answer = client.read_response()
        assert answer.status == 400
        assert (answer.get("connection") or "").lower() == "close"
        client.expect_closed()
        assert len(bench.s1.requests) == before
        line = bench.lb.log_of(client)
    assert (line.status, line.flags, line.server) == (400, "PR--", "<NOSRV>")


@both_parsers
@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_a_request_against_the_law_reaches_nobody(bench: Bench, attack: Attack) -> None:
    """It is refused, whichever parser reads it."""
    expect_refused(bench, attack)


@only_haproxy
@pytest.mark.parametrize("attack", strict(ATTACKS), ids=name_of)
def test_the_oracle_refuses_the_request_too(bench: Bench, attack: Attack) -> None:
    """HAProxy answers the same way."""
    expect_refused(bench, attack)


def expect_broken_off(bench: Bench, attack: Attack) -> None:
    """400 and the end; a server that saw the head sees its connection break inside the body."""
    with bench.lb.connect() as client:
        client.send(head(TE, start="POST /chunks HTTP/1.1", body=attack.data))
        answer = client.read_response()
        assert answer.status == 400
        client.expect_closed()
        line = bench.lb.log_of(client)
    assert (line.status, line.flags[0]) == (400, "P")
    for reached in bench.s2.leftovers():
        body = reached.partition(b"\r\n\r\n")[2]
        assert reached.startswith(b"POST /chunks HTTP/1.1\r\n")
        assert not body.endswith(LAST)
        assert b"smuggled" not in body


@both_parsers
@pytest.mark.parametrize("attack", BODIES, ids=name_of)
def test_a_body_against_the_law_is_never_completed(bench: Bench, attack: Attack) -> None:
    """No server takes it for a whole one."""
    expect_broken_off(bench, attack)


@only_haproxy
@pytest.mark.parametrize("attack", strict(BODIES), ids=name_of)
def test_the_oracle_breaks_the_body_off_too(bench: Bench, attack: Attack) -> None:
    """HAProxy ends it the same way."""
    expect_broken_off(bench, attack)


@pytest.mark.parametrize("fields", [(CL5, CL5), ("Content-Length: 5, 5",)], ids=["twice", "in one field"])
def test_equal_lengths_are_one_or_none(proxy: Launcher, origin: Origins, fields: tuple[str, ...]) -> None:
    """Equal lengths may be refused or sent on as one (RFC 9110 section 8.6), never as two."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    with lb.connect() as client:
        client.send(head(*fields, body=b"abcde"))
        answer = client.read_response()
    assert answer.status in (200, 400)
    seen = [(r.message.all("content-length"), r.message.body) for r in s1.requests]
    assert seen == ([(["5"], b"abcde")] if answer.status == 200 else [])


def test_chunk_extensions_are_no_attack(proxy: Launcher, origin: Origins) -> None:
    """An extension is skipped over (RFC 9112 section 7.1.1); sizes may be spelled in either case."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    with lb.connect() as client:
        client.send(head(TE, body=b'A;name=value\r\n0123456789\r\n0b;q="a b"\r\n0123456789a\r\n000\r\n\r\n'))
        assert client.read_response().status == 200
        client.send(get())
        assert client.read_response().status == 200
    assert s1.requests[0].message.body == b"01234567890123456789a"


def test_odd_but_lawful_requests_pass(proxy: Launcher, origin: Origins) -> None:
    """What looks strange and is allowed: empty values, all token characters, tabs, bytes over 127."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    lawful = [
        head("X-Empty:", start="GET / HTTP/1.1"),
        head("X-Tab:\ta\tb\t", start="GET / HTTP/1.1"),
        head("X-Latin: caf\xe9", start="GET / HTTP/1.1"),
        head("!#$%&'*+-.^`|~Z09: 1", start="GET / HTTP/1.1"),
        head(start="OPTIONS * HTTP/1.1"),
        head(start="GET /a?b=c&d=%20[]{}|^ HTTP/1.1".replace("[]{}|^", "~!$&'()*+,;=:@")),
        head(start="GET http://a/ HTTP/1.1"),
        head(start="PURGE / HTTP/1.1"),
        head(host="Host: [::1]:80", start="GET / HTTP/1.1"),
        head(host="Host: a.b-c_d:8080", start="GET / HTTP/1.1"),
        head("transfer-encoding: Chunked", body=LAST),
        head("cOnTeNt-LeNgTh: 0"),
    ]
    for data in lawful:
        with lb.connect() as client:
            client.send(data)
            assert client.read_response().status == 200, data
    assert len(s1.requests) == len(lawful)
    assert s1.requests[1].message.get("x-tab") == "a\tb"
    assert s1.requests[2].message.get("x-latin") == "caf\xe9"
