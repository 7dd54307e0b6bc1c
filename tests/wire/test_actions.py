"""Actions that act on connections and on the way to servers."""

from __future__ import annotations

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, response

CONNECTIONS = """
[frontend fe]
bind = 127.0.0.1:{fe}
tcp-request = connection set-src ipv4(10.1.2.3)
              connection set-src-port int(77)
              session set-dst ipv4(10.9.9.9)
              session set-dst-port int(8080)
http-request = return status 200 content-type text/plain lf-string "%[src] %[src_port] %[dst] %[dst_port]"
"""


def test_addresses_of_connections(proxy: Launcher) -> None:
    """What tcp-request connection and session make of addresses holds for all of its requests, and logs."""
    lb = proxy(CONNECTIONS)
    with lb.connect() as client:
        for _ in range(2):
            client.send(get("/"))
            assert client.read_response().body == b"10.1.2.3 77 10.9.9.9 8080"
    assert lb.log().text.startswith("10.1.2.3:77 ")


REQUESTS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = set-src-port int(77) if { path /changed }
               set-dst ipv4(10.9.9.9) if { path /changed }
               set-dst-port int(8080) if { path /changed }
               return status 200 content-type text/plain lf-string "%[src_port] %[dst] %[dst_port]"
"""


def test_addresses_of_requests(proxy: Launcher) -> None:
    """What http-request makes of them holds for that request."""
    lb = proxy(REQUESTS)
    with lb.connect() as client:
        own = f"{client.sock.getsockname()[1]} 127.0.0.1 {lb.port()}".encode()
        for path, expected in (("/", own), ("/changed", b"77 10.9.9.9 8080"), ("/", own)):
            client.send(get(path))
            assert client.read_response().body == expected


TIMEOUTS = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
timeout server = 30s
http-request = set-timeout server 100ms if { path /short }
               set-timeout server req.hdr(x-ms),mul(1) if { path /said }
server s1 = 127.0.0.1:{s1}
"""


def test_set_timeout(proxy: Launcher, origin: Origins) -> None:
    """A server that says nothing is given up after the request's own time."""
    s1 = origin()
    lb = proxy(TIMEOUTS, s1=s1)
    for data in (get("/short"), get("/said", "X-Ms: 100")):
        with lb.connect() as client:
            client.send(data)
            s1.take()
            assert client.read_response().status == 504


HINTS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = early-hint Link "<%[path]x.css>; rel=preload"
               early-hint Link "</y.js>; rel=preload"
               set-tos 0x20
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_early_hint(proxy: Launcher, origin: Origins) -> None:
    """A 103 comes before the answer, though not to a client of HTTP/1.0."""
    lb = proxy(HINTS, s1=origin.http("s1", lambda message: response("200 OK")))
    with lb.connect() as client:
        client.send(get("/hint/"))
        hint = client.read_response_head()
        links = ["</hint/x.css>; rel=preload", "</y.js>; rel=preload"]
        assert (hint.status, hint.all("link")) == (103, links)
        assert client.read_response().status == 200
    with lb.connect() as client:
        client.send(b"GET /hint/ HTTP/1.0\r\n\r\n")
        assert client.read_response_head().status == 200


CONDITIONS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = early-hint X-A 1 if { path_beg /hint }
               early-hint X-B 2 if { path_beg /never }
               early-hint X-C 3 unless { path_beg /other }
               return status 200
"""


def test_hints_with_conditions(greenlb: Launcher) -> None:
    """One 103 for those in a row that apply, none when none does; HAProxy sends one each."""
    lb = greenlb(CONDITIONS)
    with lb.connect() as client:
        client.send(get("/hint"))
        assert [name for name, _ in client.read_response_head().fields] == ["X-A", "X-C"]
        assert client.read_response().status == 200
        client.send(get("/other"))
        assert client.read_response().status == 200
