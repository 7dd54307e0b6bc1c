"""Expressions: how they are read, and what the tables promise."""

from __future__ import annotations

import ipaddress
import re
import time
from pathlib import Path

import pytest

from greenlb.exchange import Client, Exchange, TlsFacts
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Backend, Bind, Frontend, Server
from greenlb.policy import converters, samples
from greenlb.policy.expression import parse
from greenlb.policy.kinds import CASTS, can_cast
from greenlb.policy.samples import refused
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import Converter, Sample, usage

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
LOG = Scope("fe", log=True)


def exchange() -> Exchange:
    x = Exchange(Client(Frontend("fe", 3, NOWHERE), BIND, "192.0.2.1", 1234, "127.0.0.1", 80))
    x.request = Request(b"GET", b"/a", True, Fields(b"\r\nHost: h\r\n"))
    return x


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("path", [("path", [])]),
        ("hdr(host)", [("hdr", ["host"])]),
        ("hdr()", [("hdr", [""])]),
        ("field(1,)", [("field", ["1", ""])]),
        ("field(1,',')", [("field", ["1", ","])]),
        ('field(1,",)")', [("field", ["1", ",)"])]),
        (r"str(a\ b\\c\'d\n\.)", [("str", ["a b\\c'd\n\\."])]),
        (r"str('a\ b')", [("str", ["a\\ b"])]),
        ("src,ipmask(24),lower", [("src", []), ("ipmask", ["24"]), ("lower", [])]),
        ("base32+src", [("base32+src", [])]),
    ],
)
def test_parse(text: str, calls: list[tuple[str, list[str]]]) -> None:
    assert [(call.name, call.arguments) for call in parse(text)] == calls


def test_parse_knows_the_columns() -> None:
    assert [call.column for call in parse("hdr(a,1),lower")] == [0, 9]


@pytest.mark.parametrize("text", ["", "(a)", "hdr(a", "hdr(a))", "hdr(a)b", "path;lower", "hdr('a)"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_kinds_of_values() -> None:
    for text, kind in (
        ("path", "str"),
        ("src", "ip"),
        ("src,hex", "str"),
        ("ssl_fc", "bool"),
        ("dst_port,add(1)", "int"),
        ("method", "meth"),
        ("var(txn.a)", "any"),
        ("path,set-var(txn.a)", "str"),
        ("bin(00)", "bin"),
    ):
        assert samples.compile_sample(text, LOG)[1] == kind


def test_values_are_python_objects() -> None:
    x = exchange()
    assert samples.compile_sample("src", LOG)[0](x) == ipaddress.ip_address("192.0.2.1")
    assert samples.compile_sample("ssl_fc", LOG)[0](x) is False
    assert samples.compile_sample("dst_port", LOG)[0](x) == 80
    assert samples.compile_sample("path", LOG)[0](x) == b"/a"


def test_a_scope_without_http() -> None:
    """What reads HTTP has no value, which is worth a warning."""
    told: list[str] = []
    tcp = Scope("fe", "tcp", warn=told.append)
    x = exchange()
    x.request = None
    assert samples.compile_bytes("src", tcp)(x) == b"192.0.2.1"
    assert told == []
    for text in ("path", "res.hdr(a)"):
        assert samples.compile_bytes(text, tcp)(x) is None
    assert ["needs 'mode http'" in text for text in told] == [True, True]


ARGUMENTS = {"int": "0", "str": "a"}


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, row in samples.TABLE.items()
        if row.needs in ("request", "response")
        and all(a.optional or a.kind in ARGUMENTS for a in row.arguments)
    ),
)
def test_every_sample_of_http_is_absent_without_it(name: str) -> None:
    """And nothing breaks: in mode tcp it is only warned of."""
    row = samples.find(name)
    needed = [ARGUMENTS[a.kind] for a in row.arguments if not a.optional]
    if not needed and row.arguments and row.arguments[0].kind == "str":
        needed = ["a"]
    x = exchange()
    x.request = None
    text = f"{name}({','.join(needed)})" if needed else name
    assert samples.compile_sample(text, Scope("fe", "tcp"))[0](x) in (None, 0, False)


def test_hdr_is_the_requests_in_a_request_rule() -> None:
    x = exchange()
    assert samples.compile_bytes("hdr(host)", Scope("fe"))(x) == b"h"
    assert samples.compile_bytes("hdr(host)", Scope("fe", response=True))(x) is None


def test_servers() -> None:
    x = exchange()
    x.backend = Backend("be", 7, NOWHERE)
    assert samples.compile_bytes("srv_name", LOG)(x) is None
    x.server = Server("s1", 2, Address("192.0.2.8", 81), NOWHERE)
    text = [
        samples.compile_bytes(name, LOG)(x)
        for name in ("srv_name", "srv_id", "bc_dst", "bc_dst_port", "be_id")
    ]
    assert text == [b"s1", b"2", b"192.0.2.8", b"81", b"7"]


def test_tls_facts() -> None:
    x = exchange()
    sha1 = samples.compile_bytes("ssl_c_sha1,hex", LOG)
    assert sha1(x) is None
    x.client.tls = TlsFacts(version="TLSv1.2")
    assert sha1(x) is None
    x.client.tls = TlsFacts(certificate=b"abc")
    assert sha1(x) == b"A9993E364706816ABA3E25717850C26C9CD0D89D"


def test_clock_and_chance() -> None:
    x = exchange()
    assert abs(int(samples.compile_bytes("date", LOG)(x) or 0) - time.time()) < 2
    assert abs(int(samples.compile_bytes("date(-3600)", LOG)(x) or 0) + 3600 - time.time()) < 2
    assert abs(int(samples.compile_bytes("date(0,ms)", LOG)(x) or 0) / 1000 - time.time()) < 2
    assert 0 <= int(samples.compile_bytes("date_us", LOG)(x) or 0) < 1_000_000
    draw = samples.compile_sample("rand(3)", LOG)[0]
    assert {draw(x) for _ in range(200)} == {0, 1, 2}
    uuid = samples.compile_bytes("uuid", LOG)
    assert re.fullmatch(
        rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", uuid(x) or b""
    )
    assert uuid(x) != uuid(x)


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLB_TEST", "v")
    assert samples.compile_bytes("env(GREENLB_TEST)", LOG)(exchange()) == b"v"


def test_process_variables() -> None:
    x, y = exchange(), exchange()
    samples.compile_bytes("str(v),set-var(proc.shared)", LOG)(x)
    assert samples.compile_bytes("var(proc.shared)", LOG)(y) == b"v"
    samples.compile_bytes("str(v),unset-var(proc.shared)", LOG)(x)
    assert samples.compile_bytes("var(proc.shared)", LOG)(y) is None


def test_rows_are_documented() -> None:
    kinds = {kind for pair in CASTS for kind in pair}
    rows: list[Sample | Converter] = [*samples.TABLE.values(), *converters.TABLE.values()]
    for row in rows:
        assert row.doc.endswith(".")
        assert usage(row).startswith(row.name)
    for sample in samples.TABLE.values():
        assert sample.kind in kinds | {"any"}
    assert not set(samples.TABLE) & set(refused.REASONS)
    assert not set(converters.TABLE) & set(converters.REFUSED)


@pytest.mark.parametrize(
    ("file", "works", "refusals"),
    [
        ("haproxy_samples.txt", {*samples.TABLE, *samples._DIRECTED}, refused.REASONS),
        ("haproxy_converters.txt", {*converters.TABLE}, converters.REFUSED),
    ],
)
def test_every_word_of_haproxy_works_or_says_why_not(
    file: str, works: set[str], refusals: dict[str, str]
) -> None:
    """The names are those that ``haproxy -dKsmp`` and ``-dKcnv`` print."""
    names = Path(__file__).with_name(file).read_text().split()
    assert len(names) > 100
    assert [name for name in names if name not in works and name not in refusals] == []


def test_usage() -> None:
    assert usage(samples.find("url_param")) == "url_param([name[,delim]])"
    assert usage(converters.find("field")) == "field(index,delimiters[,count])"
    assert usage(samples.find("path")) == "path"


def test_impossible_casts() -> None:
    assert not can_cast("bool", "ip")
    assert not can_cast("ip", "bool")
    assert not can_cast("meth", "int")
    assert can_cast("any", "ip")
