"""Our own answers, to the byte (names' case aside), and what errorfile puts in their place."""

from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import get, request

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
timeout http-request = 300ms
http-request = deny deny_status 200 if { path /200 }
    deny deny_status 400 if { path /400 }
    deny deny_status 401 if { path /401 }
    deny deny_status 403 if { path /403 }
    deny deny_status 404 if { path /404 }
    deny deny_status 405 if { path /405 }
    deny deny_status 408 if { path /408 }
    deny deny_status 410 if { path /410 }
    deny deny_status 413 if { path /413 }
    deny deny_status 425 if { path /425 }
    deny deny_status 429 if { path /429 }
    deny deny_status 500 if { path /500 }
    deny deny_status 501 if { path /501 }
    deny deny_status 502 if { path /502 }
    deny deny_status 503 if { path /503 }
    deny deny_status 504 if { path /504 }
default_backend = be
%s
[backend be]
retries = 0
server s1 = 127.0.0.1:{s1}
"""

TEXTS = {
    200: ("OK", "Service ready."),
    400: ("Bad request", "Your browser sent an invalid request."),
    401: ("Unauthorized", "You need a valid user and password to access this content."),
    403: ("Forbidden", "Request forbidden by administrative rules."),
    404: ("Not Found", "The resource could not be found."),
    405: (
        "Method Not Allowed",
        "A request was made of a resource using a request method not supported by that resource",
    ),
    408: ("Request Time-out", "Your browser didn't send a complete request in time."),
    410: ("Gone", "The resource is no longer available and will not be available again."),
    413: ("Payload Too Large", "The request entity exceeds the maximum allowed."),
    425: ("Too Early", "Your browser sent early data."),
    429: ("Too Many Requests", "You have sent too many requests in a given amount of time."),
    500: ("Internal Server Error", "An internal server error occurred."),
    501: (
        "Not Implemented",
        ".The server does not support the functionality required to fulfill the request.",
    ),
    502: ("Bad Gateway", "The server returned an invalid or incomplete response."),
    503: ("Service Unavailable", "No server is available to handle this request."),
    504: ("Gateway Time-out", "The server didn't respond in time."),
}
CLOSING = {400, 408}


def body(code: int) -> str:
    reason, sentence = TEXTS[code]
    return f"<html><body><h1>{code} {reason}</h1>\n{sentence}\n</body></html>\n"


@pytest.fixture(scope="module")
def denier(module_proxy: Launcher, module_origin: Origins) -> Balancer:
    """A balancer that answers /CODE with that code."""
    return module_proxy(INI % "", s1=module_origin.http("s1"))


@pytest.mark.parametrize("code", sorted(TEXTS))
def test_an_answer_of_our_own(denier: Balancer, code: int) -> None:
    """Status line, fields and body of each code, and its status in the log."""
    with denier.connect() as client:
        client.send(get(f"/{code}"))
        answer = client.read_response()
        line = denier.log_of(client)
        client.expect_closed() if code in CLOSING else client.expect_silence()
    assert answer.start == f"HTTP/1.1 {code} {TEXTS[code][0]}"
    assert answer.body.decode() == body(code)
    expected = [
        ("cache-control", "no-cache"),
        ("content-length", str(len(body(code)))),
        ("content-type", "text/html"),
    ]
    if code in CLOSING:
        expected.append(("connection", "close"))
    assert sorted((name.lower(), value) for name, value in answer.fields) == sorted(expected)
    assert line.status == code


def test_an_answer_to_head_has_no_body(proxy: Launcher, origin: Origins) -> None:
    """The length of the page it would be, and nothing behind it."""
    lb = proxy(INI % "", s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(request("HEAD /403 HTTP/1.1"))
        assert client.read_response("HEAD").status == 403
        client.expect_silence()


def test_an_answer_to_an_old_client(proxy: Launcher, origin: Origins) -> None:
    """HTTP/1.0 gets it and the end."""
    lb = proxy(INI % "", s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(request("GET /403 HTTP/1.0"))
        assert client.read_response().body.decode() == body(403)
        client.expect_closed()


def expect_errorfile(start: Launcher, origin: Origins, directory: Path, code: int, data: bytes) -> None:
    """With an errorfile for the code, ``data`` is answered by the file."""
    file = directory / "error.http"
    page = b"<p>Sorry: %d</p>\n" % code
    file.write_bytes(
        b"HTTP/1.1 %d Sorry\r\nCache-Control: no-cache\r\nContent-Type: text/html\r\n"
        b"Content-Length: %d\r\nConnection: close\r\nX-Mine: yes\r\n\r\n%b" % (code, len(page), page)
    )
    lb = start(INI % "errorfile = {code} {file}", s1=origin.refusing(), code=code, file=file)
    with lb.connect() as client:
        client.send(data)
        answer = client.read_response()
        assert (answer.status, answer.reason, answer.get("x-mine"), answer.body) == (
            code,
            "Sorry",
            "yes",
            page,
        )
        client.expect_closed()


@pytest.mark.parametrize("code", [403, 429, 500])
def test_errorfile(proxy: Launcher, origin: Origins, tmp_path: Path, code: int) -> None:
    """errorfile CODE FILE: the file's answer goes out in place of ours."""
    expect_errorfile(proxy, origin, tmp_path, code, get(f"/{code}"))


def test_errorfile_where_no_server_answers(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """The page that people see most: 503."""
    expect_errorfile(proxy, origin, tmp_path, 503, get("/"))


@pytest.mark.parametrize(
    ("code", "data"), [(400, b"junk\r\n\r\n"), (408, b"GET"), (414, get("/" + "x" * 30000))]
)
def test_errorfile_where_nothing_was_read(
    greenlb: Launcher, origin: Origins, tmp_path: Path, code: int, data: bytes
) -> None:
    """The same for requests that could not be read; HAProxy 2.6 answers those with its own."""
    expect_errorfile(greenlb, origin, tmp_path, code, data)


def test_errorfile_of_a_backend_goes_before_the_frontends(
    proxy: Launcher, origin: Origins, tmp_path: Path
) -> None:
    """A backend's own page for what happens there, the frontend's for the rest."""
    for name in ("fe", "be"):
        text = f"HTTP/1.0 503 {name}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{name}"
        (tmp_path / name).write_text(text, newline="")
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
errorfile = 503 {pages}/fe
use_backend = empty if { path /empty }
default_backend = be

[backend empty]

[backend be]
errorfile = 503 {pages}/be
retries = 0
server s1 = 127.0.0.1:{s1}
"""
    lb = proxy(ini, s1=origin.refusing(), pages=tmp_path)
    assert lb.ask().body == b"be"
    assert lb.ask(get("/empty")).body == b"fe"


def test_an_errorfile_of_no_bytes_is_silence(proxy: Launcher, origin: Origins) -> None:
    """errorfile 408 /dev/null: the usual way to close without a word."""
    lb = proxy(INI % "errorfile = 408 /dev/null", s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(b"GET / HT")
        client.expect_closed()
    assert lb.log().flags == "cR--"


def test_an_answer_over_tls(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """The same through TLS, and the close is a clean one."""
    ini = (INI % "").replace("{fe}\n", "{fe} ssl crt {pem}\n", 1)
    lb = proxy(ini, s1=origin.http("s1"), pem=authority.pem("www.example.com"))
    with lb.connect_tls(context_for()) as client:
        client.send(b"junk\r\n\r\n")
        assert client.read_response().body.decode() == body(400)
        assert client.read_to_fin() == b""
