"""Connections that outlive a request, on both sides."""

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually, get, post, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_one_client_keeps_one_server_connection(proxy: Launcher, origin: Origins) -> None:
    """Requests of one client follow each other on one connection at each side."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, first = s1.take()
        server.send(response(body=b"one"))
        assert client.read_response().body == b"one"
        client.send(get("/2"))
        second = server.read_request()
        server.send(response(body=b"two"))
        assert client.read_response().body == b"two"
    assert (first.target, second.target) == ("/1", "/2")
    assert first.get("connection") is None
    s1.expect_nobody()
    assert [lb.log().request, lb.log().request] == ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"]


def test_an_idle_server_connection_serves_the_next_client(proxy: Launcher, origin: Origins) -> None:
    """A connection that a proven client left idle carries another client's second request."""
    s1 = origin.http("s1")
    lb = proxy(INI + "http-reuse = always\n", s1=s1)
    for _ in range(3):
        lb.ask()
    assert [received.connection for received in s1.requests] == [1, 1, 1]


def test_reuse_safe_sends_a_first_request_on_a_new_connection(proxy: Launcher, origin: Origins) -> None:
    """http-reuse safe: only a client's second request may ride on a connection that was idle."""
    s1 = origin.http("s1")
    lb = proxy(INI + "http-reuse = safe\n", s1=s1)
    lb.ask()
    with lb.connect() as client:
        for _ in range(2):
            client.send(get())
            client.read_response()
    numbers = [received.connection for received in s1.requests]
    assert numbers[1] != numbers[0]
    assert numbers[2] in numbers[:2]


def test_reuse_never_keeps_connections_to_their_client(proxy: Launcher, origin: Origins) -> None:
    """http-reuse never: a client's requests share a connection that no other client ever rides on."""
    s1 = origin.http("s1")
    lb = proxy(INI + "http-reuse = never\n", s1=s1)
    for _ in range(2):
        with lb.connect() as client:
            for _ in range(2):
                client.send(get())
                client.read_response()
    assert [received.connection for received in s1.requests] == [1, 1, 2, 2]


def test_httpclose_closes_both_sides(proxy: Launcher, origin: Origins) -> None:
    """option httpclose: the server is told to close, and so is the client."""
    s1 = origin()
    lb = proxy(INI.replace("default_backend", "option httpclose = yes\ndefault_backend"), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, seen = s1.take()
        assert (seen.get("connection") or "").lower() == "close"
        server.send(response(body=b"bye"))
        answer = client.read_response()
        assert answer.body == b"bye"
        assert (answer.get("connection") or "").lower() == "close"
        client.expect_closed()
        server.expect_closed()


def test_http_server_close_closes_the_server_side_only(proxy: Launcher, origin: Origins) -> None:
    """option http-server-close: each request has its own server connection, the client keeps its own."""
    s1 = origin()
    lb = proxy(INI.replace("default_backend", "option http-server-close = yes\ndefault_backend"), s1=s1)
    with lb.connect() as client:
        for _ in range(2):
            client.send(get())
            server, seen = s1.take()
            assert (seen.get("connection") or "").lower() == "close"
            server.send(response())
            assert client.read_response().get("connection") is None
            server.expect_closed()


def test_connection_close_of_the_client_is_kept(proxy: Launcher, origin: Origins) -> None:
    """A client that says Connection: close is answered so and closed; the server's connection may stay."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/", "Connection: close"))
        server, _ = s1.take()
        server.send(response(body=b"x"))
        answer = client.read_response()
        assert (answer.get("connection") or "").lower() == "close"
        client.expect_closed()


def test_connection_close_of_the_server_does_not_end_the_client(proxy: Launcher, origin: Origins) -> None:
    """A server may close after each answer; its client does not notice."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        for body in (b"1", b"2"):
            client.send(get())
            server, _ = s1.take()
            server.send(response("200 OK", "Connection: close", body=body))
            server.close()
            answer = client.read_response()
            assert answer.body == body
            assert answer.get("connection") is None


def test_an_old_client_is_closed_unless_it_asks_to_stay(proxy: Launcher, origin: Origins) -> None:
    """HTTP/1.0 closes after the answer; with Connection: keep-alive it stays and is told so.  The answer's
    version is the balancer's own (RFC 9110 section 6.2)."""
    s1 = origin.http("s1")
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(request("GET /a HTTP/1.0"))
        answer = client.read_response()
        assert (answer.version, answer.body) == ("HTTP/1.1", b"s1")
        client.expect_closed()
    with lb.connect() as client:
        for _ in range(2):
            client.send(request("GET /b HTTP/1.0", "Connection: keep-alive"))
            answer = client.read_response()
            assert answer.body == b"s1"
            assert (answer.get("connection") or "").lower() == "keep-alive"


def test_an_old_client_without_host_is_served(proxy: Launcher, origin: Origins) -> None:
    """HTTP/1.0 needs no Host (RFC 9112 section 3.2 asks it of 1.1 only)."""
    s1 = origin.http("s1")
    assert proxy(INI, s1=s1).ask(request("GET / HTTP/1.0", host=None)).body == b"s1"


def test_an_old_server_ends_its_body_by_closing(proxy: Launcher, origin: Origins) -> None:
    """An HTTP/1.0 answer without a length reaches an HTTP/1.1 client whole, delimited for it."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.0 200 OK", "Content-Type: text/plain", body=b"old "), b"server")
        server.close()
        answer = client.read_response()
        assert answer.body == b"old server"
        assert (answer.status, answer.reason) == (200, "OK")


@pytest.mark.parametrize("mode", ["httpclose", "http-server-close", "http-keep-alive"])
def test_a_mode_of_the_backend_is_about_the_server(proxy: Launcher, origin: Origins, mode: str) -> None:
    """In a backend, httpclose and http-server-close are about the server's side only."""
    s1 = origin()
    lb = proxy(INI + f"option {mode} = yes\n", s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, seen = s1.take()
        server.send(response(body=b"x"))
        answer = client.read_response()
        assert ((seen.get("connection") or "").lower() == "close") is (mode != "http-keep-alive")
        assert answer.get("connection") is None


def test_a_stale_idle_connection_is_replaced_unseen(proxy: Launcher, origin: Origins) -> None:
    """A server that closed an idle connection costs the next request nothing but a new connection."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"1"))
        client.read_response()
        server.close()
        client.send(get("/2"))
        server, seen = s1.take()
        assert seen.target == "/2"
        server.send(response(body=b"2"))
        assert client.read_response().body == b"2"


def test_a_connection_that_breaks_under_a_get_is_replaced_unseen(greenlb: Launcher, origin: Origins) -> None:
    """A reused connection that closes on the request itself: a safe request goes again on a fresh one
    (RFC 9110 section 9.2.2).  HAProxy closes its client's connection there and leaves it to him."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"1"))
        client.read_response()
        client.send(get("/2"))
        server.read_request()
        server.reset()
        server, seen = s1.take()
        assert seen.target == "/2"
        server.send(response(body=b"2"))
        assert client.read_response().body == b"2"


def test_a_post_is_not_repeated(greenlb: Launcher, origin: Origins) -> None:
    """A POST that may have reached a server is never sent twice: the client learns of the failure."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as client:
        client.send(get("/1"))
        server, _ = s1.take()
        server.send(response(body=b"1"))
        client.read_response()
        client.send(post("/2", b"pay 5"))
        assert server.read_request().body == b"pay 5"
        server.reset()
        assert client.read_response().status == 502
        s1.expect_nobody()
    assert [lb.log().flags, lb.log().flags] == ["----", "SH--"]


def test_a_closed_client_leaves_no_descriptor(proxy: Launcher, origin: Origins) -> None:
    """When clients have come and gone, as many descriptors are open as before."""
    s1 = origin.http("s1")
    lb = proxy(INI + "option http-server-close = yes\n", s1=s1)
    lb.ask()
    lb.log()
    before = lb.descriptors()
    clients = [lb.connect() for _ in range(20)]
    for client in clients:
        client.send(get())
        client.read_response()
    assert lb.descriptors() >= 20
    for number, client in enumerate(clients):
        client.reset() if number % 2 else client.close()
    eventually(lambda: lb.descriptors() <= before, f"back to {before} descriptors")
