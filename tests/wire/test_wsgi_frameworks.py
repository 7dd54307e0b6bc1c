"""Flask, Django and Bottle, in greenlb and in gunicorn, waitress and uWSGI behind it: they are told the
truth, and no client can talk them out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.stream import chunked, get, request
from tests.support.wsgi import APPS, WsgiServer

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
    127.0.0.1:{tls} ssl crt {crt}
http-request = set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    set-header X-Forwarded-Port %[dst_port]
    set-header X-Forwarded-Host %[req.hdr(host)]
use_backend = %[req.hdr(x-to)]

[defaults]
mode = http
log = global
timeout client = 20s
timeout server = 20s
timeout connect = 5s
option forwardfor = yes
option forwarded = proto host for for_port
"""
KINDS = {
    f"{kind}-{'unix' if unix else 'tcp'}": (kind, unix)
    for kind in ("gunicorn", "waitress", "uwsgi")
    for unix in (False, True)
}
NAME = "www.example.com"


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Balancer]:
    """A balancer with all of them behind it, a backend each."""
    directory = tmp_path_factory.mktemp("wsgi")
    text = INI + f"[backend inside]\nserver app = wsgi:frameworks:combined chdir {APPS}\n"
    with ExitStack() as stack:
        for name, (kind, unix) in KINDS.items():
            server = stack.enter_context(
                closing(WsgiServer(kind, "frameworks:combined", directory, unix=unix))
            )
            words = "proto uwsgi" if kind == "uwsgi" else ""
            text += f"[backend {name}]\nserver s1 = {server.address} {words}\n"
        launcher = Launcher(directory)
        stack.callback(launcher.close)
        front, _, defaults = text.partition("[defaults]")
        head, _, backends = defaults.partition("[backend")
        yield launcher("[defaults]" + head + front + "[backend" + backends, crt=authority.pem(NAME))


FORGED = (
    "X-Forwarded-For: 6.6.6.6",
    "x-FORWARDED-for: 6.6.6.7",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded_For: 6.6.6.6",
    "X-Forwarded-Proto: gopher",
    "x-forwarded-proto: https",
    "X_FORWARDED_PROTO: https",
    "X_Forwarded-Proto: https",
    "X-Forwarded-Port: 666",
    "X_Forwarded_Port: 666",
    "X-Forwarded-Host: evil.example",
    "Forwarded: for=6.6.6.6;proto=gopher;host=evil.example",
    "Connection: keep-alive, X-Forwarded-For, X-Forwarded-Proto, X-Forwarded-Port, X-Forwarded-Host",
    "Connection: Forwarded, X-Forwarded-For",
    "Remote-Addr: 6.6.6.6",
    "REMOTE_ADDR: 6.6.6.6",
    "Proxy: http://evil.example/",
)


@pytest.mark.parametrize("to", ["inside", *KINDS])
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_they_know_who_asks_and_how(farm: Balancer, authority: Authority, to: str, secure: bool) -> None:
    scheme, port = ("https", farm.port("tls")) if secure else ("http", farm.port())
    host = f"{NAME}:{port}"
    context = context_for(str(authority.ca_file))
    for lies in ((), FORGED):
        told = {}
        for framework in ("flask", "django", "raw", "bottle"):
            with farm.connect_tls(context, NAME, "tls") if secure else farm.connect() as client:
                client.send(get(f"/{framework}/told", f"X-To: {to}", *lies, host=host))
                answer = client.read_response()
            assert answer.status == 200, (framework, answer)
            told[framework] = json.loads(answer.body)
        assert told["flask"] == {
            "client": "127.0.0.1",
            "host": host,
            "scheme": scheme,
            "secure": secure,
            "url": f"{scheme}://{host}/told",
        }
        django = told["django"]
        assert (django["scheme"], django["secure"], django["port"]) == (scheme, secure, str(port))
        assert (django["host"], django["url"]) == (host, f"{scheme}://{host}/told")
        assert told["bottle"]["url"].startswith(f"{scheme}://{host}/")
        raw = told["raw"]
        assert raw["HTTP_X_FORWARDED_FOR"].rpartition(",")[2].strip() == "127.0.0.1"
        assert raw["HTTP_X_FORWARDED_PROTO"] == scheme
        last = raw["HTTP_FORWARDED"].rpartition(",")[2].strip()
        assert last.startswith(f'proto={scheme};host="{host}";for="127.0.0.1:')


def test_a_trailer_cannot_tell_them_otherwise(farm: Balancer) -> None:
    for to in ("inside", *KINDS):
        with farm.connect() as client:
            client.send(
                request("POST /raw/ HTTP/1.1", f"X-To: {to}", "Transfer-Encoding: chunked"),
                chunked(b"x", trailers=b"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n"),
            )
            answer = client.read_response()
            assert answer.status == 400 or b"6.6.6.6" not in answer.body


@pytest.mark.parametrize("to", ["inside", *KINDS])
def test_forms_bodies_and_streams(farm: Balancer, to: str) -> None:
    for framework in ("flask", "django", "bottle"):
        with farm.connect() as client:
            body = b"a=1&b=%20"
            client.send(
                request(f"POST /{framework}/form HTTP/1.1", f"X-To: {to}", f"Content-Length: {len(body)}",
                        "Content-Type: application/x-www-form-urlencoded"), body)  # fmt: skip
            assert json.loads(client.read_response().body) == {"a": "1", "b": " "}
        with farm.connect() as client:
            client.send(get(f"/{framework}/stream", f"X-To: {to}"))
            assert client.read_response().body == b"0,1,2,"
    with farm.connect() as client:
        client.send(
            request("POST /flask/body HTTP/1.1", f"X-To: {to}", "Transfer-Encoding: chunked"),
            chunked(b"some ", b"pieces"),
        )
        assert client.read_response().body == b"some pieces"
    with farm.connect() as client:
        head = (f"X-To: {to}", "Content-Length: 5", "Expect: 100-continue")
        client.send(request("POST /flask/body HTTP/1.1", *head))
        assert client.read_response_head().status == 100
        client.send(b"hello")
        assert client.read_response().body == b"hello"


def test_uwsgi_and_a_body_that_is_too_large_without_a_length(farm: Balancer) -> None:
    with farm.connect() as client:
        head = request("POST /flask/body HTTP/1.1", "X-To: uwsgi-tcp", "Transfer-Encoding: chunked")
        with client.sending([head, *[chunked(b"x" * (1 << 20))[:-5]] * 9]):
            assert client.read_response().status == 413
    with farm.connect() as client:
        client.send(get("/raw/", "X-To: uwsgi-tcp", *[f"X-{n}: {'y' * 900}" for n in range(12)]))
        assert client.read_response().status == 200
