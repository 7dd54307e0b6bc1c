"""Rules on whole lines of a head: what each keyword does, and what none may do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.config.words import split_words
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import ALLOW, NOWHERE, Address, Bind, Frontend, Rule
from greenlb.policy.linerules import EDITS, compile_line_rule
from greenlb.policy.scope import Scope

HEAD = b"\r\nHost: www.Example.com\r\nX-Old: a b\r\nContent-Length: 5\r\n"


def exchange() -> Exchange:
    bind = Bind("1", Address("127.0.0.1", 80), NOWHERE)
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), bind, "192.0.2.1", 1234, "127.0.0.1", 80))
    x.request = Request(b"GET", b"/old/a?b", True, Fields(HEAD))
    x.response = Response(200, b"OK", True, Fields(b"\r\nServer: s/1\r\nX-A: 1\r\n"))
    return x


def rule(text: str) -> Rule:
    keyword, *words = split_words(text)
    return compile_line_rule(keyword, words, Scope("fe", response=EDITS[keyword].response))


def request(text: str) -> Request:
    x = exchange()
    assert rule(text)(x) is None
    assert x.request is not None
    return x.request


@pytest.mark.parametrize(
    ("text", "block"),
    [
        (r"reqrep ^Host:\ www\.(.*) Host:\ \1", HEAD.replace(b"www.", b"")),
        (r"reqrep ^host:\ www\.(.*) Host:\ \1", HEAD),
        (r"reqirep ^host:\ www\.(.*) Host:\ \1", HEAD.replace(b"www.", b"")),
        (r"reqidel ^x-old:", HEAD.replace(b"X-Old: a b\r\n", b"")),
        (r"reqdel ^x-old:", HEAD),
        (r"reqdel .", b"\r\nContent-Length: 5\r\n"),
        (r"reqrep ^X-Old:.* X-New:\ \0 if FALSE", HEAD),
    ],
)
def test_fields(text: str, block: bytes) -> None:
    """A replacement takes the line's place; what frames the body is left alone."""
    assert request(text).fields.raw == block


def test_the_request_line() -> None:
    made = request(r"reqrep ^([A-Z]+)\ /old/(.*) POST\ /new/\2")
    assert (made.method, made.target) == (b"POST", b"/new/a?b")
    assert request("reqdel ^GET").method == b"GET"  # a request without its first line is none


def test_the_response() -> None:
    x = exchange()
    for text in (
        r"rsprep ^Server:.* Server:\ hidden",
        "rspidel ^x-a:",
        r"rsprep ^(HTTP/...)\ 200.* \1\ 203\ Fine",
    ):
        assert rule(text)(x) is None
    assert x.response is not None
    assert (x.response.status, x.response.reason) == (203, b"Fine")
    assert x.response.fields.raw == b"\r\nServer: hidden\r\n"


@pytest.mark.parametrize(
    ("text", "status", "flags", "action"),
    [
        ("reqdeny ^X-Old", 403, "PR", ""),
        ("reqideny /OLD/", 403, "PR", ""),
        ("reqtarpit ^X-Old", 500, "PT", "tarpit"),
        ("rspdeny ^Server", 502, "PH", ""),
        (r"reqrep ^Host.* nothing", 500, "PR", ""),
        (r"reqrep ^X-Old.* Content-Length:\ 9", 500, "PR", ""),
        (r"reqrep ^GET.* GET", 500, "PR", ""),
        (r"rsprep ^HTTP.* HTTP/1.1\ 99", 500, "PH", ""),
    ],
)
def test_verdicts(text: str, status: int, flags: str, action: str) -> None:
    """A denial is one; a rewrite that is no line of a head is an internal error."""
    reply = rule(text)(exchange())
    assert isinstance(reply, Reply)
    assert (reply.status, reply.cause + reply.phase, reply.action) == (status, flags, action)


def test_no_verdict() -> None:
    assert rule("reqdeny ^Nothing")(exchange()) is None
    assert rule("reqallow ^Host")(exchange()) is ALLOW


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reqdel", "expects a regular expression"),
        ("reqrep a", "expects what takes the line's place"),
        ("reqrep ( a", "is not a valid regular expression"),
        ("reqdel a b", "'if', 'unless' or nothing is expected, got 'b'"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        rule(text)


@given(st.text(st.characters(max_codepoint=255), max_size=20))
def test_no_replacement_breaks_a_head(text: str) -> None:
    """Whatever is written, every field still stands between two CRLFs, and none frames the body anew."""
    x = exchange()
    found = compile_line_rule("reqrep", ["^X-Old.*", text], Scope("fe"))(x)
    assert x.request is not None
    raw = x.request.fields.raw
    assert isinstance(found, Reply) or re.fullmatch(rb"\r\n(?:[!-9;-~]+:[^\r\n\0]*\r\n)+", raw)
    assert raw.lower().count(b"content-length") == 1 or isinstance(found, Reply)
