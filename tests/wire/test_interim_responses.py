"""Answers without a body, and answers before the answer."""

from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origin, Origins
from tests.support.stream import get, raw_response, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
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


def test_head_keeps_the_length_and_has_no_body(stage: Stage) -> None:
    """The answer to HEAD says how long GET's body would be; the next answer starts right after it."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("HEAD /x HTTP/1.1") + get("/y"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 1234"))
        answer = client.read_response("HEAD")
        assert answer.get("content-length") == "1234"
        server.read_request()
        server.send(response(body=b"y"))
        assert client.read_response().body == b"y"


def test_head_of_a_chunked_resource(stage: Stage) -> None:
    """Transfer-Encoding in the answer to HEAD announces nothing that comes."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("HEAD /x HTTP/1.1"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Transfer-Encoding: chunked"))
        assert client.read_response("HEAD").status == 200
        client.send(get("/y"))
        server.read_request()
        server.send(response(body=b"y"))
        assert client.read_response().body == b"y"


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_statuses_that_have_no_body(stage: Stage, line: str) -> None:
    """204 and 304 end with their head, whatever their fields say, and the connection goes on."""
    lb, s1 = stage.lb, stage.s1
    fields = ["ETag: x"] if line.startswith("204") else ["ETag: x", "Content-Length: 99"]
    server = None
    with lb.connect() as client:
        for _ in range(2):
            client.send(get("/x"))
            server, _ = s1.take(server)
            server.send(raw_response(f"HTTP/1.1 {line}", *fields))
            answer = client.read_response()
            assert (answer.status, answer.get("etag")) == (int(line[:3]), "x")


def test_interim_responses_pass(stage: Stage) -> None:
    """103 Early Hints come through as they are, before the answer (RFC 8297)."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        for name in ("a", "b"):
            server.send(raw_response("HTTP/1.1 103 Early Hints", f"Link: </{name}.css>; rel=preload"))
            hint = client.read_response_head()
            assert (hint.status, hint.get("link")) == (103, f"</{name}.css>; rel=preload")
        server.send(response(body=b"done"))
        assert client.read_response().body == b"done"
        assert lb.log_of(client).status == 200


@only_greenlb
def test_an_old_client_never_sees_an_interim_response(stage: Stage) -> None:
    """HTTP/1.0 knows no 1xx (RFC 9110 section 15.2): only the final answer reaches it.
    HAProxy 2.6 passes them on."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("GET / HTTP/1.0"))
        server, _ = s1.take()
        server.send(
            raw_response("HTTP/1.1 103 Early Hints", "Link: </a.css>"),
            raw_response("HTTP/1.1 100 Continue") + response(body=b"done"),
        )
        answer = client.read_response()
        assert (answer.status, answer.body) == (200, b"done")


def test_expect_continue_is_the_servers_to_answer(stage: Stage) -> None:
    """The server says 100, the client sends its body then."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Content-Length: 4", "Expect: 100-continue"))
        server = s1.accept()
        assert server.read_request_head().get("expect") == "100-continue"
        client.expect_silence()
        server.send(raw_response("HTTP/1.1 100 Continue"))
        assert client.read_response_head().status == 100
        client.send(b"body")
        assert server.read(4) == b"body"
        server.send(response(body=b"thanks"))
        assert client.read_response().body == b"thanks"


def test_expect_continue_may_be_refused(stage: Stage) -> None:
    """The server refuses at once: the client hears it without having sent its body."""
    lb, s1 = stage.lb, stage.s1
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", "Content-Length: 4", "Expect: 100-continue"))
        server = s1.accept()
        server.read_request_head()
        server.send(response("417 Expectation Failed", "Connection: close", body=b"no"))
        server.close()
        assert client.read_response().status == 417


def test_a_refused_body_does_not_become_a_request(stage: Stage) -> None:
    """A body that its client never sent after a refusal, or sent late, is never read as a request."""
    lb, s1 = stage.lb, stage.s1
    smuggled = get("/smuggled")
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", f"Content-Length: {len(smuggled)}", "Expect: 100-continue"))
        server = s1.accept()
        server.read_request_head()
        server.send(response("417 Expectation Failed", body=b"no"))
        assert client.read_response().status == 417
        client.send_what_goes(smuggled)
        s1.expect_nobody()
        if server.is_open():
            server.expect_silence()
        else:
            assert server.read_some() == smuggled  # as the body that it is
        client.expect_silence() if client.is_open() else client.expect_closed()
