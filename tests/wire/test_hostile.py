"""Attacks on what stands between a client and a server: rules that change a request, applications that break
their contract, tries that are made again.  Whatever they do, each exchange keeps its own bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, Stream, eventually, get, request

APPS = Path(__file__).parent / "apps"

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
[backend be]
server app = wsgi:hostile:application chdir {apps}
"""


@pytest.fixture(scope="module")
def lb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balancer]:
    launcher = Launcher(tmp_path_factory.mktemp("hostile"))
    yield launcher(INI, apps=APPS)
    launcher.close()


def after(client: Stream, path: str) -> Message:
    """The answer to ``path`` on a connection that goes on."""
    client.send(get(path))
    return client.read_response()


@pytest.mark.parametrize(
    "path",
    ["exits", "quits", "twice", "none", "text", "number", "bad_status", "bad_name", "bad_value", "bad_nul",
     "bad_length", "two_lengths", "switches"],
)  # fmt: skip
def test_an_application_that_breaks_its_contract_costs_itself_alone(lb: Balancer, path: str) -> None:
    with lb.connect() as client:
        broken = after(client, f"/{path}")
        assert broken.status == 500
        assert "x-forged" not in broken.names
        assert after(client, "/plain").body == b"good"


def test_more_or_other_than_was_promised_goes_nowhere(lb: Balancer) -> None:
    with lb.connect() as client:
        assert after(client, "/more").body == b"good"
        assert after(client, "/closes").body == b"good"
        assert after(client, "/chunks").body == b"5\r\nhello\r\n0\r\n\r\n"
        assert after(client, "/plain").body == b"good"


def test_a_call_that_is_over_cannot_write(lb: Balancer) -> None:
    with lb.connect() as client:
        assert after(client, "/keeps_write").status == 500
        assert after(client, "/use_write").body == b"refused: ApplicationError"
        assert after(client, "/plain").body == b"good"
        client.expect_silence()


def test_a_call_that_is_over_cannot_read(lb: Balancer) -> None:
    with lb.connect() as owner, lb.connect() as other:
        owner.send(request("POST /keeps_input HTTP/1.1", "Content-Length: 5"))
        assert owner.read_response().body == b"good"
        assert after(other, "/use_input").body == b"refused: ApplicationError"


def test_connections_end_however_their_application_does(lb: Balancer) -> None:
    before = lb.descriptors()
    for path in ("exits", "quits", "fewer", "keeps_write"):
        with lb.connect() as client:
            client.send(get(f"/{path}"))
            client.read_some()
    eventually(lambda: lb.descriptors() <= before, "all connections are closed")


def test_a_body_that_was_kept_goes_on_to_an_application(greenlb: Launcher, origin: Origins) -> None:
    first = origin()
    ini = INI.replace(
        "server app",
        "balance = first\nretries = 1\noption redispatch = yes\nretry-on = 503\n"
        "server first = 127.0.0.1:{first}\nserver app",
    )
    lb = greenlb(ini, first=first, apps=APPS)
    with lb.connect() as client:
        client.send(request("POST /body HTTP/1.1", "Content-Length: 10"), b"01234")
        with first.accept() as server:
            server.read_until(b"01234")
            client.send(b"5")
            server.read_until(b"5")
            server.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
            client.send(b"6789" + get("/next"))
            assert client.read_response().body == b"0123456789"
        with first.accept() as server:
            assert server.read_request().target == "/next"


HEADS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = set-method GET if METH_HEAD
    return status 200 content-type text/plain string body if { path /return }
use_backend = app if { path /method }
default_backend = be
[backend be]
server s = 127.0.0.1:{server}
[backend app]
server app = wsgi:hostile:application chdir {apps}
"""
FORGED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_an_answer_to_head_has_no_body_whatever_rules_made_of_it(greenlb: Launcher, origin: Origins) -> None:
    server = origin()
    lb = greenlb(HEADS, server=server, apps=APPS)
    for path in ("/method", "/return"):
        with lb.connect() as client:
            client.send(request(f"HEAD {path} HTTP/1.1"), get("/next"))
            assert client.read_response("HEAD").get("connection") == "close"
            client.expect_closed()
    with lb.connect() as client:
        client.send(request("HEAD / HTTP/1.1"))
        with server.accept() as there:
            assert there.read_request().method == "GET"
            there.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(FORGED), FORGED)
            assert client.read_response("HEAD").get("connection") == "close"
            client.expect_closed()


def test_no_rule_makes_a_tunnel_or_another_host(greenlb: Launcher, origin: Origins) -> None:
    server = origin()
    ini = "[frontend fe]\nbind = 127.0.0.1:{fe}\ndefault_backend = be\n%s\n"
    ini += "[backend be]\nserver s = 127.0.0.1:{s}\n"
    lb = greenlb(ini % "http-request = set-method %[hdr(X-HTTP-Method-Override)]", s=server)
    answer = lb.ask(get("/", "X-HTTP-Method-Override: CONNECT"))
    assert answer.status == 500
    lb = greenlb(ini % r"reqrep = ^GET\ /strip(.*) GET\ \1", s=server)
    with lb.connect() as client:
        client.send(get("/striphttp://inside.example/"))
        with server.accept() as there:
            asked = there.read_request()
            assert (asked.target, asked.get("host")) == ("http://inside.example/", "inside.example")
    for action in ("replace-path", "replace-pathq"):
        lb = greenlb(ini % rf"http-request = {action} /strip(.*) \1", s=server)
        with lb.connect() as client:
            client.send(get("/striphttp://inside.example/"))
            with server.accept() as there:
                asked = there.read_request()
                assert (asked.target, asked.get("host")) == ("/http://inside.example/", "www.example.com")
