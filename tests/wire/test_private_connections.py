"""NTLM and Negotiate authenticate the connection, not the request: nobody else may ride on it."""

import pytest

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
http-reuse = always
server s1 = 127.0.0.1:{s1}
"""
FARM = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be

[backend be]
balance = roundrobin
cookie = SERVERID insert indirect nocache
server s1 = 127.0.0.1:{s1} cookie a
server s2 = 127.0.0.1:{s2} cookie b
"""


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate", "ntlm", "Negotiate oYG1"])
def test_a_challenge_makes_a_connection_private(proxy: Launcher, origin: Origins, scheme: str) -> None:
    """After WWW-Authenticate: NTLM or Negotiate the server connection serves its own client only."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as alice, lb.connect() as bob:
        alice.send(get("/alice"))
        server, _ = s1.take()
        server.send(response("401 Unauthorized", f"WWW-Authenticate: {scheme}"))
        assert alice.read_response().status == 401
        bob.send(get("/bob"))
        other, seen = s1.take(server)
        assert (seen.target, other is server) == ("/bob", False)
        other.send(response(body=b"bob"))
        assert bob.read_response().body == b"bob"
        alice.send(get("/alice", "Authorization: NTLM TlRMTVNTUAAB"))
        again, seen = s1.take(server)
        assert (seen.get("authorization"), again is server) == ("NTLM TlRMTVNTUAAB", True)
        server.send(response(body=b"welcome"))
        assert alice.read_response().body == b"welcome"


def test_the_round_trips_of_a_login(proxy: Launcher, origin: Origins) -> None:
    """Type 1, challenge, type 3: all on one server of the farm, although turns would go elsewhere and no
    cookie has reached the client's requests yet."""
    s1, s2 = origin(), origin.http("s2")
    lb = proxy(FARM, s1=s1, s2=s2)
    with lb.connect() as client:
        client.send(get("/"))
        server, _ = s1.take()
        server.send(response("401 Unauthorized", "WWW-Authenticate: NTLM"))
        client.read_response()
        for sent, status in (("TlRMTVNTUAAB", "401 Unauthorized"), ("TlRMTVNTUAAD", "200 OK")):
            client.send(get("/", f"Authorization: NTLM {sent}"))
            again, _ = s1.take(server)
            assert again is server
            fields = ["WWW-Authenticate: NTLM TlRMTVNTUAAC"] if status[0] == "4" else []
            server.send(response(status, *fields))
            assert client.read_response().status == int(status[:3])
        client.send(get("/after"))
        again, seen = s1.take(server)
        assert (seen.target, again is server) == ("/after", True)
    assert s2.requests == []


def test_a_login_that_the_client_begins(greenlb: Launcher, origin: Origins) -> None:
    """Authorization: NTLM in a first request is as private as a challenge.  HAProxy looks at challenges
    alone."""
    s1 = origin()
    lb = greenlb(INI, s1=s1)
    with lb.connect() as alice, lb.connect() as bob:
        alice.send(get("/alice", "Authorization: Negotiate YII="))
        server, _ = s1.take()
        server.send(response(body=b"alice"))
        assert alice.read_response().body == b"alice"
        bob.send(get("/bob"))
        other, _ = s1.take(server)
        assert other is not server


def test_the_connection_ends_with_its_client(proxy: Launcher, origin: Origins) -> None:
    """When its client goes, the private connection is closed, not pooled."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as alice:
        alice.send(get("/alice"))
        server, _ = s1.take()
        server.send(response("401 Unauthorized", "WWW-Authenticate: NTLM"))
        alice.read_response()
    server.expect_closed()


def test_basic_is_about_the_request(proxy: Launcher, origin: Origins) -> None:
    """Basic authenticates a request: its connection is shared as any other."""
    s1 = origin()
    lb = proxy(INI, s1=s1)
    with lb.connect() as alice, lb.connect() as bob:
        alice.send(get("/alice"))
        server, _ = s1.take()
        server.send(response("401 Unauthorized", 'WWW-Authenticate: Basic realm="x"'))
        alice.read_response()
        bob.send(get("/bob"))
        same, seen = s1.take(server)
        assert (seen.target, same is server) == ("/bob", True)
