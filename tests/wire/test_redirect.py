"""redirect scheme|location|prefix: where a client is sent instead."""

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import get, request

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
redirect = %s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""

CASES = [
    ("scheme https", "/", 302, "https://www.example.com/"),
    ("scheme https", "/a/b?c=d&e", 302, "https://www.example.com/a/b?c=d&e"),
    ("scheme https code 301", "/x", 301, "https://www.example.com/x"),
    ("scheme https code 308 if !{ ssl_fc }", "/x", 308, "https://www.example.com/x"),
    ("scheme https drop-query", "/x?y", 302, "https://www.example.com/x"),
    ("location https://other.example/new", "/x?y", 302, "https://other.example/new"),
    ("location /new code 303", "/x", 303, "/new"),
    ("prefix https://other.example", "/x?y", 302, "https://other.example/x?y"),
    ("prefix https://other.example/base", "/x", 302, "https://other.example/base/x"),
    ("prefix https://other.example drop-query", "/x?y", 302, "https://other.example/x"),
    ("prefix / drop-query append-slash", "/x?y", 302, "/x/"),
    ("prefix https://other.example code 307 append-slash drop-query", "/x", 307, "https://other.example/x/"),
    ("prefix https://other.example drop-query append-slash", "/x/?y", 302, "https://other.example/x/"),
]

REASONS = {
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
}


@pytest.fixture(scope="module")
def redirecting(module_proxy: Launcher, module_origin: Origins) -> Balancer:
    """A balancer with a frontend for each rule of the table: f0, f1 ..."""
    sections = [
        f"\n[frontend f{n}]\nbind = 127.0.0.1:{{f{n}}}\nredirect = {rule}\ndefault_backend = be\n"
        for n, (rule, *_) in enumerate(CASES)
    ]
    ini = "".join(sections) + "\n[backend be]\nserver s1 = 127.0.0.1:{s1}\n"
    return module_proxy(ini, s1=module_origin.refusing())


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: "-".join(map(str, CASES[n][:2])))
def test_redirect(redirecting: Balancer, number: int) -> None:
    """Status, reason and Location of each form; LR in the log; the server hears nothing."""
    _, target, status, location = CASES[number]
    with redirecting.connect(f"f{number}") as client:
        client.send(get(target))
        answer = client.read_response()
        line = redirecting.log_of(client)
    assert (answer.status, answer.reason, answer.get("location")) == (status, REASONS[status], location)
    assert (answer.get("content-length"), answer.body) == ("0", b"")
    assert (line.status, line.flags, line.to) == (status, "LR--", f"f{number}/<NOSRV>")


def test_redirect_keeps_the_connection(proxy: Launcher, origin: Origins) -> None:
    """The client may ask again on the same connection."""
    lb = proxy(INI % "scheme https", s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(2):
            client.send(get())
            assert client.read_response().status == 302
        client.expect_silence()


def test_redirect_of_a_post_body(proxy: Launcher, origin: Origins) -> None:
    """The body of a redirected POST is never taken for a request."""
    lb = proxy(INI % "scheme https", s1=origin.http("s1"))
    body = get("/smuggled")
    with lb.connect() as client:
        client.send(request("POST / HTTP/1.1", f"Content-Length: {len(body)}", body=body))
        assert client.read_response().status == 302
        assert client.is_open() or client.read_to_close() == b""
    assert lb.log().request == "POST / HTTP/1.1"
    lb.syslog.expect_no_line()


def test_redirect_sets_a_cookie(proxy: Launcher, origin: Origins) -> None:
    """set-cookie and clear-cookie."""
    lb = proxy(
        INI % "location / set-cookie SEEN=1 if !{ path /out }\n location / clear-cookie USERID=",
        s1=origin.http("s1"),
    )
    assert lb.ask(get("/")).get("set-cookie") == "SEEN=1; path=/;"
    assert lb.ask(get("/out")).get("set-cookie") == "USERID=; path=/; Max-Age=0;"


def test_http_request_redirect(proxy: Launcher, origin: Origins) -> None:
    """The same as an http-request rule, in its order."""
    ini = INI.replace(
        "redirect = %s", "http-request = set-path /new\n               redirect scheme https if { path /new }"
    )
    lb = proxy(ini, s1=origin.http("s1"))
    assert lb.ask(get("/old")).get("location") == "https://www.example.com/new"


def test_only_the_rule_form_is_a_format(proxy: Launcher, origin: Origins) -> None:
    """``http-request redirect`` renders %[...]; the older ``redirect`` line takes its words as they stand."""
    words = "location https://%[req.hdr(host)]:8443%[path]"
    s1 = origin.http("s1")
    rule = proxy(INI.replace("redirect =", "http-request = redirect") % words, s1=s1)
    assert rule.ask(get("/x")).get("location") == "https://www.example.com:8443/x"
    line = proxy(INI % words, s1=s1)
    assert line.ask(get("/x")).get("location") == "https://%[req.hdr(host)]:8443%[path]"


def test_to_https_and_there_it_is_served(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """redirect scheme https if !{ ssl_fc }: http is sent away, https served, with HTTP/1.0 and HEAD too."""
    s1 = origin.http("s1")
    ini = (
        INI.replace("{fe}\n", "{fe}\n       127.0.0.1:{tls} ssl crt {pem}\n") % "scheme https if !{ ssl_fc }"
    )
    lb = proxy(ini, s1=s1, pem=authority.pem("www.example.com"))
    assert lb.ask(get("/x")).get("location") == "https://www.example.com/x"
    assert lb.ask(request("HEAD /x HTTP/1.1"), method="HEAD").status == 302
    assert lb.ask(request("GET /x HTTP/1.0")).status == 302
    with lb.connect_tls(context_for(), name="tls") as client:
        client.send(get("/x"))
        assert client.read_response().body == b"s1"


def test_a_redirect_cannot_be_split(proxy: Launcher, origin: Origins) -> None:
    """A target with %0d%0a in it stays one line."""
    lb = proxy(INI % "scheme https", s1=origin.http("s1"))
    answer = lb.ask(get("/a%0d%0aSet-Cookie:%20x=y"))
    assert answer.get("location") == "https://www.example.com/a%0d%0aSet-Cookie:%20x=y"
    assert answer.get("set-cookie") is None
