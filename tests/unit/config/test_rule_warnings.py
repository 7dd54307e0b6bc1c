"""What is said of rules that are not wrong and yet cannot be meant, and where in the line a mistake is."""

from __future__ import annotations

import pytest

from greenlb.config.load import Loaded, load_text

INI = """[defaults]
mode = http
timeout connect = 1s
timeout client = 1s
timeout server = 1s
[backend b]
server s = 127.0.0.1:1
[frontend f]
bind = 127.0.0.1:80
"""
FIRST = INI.count("\n") + 1


def load(*lines: str) -> Loaded:
    return load_text(INI + "\n".join(lines) + "\n", "x")


def warnings(*lines: str) -> list[str]:
    loaded = load(*lines)
    assert loaded.errors == []
    return [f"{problem.where.line - FIRST}: {problem.message}" for problem in loaded.warnings]


@pytest.mark.parametrize("action", ["deny", "return status 200", "redirect location /", "allow", "tarpit"])
def test_behind_a_final_action(action: str) -> None:
    rule = f"http-request = {action}"
    assert warnings(rule, " set-header A b", "default_backend = b") == [
        f"1: 'http-request' rule is never reached: the one at x:{FIRST} is final and has no condition"
    ]
    assert warnings(f"{rule} if {{ path /a }}", " set-header A b", "default_backend = b") == []
    assert len(warnings(f"{rule} if TRUE", " set-header A b")) == 1


def test_lists_end_by_themselves() -> None:
    """What ends one list does not end another."""
    lines = ("tcp-request = connection accept", " content accept", "http-request = set-header A b")
    assert warnings(*lines, "default_backend = b") == []
    assert len(warnings("tcp-request = content accept", " content reject")) == 1


def test_a_shadowed_use_backend() -> None:
    assert warnings("use_backend = b", "   b if { path /a }", "default_backend = b") == [
        f"1: 'use_backend' rule is never reached: the one at x:{FIRST} is final and has no condition",
        f"2: 'default_backend' is never used: the 'use_backend' rule at x:{FIRST} has no condition",
    ]
    assert warnings("use_backend = b if { path /a }", "default_backend = b") == []


@pytest.mark.parametrize(
    "condition",
    ["{ always_false }", "FALSE", "!TRUE", "METH_GET !METH_GET", "FALSE or !TRUE", "{ path /a } FALSE"],
)
def test_a_condition_that_never_holds(condition: str) -> None:
    assert warnings(f"http-request = deny if {condition}") == [
        "0: 'http-request': its condition never holds, so it does nothing"
    ]
    assert warnings(f"http-request = deny if {condition} or METH_POST") == []


def test_an_acl_that_nothing_uses() -> None:
    lines = ("acl one = path /a", "acl two = path /b", "http-request = deny if !one")
    assert warnings(*lines) == ["1: acl 'two' is used by nothing"]


def test_an_http_sample_in_mode_tcp() -> None:
    lines = ("mode = tcp", "acl api = path_beg /api", "tcp-request = content reject if api")
    assert warnings(*lines) == [
        "2: 'tcp-request': 'api' reads HTTP and needs 'mode http': here it has no value and never matches"
    ]


def test_a_sample_of_tls_without_tls() -> None:
    """Not of ssl_fc, which asks just that; nor where a bind has ssl, nor in a log line."""
    rule = "http-request = deny if { ssl_c_s_dn(CN) -m str x }"
    assert warnings(rule) == [
        "0: 'http-request': 'ssl_c_s_dn' reads TLS, and no 'bind' here has 'ssl': it has no value"
    ]
    assert warnings("http-request = deny if !{ ssl_fc }") == []
    assert warnings('log-format = "%[ssl_fc_sni]"', "log = 127.0.0.1 local0") == []
    tls = INI.replace("127.0.0.1:80", "127.0.0.1:80 ssl crt x.pem") + rule + "\n"
    assert [p.message for p in load_text(tls, "x").warnings if "reads TLS" in p.message] == []


def test_a_body_that_nobody_waits_for() -> None:
    rule = "http-request = deny if { req.body -m sub x }"
    assert ["sees what came with the head alone" in text for text in warnings(rule)] == [True]
    assert warnings(rule, "option http-buffer-request = yes") == []
    assert warnings("http-request = wait-for-body time 1s", "   deny if { req.body -m sub x }") == []


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("http-request = deny if { req.hdr(a),lowr -m str x }", "lowr"),
        ("http-request = set-header A %[path,field(x,y)]", "field(x"),
        ('http-request = set-header A "%[path,upper,fooo]"', "fooo"),
        ("http-request = deny if { path /a } nosuch", "nosuch"),
        ("http-request = set-heder a b", "set-heder"),
        ("http-request = deny if { path /path -m } { pathh /a }", "pathh"),
        ("http-request = deny nonsense if { path /a }", "nonsense"),
        ("http-request = deny if { res.hdr(a) b }", "res.hdr"),
        ("use_backend = b if { srcc 10.0.0.1 }", "srcc"),
        ("http-request = deny if { path,hex2i,map_ip(none) }", "map_ip"),
    ],
)
def test_the_column_of_a_mistake(line: str, word: str) -> None:
    (problem,) = load(line).errors
    assert problem.where.line == FIRST
    assert f"(column {line.index(word) + 1})" in problem.message


def test_retries_of_an_application() -> None:
    assert warnings("[backend c]", "server w = wsgi:x:y", "retry-on = conn-failure") == []
    assert warnings("[backend c]", "server w = wsgi:x:y", "retry-on = 503") == [
        "1: 'retry-on' is not for server 'w', an application"
    ]
