"""The plain lane, h11 and the law held against each other over generated and mutated heads.

What the plain lane accepts, the law and h11 accept with the same meaning; and with or without the plain
lane a head means the same or is refused.  h11 is driven directly, and the law is told a second time, line
by line, so that nothing here is compared with itself.
"""

from __future__ import annotations

import h11
import pytest
from h11._headers import Headers
from hypothesis import event, given, settings
from hypothesis import strategies as st

from greenlb.message import CHUNKED, UNTIL_CLOSE, Request, Response
from greenlb.protocol import http1
from greenlb.protocol.http1 import BadMessage, parse_request, parse_response

TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
EXAMPLES = settings(max_examples=300, deadline=None)

# -- heads -------------------------------------------------------------------------------------------

METHODS = [b"GET"] * 4 + [b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"get", b"M-SEARCH"]
TARGETS = [b"/", b"/a/b?c=d"] * 6 + [b"*", b"http://a/", b"http://a:80/x", b"HTTPS://a", b"a:80", b"/#", b"x"]
VERSIONS = [b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1"]
STATUSES = [b"200 OK"] * 6 + [b"200", b"200 ", b"100 x", b"101 x", b"204 x", b"304 x", b"404 \xe4", b"20 x"]

GOOD = {
    b"Host": [b"a", b"a:80", b"[::1]:80", b""],
    b"Content-Length": [b"0", b"5", b"05", b"5, 5", b"9" * 18],
    b"Transfer-Encoding": [b"chunked", b"Chunked"],
    b"Connection": [b"close", b"keep-alive", b"Upgrade", b"keep-alive, X-One", b'", close, "', b"te,,"],
    b"Proxy-Connection": [b"close", b"keep-alive"],
    b"Upgrade": [b"websocket", b"h2c"],
    b"Expect": [b"100-continue", b"100-Continue, x", b"y"],
    b"X-One": [b"1", b"", b"\xff", b"a\tb", b'"a, b"'],
}
FRAMING = {b"Host", b"Content-Length", b"Transfer-Encoding"}
BAD = {
    b"Host": [b"b", b"a b", b"u@a", b"a/b", b"[::1"],
    b"Content-Length": [b"6", b"5,6", b"5,", b"+5", b"0x5", b"5 5", b"", b"9" * 19],
    b"Transfer-Encoding": [b"chunked, chunked", b"gzip, chunked", b"identity", b"", b"\x0bchunked"],
    b"X-One": [b"\0", b"a\rb", b"a\nb", b"\x7f", b"a\r\n b"],
}
DAMAGE = [b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b",", b"\0", b"\x0b", b"\x7f", b"\xa0", b"5"]

any_of = st.sampled_from


@st.composite
def fields(draw: st.DrawFn) -> list[bytes]:
    """Field lines, mostly good ones: Host almost always, one framing field often."""
    lines = [b"Host: a"] if draw(st.integers(0, 9)) else []
    framing = draw(any_of([b"", b"", b"Content-Length", b"Transfer-Encoding"]))
    if framing:
        lines.append(framing + b":" + draw(any_of(GOOD[framing])))
    for _ in range(draw(st.integers(0, 3))):
        bad = draw(st.integers(0, 5)) == 0
        name = draw(any_of(sorted(BAD if bad else GOOD.keys() - FRAMING)))
        value = draw(any_of((BAD if bad else GOOD)[name]) | st.binary(max_size=bad * 4))
        spelled = draw(any_of([name, name, name.lower(), name.upper(), name + b"-X"]))
        between = draw(any_of([b": ", b": ", b":", b":\t ", b" : " if bad else b":"]))
        lines.append(spelled + between + value + draw(any_of([b"", b"", b" \t"])))
    return draw(st.permutations(lines))


@st.composite
def heads(draw: st.DrawFn, *words: list[bytes]) -> bytes:
    """A head, and in one case of three with some of its bytes changed, doubled or lost."""
    start = b" ".join(draw(any_of(word)) for word in words)
    head = bytearray(b"\r\n".join([start, *draw(fields()), b"", b""]))
    for _ in range(max(0, draw(st.integers(-5, 3)))):
        at = draw(st.integers(0, len(head)))
        head[at : at + draw(st.integers(0, 2))] = draw(any_of(DAMAGE))
    return bytes(head)


request_heads = heads(METHODS, TARGETS, VERSIONS)
response_heads = heads(VERSIONS, STATUSES)

# -- the law, told again -----------------------------------------------------------------------------


def lawful_lines(head: bytes) -> tuple[list[bytes], list[tuple[bytes, bytes]]]:
    """The words of the first line and the fields; AssertionError for what RFC 9112 does not allow."""
    lines = head.split(b"\r\n")
    assert lines[-2:] == [b"", b""], "a head ends with one empty line"
    for line in lines:
        assert not any((byte < 0x20 and byte != 0x09) or byte == 0x7F for byte in line), "no control bytes"
    pairs = []
    for line in lines[1:-2]:
        name, colon, value = line.partition(b":")
        assert colon and name and TOKEN.issuperset(name), "a name is a token, and a colon follows at once"
        pairs.append((name, value.strip(b" \t")))
    return lines[0].split(b" ", 2), pairs


def named(pairs: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value for field, value in pairs if field.lower() == name]


def assert_framing_is_lawful(pairs: list[tuple[bytes, bytes]], http11: bool) -> None:
    lengths, codings = named(pairs, b"content-length"), named(pairs, b"transfer-encoding")
    assert not (lengths and codings)
    assert [coding.lower() for coding in codings] in ([], [b"chunked"])
    assert http11 or not codings
    assert len({part.strip(b" \t") for value in lengths for part in value.split(b",")}) <= 1
    assert all(part.strip(b" \t").isdigit() for value in lengths for part in value.split(b","))


# -- meanings ----------------------------------------------------------------------------------------


def request_meaning(head: bytes, plain: bool) -> tuple[object, ...] | None:
    """All that a request means, None when it is refused."""
    try:
        r = parse_request(head, plain=plain)
    except BadMessage:
        return None
    return (r.method, r.target, r.http11, r.fields.raw, r.length, r.keep_alive, r.upgrade, r.expect_continue)


def response_meaning(head: bytes, method: bytes, plain: bool) -> tuple[object, ...] | None:
    try:
        r = parse_response(head, method, plain=plain)
    except BadMessage:
        return None
    return (r.status, r.reason, r.http11, r.fields.raw, r.length, r.keep_alive)


def assert_same_fields(ours: Request | Response, theirs: Headers, framing_goes: bool = False) -> None:
    """The same fields in the same order and spelling, but for those that the law takes away here."""
    pairs = theirs.raw_items()
    listed = named(pairs, b"connection")
    if isinstance(ours, Request) and not b",".join(listed).replace(b",", b"").strip():
        listed = named(pairs, b"proxy-connection")
    gone = {option.strip().lower() for value in listed for option in value.split(b",")}
    gone -= http1.PROTECTED | {b"close", b"keep-alive", b"upgrade", b"te", b"connection"}
    lengths = {b"content-length"} | ({b"transfer-encoding"} if framing_goes else set())
    expected = [pair for pair in pairs if pair[0].lower() not in gone | lengths]
    got = [pair for pair in ours.fields.items() if pair[0].lower() not in lengths]
    if isinstance(ours, Request) and not ours.http11 and not named(pairs, b"host"):
        got = [pair for pair in got if pair[0] != b"Host"]  # added from the target
    # h11 writes a coding in lower case
    assert [(name, value.lower()) for name, value in got] == [
        (name, value.lower()) for name, value in expected
    ]
    if not framing_goes:
        assert ours.fields.get_all(b"content-length") == named(pairs, b"content-length")


def assert_same_framing(connection: h11.Connection, length: int) -> bool:
    """Let h11 read a body of ``length``; whether it read the whole of it."""
    if length == 0:
        assert type(connection.next_event()) is h11.EndOfMessage
        return True
    sent = {CHUNKED: b"2\r\nxx\r\n0\r\n\r\n", UNTIL_CLOSE: b"xx"}.get(length, b"x" * min(length, 100))
    connection.receive_data(sent)
    body = connection.next_event()
    assert isinstance(body, h11.Data)
    assert bytes(body.data) == (sent if length > 0 else b"xx")
    if length == UNTIL_CLOSE:
        assert connection.next_event() is h11.NEED_DATA
        connection.receive_data(b"")
    if length > 100:
        assert connection.next_event() is h11.NEED_DATA
        return False
    assert type(connection.next_event()) is h11.EndOfMessage
    return True


# -- properties --------------------------------------------------------------------------------------


@EXAMPLES
@given(request_heads)
def test_a_request_means_the_same_with_and_without_the_plain_lane(head: bytes) -> None:
    assert request_meaning(head, True) == request_meaning(head, False)


@EXAMPLES
@given(response_heads, st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
def test_a_response_means_the_same_with_and_without_the_plain_lane(head: bytes, method: bytes) -> None:
    assert response_meaning(head, method, True) == response_meaning(head, method, False)


@EXAMPLES
@given(request_heads)
def test_an_accepted_request_is_lawful(head: bytes) -> None:
    try:
        request = parse_request(head)
    except BadMessage:
        event("refused")
        return
    event("accepted")
    (method, target, version), pairs = lawful_lines(head)
    assert (request.method, request.target, request.line) == (method, target, head.partition(b"\r\n")[0])
    assert TOKEN.issuperset(method)
    assert all(0x21 <= byte <= 0x7E and byte != 0x23 for byte in target)
    assert version[:7] == b"HTTP/1." and version[7:].isdigit() and len(version) == 8
    assert_framing_is_lawful(pairs, request.http11)
    hosts = named(pairs, b"host")
    assert len(hosts) == 1 or not (hosts or request.http11)
    assert not any(byte in b' /?#@\\"<>^`{|}' or byte > 0x7E for host in hosts for byte in host)


@EXAMPLES
@given(request_heads)
def test_h11_accepts_what_we_accept_with_the_same_meaning(head: bytes) -> None:
    try:
        ours = parse_request(head)
    except BadMessage:
        return
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    theirs = connection.next_event()
    assert isinstance(theirs, h11.Request)
    assert (ours.method, ours.target) == (theirs.method, theirs.target)
    assert ours.http11 is (theirs.http_version >= b"1.1")
    assert_same_fields(ours, theirs.headers)
    assert ours.expect_continue is connection.they_are_waiting_for_100_continue
    whole = assert_same_framing(connection, ours.length)
    plainly = ours.http11 and not ours.fields.has(b"proxy-connection")
    if whole and plainly and not ours.fields.has(b"upgrade") and ours.method != b"CONNECT":
        assert connection.their_state is (h11.DONE if ours.keep_alive else h11.MUST_CLOSE)


@EXAMPLES
@given(response_heads, st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
def test_an_accepted_response_is_lawful(head: bytes, method: bytes) -> None:
    try:
        response = parse_response(head, method)
    except BadMessage:
        event("refused")
        return
    event("accepted")
    words, pairs = lawful_lines(head)
    assert words[0][:7] == b"HTTP/1." and words[0][7:].isdigit() and len(words[0]) == 8
    assert int(words[1]) == response.status and len(words[1]) == 3
    assert response.reason == b" ".join(words[2:])
    assert_framing_is_lawful(pairs, response.http11)
    bodyless = response.status < 200 or response.status in (204, 304) or method == b"HEAD"
    assert response.length == 0 or not bodyless


@EXAMPLES
@given(response_heads, st.sampled_from([b"GET", b"HEAD", b"CONNECT"]))
def test_h11_accepts_the_responses_we_accept_with_the_same_meaning(head: bytes, method: bytes) -> None:
    try:
        ours = parse_response(head, method)
    except BadMessage:
        return
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method=method, target="/", headers=[("Host", "a"), ("Upgrade", "a")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    theirs = connection.next_event()
    assert isinstance(theirs, h11.Response if ours.status >= 200 else h11.InformationalResponse)
    assert (ours.status, ours.reason) == (theirs.status_code, theirs.reason)
    switched = method == b"CONNECT" and 200 <= ours.status < 300
    assert_same_fields(ours, theirs.headers, switched or ours.status < 200 or ours.status == 204)
    if ours.status < 200 or switched:
        assert ours.length == 0
        return
    whole = assert_same_framing(connection, ours.length)
    if whole and ours.http11 and ours.length != UNTIL_CLOSE:
        assert connection.their_state is (h11.DONE if ours.keep_alive else h11.MUST_CLOSE)


# -- which lane --------------------------------------------------------------------------------------

ORDINARY_REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /x?y=z HTTP/1.1\r\nHost:[::1]:80\t\r\nConnection: keep-alive\r\nCookie: a=b; c=d\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length:5\r\nExpect: 100-continue\r\n\r\n",
    b"PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]
ORDINARY_RESPONSES = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nETag: 1\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]


def test_ordinary_heads_do_not_need_h11(monkeypatch: pytest.MonkeyPatch) -> None:
    """h11 costs more than all else that is done for a request, so the common path is not to meet it."""
    with monkeypatch.context() as without:
        without.setattr(h11, "Connection", None)
        plain = [request_meaning(head, True) for head in ORDINARY_REQUESTS]
        plain += [response_meaning(head, b"GET", True) for head in ORDINARY_RESPONSES]
        with pytest.raises(TypeError):
            request_meaning(ORDINARY_REQUESTS[0], False)
    assert None not in plain
    assert plain == [
        *(request_meaning(head, False) for head in ORDINARY_REQUESTS),
        *(response_meaning(head, b"GET", False) for head in ORDINARY_RESPONSES),
    ]
