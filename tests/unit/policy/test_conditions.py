"""Conditions: messages, pattern files, and how little they cost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from greenlb.config.words import split_words
from greenlb.exchange import Client, Exchange, TlsFacts
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.policy.conditions import PREDEFINED, any_of, compile_acl, compile_condition
from greenlb.policy.scope import Scope

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
SCOPE = Scope("fe", acls={"static": compile_acl(["path_beg", "/static"], Scope())})


def exchange(target: bytes = b"/a", *lines: bytes, src: str = "192.0.2.1") -> Exchange:
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), BIND, src, 1234, "127.0.0.1", 80))
    block = b"".join(line + b"\r\n" for line in (b"Host: h", *lines))
    x.request = Request(b"GET", target, True, Fields(b"\r\n" + block))
    return x


def holds(text: str, x: Exchange | None = None) -> bool:
    return bool(compile_condition(split_words(text), SCOPE)(x or exchange()))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a condition is expected"),
        ("!", "a condition is expected"),
        ("TRUE or", "a condition is expected"),
        ("or TRUE", "an ACL is expected before 'or'"),
        ("TRUE or || FALSE", "an ACL is expected before '||'"),
        ("! or TRUE", "an ACL is expected before 'or'"),
        ("{ path /a", "a closing '}' is missing"),
        ("{ }", "a criterion is expected"),
        ("}", "'}' is not expected here"),
        ("if TRUE", "'if' is not expected here"),
        ("statik", "unknown ACL 'statik' (did you mean 'static'?)"),
        ("METH_GETT", "(did you mean 'METH_GET'?)"),
        ("ssl_fc", "unknown ACL 'ssl_fc' (to use it as a criterion write '{ ssl_fc ... }')"),
        ("{ path_bge /a }", "unknown criterion 'path_bge' (did you mean 'path_beg'?)"),
        ("{ cpu_calls lt 2 }", "'cpu_calls' is not supported: there is no scheduler"),
        ("{ status 200 }", "reads the response"),
        ("{ path }", "has no pattern and would never match; use '-m found'"),
        ("{ path -i }", "has no pattern"),
        ("{ bin(aa) x }", "say how to match it with '-m'"),
        ("{ var(txn.a) x }", "say how to match it with '-m'"),
        ("{ path -m foo x }", "unknown match method 'foo'"),
        ("{ ssl_fc -m ip 10.0.0.1 }", "gives bool, which '-m ip' cannot match"),
        ("{ path -f /nope }", "cannot read '/nope'"),
        ("{ path -x a }", "unknown flag '-x'"),
        ("{ path -m }", "'-m' lacks its argument"),
        ("{ path -u x a }", "'-u' takes an integer"),
        ("{ dst_port a }", "'a' is not a number, a range"),
        ("{ dst_port 9:1 }", "with N not above M"),
        ("{ dst_port : }", "is not a valid range"),
        ("{ dst_port gt }", "an integer is expected after 'gt'"),
        ("{ src 10.0.0.0/33 }", "is not a valid IPv4 or IPv6 address or network"),
        ("{ src -n localhost }", "is not a valid IPv4 or IPv6 address or network"),
        ("{ src 1.2.3.4.5 }", "is not a valid IPv4 or IPv6 address or network"),
        ("{ path_reg ( }", "is not a valid regular expression"),
        ("{ path_reg [[:foo:]] }", "unknown class [:foo:]"),
        ("{ str(a) -m bin 0 }", "is not an even number of hexadecimal digits"),
        ("{ hdr(a,-11) x }", "a header occurrence must be -10 or more"),
    ],
)  # fmt: skip
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        compile_condition(split_words(text), SCOPE)
    assert message in str(raised.value)


def test_pattern_files(tmp_path: Path) -> None:
    file = tmp_path / "paths"
    file.write_text("# not this\n\n/a\n  /b\n #c\n/d e\n/F\n")
    assert holds(f"{{ path -f {file} }}")
    assert holds(f"{{ path -f {file} }}", exchange(b"/b"))
    assert holds(f"{{ path_sub -f {file} }}", exchange(b"/#c"))
    assert not holds(f"{{ path -f {file} }}", exchange(b"/d"))
    assert not holds(f"{{ path -f {file} }}", exchange(b"/f"))
    assert holds(f"{{ path -i -f {file} }}", exchange(b"/f"))
    assert holds(f"{{ path -f {file} /x }}", exchange(b"/x"))
    assert not holds(f"{{ path -f {file} -i /X }}", exchange(b"/f"))
    assert holds(f"{{ path -f {file} -i /X }}", exchange(b"/x"))
    assert holds(f"{{ path -m end -f {file} }}", exchange(b"/x/a"))
    with pytest.raises(ValueError, match="'-m' must stand before '-f'"):
        holds(f"{{ path -f {file} -m end }}")


def test_an_empty_pattern_file_matches_nothing(tmp_path: Path) -> None:
    file = tmp_path / "none"
    file.touch()
    for criterion in ("path", "path_beg", "path_sub", "path_dir", "path_reg", "src", "dst_port", "path_len"):
        assert not holds(f"{{ {criterion} -f {file} }}")


def test_map_files(tmp_path: Path) -> None:
    file = tmp_path / "map"
    file.write_text("/a one\n/b\ttwo three\n")
    assert holds(f"{{ path -M -f {file} }}")
    assert holds(f"{{ path -M -f {file} }}", exchange(b"/b"))


def test_dashes_end_the_flags() -> None:
    assert not holds("{ path -- }")
    assert holds("{ str(-f) -- -f }")


def test_an_unknown_host_is_told() -> None:
    with pytest.raises(ValueError, match="nor the name of a host that is known"):
        compile_condition(split_words("{ src no-such-host.invalid }"), SCOPE)


def test_a_name_stands_for_its_address() -> None:
    assert holds("{ src localhost }", exchange(src="127.0.0.1"))


def test_any_of() -> None:
    lines = [compile_acl(["path", path], SCOPE) for path in ("/a", "/b", "/c")]
    either = any_of(lines)
    assert [bool(either(exchange(target))) for target in (b"/a", b"/b", b"/c", b"/d")] == [
        True,
        True,
        True,
        False,
    ]
    assert any_of(lines[:1]) is lines[0]


def test_a_declared_name_comes_before_a_predefined_one() -> None:
    scope = Scope("fe", acls={"TRUE": compile_acl(["path", "/b"], SCOPE)})
    assert not compile_condition(["TRUE"], scope)(exchange())


def test_every_predefined_acl_compiles() -> None:
    tcp = Scope("fe", "tcp")
    for name in PREDEFINED:
        if name == "REQ_CONTENT":  # of mode tcp
            assert not compile_condition([name], tcp)(exchange())
        else:
            assert holds(f"{name} or TRUE")


def test_without_a_request_nothing_of_it_matches() -> None:
    x = exchange()
    x.request = None
    for text in (
        "{ path_beg / }",
        "METH_GET",
        "{ hdr(host) -m found }",
        "{ req.cook(a) -m found }",
        "{ urlp(a) 1 }",
    ):
        assert not holds(text, x)


def test_tls() -> None:
    x = exchange()
    assert not holds("{ ssl_fc }", x)
    x.client.tls = TlsFacts("TLSv1.3", "TLS_AES_128_GCM_SHA256", "a.example", "http/1.1", True, b"der", 10)
    assert holds("{ ssl_fc }", x)
    assert holds("{ ssl_fc_sni a.example } { ssl_fc_sni_end example } { ssl_fc_has_sni }", x)
    assert holds("{ ssl_fc_protocol TLSv1.3 } { ssl_fc_cipher -m beg TLS_ } { ssl_fc_alpn http/1.1 }", x)
    assert holds("{ ssl_fc_is_resumed } { ssl_c_used } { ssl_c_verify 10 } { ssl_c_der -m bin 646572 }", x)


def calls(text: str, x: Exchange) -> int:
    """How many Python functions a condition calls."""
    condition = compile_condition(split_words(text), SCOPE)
    counted = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    sys.setprofile(count)
    try:
        condition(x)
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("{ ssl_fc }", 1),
        ("!{ ssl_fc }", 2),
        ("{ path_beg /api /v1 }", 2),
        ("{ path_end .css .js }", 2),
        ("{ path_reg ^/a }", 2),
        ("{ path_sub a b c }", 2),
        ("{ dst_port 443 80 }", 2),
        ("{ method GET }", 2),
        ("{ src 10.0.0.0/8 192.168.0.0/16 }", 7),
    ],
)
def test_cost(text: str, most: int) -> None:
    x = exchange()
    calls(text, x)
    assert calls(text, x) <= most
