"""What the table of HAProxy's answers cannot say of rules: messages, flags, and what must not break."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from greenlb.config.words import split_words
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import ALLOW, NOWHERE, Address, Backend, Bind, Frontend, Rule
from greenlb.policy import actions, rules
from greenlb.policy.actions import words
from greenlb.policy.scope import Scope, Slots

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
SCOPE = Scope("fe")
TCP = Scope("fe", "tcp")


def exchange(target: bytes = b"/a?b", *lines: bytes, upgrade: bytes = b"") -> Exchange:
    frontend = Frontend("fe", 1, NOWHERE, request_captures=((b"a", 4), (b"b", 2)))
    x = Exchange(Client(frontend, BIND, "192.0.2.1", 1234, "127.0.0.1", 80))
    block = b"".join(line + b"\r\n" for line in (b"Host: h", *lines))
    x.request = Request(b"GET", target, True, Fields(b"\r\n" + block), upgrade=upgrade)
    return x


def answered(x: Exchange) -> Exchange:
    x.response = Response(200, b"OK", True, Fields(b"\r\nServer: s\r\n"))
    return x


def request_rule(text: str, scope: Scope = SCOPE) -> Rule:
    return rules.compile_http_request(split_words(text), scope)


def response_rule(text: str) -> Rule:
    return rules.compile_http_response(split_words(text), SCOPE)


def reply(text: str, x: Exchange | None = None) -> Reply:
    found = request_rule(text)(x or exchange())
    assert isinstance(found, Reply)
    return found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expects an action"),
        ("set-heder X y", "unknown action 'set-heder' for http-request (did you mean 'set-header'?)"),
        ("set-header", "'set-header' expects a header name"),
        ("set-header X", "'set-header' expects a value"),
        ("set-header X y z", "'if', 'unless' or nothing is expected, got 'z'"),
        ("set-header X: v", "'X:' is not a header name"),
        ("set-header Content-Length 5", "says how long the body is"),
        ("del-header Transfer-Encoding", "says how long the body is"),
        ("del-header X -m foo", "knows the match methods str, beg, end, sub and reg, got 'foo'"),
        ("set-header X %[pathx]", "unknown sample fetch 'pathx' (did you mean 'path'?)"),
        ("set-header X %[status]", "reads the response, which a request rule comes before"),
        ("set-header X %[srv_name]", "reads the response, which a request rule comes before"),
        ("set-header X %[cpu_calls]", "'cpu_calls' is not supported"),
        ("set-header X %[src,lowr]", "unknown converter 'lowr' (did you mean 'lower'?)"),
        ("set-header X %[path,json_query(a)]", "a JSON path begins with '$'"),
        ("set-header X %[ssl_fc,ipmask(8)]", "converter 'ipmask' takes ip, which bool cannot be turned into"),
        ("set-header X %[src,field(1)]", "field(index,delimiters[,count]) expected"),
        ("set-header X %[path(1)]", "'path' takes no argument"),
        ("set-header X %[int(x)]", "argument 'value' of 'int' must be an integer, got 'x'"),
        ("set-header X %[hdr(a]", "missing"),
        ("set-method ' '", "is not a method"),
        ("replace-header X ( y", "'(' is not a valid regular expression"),
        ("replace-path ^/a", "expects a replacement"),
        ("deny stats 403", "got 'stats' (did you mean 'status'?)"),
        ("deny deny_status 418", "has no page for status 418"),
        ("deny status 403 errorfiles x", "there is no section [http-errors x]"),
        ("return status 99", "an integer from 200 to 599, got '99'"),
        ("return string x", "expects 'content-type' with a body"),
        ("return string x lf-string y", "has 'string' already"),
        ("return status 204 content-type a/b string x", "an answer with status 204 has no body"),
        ("return content-type a/b file /nope", "cannot read '/nope'"),
        ("return hdr content-length 5", "says how long the body is"),
        ("return hdr Content-Type a/b", "after 'content-type', not after 'hdr'"),
        ("track-sc0 src", "there is no stick table 'fe'"),
        ("set-status 200", "'set-status' is not an action of http-request, but of http-response"),
        ("redirect", "expects where to: 'scheme', 'prefix' or 'location'"),
        ("redirect scheme", "expects a destination after 'scheme'"),
        ("redirect schema https", "got 'schema' (did you mean 'scheme'?)"),
        ("redirect scheme https code 305", "must be 301, 302, 303, 307 or 308, got '305'"),
        ("set-var txn.x path", "expects a variable between parentheses"),
        ("set-var(tx.x) path", "'tx.x' is not a variable"),
        ("set-var(txn.x,ifnot) path", "'ifnot' is no condition of a variable (did you mean"),
        ("set-var(txn.x)", "expects a sample expression"),
        ("set-log-level foo", "expects one of emerg"),
        ("capture path", "'len' and the size of a slot of its own, or 'id'"),
        ("capture path id 0", "there is no slot 0"),
        ("capture path id x", "expects a slot, an integer"),
        ("set-src ssl_fc", "gives bool, which cannot be used as ip"),
        ("deny if", "a condition is expected"),
        ("deny if nothing", "unknown ACL 'nothing'"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        request_rule(text)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("compile_words", "text", "scope", "message"),
    [
        (rules.compile_http_response, "set-path /x", SCOPE, "is not an action of http-response, but of"),
        (rules.compile_http_response, "redirect scheme https", SCOPE, "redirected by 'location' alone"),
        (rules.compile_http_response, "set-status 99", SCOPE, "an integer from 100 to 999"),
        (rules.compile_http_request, "allow", TCP, "needs 'mode http'"),
        (rules.compile_use_backend, "", SCOPE, "expects a backend"),
        (rules.compile_use_backend, "a b", SCOPE, "got 'b'"),
        (rules.compile_use_backend, "a if { wait_and }", TCP, "unknown criterion 'wait_and'"),
        (rules.compile_redirect, "scheme https code 200", SCOPE, "must be 301"),
        (rules.compile_header_add, "X-Foo", SCOPE, "is not a header line"),
        (rules.compile_header_add, r"X\ Foo:\ a", SCOPE, "is not a header name"),
    ],
)  # fmt: skip
def test_messages_of_other_rules(
    compile_words: Callable[[list[str], Scope], object], text: str, scope: Scope, message: str
) -> None:
    with pytest.raises(ValueError) as raised:
        compile_words(split_words(text), scope)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("deny", (403, "PR", "", True)),
        ("deny deny_status 429", (429, "PR", "", True)),
        ("deny status 403", (403, "PR", "", False)),
        ("tarpit", (500, "PT", "tarpit", True)),
        ("tarpit deny_status 403", (403, "PT", "tarpit", True)),
        ("return", (200, "LR", "", False)),
        ("return status 503 default-errorfiles", (503, "LR", "", True)),
        ("redirect location /x", (302, "LR", "", False)),
        ("reject", (-1, "PR", "reject", False)),
        ("silent-drop", (-1, "PR", "silent-drop", False)),
    ],
)
def test_how_a_request_ends(text: str, flags: tuple[int, str, str, bool]) -> None:
    found = reply(text)
    assert (found.status, found.cause + found.phase, found.action, found.standard) == flags


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("deny", (502, "PH")),
        ("return", (200, "LH")),
        ("redirect location /x", (302, "LH")),
        ("silent-drop", (-1, "PH")),
    ],
)
def test_how_a_response_ends(text: str, flags: tuple[int, str]) -> None:
    found = response_rule(text)(answered(exchange()))
    assert isinstance(found, Reply)
    assert (found.status, found.cause + found.phase) == flags


def test_each_answer_is_its_own() -> None:
    rule = request_rule("deny")
    first, second = rule(exchange()), rule(exchange())
    assert isinstance(first, Reply)
    first.fields.add(b"X", b"y")
    assert isinstance(second, Reply)
    assert not second.fields.has(b"x")


def test_allow_and_nothing() -> None:
    assert request_rule("allow")(exchange()) is ALLOW
    assert request_rule("allow if FALSE")(exchange()) is None
    assert request_rule("set-header X y")(exchange()) is None


def test_errorfile_of_a_rule(tmp_path: Path) -> None:
    page = tmp_path / "page.http"
    page.write_bytes(b"HTTP/1.0 403 No\r\n\r\nno")
    found = reply(f"deny status 403 errorfile {page}")
    assert (found.raw, found.close, found.standard) == (b"HTTP/1.0 403 No\r\n\r\nno", True, False)
    page.write_bytes(b"no")
    with pytest.raises(ValueError, match="is not an HTTP response"):
        reply(f"deny errorfile {page}")


def test_files_as_bodies(tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"%[path] \xff")
    assert reply(f"return content-type a/b file {body}").body == b"%[path] \xff"
    assert reply(f"return content-type a/b lf-file {body}").body == b"/a \xff"


INJECTED = "%[str(a%0D%0AX-Evil:%20y%00%7F),url_dec]"


def block(x: Exchange) -> bytes:
    assert x.request is not None
    return x.request.fields.raw


@pytest.mark.parametrize(
    "text",
    [
        f"set-header X {INJECTED}",
        f"add-header X {INJECTED}",
        f"replace-header Host .* {INJECTED}",
        f"replace-value Host .* {INJECTED}",
        "add-header X 'a\r\nX-Evil: y'",
        r"replace-header Host .* a\x0D\x0AX-Evil:\ y",
    ],
)
def test_a_value_cannot_begin_a_line(text: str) -> None:
    x = exchange()
    request_rule(text)(x)
    assert b"X-Evil" in block(x)
    assert b"\nX-Evil" not in block(x)
    assert b"\0" not in block(x)


@pytest.mark.parametrize(
    "text",
    [
        f"set-path /{INJECTED}",
        f"set-query {INJECTED}",
        f"set-uri /{INJECTED}",
        f"replace-path .* /{INJECTED}",
    ],
)
def test_a_target_cannot_end_its_line(text: str) -> None:
    x = exchange()
    request_rule(text)(x)
    assert x.request is not None
    assert b"a%0D%0AX-Evil:%20y" in x.request.target


def test_an_answer_cannot_be_split() -> None:
    for text in (
        f"redirect location /{INJECTED}",
        f"return hdr X {INJECTED}",
        "redirect location / set-cookie 'a\r\nX-Evil: y'",
        "return content-type 'a\r\nX-Evil: y' string x",
    ):
        assert b"\nX-Evil" not in reply(text).fields.raw


def test_an_empty_target_becomes_a_slash() -> None:
    x = exchange()
    request_rule("set-uri %[str()]")(x)
    assert x.request is not None
    assert x.request.target == b"/"


def test_a_method_that_is_none_is_an_internal_error() -> None:
    x = exchange()
    assert reply("set-method %[str()]", x).status == 500
    request_rule("set-method %[str(PURGE)]")(x)
    assert x.request is not None
    assert x.request.method == b"PURGE"


def test_without_its_field_nothing_is_upgraded() -> None:
    for text in ("del-header Upgrade", "del-header up -m beg"):
        x = exchange(b"/", b"Upgrade: websocket", b"Connection: upgrade", upgrade=b"websocket")
        request_rule(text)(x)
        assert x.request is not None
        assert x.request.upgrade == b""


def test_framing_fields_stay() -> None:
    x = exchange(b"/", b"Content-Length: 3", b"Content-Type: a/b")
    request_rule("del-header content- -m beg")(x)
    assert block(x) == b"\r\nHost: h\r\nContent-Length: 3\r\n"


def test_names_keep_the_spelling_they_are_given() -> None:
    x = exchange(b"/", b"x-old: 1")
    request_rule("set-header X-Forwarded-Proto https")(x)
    request_rule("set-header X-OLD 2")(x)
    assert block(x) == b"\r\nHost: h\r\nX-Forwarded-Proto: https\r\nX-OLD: 2\r\n"


def test_header_add() -> None:
    rule = rules.compile_header_add(split_words(r"X-Forwarded-Proto:\ https if TRUE"), SCOPE)
    x = exchange()
    rule(x)
    assert block(x) == b"\r\nHost: h\r\nX-Forwarded-Proto: https\r\n"
    rules.compile_header_add(split_words(r"X:\ y unless TRUE"), SCOPE)(x)
    assert not block(x).endswith(b"X: y\r\n")
    answered(x)
    rules.compile_header_add(split_words(r"X:y"), Scope("fe", response=True))(x)
    assert x.response is not None
    assert x.response.fields.raw == b"\r\nServer: s\r\nX: y\r\n"


def test_use_backend() -> None:
    def chosen(text: str) -> str | None:
        return rules.compile_use_backend(split_words(text), SCOPE)(exchange())

    assert chosen("api") == "api"
    assert chosen("api if { path_beg /a }") == "api"
    assert chosen("api unless { path_beg /a }") is None
    assert chosen("be_%[req.hdr(host),lower]") == "be_h"
    assert chosen("be_%[req.hdr(host)] if FALSE") is None


def test_set_log_level() -> None:
    x = exchange()
    for text, level in (("silent", -1), ("emerg", 0), ("err", 3), ("debug", 7)):
        request_rule(f"set-log-level {text}")(x)
        assert x.level == level


def test_capture_fills_a_declared_slot() -> None:
    x = exchange(b"/abcdefgh")
    scope = replace(SCOPE, slots=Slots([(b"a", 2), (b"", 2)]))
    rule = request_rule("capture path id 1", scope)
    rule(x)
    assert x.request_captures is None
    x.request_captures = [None, None]
    rule(x)
    request_rule("capture req.hdr(none) id 0", scope)(x)
    assert x.request_captures == [None, b"/a"]


def test_capture_makes_a_slot_of_its_own() -> None:
    scope = replace(SCOPE, slots=Slots([(b"host", 9)]))
    rule = request_rule("capture path len 3", scope)
    assert scope.slots.request == [(b"host", 9), (b"", 3)]
    x = exchange(b"/abcdefgh")
    x.frontend = replace(x.frontend, request_captures=tuple(scope.slots.request))
    x.request_captures = [None, None]
    rule(x)
    assert x.request_captures == [None, b"/ab"]


def test_variables_of_the_session_outlive_the_exchange() -> None:
    first = exchange()
    request_rule("set-var(sess.a) path")(first)
    request_rule("set-var(txn.b) path")(first)
    second = Exchange(first.client)
    second.request = first.request
    request_rule("set-header X <%[var(sess.a)]%[var(txn.b)]>")(second)
    assert block(second).endswith(b"\r\nX: </a>\r\n")


def test_a_named_condition_is_checked_where_it_is_used() -> None:
    scope = Scope("fe", acls={"failed": rules.compile_acl(["status", "500"], SCOPE)})
    rules.compile_http_response(["set-header", "X", "y", "if", "failed"], scope)
    with pytest.raises(ValueError, match="reads the response"):
        rules.compile_http_request(["deny", "if", "failed"], scope)


def test_a_request_is_still_known_with_its_response() -> None:
    x = answered(exchange())
    rules.compile_http_response(split_words("set-header X %[path] if { path_beg /a }"), SCOPE)(x)
    assert x.response is not None
    assert x.response.fields.get(b"x") == b"/a"


def test_the_backend_has_a_name_once_it_is_chosen() -> None:
    x = exchange()
    rule = request_rule("set-header X %[fe_name]-%[be_name]")
    rule(x)
    assert block(x).endswith(b"X: fe-fe\r\n")
    x.backend = Backend("be", 2, NOWHERE)
    rule(x)
    assert block(x).endswith(b"X: fe-be\r\n")


def test_every_row_is_documented() -> None:
    for name, row in actions.TABLE.items():
        assert row.name == name
        assert row.doc.endswith(".")
        assert set(row.stages) <= {*words.HTTP, *words.TCP}
    assert not set(actions.TABLE) & set(actions.REFUSED)
