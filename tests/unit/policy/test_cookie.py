"""Persistence by cookie, against the table of what HAProxy does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request, Response
from greenlb.model import NOWHERE, Address, Bind, Frontend, Server
from greenlb.policy import cookie
from greenlb.policy.cookie import Persistence
from greenlb.policy.cookie_syntax import capture_request, capture_response
from tests.support import cookie_table
from tests.support.cookie_table import CONFIGS, COOKIES, DOWN, Case, Outcome, dated, undated

NOW = 1_800_000_002
BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
CLIENT = Client(Frontend("fe", 1, NOWHERE), BIND, "192.0.2.1", 1234, "127.0.0.1", 80)
SERVERS = [
    Server(name, number, Address("192.0.2.7", 80), NOWHERE, cookie=value, backup=name == "other")
    for number, (name, value) in enumerate(COOKIES.items(), 1)
]


def is_up(server: Server) -> bool:
    return server.name not in DOWN


def exchange(*cookies: str, method: bytes = b"GET") -> Exchange:
    x = Exchange(CLIENT)
    fields = Fields(b"\r\nHost: a.example\r\n")
    for line in cookies:
        fields.add(b"Cookie", line.encode())
    fields.add(b"Accept", b"*/*")
    x.request = Request(method, b"/", True, fields)
    return x


def answer(x: Exchange, server: Server, *lines: str, status: int = 200) -> Fields:
    fields = Fields(b"\r\nServer: x\r\n")
    for line in lines:
        fields.append(line.encode() + b"\r\n")
    x.server = server
    x.response = Response(status, b"Some", True, fields)
    return fields


def outcome(case: Case, persistence: Persistence, chosen: str) -> Outcome:
    """What greenlb makes of a case; ``chosen`` is where it goes when no cookie decides."""
    x = exchange(*(dated(line, NOW) for line in case.cookies), method=case.method.encode())
    server = persistence.request(x, is_up) or next(s for s in SERVERS if s.name == chosen)
    assert x.request is not None
    assert x.request.fields.raw.endswith(b"\r\nAccept: */*\r\n")
    given = answer(x, server, *case.answer, status=case.status)
    persistence.response(x)
    return Outcome(
        server.name,
        [undated(value.decode(), NOW, case) for value in x.request.fields.get_all(b"cookie")],
        [
            f"{name.decode().lower()}: {undated(value.decode(), NOW, case)}"
            for name, value in given.items()
            if name.lower() in (b"set-cookie", b"cache-control")
        ],
        x.cookie_in + x.cookie_out,
    )


@pytest.fixture
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookie, "time", lambda: float(NOW))


@pytest.mark.parametrize("config", CONFIGS)
def test_every_case_ends_as_with_haproxy(config: str, today: None) -> None:
    persistence = Persistence(CONFIGS[config], SERVERS)
    rows = [(case, expected) for case, expected in cookie_table.load() if case.config == config]
    assert rows
    for case, expected in rows:
        assert outcome(case, persistence, expected.server) == expected, case


def test_the_table_knows_every_flag() -> None:
    flags = {expected.flags for _, expected in cookie_table.load()}
    assert {flag[0] for flag in flags} == set("-NIDVEO")
    assert {flag[1] for flag in flags} == set("-NPDIRU")


def test_the_cookie_is_set_at_the_end_of_the_head_and_spelled_as_haproxy_spells_it() -> None:
    persistence = Persistence(replace(CONFIGS["seed"], name=b"SERVERID"), SERVERS)
    x = exchange()
    assert persistence.request(x, is_up) is None
    fields = answer(x, SERVERS[0], "ETag: x")
    persistence.response(x)
    assert fields.raw == (
        b"\r\nServer: x\r\nETag: x\r\nSet-Cookie: SERVERID=a1; path=/\r\nCache-control: private\r\n"
    )


def test_an_interim_response_gets_no_cookie() -> None:
    persistence = Persistence(CONFIGS["insert"], SERVERS)
    x = exchange()
    persistence.request(x, is_up)
    for status, given in ((103, False), (101, True)):
        fields = answer(x, SERVERS[0], status=status)
        persistence.response(x)
        assert fields.has(b"set-cookie") is given


def test_a_redispatched_exchange_gets_a_new_cookie() -> None:
    persistence = Persistence(CONFIGS["indirect"], SERVERS)
    x = exchange("SRV=a1")
    assert persistence.request(x, is_up) is SERVERS[0]
    x.kept, x.cookie_in = None, "D"
    fields = answer(x, SERVERS[1])
    persistence.response(x)
    assert fields.get(b"set-cookie") == b"SRV=a2; path=/"
    assert x.cookie_in + x.cookie_out == "DI"


def test_option_persist_sends_to_a_server_that_is_down() -> None:
    persistence = Persistence(CONFIGS["insert"], SERVERS, persist=True)
    x = exchange("SRV=a3")
    assert persistence.request(x, is_up) is SERVERS[2]
    fields = answer(x, SERVERS[2])
    persistence.response(x)
    assert not fields.has(b"set-cookie")
    assert x.cookie_in + x.cookie_out == "DN"


def test_fields_other_than_cookie_keep_their_bytes() -> None:
    persistence = Persistence(CONFIGS["indirect"], SERVERS)
    x = exchange("a=b; SRV=a1; c=d")
    assert x.request is not None
    persistence.request(x, is_up)
    assert x.request.fields.raw == b"\r\nHost: a.example\r\nCookie: a=b; c=d\r\nAccept: */*\r\n"


def test_a_dynamic_cookie_is_the_hash_of_key_address_and_port() -> None:
    # Taken from HAProxy 2.6.12: dynamic-cookie-key secret, server 127.0.0.1:19001 and [::1]:19001.
    assert cookie.dynamic_value("secret", Address("127.0.0.1", 19001)) == "af3f54cdf9d79690"
    assert cookie.dynamic_value("secret", Address("::1", 19001)) == "61f039d0dbfde813"
    dynamic = replace(CONFIGS["insert"], dynamic=True, dynamic_key="secret")
    servers = [Server(f"s{n}", n, Address("127.0.0.1", 19000 + n), NOWHERE) for n in (1, 2)]
    fixed = replace(servers[1], cookie="fixed")
    persistence = Persistence(dynamic, [servers[0], fixed])
    assert persistence.request(exchange("SRV=af3f54cdf9d79690"), is_up) is servers[0]
    assert persistence.request(exchange("SRV=fixed"), is_up) is fixed


def test_a_dynamic_cookie_follows_a_server_that_moves() -> None:
    dynamic = replace(CONFIGS["insert"], dynamic=True, dynamic_key="secret")
    s1 = Server("s1", 1, Address("", 19001), NOWHERE)
    persistence = Persistence(dynamic, [s1])
    for address, value in (("127.0.0.1", "af3f54cdf9d79690"), ("::1", "61f039d0dbfde813")):
        assert persistence.request(exchange(f"SRV={value}"), is_up) is None
        persistence.moved(s1, Address(address, 19001))
        assert persistence.request(exchange(f"SRV={value}"), is_up) is s1
    assert persistence.request(exchange("SRV=af3f54cdf9d79690"), is_up) is None


@pytest.mark.parametrize("seconds", [0, 4, 1_800_000_000, (1 << 32) - 4])
def test_dates_go_there_and_back(seconds: int) -> None:
    assert cookie.decode_date(cookie.encode_date(seconds)) == seconds


@pytest.mark.parametrize("digits", [b"", b"AAAA", b"AAA=A", b"AA AA", b"AAA-A"])
def test_what_is_no_date_is_none(digits: bytes) -> None:
    assert cookie.decode_date(digits) == 0


CAPTURED = [
    ("SRV", ["a=b; SRV=a1; c=d"], "SRV=a1"),
    ("SRV", ["SRVX=1; SRV=a1"], "SRVX=1"),
    ("SRV=", ["SRVX=1; SRV=a1"], "SRV=a1"),
    ("SRV", ["a=SRV=1"], ""),
    ("SRV", ["srv=1"], ""),
    ("SRV", ["SRV; SRV = 2 ;x"], "SRV=2"),
    ("SRV", ["a=b", "SRV=3"], "SRV=3"),
    ("SRV", ["SRV=a-long-value-here"], "SRV=a-long"),
    ("$P", ["SRV=1; $Path=/"], ""),
    ("SRV", [], ""),
]


@pytest.mark.parametrize(("name", "lines", "expected"), CAPTURED)
def test_capture_of_a_request_cookie(name: str, lines: list[str], expected: str) -> None:
    x = exchange(*lines)
    assert x.request is not None
    assert capture_request(x.request.fields, name.encode(), 10) == expected.encode()


def test_capture_of_a_response_cookie() -> None:
    fields = Fields(
        b"\r\nSet-Cookie: x=1; path=/\r\nSet-Cookie: SRV = abcdefgh ; path=/\r\nSet-Cookie: SRV=2\r\n"
    )
    assert capture_response(fields, b"SRV", 9) == b"SRV=abcde"
    assert capture_response(fields, b"path", 9) == b""
    assert capture_response(Fields(), b"SRV", 9) == b""
