"""http-request and http-response rules as they act on the wire."""

from dataclasses import dataclass

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import HttpOrigin, Origins
from tests.support.stream import Message, get, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request =
    %s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""
RESPONSE_INI = INI.replace("http-request", "http-response")


def seen_by_server(proxy: Launcher, origin: Origins, rules: str, data: bytes) -> Message:
    """What the server sees of a request after these rules."""
    s1 = origin.http("s1")
    lb = proxy(INI % rules, s1=s1)
    assert lb.ask(data).status == 200
    return s1.requests[0].message


def seen_by_client(
    proxy: Launcher, origin: Origins, rules: str, data: bytes, ask: bytes | None = None
) -> Message:
    """What the client sees of an answer after these rules."""
    s1 = origin.http("s1", lambda message: data)
    return proxy(RESPONSE_INI % rules, s1=s1).ask(ask)


def test_set_header_replaces_every_one(proxy: Launcher, origin: Origins) -> None:
    """set-header: one field, the new one."""
    seen = seen_by_server(proxy, origin, "set-header X-A new\\ value", get("/", "X-A: 1", "B: 2", "x-a: 3"))
    assert (seen.all("x-a"), seen.get("b")) == (["new value"], "2")


def test_add_header_keeps_the_others(proxy: Launcher, origin: Origins) -> None:
    """add-header: one more field."""
    seen = seen_by_server(proxy, origin, "add-header X-A new", get("/", "X-A: 1"))
    assert seen.all("x-a") == ["1", "new"]


def test_del_header(proxy: Launcher, origin: Origins) -> None:
    """del-header: all of that name go."""
    seen = seen_by_server(proxy, origin, "del-header x-a", get("/", "X-A: 1", "X-AB: 2", "X-A: 3"))
    assert (seen.all("x-a"), seen.get("x-ab")) == ([], "2")


def test_replace_header(proxy: Launcher, origin: Origins) -> None:
    """replace-header: a regular expression over each value, with groups."""
    rule = r"replace-header Cookie foo=([^;]*);(.*) foo=\1;ip=%[src];\2"
    seen = seen_by_server(proxy, origin, rule, get("/", "Cookie: foo=foobar; expires=Tue"))
    assert seen.get("cookie") == "foo=foobar;ip=127.0.0.1; expires=Tue"


def test_replace_path(proxy: Launcher, origin: Origins) -> None:
    """replace-path: the path changes, the query stays."""
    seen = seen_by_server(proxy, origin, r"replace-path ^/old/(.*) /new/\1", get("/old/x?a=b"))
    assert seen.target == "/new/x?a=b"


def test_set_path(proxy: Launcher, origin: Origins) -> None:
    """set-path: the path is another one, the query stays."""
    assert seen_by_server(proxy, origin, "set-path /fixed%[path]", get("/x?a=b")).target == "/fixed/x?a=b"


def test_set_uri(proxy: Launcher, origin: Origins) -> None:
    """set-uri: the whole target is another one."""
    assert seen_by_server(proxy, origin, "set-uri /all/new?q=1", get("/x?a=b")).target == "/all/new?q=1"


def test_samples_in_a_value(proxy: Launcher, origin: Origins) -> None:
    """%[...] in a value: the client's address, our port, a field, a condition, the method."""
    rules = (
        "set-header X-All %[src]|%[dst_port]|%[req.hdr(x-in)]|%[ssl_fc]|%[method]|%[path]|%[req.hdr(none)]"
    )
    s1 = origin.http("s1")
    lb = proxy(INI % rules, s1=s1)
    lb.ask(get("/p?q", "X-In: in"))
    assert s1.requests[0].message.get("x-all") == f"127.0.0.1|{lb.port()}|in|0|GET|/p|"


def test_rules_run_in_order(proxy: Launcher, origin: Origins) -> None:
    """A later rule sees what an earlier one did."""
    rules = (
        "set-header X-A 1\n    set-header X-B %[req.hdr(x-a)]2\n    set-header X-A 3 if { req.hdr(x-b) 12 }"
    )
    seen = seen_by_server(proxy, origin, rules, get())
    assert (seen.get("x-a"), seen.get("x-b")) == ("3", "12")


CONDITIONS = [
    ("if { path /a }", "/a", True),
    ("if { path /a }", "/a?x", True),
    ("if { path /a }", "/ab", False),
    ("if { path /a /b /c }", "/b", True),
    ("if { path -i /ABC }", "/abc", True),
    ("if { path_beg /api/ }", "/api/v1", True),
    ("if { path_beg /api/ }", "/v1/api/", False),
    ("if { path_end .jpg .png }", "/x.png", True),
    ("if { path_reg ^/[0-9]+$ }", "/123", True),
    ("if { path_reg ^/[0-9]+$ }", "/12a", False),
    ("if { path -m sub needle }", "/hay/needle/stack", True),
    ("if { path -m reg -i ^/HAY }", "/hay", True),
    ("if { method GET }", "/", True),
    ("if { method POST }", "/", False),
    ("unless { method POST }", "/", True),
    ("if !{ path /a }", "/b", True),
    ("if { path_beg /a } { path_end z }", "/abz", True),
    ("if { path_beg /a } { path_end z }", "/ab", False),
    ("if { path /a } or { path /b }", "/b", True),
    ("if { path /a } || { path /b }", "/c", False),
    ("if { path_beg /a } !{ path_end x } or { path /c }", "/c", True),
    ("if { hdr(x-one) 1 }", "/", True),
    ("if { hdr(x-one) -m found }", "/", True),
    ("if { hdr(x-two) -m found }", "/", False),
    ("if { hdr_beg(host) -i WWW. }", "/", True),
    ("if { hdr_end(host) .com }", "/", True),
    ("if { hdr_dom(host) example }", "/", True),
    ("if { hdr_sub(host) xampl }", "/", True),
    ("if { req.hdr(x-list) b }", "/", True),
    ("if { req.hdr(x-list),lower -m str c }", "/", True),
    ("if { src 127.0.0.0/8 }", "/", True),
    ("if { src 10.0.0.0/8 192.168.0.0/16 }", "/", False),
    ("if { dst_port 1 }", "/", False),
    ("if { dst_port ge 1024 }", "/", True),
    ("if { ssl_fc }", "/", False),
    ("if { url_param(q) v }", "/?p=1&q=v", True),
    ("if { query q=v }", "/?q=v", True),
    ("if { path,url_dec -m str /a }", "/%61", True),
    ("if { req.cook(c) yes }", "/", True),
    ("if TRUE", "/", True),
    ("if LOCALHOST", "/", True),
    ("if HTTP_1.1 METH_GET", "/", True),
]


@dataclass
class Bench:
    """One balancer that tries every condition of the table on each request: X-Holds names those that hold."""

    lb: Balancer
    s1: HttpOrigin


@pytest.fixture(scope="module")
def bench(module_proxy: Launcher, module_origin: Origins) -> Bench:
    rules = [f"add-header X-Holds {n} {condition}" for n, (condition, _, _) in enumerate(CONDITIONS)]
    s1 = module_origin.http("s1")
    return Bench(module_proxy(INI % "\n    ".join(rules), s1=s1), s1)


@pytest.mark.parametrize("number", range(len(CONDITIONS)), ids=lambda n: "-".join(CONDITIONS[n][:2]))
def test_conditions(bench: Bench, number: int) -> None:
    """Each condition with a request that meets it, or just does not."""
    _, target, holds = CONDITIONS[number]
    bench.lb.ask(get(target, "X-One: 1", "X-List: a, b", "X-List: C", "Cookie: a=b; c=yes"))
    seen = bench.s1.requests[-1].message
    assert seen.target == target
    assert (str(number) in seen.all("x-holds")) is holds


def test_named_conditions(proxy: Launcher, origin: Origins) -> None:
    """An acl of several lines is true when one of them is; named and anonymous ones mix."""
    s1 = origin.http("s1")
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
acl is_api = path_beg /api
             hdr(x-api) yes
acl is_post = method POST
http-request = set-header X-Api 1 if is_api !is_post
               set-header X-Write 1 if is_api is_post { hdr(x-really) yes }
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""
    lb = proxy(ini, s1=s1)
    lb.ask(get("/api/x"))
    lb.ask(get("/other", "X-Api: yes"))
    lb.ask(get("/other"))
    lb.ask(request("POST /api HTTP/1.1", "X-Really: yes", "Content-Length: 0"))
    marks = [(r.message.get("x-api"), r.message.get("x-write")) for r in s1.requests]
    assert marks == [("1", None), ("1", None), (None, None), (None, "1")]


def test_deny(proxy: Launcher, origin: Origins) -> None:
    """deny: 403, PR in the log, the server hears nothing."""
    s1 = origin.http("s1")
    lb = proxy(INI % "deny if { path /secret }", s1=s1)
    assert lb.ask(get("/secret")).status == 403
    line = lb.log()
    assert (line.status, line.flags, line.to) == (403, "PR--", "fe/<NOSRV>")
    assert s1.requests == []


def test_deny_status(proxy: Launcher, origin: Origins) -> None:
    """deny_status: another code, its own page."""
    lb = proxy(INI % "deny deny_status 429", s1=origin.http("s1"))
    assert (lb.ask().status, lb.log().status) == (429, 429)


def test_allow_ends_the_list(proxy: Launcher, origin: Origins) -> None:
    """allow: what follows is not looked at."""
    lb = proxy(INI % "allow if { path /ok }\n    deny", s1=origin.http("s1"))
    assert (lb.ask(get("/ok")).status, lb.ask(get("/no")).status) == (200, 403)


def test_return(proxy: Launcher, origin: Origins) -> None:
    """return: an answer of the configuration's own, LR in the log."""
    rule = 'return status 200 content-type text/plain string "hi" hdr X-From %[src] if { path /ret }'
    lb = proxy(INI % rule, s1=origin.http("s1"))
    answer = lb.ask(get("/ret"))
    assert (answer.status, answer.body) == (200, b"hi")
    assert sorted(answer.names) == ["content-length", "content-type", "x-from"]
    assert (answer.get("content-type"), answer.get("x-from")) == ("text/plain", "127.0.0.1")
    line = lb.log()
    assert (line.status, line.flags) == (200, "LR--")


def test_return_keeps_the_connection(proxy: Launcher, origin: Origins) -> None:
    """An answer of ours is no reason to close."""
    lb = proxy(INI % 'return status 404 content-type text/plain string "no"', s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(3):
            client.send(get())
            assert client.read_response().status == 404


def test_the_body_of_a_denied_post_is_no_request(proxy: Launcher, origin: Origins) -> None:
    """A request denied before its body came: the body is skipped or the connection closed."""
    s1 = origin.http("s1")
    lb = proxy(INI % "deny if { path /secret }", s1=s1)
    body = get("/smuggled")
    with lb.connect() as client:
        client.send(request("POST /secret HTTP/1.1", f"Content-Length: {len(body)}"))
        assert client.read_response().status == 403
        client.send_what_goes(body)
        rest = client.read_to_close() if not client.is_open() else b""
    assert rest == b""
    assert s1.requests == []


def test_response_rules(proxy: Launcher, origin: Origins) -> None:
    """http-response: set, add, delete, replace, with what the answer and its request hold."""
    rules = "\n    ".join(
        [
            "set-header X-Status %[status]",
            "add-header Vary Cookie",
            "del-header Server",
            r"replace-header Location http://(.*) https://\1",
        ]
    )
    data = response("302 Found", "Server: secret", "Location: http://a/b", "Vary: Accept")
    answer = seen_by_client(proxy, origin, rules, data)
    assert (answer.get("x-status"), answer.get("server")) == ("302", None)
    assert (answer.get("location"), answer.all("vary")) == ("https://a/b", ["Accept", "Cookie"])


def test_response_conditions(proxy: Launcher, origin: Origins) -> None:
    """Conditions look at the answer."""
    rules = "set-header X-Bad 1 if { status 400:599 }\n    "
    rules += "set-header X-Html 1 if { res.hdr(content-type) -m beg text/html }"
    answer = seen_by_client(proxy, origin, rules, response("404 No", "Content-Type: text/html; charset=x"))
    assert (answer.get("x-bad"), answer.get("x-html")) == ("1", "1")


def test_response_deny(proxy: Launcher, origin: Origins) -> None:
    """http-response deny: 502, PH in the log."""
    s1 = origin.http("s1", lambda message: response("200 OK", "X-Leak: 1", body=b"secret"))
    lb = proxy(RESPONSE_INI % "deny if { res.hdr(x-leak) 1 }", s1=s1)
    answer = lb.ask()
    assert (answer.status, b"secret" in answer.body) == (502, False)
    line = lb.log()
    assert (line.status, line.flags) == (502, "PH--")


def test_the_frontends_rules_run_before_the_backends(proxy: Launcher, origin: Origins) -> None:
    """Requests: frontend, then backend.  Answers: backend, then frontend."""
    s1 = origin.http("s1")
    ini = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = add-header X-Way fe
http-response = add-header X-Way fe
default_backend = be

[backend be]
http-request = add-header X-Way be
http-response = add-header X-Way be
server s1 = 127.0.0.1:{s1}
"""
    answer = proxy(ini, s1=s1).ask()
    assert s1.requests[0].message.all("x-way") == ["fe", "be"]
    assert answer.all("x-way") == ["be", "fe"]


def test_a_rule_cannot_split_a_message(greenlb: Launcher, origin: Origins) -> None:
    """What a client sent cannot become a line of its own by way of a rule."""
    s1 = origin.http("s1")
    lb = greenlb(INI % "set-header X-Copy %[url_param(q),url_dec]", s1=s1)
    answer = lb.ask(get("/?q=a%0d%0aX-Evil:%201"))
    assert answer.status in (200, 400, 500)
    for received in s1.requests:
        assert received.message.names == ["host", "x-copy"]
        assert "\n" not in (received.message.get("x-copy") or "")


def test_a_frontend_without_a_backend(proxy: Launcher) -> None:
    """No backend at all: 503, SC in the log."""
    lb = proxy("\n[frontend fe]\nbind = 127.0.0.1:{fe}\n")
    assert lb.ask().status == 503
    line = lb.log()
    assert (line.status, line.flags, line.to) == (503, "SC--", "fe/<NOSRV>")
