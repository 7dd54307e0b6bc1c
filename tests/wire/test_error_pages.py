"""Pages in place of our own answers, what options do to heads, and how the log calls errors."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, get, response

_ERR, _INFO = 3, 6
PAGE = b"HTTP/1.0 503 One\r\nX-Page: one\r\n\r\none\n"

INI = """
[http-errors site]
errorfile = 503 {page}
            404 {page}

[frontend fe]
bind = 127.0.0.1:{fe}
option log-separate-errors = yes
option originalto = except 10.0.0.0/8
http-request = deny if { path /denied }
               deny deny_status 429 if { path /many }
               deny deny_status 500 if { path /broken }
               return status 404 default-errorfiles if { path /lost }
               return status 503 errorfiles site if { path /site }
               deny deny_status 503 errorfiles site if { path /site-denied }
errorloc = 403 http://e.example/403
errorloc303 = 429 /too-many
errorfiles = site 503
http-error = status 500 content-type text/plain lf-string "at %[path]" hdr X-Client %[src]
             status 404 errorfiles site
use_backend = nobody if { path /nobody }
default_backend = be

[backend nobody]
http-error = status 503 content-type text/plain string Sorry

[backend be]
option originalto = header X-Dst
http-send-name-header = X-Server-Name
option checkcache = yes
http-response = allow
server s-1 = 127.0.0.1:{s1}
"""

COOKIE = "Set-Cookie: a=1"
KEPT = {
    "/none": (),
    "/private": ("Cache-Control: private, max-age=9",),
    "/zero": ("Cache-Control: max-age=0",),
    "/field": ('Cache-Control: no-cache="set-cookie", max-age=9',),
    "/pragma": ("Pragma: no-cache",),
    "/302": ("Cache-Control: max-age=9",),
}
SHARED = {
    "/age": ("Cache-Control: max-age=9",),
    "/expires": ("Expires: Thu, 01 Jan 2099 00:00:00 GMT",),
    "/etag": ('ETag: "x"',),
    "/other-field": ('Cache-Control: no-cache="x", max-age=9',),
    "/public": ("Cache-Control: public, max-age=9",),
}


def answer(message: Message) -> bytes:
    fields = {**KEPT, **SHARED}.get(message.target)
    if fields is None:
        return response("200 OK")
    return response("302 Found" if message.target == "/302" else "200 OK", COOKIE, *fields)


def test_pages(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """http-errors, errorfiles, errorloc, http-error; the log has the status that was meant, and errors as
    such."""
    page = tmp_path / "503.http"
    page.write_bytes(PAGE)
    lb = proxy(INI, s1=origin.http("s1", answer), page=page)
    site = [("x-page", "one")]

    def ask(target: str) -> tuple[int, list[tuple[str, str]], bytes]:
        with lb.connect() as client:
            client.send(get(target, "Connection: close"))
            head = client.read_response_head()
            fields = sorted((name.lower(), value) for name, value in head.fields)
            ours = ("cache-control", "connection", "content-length", "content-type")
            return head.status, [field for field in fields if field[0] not in ours], client.read_to_close()

    def severity() -> int:
        """Of the last line."""
        return int(lb.syslog.raw[-1][1:4]) % 8

    expected = {
        "/denied": (302, [("location", "http://e.example/403")], b""),
        "/many": (303, [("location", "/too-many")], b""),
        "/broken": (500, [("x-client", "127.0.0.1")], b"at /broken"),
        "/lost": (503, site, b"one\n"),
        "/site": (503, site, b"one\n"),
        "/site-denied": (503, site, b"one\n"),
        "/nobody": (503, [], b"Sorry"),
    }
    logged = {"/denied": 403, "/many": 429, "/broken": 500, "/lost": 404, "/site": 503, "/nobody": 503}
    for target, wanted in expected.items():
        assert ask(target) == wanted, target
        assert lb.log().status == logged.get(target, 503), target
        assert severity() == (_INFO if target == "/lost" else _ERR), target
    assert ask("/fine")[0] == 200
    lb.log()
    assert severity() == _INFO


def test_cacheable_cookies(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """option checkcache lets through what no cache keeps, whatever http-response allow says."""
    page = tmp_path / "503.http"
    page.write_bytes(PAGE)
    lb = proxy(INI, s1=origin.http("s1", answer), page=page)
    for target in KEPT:
        assert lb.ask(get(target)).get("set-cookie") == "a=1", target
    for target in SHARED:
        got = lb.ask(get(target))
        assert got.get("set-cookie") is None, target
        assert got.status == lb.says(greenlb=502, haproxy=200)


def test_what_servers_are_told(proxy: Launcher, origin: Origins, tmp_path: Path) -> None:
    """option originalto, and http-send-name-header in place of what a client says."""
    page = tmp_path / "503.http"
    page.write_bytes(PAGE)
    s1 = origin.http("s1", answer)
    lb = proxy(INI, s1=s1, page=page)
    lb.ask(get("/", "X-Server-Name: mine", "X-Dst: other"))
    seen = s1.requests[0].message
    assert seen.all("x-server-name") == ["s-1"]
    assert seen.all("x-dst") == ["other", "127.0.0.1"]


NAMES = """
[frontend fe]
bind = 127.0.0.1:{fe}
option http-restrict-req-hdr-names = reject
http-request = allow
default_backend = be

[frontend second]
bind = 127.0.0.1:{second}
option http-restrict-req-hdr-names = delete
http-request = set-header X-Seen %[req.hdr(x.a)]
default_backend = be

[listen third]
bind = 127.0.0.1:{third}
option http-restrict-req-hdr-names = preserve
dispatch = 127.0.0.1:{s1}

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_odd_names_and_dispatch(proxy: Launcher, origin: Origins) -> None:
    """Names of fields with more than letters, digits and hyphens; a backend that is one address."""
    s1 = origin.http("s1")
    lb = proxy(NAMES, s1=s1)
    assert lb.ask(get("/", "X-1: a")).status == 200
    for field in ("X_A: 1", "X.A: 1"):
        assert lb.ask(get("/", field)).status == 403
    assert lb.ask(get("/", "X.A: 1", "X_A: 2", "X-B: 3"), "second").status == 200
    assert s1.requests[-1].message.names == ["host", "x-b", "x-seen"]
    assert lb.ask(get("/", "X.A: 1", "X_A: 2"), "third").status == 200
    assert re.fullmatch("host x.a x_a", " ".join(s1.requests[-1].message.names))
