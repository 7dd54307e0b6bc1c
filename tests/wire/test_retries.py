"""Connections that fail: tried again, elsewhere if allowed, and counted in the log."""

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, post

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
%s
server s1 = 127.0.0.1:{s1} cookie a
server s2 = 127.0.0.1:{s2} cookie b
"""
ALONE = INI.replace("server s2 = 127.0.0.1:{s2} cookie b\n", "")


def test_the_same_server_is_given_a_pause(proxy: Launcher, origin: Origins) -> None:
    """Retries on one server wait min(timeout connect, 1s) each; the line says how many there were."""
    lb = proxy(ALONE % "retries = 2\ntimeout connect = 250ms", s1=origin.refusing())
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.status, line.flags, line.retries, line.to) == (503, "SC--", "2", "be/s1")
    assert line.timers[1:4] == (0, -1, -1)
    assert 480 <= line.timers[4] < 2500


def test_the_pause_is_a_second_at_most(proxy: Launcher, origin: Origins) -> None:
    """With a longer timeout connect the turn-around is one second."""
    lb = proxy(ALONE % "retries = 1\ntimeout connect = 5s", s1=origin.refusing())
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.retries, 980 <= line.timers[4] < 3000) == ("1", True)


def test_no_retries(proxy: Launcher, origin: Origins) -> None:
    """retries 0: the first failure is the last."""
    lb = proxy(ALONE % "retries = 0", s1=origin.refusing())
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.retries, line.timers[4] < 500) == ("0", True)


def test_a_server_that_comes_back_in_the_pause(proxy: Launcher, origin: Origins) -> None:
    """The client is served, late, and the line tells of the retry."""
    refusing = origin.refusing()
    lb = proxy(ALONE % "retries = 3\ntimeout connect = 600ms", s1=refusing)
    with lb.connect() as client:
        client.send(get())
        client.expect_silence(0.2)
        s1 = refusing.listen()
        server, _ = s1.take()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        assert client.read_response().status == 200
        server.close()
    line = lb.log()
    assert (line.status, line.flags, line.retries in ("1", "2")) == (200, "----", True)
    assert (line.timers[1], line.timers[2] >= 580) == (0, True)  # it is part of connecting


def test_redispatch(proxy: Launcher, origin: Origins) -> None:
    """option redispatch: without a cookie each retry goes to the next server at once; +N in the line."""
    lb = proxy(INI % "option redispatch = yes\nretries = 3", s1=origin.refusing(), s2=origin.http("s2"))
    assert lb.ask().body == b"s2"
    line = lb.log()
    assert (line.status, line.to, line.retries, line.flags) == (200, "be/s2", "+1", "----")
    assert line.timers[1] < 500


def test_redispatch_finds_nobody(proxy: Launcher, origin: Origins) -> None:
    """All are away: every retry is used up, +3, at once."""
    lb = proxy(INI % "option redispatch = yes\nretries = 3", s1=origin.refusing(), s2=origin.refusing())
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.status, line.flags, line.retries, line.timers[1] < 500) == (503, "SC--", "+3", True)


def test_a_cookies_server_is_tried_first(proxy: Launcher, origin: Origins) -> None:
    """With a cookie the same server is retried after pauses, the last retry goes elsewhere with a new
    cookie: --DI."""
    options = "option redispatch = yes\nretries = 2\ncookie = S insert indirect\ntimeout connect = 250ms"
    lb = proxy(INI % options, s1=origin.refusing(), s2=origin.http("s2"))
    answer = lb.ask(get("/", "Cookie: S=a"))
    assert (answer.body, answer.get("set-cookie")) == (b"s2", "S=b; path=/")
    line = lb.log()
    assert (line.to, line.flags, line.retries) == ("be/s2", "--DI", "+2")
    assert 240 <= line.timers[1] < 2000


def test_without_redispatch_a_cookie_is_a_promise(proxy: Launcher, origin: Origins) -> None:
    """No redispatch: the cookie's server or none."""
    options = "retries = 1\ncookie = S insert indirect\ntimeout connect = 200ms"
    lb = proxy(INI % options, s1=origin.refusing(), s2=origin.http("s2"))
    assert lb.ask(get("/", "Cookie: S=a")).status == 503
    line = lb.log()
    assert (line.to, line.retries, line.flags[:2]) == ("be/s1", "1", "SC")


def test_a_post_is_retried_while_nothing_was_sent(proxy: Launcher, origin: Origins) -> None:
    """A refused connection has seen nothing: even a POST goes to the next server, whole."""
    s2 = origin.http("s2")
    lb = proxy(INI % "option redispatch = yes", s1=origin.refusing(), s2=s2)
    assert lb.ask(post("/", b"x" * 5000)).body == b"s2"
    assert s2.requests[0].message.body == b"x" * 5000
