"""Attempts to make the two sides of the balancer disagree about where a message ends."""

from __future__ import annotations

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import Closed, chunked, eventually, get, post, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
http-reuse = always
http-response = deny deny_status 403 if { res.hdr(X-Secret) -m found }
server s1 = 127.0.0.1:{s1}
"""

STALLING = """
[defaults]
mode = http
timeout client = 5s
timeout connect = 1s
timeout server = 300ms
"""


def test_a_refused_answer_leaves_the_next_request_alone(greenlb: Launcher, origin: Origins) -> None:
    """A body that went to the server is not looked for again in front of the next request."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(post("/1", b"abcde") + get("/2"))
        server, seen = s1.take()
        assert seen.body == b"abcde"
        server.send(response("200 OK", "X-Secret: 1", body=b"secret"))
        refusal = client.read_response()
        assert (refusal.status, refusal.get("connection")) == (403, None)
        again, seen = s1.take(server)
        assert seen.start == "GET /2 HTTP/1.1"
        again.send(response(body=b"two"))
        assert client.read_response().body == b"two"


def test_a_refused_answer_before_the_body_ended_is_the_last(greenlb: Launcher, origin: Origins) -> None:
    """What comes later of a refused request's body is no request."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    smuggled = get("/smuggled")
    with lb.connect() as client:
        client.send(request("POST /1 HTTP/1.1", f"Content-Length: {len(smuggled)}"))
        server = s1.accept()
        server.read_request_head()
        server.send(response("200 OK", "X-Secret: 1"))
        assert client.read_response().get("connection") == "close"
        client.send_what_goes(smuggled)
        client.expect_closed()
        server.expect_closed()
        s1.expect_nobody()


def test_an_uploaded_body_is_not_sent_again_in_part(greenlb: Launcher, origin: Origins) -> None:
    """A kept connection that dies under an upload is no reason to send its beginning once more: the next
    request on that connection would be taken for the rest of it."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"one"))
        assert client.read_response().status == 200
        client.send(request("PUT /2 HTTP/1.1", "Content-Length: 10") + b"12345")
        server.read_request_head()
        server.read(5)
        client.send(b"67890")
        server.read(5)
        server.close()
        assert client.read_response().status == 502
        s1.expect_nobody()


def test_late_leftovers_do_not_answer_a_pipelined_request(greenlb: Launcher, origin: Origins) -> None:
    """Bytes that a server sent behind its answer, in time for the next request, are not its answer."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client, lb.connect() as other:
        client.send(request("HEAD /1 HTTP/1.1"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 36"), response(body=b"poison"))
        assert client.read_response("HEAD").status == 200
        other.send(get("/2"))
        fresh, seen = s1.take()
        assert seen.target == "/2"
        fresh.send(response(body=b"right"))
        assert other.read_response().body == b"right"


def test_a_server_that_never_comes_to_its_answer(greenlb: Launcher, origin: Origins) -> None:
    """1xx responses without end are no answer: 502 after a hundred."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 102 Processing") * 200)  # at once: the connection ends halfway
        assert client.read_to_close().count(b" 102 ") == 100
    assert lb.log().flags == "PH--"


def test_a_tunnel_does_not_begin_inside_a_body(greenlb: Launcher, origin: Origins) -> None:
    """101 before the request is whole (RFC 9110 section 7.8): its rest would be the tunnel's beginning."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(
            request("POST / HTTP/1.1", "Connection: Upgrade", "Upgrade: x", "Content-Length: 10") + b"12345"
        )
        server = s1.accept()
        server.read_request_head()
        server.send(raw_response("HTTP/1.1 101 x", "Connection: Upgrade", "Upgrade: x"))
        assert client.read_response().status == 502
        server.read(5)
        server.expect_closed()


def test_an_upload_that_is_given_up_does_not_keep_its_client(greenlb: Launcher, origin: Origins) -> None:
    """A client that stops in the middle of its body after the answer came is let go of, wholly."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response("200 OK", "Connection: close"))
        client.read_response()
        server.close()
        before = lb.descriptors()
    for _ in range(3):
        with lb.connect() as client:
            client.send(request("POST / HTTP/1.1", "Content-Length: 10") + b"12345")
            server = s1.accept()
            server.read_request_head()
            server.send(response("413 x", "Connection: close"))
            assert client.read_response().status == 413
            server.close()
            client.send_what_goes(b"6")
    eventually(lambda: lb.descriptors() <= before, "its descriptors are given back")


def test_an_old_client_is_told_of_a_stall(greenlb: Launcher, origin: Origins) -> None:
    """An answer that ends with its connection is whole for the client when that closes; when its server
    stalls, the close has to be a reset."""
    s1 = origin()
    lb = greenlb(STALLING + INI, s1=s1)
    for head in ("Transfer-Encoding: chunked", "X-Until: close"):
        with lb.connect() as client:
            client.send(b"GET / HTTP/1.0\r\n\r\n")
            server, _ = s1.take()
            server.send(raw_response("HTTP/1.1 200 OK", head) + chunked(b"half")[:-5])
            client.read_until(b"half")
            with pytest.raises(Closed) as end:
                client.read_until(b"never")
            assert end.value.how.startswith("ConnectionResetError")
            server.close()


def test_empty_lines_before_a_request_are_whole_ones(greenlb: Launcher, origin: Origins) -> None:
    """CRLF may come before a request line (RFC 9112 section 2.2), its halves may not."""
    s1 = origin.http("s1")
    lb = greenlb(INI, s1=s1)
    for line in (b"\r\n\n", b"\r\n\r", b"\r\n\r\r\n", b"\n", b"\r"):
        assert lb.ask(line + get("/bad")).status == 400, line
    assert lb.ask(b"\r\n\r\n" + get("/good")).status == 200
    assert [r.message.target for r in s1.requests] == ["/good"]
