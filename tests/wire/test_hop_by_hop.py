"""Fields that are about one connection stay on it (RFC 9110 section 7.6.1)."""

from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import get, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
option forwardfor = yes
default_backend = be

[backend be]
http-reuse = never
server s1 = 127.0.0.1:{s1}
"""


@dataclass
class Stage:
    """One balancer and the server that the test plays; each test brings its own connections."""

    lb: Balancer
    s1: Origin


@pytest.fixture(scope="module")
def stage(module_proxy: Launcher, module_origin: Origins) -> Stage:
    s1 = module_origin()
    return Stage(module_proxy(INI, s1=s1), s1)


only_greenlb = pytest.mark.parametrize("module_proxy", ["greenlb"], indirect=True)


@only_greenlb
def test_hop_by_hop_fields_of_a_request_stay_home(stage: Stage) -> None:
    """Connection, what it names, Keep-Alive, Proxy-Connection and TE do not reach the server.  HAProxy 2.6
    passes all of them but Connection itself."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(
            get(
                "/",
                "Connection: keep-alive, X-Mine",
                "X-Mine: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Connection: keep-alive",
                "TE: gzip",
                "X-Other: 2",
            )
        )
        _, seen = s1.take()
    assert seen.names == ["host", "x-other", "x-forwarded-for"]


@only_greenlb
def test_hop_by_hop_fields_of_a_response_stay_home(stage: Stage) -> None:
    """The same on the way back."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(
            response(
                "200 OK", "Connection: keep-alive, X-Mine", "X-Mine: 1", "Keep-Alive: timeout=5", "X-Other: 2"
            )
        )
        answer = client.read_response()
    assert answer.names == ["x-other", "content-length"]


@pytest.mark.parametrize("named", ["X-Forwarded-For", "x-forwarded-for", "close, X-Forwarded-For"])
def test_connection_does_not_name_away_what_we_add(stage: Stage, named: str) -> None:
    """A client cannot hide by Connection: X-Forwarded-For.  HAProxy leaves the name there to be obeyed."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/", f"Connection: {named}"))
        _, seen = s1.take()
    assert seen.all("x-forwarded-for") == ["127.0.0.1"]
    if stage.lb.program == "greenlb":
        assert "x-forwarded-for" not in (seen.get("connection") or "").lower()


@pytest.mark.parametrize("named", ["Host", "Content-Length", "Transfer-Encoding", "Authorization", "Cookie"])
@only_greenlb
def test_connection_names_away_nothing_that_frames_or_routes(stage: Stage, named: str) -> None:
    """Naming Host or a framing field takes nothing from the request that its server could misread; naming
    an end-to-end field may take it, but never changes where the request ends."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(
            request(
                "POST / HTTP/1.1",
                f"Connection: {named}",
                "Content-Length: 4",
                "Authorization: x",
                body=b"body",
            )
        )
        _, seen = s1.take()
    assert (seen.body, seen.get("host")) == (b"body", "www.example.com")


@only_greenlb
def test_te_trailers_is_ours_to_say(stage: Stage) -> None:
    """TE is about the connection to the next hop: the client's does not travel as it is."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/", "TE: trailers, deflate;q=0.5", "Connection: TE"))
        _, seen = s1.take()
    assert seen.get("te") in (None, "trailers")


def test_unknown_fields_travel_in_order(proxy: Launcher, origin: Origins) -> None:
    """End-to-end fields pass both ways, doubles and order kept."""
    s1 = origin()
    lb = proxy(INI.replace("option forwardfor = yes\n", ""), s1=s1)
    with lb.connect() as client:
        client.send(get("/", "B: 1", "A: 2", "B: 3", "Accept: */*"))
        server, seen = s1.take()
        assert [(n.lower(), v) for n, v in seen.fields] == [
            ("host", "www.example.com"),
            ("b", "1"),
            ("a", "2"),
            ("b", "3"),
            ("accept", "*/*"),
        ]
        server.send(raw_response("HTTP/1.1 200 Fine", "Z: 1", "Content-Length: 0", "Y: 2", "Z: 3"))
        answer = client.read_response()
    assert [(n.lower(), v) for n, v in answer.fields] == [
        ("z", "1"),
        ("content-length", "0"),
        ("y", "2"),
        ("z", "3"),
    ]
    assert answer.reason == "Fine"


@only_greenlb
def test_names_keep_their_case(stage: Stage) -> None:
    """Names and values that no rule touched are the bytes that came.  HAProxy lower-cases names."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/", "X-cAmEl: 1", "accept: */*"))
        server, seen = s1.take()
        assert [name for name, _ in seen.fields] == ["Host", "X-cAmEl", "accept", "X-Forwarded-For"]
        server.send(raw_response("HTTP/1.1 200 OK", "eTag: x", "CONTENT-LENGTH: 0"))
        assert [name for name, _ in client.read_response().fields] == ["eTag", "CONTENT-LENGTH"]


def test_several_cookies_stay_several(stage: Stage) -> None:
    """Set-Cookie is never joined (RFC 9110 section 5.3)."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("/", "Cookie: a=1", "Cookie: b=2"))
        server, seen = s1.take()
        assert "; ".join(seen.all("cookie")) == "a=1; b=2"
        server.send(
            response("200 OK", "Set-Cookie: a=1, x", "Set-Cookie: b=2; Expires=Thu, 01-Jan-1970 00:00:01 GMT")
        )
        answer = client.read_response()
    assert answer.all("set-cookie") == ["a=1, x", "b=2; Expires=Thu, 01-Jan-1970 00:00:01 GMT"]


def test_absolute_form(stage: Stage) -> None:
    """A target with its authority: the server learns the same host from both (RFC 9112 section 3.2.2)."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get("http://www.example.com/path?q", host="www.example.com"))
        _, seen = s1.take()
    assert seen.get("host") == "www.example.com"
    assert seen.target in ("/path?q", "http://www.example.com/path?q")
