"""Several requests in one go (RFC 9112 section 9.3.2)."""

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import chunked, get, post, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
use_backend = slow if { path /slow }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}

[backend slow]
server s2 = 127.0.0.1:{s2}
"""


def test_pipelined_requests_are_answered_in_order(proxy: Launcher, origin: Origins) -> None:
    """A slow first answer comes first, although the second request's server is quick."""
    s1, s2 = origin(), origin()
    lb = proxy(INI, s1=s1, s2=s2)
    with lb.connect() as client:
        client.send(get("/slow") + get("/quick"))
        slow, _ = s2.take()
        s1.expect_nobody()
        slow.send(response(body=b"slow"))
        assert client.read_response().body == b"slow"
        quick, seen = s1.take()
        assert seen.target == "/quick"
        quick.send(response(body=b"quick"))
        assert client.read_response().body == b"quick"


def test_pipelined_bodies_are_cut_where_they_end(proxy: Launcher, origin: Origins) -> None:
    """A counted body, a chunked one and none follow each other in one segment."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    flood = post("/1", b"GET /not-a-request HTTP/1.1\r\n\r\n")
    flood += request("POST /2 HTTP/1.1", "Transfer-Encoding: chunked", body=chunked(b"two", b"parts"))
    flood += get("/3")
    with lb.connect() as client:
        client.send(flood)
        for _ in range(3):
            assert client.read_response().status == 200
        client.expect_silence()
    bodies = [(r.message.target, r.message.body) for r in s1.requests]
    assert bodies == [("/1", b"GET /not-a-request HTTP/1.1\r\n\r\n"), ("/2", b"twoparts"), ("/3", b"")]


def test_a_head_may_come_byte_by_byte(proxy: Launcher, origin: Origins) -> None:
    """How a request is cut into segments changes nothing."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    data = post("/x", b"abc", "X-Long: 1") + get("/y")
    with lb.connect() as client:
        client.send(*(data[i : i + 1] for i in range(len(data))))
        assert client.read_response().status == client.read_response().status == 200
    assert [(r.message.target, r.message.body) for r in s1.requests] == [("/x", b"abc"), ("/y", b"")]


def test_an_empty_line_before_a_request_is_passed_over(proxy: Launcher, origin: Origins) -> None:
    """One CRLF before the request line is ignored (RFC 9112 section 2.2)."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    with lb.connect() as client:
        client.send(b"\r\n" + get("/1"))
        assert client.read_response().status == 200
        client.send(b"\r\n" + get("/2"))
        assert client.read_response().status == 200
    assert [r.message.target for r in s1.requests] == ["/1", "/2"]


def test_a_bad_request_after_a_good_one(proxy: Launcher, origin: Origins) -> None:
    """The good one is answered, then comes the 400 and the end."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1, s2=s1)
    with lb.connect() as client:
        client.send(get("/good") + b"BAD\x00 / HTTP/1.1\r\n\r\n" + get("/after"))
        assert client.read_response().status == 200
        assert client.read_response().status == 400
        client.expect_closed()
    assert [r.message.target for r in s1.requests] == ["/good"]
    assert (lb.log().flags, lb.log().flags) == ("----", "PR--")
