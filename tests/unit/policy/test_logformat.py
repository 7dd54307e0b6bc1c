"""Log formats: the lines are those that HAProxy 2.6.12 sent for the same exchanges."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.exchange import Client, Exchange, TlsFacts
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Backend, Bind, BindTls, Frontend, Server
from greenlb.policy import logformat
from greenlb.policy.logencoding import NAMES
from greenlb.policy.logformat import compile_format, compile_json
from greenlb.policy.logvariables import VARIABLES
from greenlb.policy.scope import Scope

HTTP = Scope(log=True)
TCP = Scope(mode="tcp", log=True)
VALUE = Scope()

PLAIN = Bind("1", Address("127.0.0.1", 18080), NOWHERE)
SECURE = Bind("1", Address("127.0.0.1", 18443), NOWHERE, BindTls(NOWHERE))
S1 = Server("s1", 1, Address("127.0.0.1", 19001), NOWHERE)
WEB = Backend("web_server", 2, NOWHERE, "http", servers=(S1,))
WALL = 1795163526.255  # 2026-11-20 08:32:06 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def exchange(
    name: str = "https_frontend",
    mode: str = "http",
    port: int = 42674,
    bind: Bind = PLAIN,
    timers: tuple[int, ...] = (0, 0, 0, 1, 1),
    logasap: bool = False,
) -> Exchange:
    """An exchange whose TR, Tw, Tc, Tr and Ta are ``timers`` (whole milliseconds, -1: not reached)."""
    frontend = Frontend(name, 1, NOWHERE, mode, logasap=logasap)
    client = Client(frontend, bind, "127.0.0.1", port, "127.0.0.1", bind.address.port)
    client.wall, client.accepted, client.ready = WALL, 1000.0, 1000.0
    x = Exchange(client)
    x.start = 1000.0
    moment = x.start
    for attribute, timer in zip(("head_done", "served", "connected", "answered"), timers, strict=False):
        if timer >= 0:
            moment += timer / 1000 + 1e-6
            setattr(x, attribute, moment)
    x.end = x.start + timers[-1] / 1000 + 1e-4
    x.counts = (1, 1, 0, 0)
    x.request_line = b"GET / HTTP/1.1"
    return x


def by_cookie() -> Exchange:
    x = exchange(bind=SECURE)
    x.backend, x.server, x.status, x.bytes_out = WEB, S1, 200, 118
    x.cookie_in, x.cookie_out = "N", "I"
    x.request_captures, x.response_captures = [b"127.0.0.1:18443"], [b"T Python/3.11.7"]
    return x


def denied() -> Exchange:
    x = exchange(timers=(0, -1, -1, -1, 0))
    x.status, x.bytes_out = 403, 192
    x.ended("P", "R")
    x.request_captures, x.response_captures = [b"127.0.0.1:18080"], [None]
    x.request_line = b"GET /deny HTTP/1.1"
    return x


def redispatched() -> Exchange:
    x = exchange(timers=(0, 0, -1, -1, 0))
    x.backend = Backend("down", 3, NOWHERE, "http")
    x.server = Server("d2", 2, Address("127.0.0.1", 19010), NOWHERE)
    x.status, x.bytes_out, x.retries, x.redispatched = 503, 217, 3, True
    x.ended("S", "C")
    x.request_line = b"GET /down HTTP/1.1"
    return x


def queued_for_too_long() -> Exchange:
    x = exchange(timers=(0, 1001, -1, -1, 1001))
    x.backend = Backend("q", 4, NOWHERE, "http")
    x.status, x.bytes_out, x.counts, x.queue_backend = 503, 217, (2, 2, 1, 0), 1
    x.ended("s", "Q")
    x.request_line = b"GET /slowq HTTP/1.1"
    return x


def cookies_seen() -> Exchange:
    x = exchange(timers=(0, 0, 0, 0, 0))
    x.backend, x.server, x.status, x.bytes_out = WEB, S1, 200, 148
    x.cookie_request, x.cookie_response = b"SERVERID=s1", b"SERVERID=app"
    x.cookie_in, x.cookie_out = "V", "N"
    x.request_line = b"GET /cookie HTTP/1.1"
    return x


def unreadable() -> Exchange:
    x = exchange(timers=(-1, -1, -1, -1, 1001))
    x.status = 408
    x.ended("c", "R")
    x.request_line = b""
    return x


def statistics_page() -> Exchange:
    x = exchange("stats", timers=(0, 0, 0, 0, 0))
    x.service, x.status, x.bytes_out = "<STATS>", 200, 78013
    x.ended("L", "R")
    return x


def early() -> Exchange:
    x = exchange("plain", timers=(0, 0, 0, 0, 0), logasap=True)
    x.backend, x.server, x.status, x.bytes_out = WEB, S1, 200, 147
    x.cookie_in, x.cookie_out, x.counts = "N", "I", (1, 1, 1, 1)
    x.request_line = b"GET /asap HTTP/1.1"
    return x


HTTPLOG = [
    (
        by_cookie,
        "https_frontend~ web_server/s1 0/0/0/1/1 200 118 - - --NI 1/1/0/0/0 0/0 {127.0.0.1:18443}"
        ' {T Python/3.11.7} "GET / HTTP/1.1"',
    ),
    (
        denied,
        "https_frontend https_frontend/<NOSRV> 0/-1/-1/-1/0 403 192 - - PR-- 1/1/0/0/0 0/0 {127.0.0.1:18080}"
        ' {} "GET /deny HTTP/1.1"',
    ),
    (
        redispatched,
        'https_frontend down/d2 0/0/-1/-1/0 503 217 - - SC-- 1/1/0/0/+3 0/0 "GET /down HTTP/1.1"',
    ),
    (
        queued_for_too_long,
        'https_frontend q/<NOSRV> 0/1001/-1/-1/1001 503 217 - - sQ-- 2/2/1/0/0 0/1 "GET /slowq HTTP/1.1"',
    ),
    (
        cookies_seen,
        "https_frontend web_server/s1 0/0/0/0/0 200 148 SERVERID=s1 SERVERID=app --VN 1/1/0/0/0 0/0"
        ' "GET /cookie HTTP/1.1"',
    ),
    (
        unreadable,
        'https_frontend https_frontend/<NOSRV> -1/-1/-1/-1/1001 408 0 - - cR-- 1/1/0/0/0 0/0 "<BADREQ>"',
    ),
    (statistics_page, 'stats stats/<STATS> 0/0/0/0/0 200 78013 - - LR-- 1/1/0/0/0 0/0 "GET / HTTP/1.1"'),
    (early, 'plain web_server/s1 0/0/0/0/+0 200 +147 - - --NI 1/1/1/1/0 0/0 "GET /asap HTTP/1.1"'),
]


@pytest.mark.parametrize(("made", "expected"), HTTPLOG, ids=[made.__name__ for made, _ in HTTPLOG])
def test_httplog_is_what_haproxy_sent(made: Callable[[], Exchange], expected: str) -> None:
    line = compile_format(logformat.HTTPLOG, HTTP)(made()).decode()
    assert line == "127.0.0.1:42674 [20/Nov/2026:08:32:06.255] " + expected


def test_tcplog() -> None:
    x = exchange("ftcp", "tcp", 37416, timers=(-1, 0, 0, -1, 1))
    x.backend, x.server, x.bytes_out = Backend("btcp", 5, NOWHERE), S1, 115
    expected = b"127.0.0.1:37416 [20/Nov/2026:08:32:06.255] ftcp btcp/s1 0/0/1 115 -- 1/1/0/0/0 0/0"
    assert compile_format(logformat.TCPLOG, TCP)(x) == expected


def test_clf_quotes_strings_but_not_dates_and_flags() -> None:
    x = exchange("fclf", timers=(0, -1, -1, -1, 0))
    x.status, x.bytes_out, x.cookie_response = 200, 73, b""
    x.ended("L", "R")
    x.request_captures = [b"curl/7.88.1", b'a"b{c|d}e#f\xc3\xa9', None]
    expected = (
        b'127.0.0.1 - - [20/Nov/2026:08:32:06 +0000] "GET / HTTP/1.1" 200 73 "" "" 42674 255 "fclf" "fclf"'
        b' "<NOSRV>" 0 -1 -1 -1 0 LR-- 1 1 0 0 0 0 0 "" "" "curl/7.88.1" "a#22b#7Bc#7Cd#7De#23f#C3#A9" "" '
    )
    assert compile_format(logformat.CLFLOG, HTTP)(x) == expected


def test_the_format_of_haproxy_15_has_the_accept_date_and_the_whole_time() -> None:
    x = by_cookie()
    x.start, x.ready = 1000.5, 1000.0
    for name in ("head_done", "served", "connected", "answered", "end"):
        setattr(x, name, getattr(x, name) + 0.5)
    line = compile_format(logformat.HTTPLOG_15, HTTP)(x).decode()
    assert "[20/Nov/2026:08:32:06.255] https_frontend~ web_server/s1 500/0/0/1/501 200" in line


@pytest.mark.parametrize("name", logformat.NAMED)
def test_every_named_format_compiles(name: str) -> None:
    assert compile_format(logformat.NAMED[name], TCP if name == "tcplog" else HTTP)(by_cookie())


# -- spaces --------------------------------------------------------------------------------------------

CAPTURES = [
    ("  a  %hr  b %hs%hrl c", b"a {1|} b {2}1 - c", b"a b c"),
    ("%hr x", b"{1|} x", b"x"),
    ("a%hr b", b"a{1|} b", b"a b"),
    ("a %hr", b"a {1|}", b"a "),
    ("%hr %hs", b"{1|} {2}", b""),
    ("a %hr%hs b", b"a {1|}{2} b", b"a b"),
    ("a %hr%f", b"a {1|}fe", b"a fe"),
    ("%{+Q}hr %{+Q}hsl", b'"{1|}" "2"', b""),
]


@pytest.mark.parametrize(("text", "with_captures", "without"), CAPTURES)
def test_spaces_merge_around_captures_that_are_not_there(
    text: str, with_captures: bytes, without: bytes
) -> None:
    x = exchange("fe")
    render = compile_format(text, HTTP)
    assert render(x) == without
    x.request_captures, x.response_captures = [b"1", None], [b"2"]
    assert render(x) == with_captures


def test_spaces_stand_in_a_value() -> None:
    assert compile_format("  a  b ", VALUE)(exchange()) == b"  a  b "
    assert compile_format(" %f  %s ", VALUE)(exchange("fe")) == b" fe  <NOSRV> "


@pytest.mark.parametrize("text", ["plain", "100%% plain", "a%%f b", "\u00e9", "\udce9"])
def test_text_alone(text: str) -> None:
    expected = text.replace("%%", "%").encode("utf-8", "surrogateescape")
    for scope in (HTTP, VALUE):
        assert compile_format(text, scope)(exchange()) == expected
        assert compile_format(f"{text} %f", scope)(exchange("fe")) == expected + b" fe"


# -- flags and encodings -------------------------------------------------------------------------------

FLAGS = [
    ("%ci:%cp %{+X}ci:%{+X}cp", b"127.0.0.1:42674 7F000001:A6B2"),
    ("%Ts %{+X}Ts %ms %{+X}ms", b"1795163526 6B000586 255 FF"),
    ("%{+Q}f %{+Q}ft %{+Q}CC %CC", b'"fe" "fe~" "" -'),
    ("%{+Q}o %f %{-Q}f %s", b'"fe" fe "<NOSRV>"'),
    ("%{+Q,+E}[req.hdr(x)]", b'"q\\"\\\\\\]"'),
    ("%{+E}[req.hdr(x)]", b'q\\"\\\\\\]'),
    ("%[req.hdr(y)] %{+Q}[req.hdr(y)]", b'- ""'),
    ("%[req.hdr(x),length]%%", b"4%"),
    ("%tsc %{+Q}tsc %ts", b"---- ---- --"),
]


@pytest.mark.parametrize(("text", "expected"), FLAGS)
def test_flags(text: str, expected: bytes) -> None:
    x = exchange("fe", bind=SECURE)
    x.request = Request(b"GET", b"/", True, Fields(b'\r\nX: q"\\]\r\n'))
    assert compile_format(text, HTTP)(x) == expected


def test_the_parts_of_a_request_line() -> None:
    x = exchange()
    x.request_line = b"GET http://h/pa/th?q=1?x HTTP/1.1"
    render = compile_format("%HM %HP %HPO %HQ %HU %HV", HTTP)
    assert render(x) == b"GET http://h/pa/th /pa/th ?q=1?x http://h/pa/th?q=1?x HTTP/1.1"
    x.request_line = b""
    assert render(x) == b" ".join([b"<BADREQ>"] * 6)
    x.request_line = b"GET http://h?q HTTP/1.1"
    assert compile_format("%HPO %HQ", HTTP)(x) == b"/ ?q"


def test_what_cannot_be_printed_is_encoded_in_the_request_line() -> None:
    x = exchange()
    x.request_line = b'GET /\x00"#{|}\xff\x7f~ HTTP/1.1'
    assert compile_format("%r", HTTP)(x) == b"GET /#00#22#23{|}#FF#7F~ HTTP/1.1"


def test_a_sample_cannot_begin_a_line_of_its_own() -> None:
    x = exchange()
    x.request = Request(b"GET", b"/?u=a%0D%0Ab\xe9", True, Fields())
    text = "%[url_param(u),url_dec]"
    assert compile_format(text, HTTP)(x) == b"a#0D#0Ab\xe9"
    assert compile_format(f"x{text}", VALUE)(x) == b"xa%0D%0Ab\xe9"


def test_every_variable_renders_for_an_exchange_that_never_got_anywhere() -> None:
    x = Exchange(exchange().client)
    for variable in VARIABLES:
        for flags in ("", "{+Q}", "{+X}", "{+E}", "{+Q,+E}"):
            rendered = compile_format(f"%{flags}{variable.name}", HTTP)(x)
            assert isinstance(rendered, bytes)
            assert b"\n" not in rendered


def test_counters_count() -> None:
    render = compile_format("%lc", HTTP)
    assert [render(exchange()), render(exchange())] == [b"0", b"1"]
    first, second = (int(compile_format("%rt", HTTP)(exchange())) for _ in range(2))
    assert second == first + 1


def test_addresses_and_tls() -> None:
    x = by_cookie()
    x.client.tls = TlsFacts("TLSv1.3", "TLS_AES_256_GCM_SHA384")
    x.ends = ("127.0.0.1", 39086, None)
    render = compile_format("%fi:%fp %bi:%bp %si:%sp %sslv/%sslc", HTTP)
    assert render(x) == b"127.0.0.1:18443 127.0.0.1:39086 127.0.0.1:19001 TLSv1.3/TLS_AES_256_GCM_SHA384"


def test_the_unique_id_is_absent() -> None:
    assert compile_format("%ID", HTTP)(exchange()) == b"-"


# -- timers and dates ----------------------------------------------------------------------------------


def test_a_kept_connection_has_its_own_dates_and_no_handshake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "monotonic", lambda: 2000.0)
    monkeypatch.setitem(NAMES, "wall", lambda: WALL + 1000.0 + 3600.0)  # it was set: an hour forward
    text = "[%t] [%tr] Th=%Th Ti=%Ti TR=%TR Tq=%Tq Ta=%Ta Tt=%Tt Tu=%Tu"
    render = compile_format(text, HTTP)
    x = exchange(timers=(1, 0, 0, 0, 2))
    x.client.handshake = 0.1
    for name in ("start", "head_done", "served", "connected", "answered", "end"):
        setattr(x, name, getattr(x, name) + 0.3001)
    assert render(x) == (
        b"[20/Nov/2026:08:32:06.255] [20/Nov/2026:08:32:06.555] Th=100 Ti=200 TR=1 Tq=301 Ta=2 Tt=302 Tu=102"
    )
    x.ready = 1000.2
    assert render(x) == (
        b"[20/Nov/2026:09:32:06.455] [20/Nov/2026:09:32:06.555] Th=0 Ti=100 TR=1 Tq=101 Ta=2 Tt=102 Tu=2"
    )


@given(st.lists(st.floats(0, 10), min_size=5, max_size=5))
def test_the_timers_add_up(steps: list[float]) -> None:
    x = exchange()
    moments = list(itertools.accumulate([x.start, *steps]))[1:]
    x.head_done, x.served, x.connected, x.answered, x.end = moments
    values = [int(v) for v in compile_format("%TR/%Tw/%Tc/%Tr/%Td/%Ta", HTTP)(x).split(b"/")]
    assert min(values) >= 0
    assert sum(values[:5]) == values[5]


def test_dates_of_many_seconds() -> None:
    render = compile_format("%t %T %Tl", HTTP)
    x = exchange()
    for second in range(1000):
        x.client.wall = 1.0 + second
        expected = time.strftime("%d/%b/%Y:%H:%M:%S", time.gmtime(1 + second))
        assert render(x).decode() == f"{expected}.000 {expected} +0000 {expected} +0000"


# -- JSON ----------------------------------------------------------------------------------------------


def test_json_has_the_fields_of_the_table() -> None:
    x = redispatched()
    x.request_captures = [b"a\xff", None]
    fields = json.loads(json.dumps(compile_json(HTTP)(x)))
    assert fields["time"] == "2026-11-20T08:32:06.255Z"
    assert fields["connect_ms"] is None
    assert fields["queue_ms"] == 0
    assert (fields["backend"], fields["server"], fields["status"]) == ("down", "d2", 503)
    assert (fields["retries"], fields["redispatched"]) == (3, True)
    assert fields["termination_state"] == "SC--"
    assert fields["captured_request_headers"] == ["a\\xff", None]
    assert fields["captured_response_headers"] == []
    assert {v.field for v in VARIABLES if v.field} <= set(fields)
    assert "request_ms" not in compile_json(TCP)(exchange("f", "tcp"))


def manual() -> dict[str, str]:
    """The variables of HAProxy's manual, with what they need: H is mode http, S is TLS."""
    lines = (Path(__file__).parent / "haproxy_log_variables.txt").read_text().splitlines()[1:]
    return {line[2:]: line[0] for line in lines}


def test_every_variable_of_the_manual_is_there() -> None:
    assert manual().keys() == {variable.name for variable in VARIABLES} | {"o"}


@pytest.mark.parametrize(("name", "needs"), manual().items())
def test_variables_of_mode_http(name: str, needs: str) -> None:
    compile_format(f"%{name}", HTTP)
    if needs == "H" and name != "tsc":  # which HAProxy takes in mode tcp, whatever its manual says
        with pytest.raises(ValueError, match="reserved for mode http"):
            compile_format(f"%{name}", TCP)
    else:
        compile_format(f"%{name}", TCP)


# -- errors --------------------------------------------------------------------------------------------

ERRORS = [
    ("%cii", HTTP, "no such format variable '%cii', did you mean '%ci'?"),
    ("50% off", VALUE, "write '%%' for a percent sign"),
    ("x%", VALUE, "write '%%' for a percent sign"),
    ("%{+Q}", HTTP, "write '%%'"),
    ("%{Q}r", HTTP, "expected \\+ or - and one of Q, X, E, M"),
    ("%{+Z}r", HTTP, "expected \\+ or -"),
    ("%[src", HTTP, "missing ']' after '%\\[src'"),
    ("%[sr]", HTTP, "unknown sample fetch 'sr'"),
    ("%tr", TCP, "format variable '%tr' is reserved for mode http"),
]


@pytest.mark.parametrize(("text", "scope", "message"), ERRORS)
def test_errors_say_what_was_expected(text: str, scope: Scope, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_format(text, scope)


def test_a_bracket_inside_an_argument_does_not_end_a_sample() -> None:
    x = exchange()
    x.request = Request(b"GET", b"/", True, Fields(b"\r\nX: abc\r\n"))
    assert compile_format("<%[req.hdr(x),regsub([bc],Z,g)]>", VALUE)(x) == b"<aZZ>"
    assert compile_format("<%[req.hdr(x),regsub(']',-)]>", VALUE)(x) == b"<abc>"
