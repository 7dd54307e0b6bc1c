"""Answers that try to be two things at once: 502, and their connection carries nothing more."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import chunked, get, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
http-reuse = always
server s1 = 127.0.0.1:{s1}
"""


@dataclass(frozen=True)
class Attack:
    """``lax``: HAProxy 2.6 takes it, so it is not asked."""

    name: str
    data: bytes
    lax: bool = False


def head(*fields: str, start: str = "HTTP/1.1 200 OK", body: bytes = b"") -> bytes:
    return raw_response(start, *fields, body=body)


CL5, TE = "Content-Length: 5", "Transfer-Encoding: chunked"
LAST = b"0\r\n\r\n"

ATTACKS = [
    Attack("length and chunked", head(CL5, TE, body=LAST), lax=True),
    Attack("chunked and length", head(TE, CL5, body=LAST), lax=True),
    Attack("two lengths", head(CL5, "Content-Length: 6", body=b"abcdef")),
    Attack("two lengths in one field", head("Content-Length: 5, 6", body=b"abcdef")),
    Attack("negative length", head("Content-Length: -5", body=b"abcde")),
    Attack("signed length", head("Content-Length: +5", body=b"abcde")),
    Attack("length of words", head("Content-Length: five", body=b"abcde")),
    Attack("empty length", head("Content-Length:", body=b"abcde")),
    Attack("length beyond 64 bits", head("Content-Length: 18446744073709551621", body=b"abcde")),
    Attack("unknown coding", head("Transfer-Encoding: xchunked", body=LAST), lax=True),
    Attack("chunked not last", head("Transfer-Encoding: chunked, gzip", body=LAST)),
    Attack("chunked twice", head("Transfer-Encoding: chunked, chunked", body=LAST)),
    Attack("bare LF after the status line", b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", lax=True),
    Attack("only bare LF", b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", lax=True),
    Attack("bare CR in a value", head("X: a\rb", "Content-Length: 0")),
    Attack("folded line", head("X: a", " b", "Content-Length: 0"), lax=True),
    Attack("NUL in a value", head("X: a\0b", "Content-Length: 0"), lax=True),
    Attack("control byte in a value", head("X: a\x01b", "Content-Length: 0"), lax=True),
    Attack("blank before the colon", head("X : a", "Content-Length: 0"), lax=True),
    Attack("blank in a name", head("X Y: a", "Content-Length: 0")),
    Attack("no colon", head("nothing", "Content-Length: 0")),
    Attack("no name", head(": a", "Content-Length: 0")),
    Attack("status of two digits", head("Content-Length: 0", start="HTTP/1.1 20 OK"), lax=True),
    Attack("status of four digits", head("Content-Length: 0", start="HTTP/1.1 2000 OK"), lax=True),
    Attack("status of words", head("Content-Length: 0", start="HTTP/1.1 abc OK")),
    Attack("status 099", head("Content-Length: 0", start="HTTP/1.1 099 Low"), lax=True),
    Attack("no status", head("Content-Length: 0", start="HTTP/1.1")),
    Attack("version 2.0", head("Content-Length: 0", start="HTTP/2.0 200 OK"), lax=True),
    Attack("another protocol", head("Content-Length: 0", start="ICY 200 OK")),
    Attack("another server's greeting", b"220 mail.example.com ESMTP\r\n"),
    Attack("a TLS alert", b"\x15\x03\x01\x00\x02\x02\x46"),
    Attack("bytes", bytes(range(256))),
    Attack("control byte in the reason", head("Content-Length: 0", start="HTTP/1.1 200 O\x01K"), lax=True),
    Attack(
        "an upgrade that was not asked for", head("Upgrade: x", "Connection: Upgrade", start="HTTP/1.1 101 S")
    ),
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
    """One balancer and one server for all rows; each row brings its own connection."""

    lb: Balancer
    s1: Origin


@pytest.fixture(scope="module")
def bench(module_proxy: Launcher, module_origin: Origins) -> Bench:
    s1 = module_origin()
    return Bench(module_proxy(INI, s1=s1), s1)


def expect_502(bench: Bench, attack: Attack) -> None:
    """The client gets 502, nothing of the answer, and the server's connection is dropped; PH in the log."""
    with bench.lb.connect() as client:
        client.send(get())
        server, _ = bench.s1.take()
        server.send(attack.data)
        answer = client.read_response()
        assert (answer.status, answer.get("x-origin")) == (502, None)
        server.expect_closed()
        line = bench.lb.log_of(client)
        server.close()
    assert (line.status, line.flags, line.server) == (502, "PH--", "s1")


@both_parsers
@pytest.mark.parametrize("attack", ATTACKS, ids=name_of)
def test_an_answer_against_the_law_is_a_502(bench: Bench, attack: Attack) -> None:
    """It is not passed on, whichever parser reads it."""
    expect_502(bench, attack)


@only_haproxy
@pytest.mark.parametrize("attack", strict(ATTACKS), ids=name_of)
def test_the_oracle_refuses_the_answer_too(bench: Bench, attack: Attack) -> None:
    """HAProxy answers the same way."""
    expect_502(bench, attack)


def test_leftovers_never_answer_the_next_request(proxy: Launcher, origin: Origins) -> None:
    """What a server sends behind its answer is thrown away with its connection."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    evil = response(body=b"evil")
    with lb.connect() as client:
        for answer, request_ in [
            (response(body=b"good"), get()),
            (raw_response("HTTP/1.1 200 OK", TE, body=chunked(b"good")), get()),
            (raw_response("HTTP/1.1 304 Not Modified"), get()),
            (raw_response("HTTP/1.1 204 No Content"), get()),
            (raw_response("HTTP/1.1 200 OK", "Content-Length: 4"), request("HEAD / HTTP/1.1")),
        ]:
            client.send(request_)
            server, _ = s1.take()
            server.send(answer + evil)
            method = request_.split(b" ")[0].decode()
            assert client.read_response(method).body in (b"good", b"")
            client.send(get("/next"))
            server, seen = s1.take()
            assert seen.target == "/next"
            server.send(response("200 OK", "Connection: close", body=b"next"))
            server.close()
            assert client.read_response().body == b"next"


def test_an_idle_server_may_not_speak(proxy: Launcher, origin: Origins) -> None:
    """An answer that comes while no request is under way spoils its connection, not the next request."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"one"))
        assert client.read_response().body == b"one"
        server.send(response("200 OK", body=b"evil"))
        server.expect_closed()
        client.send(get("/2"))
        server, _ = s1.take()
        server.send(response(body=b"two"))
        assert client.read_response().body == b"two"


def test_a_server_that_closes_without_an_answer(proxy: Launcher, origin: Origins) -> None:
    """502, and SH in the log."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Content-Length: 1", body=b"x"))
        server, _ = s1.take()
        server.close()
        assert client.read_response().status == 502
    line = lb.log()
    assert (line.status, line.flags, line.timers[3]) == (502, "SH--", -1)


def test_a_server_that_closes_inside_its_head(proxy: Launcher, origin: Origins) -> None:
    """Half a head is no answer: 502."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Content-Length: 1", body=b"x"))
        server, _ = s1.take()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Le")
        server.close()
        assert client.read_response().status == 502
    assert lb.log().status == 502


CHUNKS = [
    Attack("size of words", b"five\r\nabcde\r\n" + LAST),
    Attack("negative size", b"-5\r\nabcde\r\n" + LAST),
    Attack("size beyond 64 bits", b"10000000000000005\r\nabcde\r\n" + LAST),
    Attack("chunk longer than its size", b"5\r\nabcdefgh\r\n" + LAST),
    Attack("bare LF after the size", b"5\nabcde\r\n" + LAST, lax=True),
    Attack("extension with NUL", b"5;\0\r\nabcde\r\n" + LAST, lax=True),
]


def expect_broken_off(bench: Bench, attack: Attack) -> None:
    """502 when nothing was passed on yet, else the client's connection breaks inside the body."""
    with bench.lb.connect() as client:
        client.send(get())
        server, _ = bench.s1.take()
        server.send(head(TE, body=b"2\r\nok\r\n"))
        assert client.read_until(b"ok").startswith(b"HTTP/1.1 200 OK")
        server.send(attack.data)
        rest = client.read_to_close()
        assert not rest.endswith(LAST)
        server.expect_closed()
        assert bench.lb.log_of(client).flags[1] == "D"
        server.close()


@both_parsers
@pytest.mark.parametrize("attack", CHUNKS, ids=name_of)
def test_an_answers_body_against_the_law_is_never_completed(bench: Bench, attack: Attack) -> None:
    """No client takes it for a whole one."""
    expect_broken_off(bench, attack)


@only_haproxy
@pytest.mark.parametrize("attack", strict(CHUNKS), ids=name_of)
def test_the_oracle_breaks_the_body_off_too(bench: Bench, attack: Attack) -> None:
    """HAProxy ends it the same way."""
    expect_broken_off(bench, attack)
