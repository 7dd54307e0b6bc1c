"""What a client may ask of our memory and of our servers, and what it gets beyond."""

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually, get, raw_response, request, response

INI = """
[global]
log = 127.0.0.1:{syslog} local0
%s

[frontend fe]
bind = 127.0.0.1:{fe}
%s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""

CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_long_target(proxy: Launcher, origin: Origins) -> None:
    """A request line that does not fit: 414 (HAProxy: 400), PR."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("tune.bufsize = 8192\ntune.maxrewrite = 1024", ""), s1=s1)
    with lb.connect() as client:
        client.send_what_goes(get("/" + "x" * 20000))
        assert client.read_response().status == proxy.says(greenlb=414, haproxy=400)
        client.expect_closed()
    assert lb.log().flags == "PR--"
    assert s1.requests == []


def test_long_fields(proxy: Launcher, origin: Origins) -> None:
    """Fields that do not fit: 431 (HAProxy: 400), PR."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("tune.bufsize = 8192\ntune.maxrewrite = 1024", ""), s1=s1)
    with lb.connect() as client:
        client.send_what_goes(get("/", "X-Long: " + "x" * 20000))
        assert client.read_response().status == proxy.says(greenlb=431, haproxy=400)
        client.expect_closed()
    assert lb.log().flags == "PR--"
    assert s1.requests == []


def test_what_just_fits(proxy: Launcher, origin: Origins) -> None:
    """bufsize less maxrewrite is the room for a head."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("tune.bufsize = 8192\ntune.maxrewrite = 1024", ""), s1=s1)
    assert lb.ask(get("/", "X-Long: " + "x" * 6500)).status == 200
    assert lb.ask(get("/" + "x" * 6500)).status == 200


def test_many_fields(proxy: Launcher, origin: Origins) -> None:
    """tune.http.maxhdr: more fields than that are refused."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("tune.http.maxhdr = 20", ""), s1=s1)
    assert lb.ask(get("/", *(f"X-{n}: {n}" for n in range(15)))).status == 200
    with lb.connect() as client:
        client.send_what_goes(get("/", *(f"X-{n}: {n}" for n in range(30))))
        assert client.read_response().status == proxy.says(greenlb=431, haproxy=400)
        client.expect_closed()
    assert [lb.log().flags, lb.log().flags] == ["----", "PR--"]
    assert len(s1.requests) == 1


def test_a_head_without_end(proxy: Launcher, origin: Origins) -> None:
    """Megabytes of head are not gathered: it ends when the room does."""
    lb = proxy(INI % ("", ""), s1=origin.http("s1"))
    lb.ask()
    before = lb.resident()
    with lb.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
        sent = 0
        while sent < 10_000_000 and client.send_what_goes(b"X-Endless: " + b"x" * 5000 + b"\r\n"):
            sent += 5013
        assert sent < 10_000_000
    assert lb.resident() - before < 5_000_000


@pytest.mark.parametrize(
    "fields",
    [["X-Long: " + "x" * 20000], ["X-Long: " + "x" * 7500], [f"X-{n}: {n}" for n in range(30)]],
    ids=["no room", "no room for rules", "many fields"],
)
def test_a_long_answer_head(proxy: Launcher, origin: Origins, fields: list[str]) -> None:
    """An answer's head that does not fit, for its bytes or its fields: 502, PH."""
    s1 = origin()
    ini = INI % ("tune.bufsize = 8192\ntune.maxrewrite = 1024\ntune.http.maxhdr = 20", "")
    lb = proxy(ini, s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send_what_goes(raw_response("HTTP/1.1 200 OK", *fields, "Content-Length: 0"))
        assert client.read_response().status == 502
    line = lb.log()
    assert (line.status, line.flags) == (502, "PH--")


@pytest.mark.parametrize("where", ["global", "frontend"])
def test_maxconn_lets_the_rest_wait(proxy: Launcher, origin: Origins, where: str) -> None:
    """Beyond maxconn clients wait in the kernel's backlog, and each is served in the end."""
    s1 = origin.http("s1")
    limit = "maxconn = 2"
    lb = proxy(INI % ((limit, "") if where == "global" else ("", limit)), s1=s1)
    clients = [lb.connect() for _ in range(5)]
    for client in clients[:2]:
        client.send(get())
        assert client.read_response().status == 200
    for client in clients[2:]:
        client.send(get())
    clients[2].expect_silence(0.3)
    assert len(s1.requests) == 2
    clients[0].close()
    waiting = clients[2:]
    assert waiting[0].read_response().status == 200
    for client in clients[1:]:
        client.close()
    for _ in range(5):
        assert lb.log().status in (200, 400)


def test_maxconn_frees_a_place_for_each_end(proxy: Launcher, origin: Origins) -> None:
    """Every way to end a connection gives its place back."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("", "maxconn = 2\ntimeout http-request = 400ms"), s1=s1)
    for _ in range(3):
        for data in (get(), b"junk\r\n\r\n", request("GET / HTTP/1.0"), b""):
            with lb.connect() as client:
                client.send(data)
                if data:
                    client.read_response()
    with lb.connect() as first, lb.connect() as second:
        for client in (first, second):
            client.send(get())
            assert client.read_response().status == 200


def test_a_crowd_is_served(proxy: Launcher, origin: Origins) -> None:
    """Seventy clients at once, more than maxconn: none is dropped."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("maxconn = 40", ""), s1=s1)
    clients = [lb.connect() for _ in range(70)]
    for client in clients:
        client.send(get("/", "Connection: close"))
    for client in clients:
        assert client.read_response().body == b"s1"
        client.close()


def test_a_server_queue(proxy: Launcher, origin: Origins) -> None:
    """Server maxconn: the next request waits for its turn, which is Tw; the line says who stood before."""
    s1 = origin()
    lb = proxy((INI % ("", "")).replace("{s1}", "{s1} maxconn 1"), s1=s1)
    with lb.connect() as first, lb.connect() as second, lb.connect() as third:
        first.send(get("/1"))
        server, _ = s1.take()
        second.send(get("/2"))
        second.expect_silence(0.3)
        third.send(get("/3"))
        third.expect_silence()
        s1.expect_nobody()
        for client, target in ((first, "/1"), (second, "/2"), (third, "/3")):
            server.send(response(body=target.encode()))
            assert client.read_response().body == target.encode()
            if target != "/3":
                server, seen = s1.take(server)
                assert seen.target == ("/2" if target == "/1" else "/3")
    lines = [lb.log() for _ in range(3)]
    assert [line.request for line in lines] == ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1", "GET /3 HTTP/1.1"]
    assert (lines[0].timers[1], lines[1].timers[1] >= 280) == (0, True)
    assert [line.queues for line in lines] == ["0/0", "0/1", "0/2"]


def test_a_full_slot_is_freed_by_an_error(proxy: Launcher, origin: Origins) -> None:
    """A server that breaks off frees its slot for who waits."""
    s1 = origin()
    lb = proxy((INI % ("", "")).replace("{s1}", "{s1} maxconn 1"), s1=s1)
    with lb.connect() as first, lb.connect() as second:
        first.send(get("/1"))
        server, _ = s1.take()
        second.send(get("/2"))
        second.expect_silence()
        server.close()
        assert first.read_response().status == 502
        server, seen = s1.take()
        assert seen.target == "/2"
        server.send(response(body=b"2"))
        assert second.read_response().body == b"2"


def test_a_client_that_leaves_the_queue(proxy: Launcher, origin: Origins) -> None:
    """Its place is given up: the one behind it comes next."""
    s1 = origin()
    lb = proxy((INI % ("", "")).replace("{s1}", "{s1} maxconn 1"), s1=s1)
    with lb.connect() as first, lb.connect() as third:
        first.send(get("/1"))
        server, _ = s1.take()
        second = lb.connect()
        second.send(get("/2"))
        second.expect_silence()
        third.send(get("/3"))
        third.expect_silence()
        second.reset()
        server.send(response(body=b"1"))
        assert first.read_response().body == b"1"
        server, seen = s1.take(server)
        if seen.target == "/2":  # nobody looked at the leaver; its answer goes nowhere
            server.send(response())
            server, seen = s1.take(server)
        assert seen.target == "/3"
        server.send(response(body=b"3"))
        assert third.read_response().body == b"3"


def test_many_requests_leave_nothing_behind(proxy: Launcher, origin: Origins) -> None:
    """Thousands of requests on one connection: neither memory nor descriptors grow."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("", ""), s1=s1)
    with lb.connect() as client:
        batch = get() * 50
        for round_ in range(60):
            client.send(batch)
            for _ in range(50):
                assert client.read_response().status == 200
            if round_ == 10:
                memory, descriptors = lb.resident(), lb.descriptors()
        assert lb.resident() - memory < 2_000_000
        assert lb.descriptors() <= descriptors


def test_a_stalled_server_stalls_nobody_else(proxy: Launcher, origin: Origins) -> None:
    """While some exchanges hang, others go on."""
    s1, s2 = origin(), origin.http("s2")
    ini = (
        INI % ("", "use_backend = other if { path /other }")
    ) + "\n[backend other]\nserver s2 = 127.0.0.1:{s2}\n"
    lb = proxy(ini, s1=s1, s2=s2)
    stalled = [lb.connect() for _ in range(20)]
    for client in stalled:
        client.send(get("/hangs"))
    for _ in range(20):
        s1.take()
    assert lb.ask(get("/other")).body == b"s2"
    for client in stalled:
        client.close()


def test_a_body_on_an_old_get(proxy: Launcher, origin: Origins) -> None:
    """HTTP/1.0 GET, HEAD or DELETE with a body is a smuggler's habit: 413."""
    s1 = origin.http("s1")
    lb = proxy(INI % ("", ""), s1=s1)
    for method in ("GET", "HEAD", "DELETE"):
        with lb.connect() as client:
            client.send(request(f"{method} / HTTP/1.0", "Content-Length: 4", body=b"body"))
            assert client.read_response(method).status == 413
            assert (lb.log().status, s1.requests) == (413, [])


ENDLESS = {
    "empty lines": (b"", b"\r\n" * 2500),
    "head": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X-Endless: " + b"x" * 5000 + b"\r\n"),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"X-Endless: " + b"x" * 5000 + b"\r\n"),
    "field": (b"GET / HTTP/1.1\r\nHost: a\r\nX: ", b"x" * 5000),
    "target": (b"GET /", b"x" * 5000),
    "chunk extension": (CHUNKED + b"1;x=", b"x" * 5000),
    "chunk size": (CHUNKED, b"0" * 5000),
}


def test_some_empty_lines_before_a_request(proxy: Launcher, origin: Origins) -> None:
    """They are passed over, on a new connection and between requests (RFC 9112 section 2.2)."""
    lb = proxy(INI % ("", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(2):
            client.send(b"\r\n" * 20)
            client.send(b"\r")
            client.send(b"\n" + get())
            assert client.read_response().body == b"s1"


def test_empty_lines_beyond_a_head_s_room(greenlb: Launcher, origin: Origins) -> None:
    """As many as a head could be long, however they come; then 400."""
    lb = greenlb(INI % ("", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(b"\r\n" * 7000 + get())
        assert client.read_response().status == 200
    with lb.connect() as client:
        for _ in range(100):
            client.send_what_goes(b"\r\n" * 100)
        assert client.read_response().status == 400
        client.expect_closed()
    assert [lb.log().flags, lb.log().flags] == ["----", "PR--"]


@pytest.mark.parametrize("part", sorted(ENDLESS))
def test_what_never_ends_is_ended(greenlb: Launcher, origin: Origins, part: str) -> None:
    """Megabytes of anything that has to be whole before it means something are not gathered."""
    lb = greenlb(INI % ("", "timeout http-request = 3s\ntimeout client = 3s"), s1=origin.http("s1"))
    lb.ask()
    before = lb.resident()
    start, more = ENDLESS[part]
    with lb.connect() as client:
        client.send(start)
        sent = 0
        while sent < 20_000_000 and client.send_what_goes(more):
            sent += len(more)
        assert sent < 20_000_000
    assert lb.resident() - before < 5_000_000


def test_a_flood_of_requests_is_held_back(proxy: Launcher, origin: Origins) -> None:
    """A client that asks and asks and never reads: its answers are not gathered, nor are its requests."""
    body = b"x" * 100_000
    s1 = origin.http("s1", lambda message: response(body=body))
    lb = proxy(INI % ("", "timeout client = 1s"), s1=s1)
    lb.ask()
    before = lb.resident()
    with lb.connect() as client:
        client.sock.setblocking(False)
        batch = get() * 1000

        def stuck() -> bool:
            try:
                client.sock.send(batch)
            except BlockingIOError:
                return True
            except ConnectionError:
                return True
            return False

        eventually(stuck, "it is held back")
        assert lb.resident() - before < 10_000_000
        assert len(s1.requests) < 200
