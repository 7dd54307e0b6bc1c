"""Whoever keeps the others waiting: what the client gets, and how the log names him."""

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import chunked, get, raw_response, request, response
from tests.support.syslog import Line

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
%s

[backend be]
server s1 = 127.0.0.1:{s1}
retries = 0
%s
"""


def expect_line(lb: Balancer, status: int, flags: str, least: int = 280) -> Line:
    """The next line has this status and these flags, and its total is about the timeout."""
    line = lb.log()
    assert (line.status, line.flags) == (status, flags)
    assert least <= line.timers[4] < least + 2500
    return line


def test_http_request(proxy: Launcher, origin: Origins) -> None:
    """A head that is never finished: 408, cR."""
    lb = proxy(INI % ("timeout http-request = 300ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        answer = client.read_response()
        assert (answer.status, answer.get("connection")) == (408, "close")
        client.expect_closed()
    line = expect_line(lb, 408, "cR--")
    assert (line.request, line.to, line.timers[:4]) == ("<BADREQ>", "fe/<NOSRV>", (-1, -1, -1, -1))


def test_http_request_is_about_the_whole_head(proxy: Launcher, origin: Origins) -> None:
    """A client that sends a byte now and then does not gain time by it."""
    lb = proxy(INI % ("timeout http-request = 400ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        for byte in b"GET / HTTP/1.1\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa":
            if not client.send_what_goes(bytes([byte])) or not client.is_open():
                break
            client.until_read()
            if not client.is_open():
                break
            try:
                client.expect_silence(0.04)
            except AssertionError:
                break
    expect_line(lb, 408, "cR--", 380)


def test_http_request_without_a_byte(proxy: Launcher, origin: Origins) -> None:
    """A connection that never says anything ends the same way."""
    lb = proxy(INI % ("timeout http-request = 300ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        assert client.read_response().status == 408
        client.expect_closed()
    expect_line(lb, 408, "cR--")


def test_http_request_falls_back_to_client(proxy: Launcher, origin: Origins) -> None:
    """Without timeout http-request, timeout client bounds the head."""
    lb = proxy(INI % ("timeout client = 300ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        assert client.read_response().status == 408
    expect_line(lb, 408, "cR--")


@pytest.mark.parametrize("option", ["timeout http-keep-alive = 300ms", "timeout client = 300ms"])
def test_http_keep_alive(proxy: Launcher, origin: Origins, option: str) -> None:
    """An idle kept connection is closed without an answer and without a line."""
    lb = proxy(INI % (option, ""), s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(get())
        assert client.read_response().status == 200
        client.expect_silence(0.2)
        client.expect_closed()
    assert lb.log().status == 200
    lb.syslog.expect_no_line()


def test_http_keep_alive_ends_at_the_first_byte(proxy: Launcher, origin: Origins) -> None:
    """Once the next request begins, timeout http-request counts."""
    lb = proxy(
        INI % ("timeout http-keep-alive = 300ms\ntimeout http-request = 900ms", ""), s1=origin.http("s1")
    )
    with lb.connect() as client:
        client.send(get())
        client.read_response()
        client.send(b"GET /second HTTP/1.1\r\n")
        client.expect_silence(0.5)
        client.send(b"Host: a\r\n\r\n")
        assert client.read_response().status == 200


def test_client_during_its_body(greenlb: Launcher, origin: Origins) -> None:
    """An upload that stalls: 408, cH.  HAProxy 2.6 lets the server's timeout decide."""
    s1 = origin()
    lb = greenlb(INI % ("timeout client = 300ms", ""), s1=s1)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Content-Length: 100") + b"half")
        server = s1.accept()
        server.read_request_head()
        assert client.read_response().status == 408
        client.expect_closed()
        assert server.read_to_close() in (b"half", b"")
    expect_line(lb, 408, "cH--")


def test_client_that_stops_reading(proxy: Launcher, origin: Origins) -> None:
    """A download that its client does not take: the connection ends, cD."""
    s1 = origin()
    lb = proxy(INI % ("timeout client = 400ms", ""), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 100000000"))
        with pytest.raises((BrokenPipeError, ConnectionResetError)), server.sending([b"x" * 100_000_000]):
            pass
    line = lb.log()
    assert (line.status, line.flags) == (200, "cD--")


def test_server_before_its_head(proxy: Launcher, origin: Origins) -> None:
    """A server that does not answer: 504, sH."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout server = 300ms"), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        assert client.read_response().status == 504
        server.expect_closed()
    line = expect_line(lb, 504, "sH--")
    assert (line.to, line.timers[3]) == ("be/s1", -1)


def test_server_inside_its_head(proxy: Launcher, origin: Origins) -> None:
    """Half a head is as good as none."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout server = 300ms"), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(b"HTTP/1.1 200 OK\r\nConte")
        assert client.read_response().status == 504
    assert lb.log().flags == "sH--"


def test_server_inside_its_body(proxy: Launcher, origin: Origins) -> None:
    """A body that stalls is cut short, its status stays; sD."""
    s1 = origin()
    lb = proxy(INI % ("", "timeout server = 300ms"), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 100", body=b"half"))
        assert client.read_to_close().endswith(b"\r\n\r\nhalf")
        server.expect_closed()
    expect_line(lb, 200, "sD--")


def test_a_slow_but_steady_body_is_not_cut(proxy: Launcher, origin: Origins) -> None:
    """Inactivity is what times out, not length."""
    s1 = origin()
    lb = proxy(INI % ("timeout client = 900ms", "timeout server = 900ms"), s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
        client.read_response_head()
        for _ in range(6):
            client.expect_silence(0.3)
            server.send(b"1\r\nx\r\n")
            client.read(6)
        server.send(b"0\r\n\r\n")
        client.read(5)
    assert lb.log().flags == "----"


def test_a_slow_but_steady_upload_is_not_cut(greenlb: Launcher, origin: Origins) -> None:
    """While a client still sends, its server is not late.  HAProxy 2.6 says 504 there."""
    s1 = origin()
    lb = greenlb(INI % ("timeout client = 900ms", "timeout server = 900ms"), s1=s1)
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Transfer-Encoding: chunked"))
        server = s1.accept()
        server.read_request_head()
        for _ in range(5):
            client.expect_silence(0.3)
            client.send(b"1\r\nx\r\n")
            server.read_until(b"x\r\n")
        client.send(chunked())
        server.read_until(b"0\r\n\r\n")
        server.send(response())
        assert client.read_response().status == 200


def test_connect_refused(proxy: Launcher, origin: Origins) -> None:
    """Nobody listens: 503, SC."""
    lb = proxy(INI % ("", ""), s1=origin.refusing())
    with lb.connect() as client:
        for _ in range(2):  # it is no reason to close
            client.send(get())
            answer = client.read_response()
            assert (answer.status, answer.get("connection")) == (503, None)
            line = lb.log()
            assert (line.status, line.flags, line.to) == (503, "SC--", "be/s1")
            assert line.timers[2:4] == (-1, -1)


def test_connect_timeout(proxy: Launcher, origin: Origins) -> None:
    """Nobody answers: 503, sC."""
    lb = proxy(INI % ("", "timeout connect = 300ms"), s1=origin.unanswering())
    assert lb.ask().status == 503
    line = expect_line(lb, 503, "sC--")
    assert line.timers[2:4] == (-1, -1)


def test_queue(proxy: Launcher, origin: Origins) -> None:
    """No slot in time: 503, sQ."""
    s1 = origin()
    lb = proxy((INI % ("", "timeout queue = 300ms")).replace("{s1}", "{s1} maxconn 1"), s1=s1)
    with lb.connect() as first, lb.connect() as second:
        first.send(get("/1"))
        server, _ = s1.take()
        second.send(get("/2"))
        assert second.read_response().status == 503
        line = expect_line(lb, 503, "sQ--")
        assert (line.server, line.timers[1] >= 280, line.timers[2]) == ("<NOSRV>", True, -1)
        server.send(response(body=b"1"))
        assert first.read_response().body == b"1"


def test_queue_falls_back_to_connect(proxy: Launcher, origin: Origins) -> None:
    """Without timeout queue, timeout connect bounds the wait."""
    s1 = origin()
    lb = proxy((INI % ("", "timeout connect = 300ms")).replace("{s1}", "{s1} maxconn 1"), s1=s1)
    with lb.connect() as first:
        first.send(get("/1"))
        s1.take()
        assert lb.ask().status == 503
        expect_line(lb, 503, "sQ--")


def test_a_client_that_is_gone(proxy: Launcher, origin: Origins) -> None:
    """A client that broke off while its answer was awaited: a flag that begins with C."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    client = lb.connect()
    client.send(get())
    server, _ = s1.take()
    client.reset()
    server.send_what_goes(response(body=b"x" * 1000))
    assert lb.log().flags[0] == "C"


def test_a_client_that_has_said_all(proxy: Launcher, origin: Origins) -> None:
    """A client may close its sending side after its request and is answered all the same."""
    s1 = origin()
    lb = proxy(INI % ("", ""), s1=s1)
    with lb.connect() as client:
        client.send(get())
        client.half_close()
        server, _ = s1.take()
        client.expect_silence()
        server.send(response(body=b"for you"))
        assert client.read_response().body == b"for you"
    assert lb.log().flags == "----"
