"""Rules over the first bytes of a connection: what holds, what does not, what is not known yet."""

from __future__ import annotations

import re

import pytest

from greenlb.config.words import split_words
from greenlb.exchange import Ahead, Client, Exchange, Hello, Undecided
from greenlb.model import ALLOW, NOWHERE, Address, Bind, Condition, Frontend
from greenlb.policy import rules
from greenlb.policy.conditions import any_of, compile_acl, compile_condition
from greenlb.policy.logformat import compile_format
from greenlb.policy.samples import compile_bytes
from greenlb.policy.scope import Scope

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
ACLS = {"long": compile_acl(["req.len", "gt", "4"], Scope("fe", "tcp"))}
REQUEST = Scope("fe", "tcp", acls=ACLS)
RESPONSE = Scope("fe", "tcp", acls=ACLS, response=True)
HELLO = Hello(1, 0x0303, b"\x07" * 32, b"Shop.example.com", (b"h2", b"http/1.1"), 3, True, True, b"ticket")
SERVER_HELLO = Hello(2, 0x0303, b"", None, (), 1, False)
MORE = object()


def read(data: bytes) -> object:
    """A hello is the letter H or S and a full stop."""
    return {b"H.": HELLO, b"S.": SERVER_HELLO}.get(data[:2], MORE if data in (b"", b"H", b"S") else None)


def ahead(data: bytes, final: bool = False) -> Ahead:
    made = Ahead(read, MORE, 100)
    made.data, made.final = data, final
    return made


def exchange(data: bytes | None, final: bool = False, server: bytes | None = None) -> Exchange:
    x = Exchange(Client(Frontend("fe", 1, NOWHERE, mode="tcp"), BIND, "192.0.2.1", 1234, "127.0.0.1", 80))
    x.ahead = None if data is None else ahead(data, final)
    if server is not None:
        x.ahead_response = ahead(server, final)
    return x


def condition(text: str, scope: Scope = REQUEST) -> Condition:
    return compile_condition(split_words(text), scope)


def answer(text: str, x: Exchange, scope: Scope = REQUEST) -> bool | None:
    """None: not known yet."""
    try:
        return condition(text, scope)(x)
    except Undecided:
        return None


@pytest.mark.parametrize(
    ("text", "data", "now", "at_last"),
    [
        ("{ req.ssl_hello_type 1 }", b"", None, False),
        ("{ req.ssl_hello_type 1 }", b"H", None, False),
        ("{ req.ssl_hello_type 1 }", b"H.", True, True),
        ("{ req_ssl_hello_type 2 }", b"H.", False, False),
        ("{ req.ssl_hello_type 1 }", b"GET", False, False),
        ("!{ req.ssl_hello_type 1 }", b"H", None, True),
        ("{ req.ssl_sni -i shop.example.com }", b"H.", True, True),
        ("{ req.ssl_sni -i shop.example.com }", b"S.", False, False),
        ("{ req_ssl_sni -m end .example.com }", b"H", None, False),
        ("{ req.ssl_ver 3.3 }", b"H.", True, True),
        ("{ req.ssl_ver 3.1 }", b"H.", False, False),
        ("{ req.ssl_ver 3.1:3.3 }", b"H.", True, True),
        ("{ req.ssl_ver 3.1:3.2 }", b"H.", False, False),
        ("{ req.ssl_ver 3.2: }", b"H.", True, True),
        ("{ req.ssl_ec_ext }", b"H.", True, True),
        ("{ req.ssl_st_ext 2 }", b"H.", True, True),
        ("{ req_ssl_ver ge 3.3 }", b"H.", True, True),
        ("{ req.ssl_alpn h2,http/1.1 }", b"H.", True, True),
        ("{ req.ssl_alpn -m sub h2 }", b"H.", True, True),
        ("{ req.len 0 }", b"", True, True),
        ("{ req.len lt 3 }", b"abcd", None, False),
        ("{ req_len ge 3 }", b"abcd", True, True),
        ("{ payload(0,3) -m str bad }", b"ba", None, False),
        ("{ payload(0,3) -m str bad }", b"badly", True, True),
        ("{ payload(0,3) -m str bad }", b"bax", False, False),
        ("{ payload(1,0) -m str ood }", b"goo", None, False),
        ("{ payload(1,0) -m str ood }", b"good", True, True),
        ("{ payload(0,101) -m found }", b"x", False, False),
        ("{ req.payload(0,1) -m bin 78 }", b"x", True, True),
        ("{ payload_lv(0,1) -m str ab }", b"\x02ab", True, True),
        ("{ payload_lv(0,1) -m str ab }", b"\x02a", None, False),
        ("{ payload_lv(0,1) -m found }", b"\x00", False, False),
        ("{ payload_lv(0,1,+1) -m str b }", b"\x01ab", True, True),
        ("{ payload_lv(0,1,2) -m str b }", b"\x01ab", True, True),
        ("{ req.payload_lv(1,2) -m str a }", b"x\x00\x01a", True, True),
        ("WAIT_END", b"x", None, True),
        ("!WAIT_END", b"x", None, False),
        ("REQ_CONTENT", b"x", True, True),
        ("HTTP", b"GET / HTTP/1.1\r\n", None, False),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n", True, True),
        ("HTTP", b"\x16\x03\x01", False, False),
        ("HTTP", b"SSH-2.0-OpenSSH\r\n\r\n", False, False),
        # what is not known yet does not hide what is
        ("{ req.ssl_hello_type 1 } or { src 192.0.2.1 }", b"", True, True),
        ("{ src 192.0.2.1 } or { req.ssl_hello_type 1 }", b"", True, True),
        ("{ req.ssl_hello_type 1 } or { src 192.0.2.2 }", b"", None, False),
        ("{ src 192.0.2.2 } { req.ssl_hello_type 1 }", b"", False, False),
        ("{ req.ssl_hello_type 1 } { src 192.0.2.2 }", b"", None, False),
        ("long", b"abc", None, False),
        ("long or { src 192.0.2.1 }", b"abc", True, True),
    ],
)
def test_conditions(text: str, data: bytes, now: bool | None, at_last: bool) -> None:
    assert answer(text, exchange(data)) is now
    assert answer(text, exchange(data, final=True)) is at_last


def test_lines_of_one_acl() -> None:
    lines = [compile_acl(words, REQUEST) for words in (["req.ssl_hello_type", "1"], ["src", "192.0.2.1"])]
    assert any_of(lines)(exchange(b""))
    with pytest.raises(Undecided):
        any_of(lines[:1])(exchange(b""))


def test_without_inspection_there_is_nothing() -> None:
    for text in ("{ req.ssl_sni -m found }", "{ req.len ge 0 }", "{ payload(0,0) -m found }", "HTTP"):
        assert answer(text, exchange(None)) is False
    assert answer("WAIT_END", exchange(None)) is True


def test_the_servers_side() -> None:
    x = exchange(b"H.", server=b"S.")
    for text in (
        "{ rep_ssl_hello_type 2 }",
        "{ res.ssl_hello_type 2 }",
        "{ res.len 2 }",
        "{ req.ssl_hello_type 1 }",
    ):
        assert answer(text, x, RESPONSE) is True
    assert answer("{ payload(0,2) -m str S. }", x, RESPONSE) is True
    assert answer("{ res.payload(0,3) -m found }", x, RESPONSE) is None
    assert answer("{ res.payload_lv(0,1) -m found }", x, RESPONSE) is None
    assert answer("WAIT_END", x, RESPONSE) is None


def test_what_was_passed_on_is_known_as_a_hello() -> None:
    x = exchange(b"H.")
    assert x.ahead is not None
    assert x.ahead.release() == b"H."
    assert x.ahead.data == b""
    sni = compile_bytes("req.ssl_sni,lower", Scope("fe", "tcp", log=True))
    assert sni(x) == b"shop.example.com"
    assert compile_format("%[req.ssl_sni]", Scope("fe", "tcp", log=True))(x) == b"Shop.example.com"


@pytest.mark.parametrize(
    ("text", "scope", "message"),
    [
        ("{ req.len 1 }", Scope("fe", "http"), "needs 'mode tcp'"),
        ("{ res.len 1 }", REQUEST, "reads the server's bytes, which this rule comes before"),
        ("{ req.len 1 }", Scope("fe", "tcp", early=True), "reads what the client sends"),
        ("WAIT_END", Scope("fe", "http", early=True), "reads what the client sends"),
        ("{ payload(-1,2) -m found }", REQUEST, "cannot be negative"),
        ("{ payload(1) -m found }", REQUEST, "lacks its argument 'length'"),
        ("{ payload_lv(0,9) -m found }", REQUEST, "from 1 to 8 bytes"),
        ("{ payload_lv(0,1,x) -m found }", REQUEST, "an offset such as 46 or +2 is expected, got 'x'"),
        ("{ payload_lv(0,1,-2) -m found }", REQUEST, "before the first byte"),
    ],
)
def test_refused(text: str, scope: Scope, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        compile_condition(split_words(text), scope)


def test_tcp_rules() -> None:
    for text, kept, verdict in (
        ("connection accept", "connection", ALLOW),
        ("session accept if { src 192.0.2.0/24 }", "session", ALLOW),
        ("content accept if { req.len 1 }", "content", ALLOW),
        ("content accept if { src 192.0.2.2 }", "content", None),
    ):
        name, rule = rules.compile_tcp_request(split_words(text), REQUEST)
        assert (name, rule(exchange(b"x"))) == (kept, verdict)
    _, rule = rules.compile_tcp_request(split_words("content reject"), REQUEST)
    reply = rule(exchange(b""))
    assert reply is not None and reply is not ALLOW
    assert (reply.action, reply.cause, reply.phase) == ("reject", "P", "R")  # type: ignore[union-attr]


def test_tcp_response_rules() -> None:
    for text, ending in (("content reject", "PD"), ("content close", "--")):
        reply = rules.compile_tcp_response(split_words(text), REQUEST)(exchange(b"", server=b""))
        assert reply.cause + reply.phase == ending  # type: ignore[union-attr]


def test_expect_proxy() -> None:
    _, rule = rules.compile_tcp_request(
        split_words("connection expect-proxy layer4 if { src 192.0.2.1 }"), REQUEST
    )
    x = exchange(None)
    assert not x.client.expects_proxy
    assert rule(x) is None
    assert x.client.expects_proxy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expects connection, session or content"),
        ("contents accept", "got 'contents' (did you mean 'content'?)"),
        ("content", "'tcp-request content' expects an action"),
        ("content deny", "'deny' is not an action of tcp-request content, but of http-request"),
        ("content acept", "unknown action 'acept' for tcp-request content (did you mean 'accept'?)"),
        ("content expect-proxy layer4", "not an action of tcp-request content"),
        ("connection expect-proxy layer5", "expects 'layer4', got 'layer5'"),
        ("connection reject if { req.len 1 }", "reads what the client sends"),
        ("session set-var(txn.a) src", "only variables of sess and proc last from here on"),
    ],
)
def test_tcp_request_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        rules.compile_tcp_request(split_words(text), REQUEST)


def test_no_connection_rules_in_a_backend() -> None:
    with pytest.raises(ValueError, match="no meaning in a backend"):
        rules.compile_tcp_request(["session", "accept"], Scope("be", "tcp", frontend=False))
