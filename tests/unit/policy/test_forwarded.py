"""Trusted proxies, option forwardfor, and names with underscores."""

from __future__ import annotations

import ipaddress

import pytest

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, ForwardFor, Frontend
from greenlb.policy import forwarded

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)
NETWORKS = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("2001:db8:1::/48"))
LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)


def exchange(src: str, *lines: str) -> Exchange:
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), BIND, src, 1234, "127.0.0.1", 80))
    x.request = Request(b"GET", b"/", True, Fields())
    for line in ("Host: h", *lines):
        x.request.fields.append(line.encode() + b"\r\n")
    return x


def fields(x: Exchange) -> list[str]:
    assert x.request is not None
    return x.request.fields.raw.decode().strip().split("\r\n")


@pytest.mark.parametrize(
    ("lines", "src"),
    [
        ([], "10.0.0.1"),
        (["X-Forwarded-For: 198.51.100.7"], "198.51.100.7"),
        (["X-Forwarded-For: 192.0.2.1, 198.51.100.7"], "198.51.100.7"),
        (["X-Forwarded-For: 192.0.2.1, 198.51.100.7, 10.2.3.4"], "198.51.100.7"),
        (["X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 198.51.100.7 , 10.2.3.4"], "198.51.100.7"),
        (["x-forwarded-for: 198.51.100.7:4711"], "198.51.100.7"),
        (["X-Forwarded-For: [2001:db8::9]:4711"], "2001:db8::9"),
        (["X-Forwarded-For: [2001:db8::9]"], "2001:db8::9"),
        (["X-Forwarded-For: 2001:db8::9"], "2001:db8::9"),
        (["X-Forwarded-For: 2001:db8::9, 2001:db8:1::5"], "2001:db8::9"),
        (["X-Forwarded-For: 198.51.100.7, unknown, 10.2.3.4"], "10.2.3.4"),
        (["X-Forwarded-For: 198.51.100.7, , 10.2.3.4"], "10.2.3.4"),
        (["X-Forwarded-For: unknown"], "10.0.0.1"),
        (["X-Forwarded-For: 10.9.9.9, 10.2.3.4"], "10.9.9.9"),
        (["X-Forwarded-For: 198.51.100.999"], "10.0.0.1"),
        (["X-Forwarded-For: ::ffff:198.51.100.7"], "198.51.100.7"),
        (["X-Forwarded-For: 198.51.100.7, [::ffff:10.2.3.4]:80"], "198.51.100.7"),
    ],
)
def test_a_trusted_proxy_is_believed(lines: list[str], src: str) -> None:
    x = exchange("10.0.0.1", *lines)
    forwarded.trust(NETWORKS)(x)
    assert x.src == src
    assert fields(x) == ["Host: h", *lines]


def test_others_are_not_believed() -> None:
    x = exchange(
        "198.51.100.7",
        "X-Forwarded-For: 1.2.3.4",
        "A: b",
        "x-FORWARDED-proto: https",
        "X-Forwarded-Host: evil",
        "Forwarded: for=1.2.3.4",
        "X-Forwarded-For: 5.6.7.8",
        "X-Forwarded: kept",
        "Not-Forwarded: kept",
    )
    forwarded.trust(NETWORKS)(x)
    assert x.src == "198.51.100.7"
    assert fields(x) == ["Host: h", "A: b", "X-Forwarded: kept", "Not-Forwarded: kept"]


def test_claims_with_underscores_are_not_believed_either() -> None:
    x = exchange("192.0.2.1", "X_Forwarded_For: 1.1.1.1", "x-forwarded_proto: https", "X_Forward: kept")
    forwarded.trust(NETWORKS)(x)
    assert fields(x) == ["Host: h", "X_Forward: kept"]


def test_a_mapped_address_is_the_ipv4_one() -> None:
    x = exchange("::ffff:10.0.0.1", "X-Forwarded-For: 198.51.100.7")
    forwarded.trust(NETWORKS)(x)
    assert x.src == "198.51.100.7"


def test_a_unix_client_is_not_trusted() -> None:
    x = exchange("", "X-Forwarded-For: 198.51.100.7")
    forwarded.trust(NETWORKS)(x)
    assert fields(x) == ["Host: h"]


def test_underscores_are_dropped() -> None:
    x = exchange("192.0.2.1", "X_Forwarded_For: 1.2.3.4", "A: with_underscore", "B_: c", "_: d", "C: a_b: c")
    forwarded.drop_underscores(x)
    assert fields(x) == ["Host: h", "A: with_underscore", "C: a_b: c"]


def test_a_head_without_underscores_is_not_rebuilt() -> None:
    x = exchange("192.0.2.1", "A: with_underscore")
    assert x.request is not None
    raw = x.request.fields.raw
    forwarded.drop_underscores(x)
    forwarded.trust(NETWORKS)(x)
    assert x.request.fields.raw is raw


def added(src: str, frontend: ForwardFor | None, backend: ForwardFor | None, *lines: str) -> list[str]:
    x = exchange(src, *lines)
    step = forwarded.forward_for(frontend, backend)
    assert step is not None
    step(x)
    return fields(x)[1 + len(lines) :]


def test_forwardfor_appends_a_field_of_its_own() -> None:
    line = "X-Forwarded-For: 1.2.3.4"
    assert added("192.0.2.1", ForwardFor(), None, line) == ["X-Forwarded-For: 192.0.2.1"]
    assert added("192.0.2.1", None, ForwardFor()) == ["X-Forwarded-For: 192.0.2.1"]
    assert added("2001:db8::1", ForwardFor(), None) == ["X-Forwarded-For: 2001:db8::1"]
    assert added("", ForwardFor(), None) == []


def test_forwardfor_once_for_both() -> None:
    both = added("192.0.2.1", ForwardFor(b"X-Fe"), ForwardFor(b"X-Client"))
    assert both == ["X-Client: 192.0.2.1"]


def test_forwardfor_without_option() -> None:
    assert forwarded.forward_for(None, None) is None


def test_forwardfor_except() -> None:
    assert added("127.0.0.9", ForwardFor(excepted=LOCAL), None) == []
    assert added("127.0.0.9", ForwardFor(excepted=LOCAL), ForwardFor()) == []
    assert added("192.0.2.1", ForwardFor(excepted=LOCAL), None) == ["X-Forwarded-For: 192.0.2.1"]


def test_forwardfor_if_none_holds_when_all_say_so() -> None:
    if_none, always, line = ForwardFor(if_none=True), ForwardFor(), "x-forwarded-for: 1.2.3.4"
    assert added("192.0.2.1", if_none, None, line) == []
    assert added("192.0.2.1", if_none, None) == ["X-Forwarded-For: 192.0.2.1"]
    assert added("192.0.2.1", if_none, if_none, line) == []
    assert added("192.0.2.1", if_none, always, line) == ["X-Forwarded-For: 192.0.2.1"]


def test_forwardfor_tells_what_the_trusted_proxy_said() -> None:
    x = exchange("10.0.0.1", "X-Forwarded-For: 198.51.100.7")
    forwarded.trust(NETWORKS)(x)
    step = forwarded.forward_for(ForwardFor(), None)
    assert step is not None
    step(x)
    assert fields(x)[-1] == "X-Forwarded-For: 198.51.100.7"
