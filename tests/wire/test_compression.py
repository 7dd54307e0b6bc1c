"""``compression`` and ``http-after-response``: what a client gets of what a server, an application or greenlb
itself says."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.runtime import raw
from tests.support.stream import Message, chunked, get, raw_response, request, response

HTML = "Content-Type: text/html"
BODY = b"hello world " * 200
BIG = bytes(range(256)) * 4000
WBITS = {"gzip": 31, "deflate": 15}

ANSWERS = {
    "/plain": response("200 OK", HTML, body=BODY),
    "/created": response("201 Created", HTML, body=BODY),
    "/charset": response("200 OK", "Content-Type: Text/HTML; charset=x", body=BODY),
    "/strong": response("200 OK", HTML, 'ETag: "x"', body=BODY),
    "/weak": response("200 OK", HTML, 'ETag: W/"x"', body=BODY),
    "/cookie": response("200 OK", HTML, "Vary: Cookie", body=BODY),
    "/big": response("200 OK", HTML, body=BIG),
    "/chunks": raw_response(
        "HTTP/1.1 200 OK", HTML, "Transfer-Encoding: chunked", body=chunked(b"hello", BODY, b"x")
    ),
    "/trailer": raw_response(
        "HTTP/1.1 200 OK",
        HTML,
        "Transfer-Encoding: chunked",
        "Trailer: X-Sum",
        body=b"5\r\nhello\r\n0\r\nX-Sum: 5\r\n\r\n",
    ),
}
"""What is compressed."""

LEFT = {
    "/image": response("200 OK", "Content-Type: image/png", body=BODY),
    "/untyped": response("200 OK", body=BODY),
    "/coded": response("200 OK", HTML, "Content-Encoding: br", body=BODY),
    "/untouchable": response("200 OK", HTML, "Cache-Control: public, no-transform", body=BODY),
    "/multipart": response("200 OK", "Content-Type: multipart/mixed", body=BODY),
    "/part": response("206 Partial Content", HTML, "Content-Range: bytes 0-9/99", body=BODY),
    "/missing": response("404 Not Found", HTML, body=BODY),
    "/bare": response("200 OK", HTML, "ETag: bare", body=BODY),
    "/empty": response("200 OK", HTML, body=b""),
    "/old": raw_response(
        "HTTP/1.0 200 OK", HTML, f"Content-Length: {len(BODY)}", "Connection: close", body=BODY
    ),
    "/end": raw_response("HTTP/1.1 200 OK", HTML, "Connection: close", body=BODY),
}
"""What is not."""

INI = """
[global]
stats socket = {stats} level admin


[frontend fe]
bind = 127.0.0.1:{fe}
http-request = return status 200 content-type text/html string "here here here here" if { path /here }
               deny if { path /denied }
redirect = location /elsewhere if { path /moved }
http-after-response = set-header X-Front %[status]
                      set-status 299 if { res.hdr(x-odd) yes }
                      del-header X-Secret
compression algo = gzip deflate
compression type = text/html
default_backend = be

[backend be]
http-after-response = set-header X-Back yes
                      allow unless { status 999 }
                      set-header X-Back never
compression offload = yes
server s1 = 127.0.0.1:{s1}
"""


def answer(message: Message) -> bytes:
    found = {**ANSWERS, **LEFT}.get(message.target.partition("?")[0])
    if message.target == "/odd":
        return response("200 OK", "X-Odd: yes", "X-Secret: no", body=b"odd")
    assert found is not None, message.target
    return found.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if message.method == "HEAD" else found


def unpacked(message: Message) -> bytes:
    """The body as its server sent it."""
    coding = message.get("content-encoding")
    if coding not in WBITS:
        return message.body
    made = zlib.decompressobj(WBITS[coding])
    body = made.decompress(message.body) + made.flush()
    assert made.eof
    return body


def plain(target: str) -> tuple[bytes, str | None]:
    sent = {**ANSWERS, **LEFT}[target]
    _, _, body = sent.partition(b"\r\n\r\n")
    if target == "/chunks":
        body = b"hello" + BODY + b"x"
    elif target == "/trailer":
        body = b"hello"
    return body, None


def ask(lb: Balancer, target: str, accept: str = "gzip", method: str = "GET") -> Message:
    fields = [f"Accept-Encoding: {accept}"] if accept else []
    return lb.ask(request(f"{method} {target} HTTP/1.1", *fields), method=method)


def counters(path: Path) -> dict[str, dict[str, int]]:
    lines = raw(path, "show stat\n").splitlines()
    names = lines[0].removeprefix("# ").split(",")
    rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:] if line]
    wanted = ("comp_in", "comp_out", "comp_byp", "comp_rsp")
    return {row["svname"]: {name: int(row[name] or 0) for name in wanted} for row in rows}


def test_the_same_dialogues(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """What is compressed, what is not, what clients ask for, and what is counted: HAProxy's."""
    s1 = origin.http("s1", answer)
    stats = tmp_path / "stats"
    lb = proxy(INI, s1=s1, stats=stats)
    sizes = 0
    for target in ANSWERS:
        got = ask(lb, target)
        assert (got.status // 100, got.framing, got.get("content-length")) == (2, "chunked", None), target
        assert (got.get("content-encoding"), got.all("vary")[-1]) == ("gzip", "Accept-Encoding"), target
        assert unpacked(got) == plain(target)[0], target
        assert got.get("etag") == ('W/"x"' if target in ("/strong", "/weak") else None)
        sizes += len(unpacked(got))
        if target == "/trailer":
            assert [(name.lower(), value) for name, value in got.trailers] == [("x-sum", "5")]
        assert s1.requests[-1].message.get("accept-encoding") is None
    assert ask(lb, "/cookie").all("vary") == ["Cookie", "Accept-Encoding"]
    sizes += len(BODY)
    for target in LEFT:
        got = ask(lb, target)
        sent = LEFT[target].partition(b"\r\n\r\n")[2]
        assert (got.body, got.all("vary")) == (sent, []), target
        assert got.get("content-encoding") == ("br" if target == "/coded" else None), target
    for accept, coding in {
        "": None,
        "identity": None,
        "gzip;q=0": None,
        "x-gzip": None,
        "br, GZIP;q=0.3": "gzip",
        "gzip;q=0.5, deflate": "deflate",
        "deflate, gzip": "deflate",
        "*": "deflate",
        "*;q=0.5, gzip": "gzip",
    }.items():
        got = ask(lb, "/plain", accept)
        assert (got.get("content-encoding"), unpacked(got)) == (coding, BODY), accept
        sizes += len(BODY) if coding else 0
        seen = s1.requests[-1].message.get("accept-encoding")
        assert seen == (None if coding or not accept else accept)
    with lb.connect() as client:
        client.send(b"GET /plain HTTP/1.0\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n")
        assert client.read_response().get("content-encoding") is None
    found = counters(stats)
    assert found["FRONTEND"] == found["BACKEND"]
    assert found["BACKEND"]["comp_rsp"] == len(ANSWERS) + 6
    assert found["BACKEND"]["comp_byp"] == 0
    assert abs(found["BACKEND"]["comp_in"] - sizes) <= lb.says(greenlb=0, haproxy=9)  # a trailer
    assert 0 < found["BACKEND"]["comp_out"] < sizes


def test_rules_see_every_answer(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """http-after-response: of servers, a backend's rules first, and of our own."""
    lb = proxy(INI, s1=origin.http("s1", answer), stats=tmp_path / "stats")
    got = ask(lb, "/plain", "")
    assert (got.get("x-front"), got.get("x-back")) == ("200", "yes")
    got = ask(lb, "/odd", "")
    assert (got.status, got.get("x-secret"), got.get("x-front")) == (299, None, "200")
    for target, status in {"/here": 200, "/denied": 403, "/moved": 302}.items():
        got = ask(lb, target)
        assert (got.status, got.get("x-front"), got.get("x-back")) == (status, str(status), None), target
        assert got.get("content-encoding") is None, target


OWN = """
[frontend fe]
bind = 127.0.0.1:{fe}
errorfile = 403 {page}
stats uri = /stats
http-request = deny if { path /denied }
http-after-response = set-header X-Front %[status]
                      set-header X-Known yes if { res.fhdr(x-page) mine }
compression algo = gzip
use_backend = none if { path /none }
default_backend = be

[backend none]

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_what_greenlb_does_otherwise(greenlb: Launcher, origin: Origins, tmp_path: Path) -> None:
    """HEAD and 304 say what GET would; a part of a body stays as it is; errors, errorfiles and the
    statistics page pass the rules."""
    page = tmp_path / "403.http"
    page.write_bytes(b"HTTP/1.0 403 Mine\r\nX-Page: mine\r\n\r\nno\n")
    answers = {
        "/plain": response("200 OK", HTML, 'ETag: "x"', body=BODY),
        "/same": raw_response("HTTP/1.1 304 Not Modified", 'ETag: "x"'),
        "/range": response("200 OK", HTML, "Content-Range: bytes 0-9/99", body=BODY),
        "/star": response("200 OK", HTML, "Vary: *", body=BODY),
    }

    def say(message: Message) -> bytes:
        found = answers[message.target]
        return found.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if message.method == "HEAD" else found

    lb = greenlb(OWN, s1=origin.http("s1", say), page=page)
    whole, head, same = ask(lb, "/plain"), ask(lb, "/plain", method="HEAD"), ask(lb, "/same")
    assert unpacked(whole) == BODY
    assert sorted(head.fields) == sorted(whole.fields)
    assert (same.get("etag"), same.get("vary")) == ('W/"x"', "Accept-Encoding")
    assert ask(lb, "/range").body == BODY
    assert ask(lb, "/star").all("vary") == ["*"]
    with lb.connect() as client:
        client.send(get("/denied"))
        assert client.read_to_fin() == (
            b"HTTP/1.0 403 Mine\r\nX-Page: mine\r\nX-Front: 403\r\nX-Known: yes\r\n\r\nno\n"
        )
    assert ask(lb, "/none").get("x-front") == "503"
    got = ask(lb, "/stats")
    assert (got.status, got.get("x-front"), got.get("content-encoding")) == (200, "200", "gzip")
    assert b"<html" in unpacked(got).lower()
    with lb.connect() as client:
        client.send(b"BAD\r\n\r\n")
        assert client.read_response().get("x-front") == "400"


def test_a_slow_stream_arrives(greenlb: Launcher, origin: Origins, tmp_path: Path) -> None:
    """Each piece of a server's is on its way before the next one comes; HAProxy holds small ones back."""
    s1 = origin()
    lb = greenlb(INI, s1=s1, stats=tmp_path / "stats")
    made = zlib.decompressobj(31)
    with lb.connect() as client:
        client.send(get("/", "Accept-Encoding: gzip"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", HTML, "Transfer-Encoding: chunked"))
        assert client.read_response_head().get("content-encoding") == "gzip"
        for word in (b"one", b"two", b"three"):
            server.send(b"%x\r\n%b\r\n" % (len(word), word))
            got = b""
            while got != word:
                size = int(client.read_until(b"\r\n"), 16)
                got += made.decompress(client.read(size))
                assert word.startswith(got)
                client.read(2)
        server.send(b"0\r\n\r\n")
        rest = b""
        while size := int(client.read_until(b"\r\n"), 16):
            rest += made.decompress(client.read(size))
            client.read(2)
        assert (rest, made.eof) == (b"", True)


def test_a_body_that_is_cut_is_not_ended(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    s1 = origin()
    lb = proxy(INI, s1=s1, stats=tmp_path / "stats")
    with lb.connect() as client:
        client.send(get("/", "Accept-Encoding: gzip"))
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", HTML, "Content-Length: 1000"), b"hello")
        client.read_response_head()
        server.close()
        assert b"\r\n0\r\n" not in client.read_to_close()


APPS = Path(__file__).parent / "apps"
WSGI = """
[frontend fe]
bind = 127.0.0.1:{fe}
log-format = "coded %[res.comp] %[res.comp_algo] %[path]"
default_backend = be

[backend be]
compression algo = gzip
compression type = text/ application/
compression minsize = 100
server app = wsgi:dialogues:application chdir {apps}
"""


def test_applications(greenlb: Launcher) -> None:
    """Lists, generators, files and endless answers of WSGI applications, over one connection."""
    lb = greenlb(WSGI, apps=APPS)
    source = (APPS / "dialogues.py").read_bytes()
    with lb.connect() as client:
        client.send(get("/facts", "Accept-Encoding: gzip"))
        facts = client.read_response()
        assert b'"PATH_INFO": "/facts"' in unpacked(facts)
        assert facts.get("content-encoding") == "gzip"
        lb.syslog.message("coded 1 gzip /facts")
        client.send(get("/file", "Accept-Encoding: gzip"))
        assert unpacked(client.read_response()) == source
        client.send(get("/file"))
        assert client.read_response().body == source
        lb.syslog.message("coded 0 - /file")
        client.send(get("/counted", "Accept-Encoding: gzip"))  # 5 bytes: too few
        assert client.read_response().body == b"12345"
        client.send(request("HEAD /file HTTP/1.1", "Accept-Encoding: gzip"))
        assert client.read_response("HEAD").get("content-encoding") == "gzip"
        client.send(get("/big", "Accept-Encoding: gzip"))
        assert unpacked(client.read_response()) == (bytes(range(256)) * 40000)[256:]
        client.send(get("/nothing", "Accept-Encoding: gzip"))
        assert client.read_response().status == 204
        client.send(get("/events", "Accept-Encoding: gzip"))
        assert client.read_response_head().get("content-encoding") == "gzip"
        size = int(client.read_until(b"\r\n"), 16)
        assert zlib.decompressobj(31).decompress(client.read(size)) == b"data: x\n\n"


@pytest.mark.parametrize("path", ["/breaks", "/short"])
def test_an_application_that_breaks_off(greenlb: Launcher, path: str) -> None:
    lb = greenlb(WSGI, apps=APPS)
    with lb.connect() as client:
        client.send(get(path, "Accept-Encoding: gzip"))
        assert b"\r\n0\r\n\r\n" not in client.read_to_close()
