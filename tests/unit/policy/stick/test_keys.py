"""Keys of each type: what fits, what is cut, what is mapped; the wire tests hold the same against HAProxy."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.policy.stick.keys import DEFAULT_LENGTH, TYPES, encoder, shown, typed

LENGTHS = st.integers(1, 64)


@given(st.binary(max_size=100), LENGTHS)
def test_a_string_is_cut_and_ends_at_nul(value: bytes, length: int) -> None:
    key = encoder("string", length, "str")(value)
    assert key is not None and len(key) <= length and b"\0" not in key
    assert value.startswith(key)
    assert len(key) == length or value[len(key) :][:1] in (b"", b"\0")


@given(st.binary(max_size=100), LENGTHS)
def test_a_binary_has_its_length(value: bytes, length: int) -> None:
    key = encoder("binary", length, "bin")(value)
    assert key is not None and len(key) == length
    assert (value + b"\0" * length)[:length] == key


@given(st.integers(-(1 << 70), 1 << 70))
def test_an_integer_has_32_bits(value: int) -> None:
    assert encoder("integer", 4, "int")(value) == (value % (1 << 32)).to_bytes(4, "big")


@given(st.ip_addresses(v=4))
def test_ipv4_in_both_families(address: ipaddress.IPv4Address) -> None:
    here = encoder("ip", 4, "ip")(address)
    there = encoder("ipv6", 16, "ip")(address)
    assert here == address.packed
    assert there == ipaddress.IPv6Address(f"::ffff:{address}").packed
    assert encoder("ip", 4, "ip")(ipaddress.IPv6Address(there)) == here


@given(st.ip_addresses(v=6))
def test_ipv6_in_both_families(address: ipaddress.IPv6Address) -> None:
    assert encoder("ipv6", 16, "ip")(address) == address.packed
    mapped = address.ipv4_mapped
    assert encoder("ip", 4, "ip")(address) == (mapped.packed if mapped is not None else None)


@pytest.mark.parametrize(
    ("type", "text", "known"),
    [
        ("ip", b"10.1.2.3", True),
        ("ip", b"::ffff:10.1.2.3", False),
        ("ip", b"10.1.2", False),
        ("ip", b"", False),
        ("ipv6", b"2001:db8::1", True),
        ("ipv6", b"10.1.2.3", False),
        ("ipv6", b"\xff", False),
    ],
)
def test_a_text_must_be_of_the_table_s_family(type: str, text: bytes, known: bool) -> None:
    assert (encoder(type, DEFAULT_LENGTH[type], "str")(text) is not None) is known


def test_casts_that_there_are_not() -> None:
    with pytest.raises(ValueError, match="bool cannot be the key of a table of type ip"):
        encoder("ip", 4, "bool")


@given(st.sampled_from([t for t in TYPES if t != "binary"]), st.data())
def test_what_is_shown_can_be_typed(type: str, data: st.DataObject) -> None:
    length = DEFAULT_LENGTH[type]
    if type == "string":  # what needs no escape
        key = data.draw(st.text("abcXYZ09-_.:/", max_size=length)).encode()
    else:
        key = data.draw(st.binary(min_size=length, max_size=length))
    assert typed(type, length, shown(type, key)) == key


@pytest.mark.parametrize(
    ("type", "key", "text"),
    [
        ("string", b'q"uo\\te', 'q"uo\\\\te'),
        ("string", b"with blank", "with\\ blank"),
        ("string", b"\xe9b", "\\xE9b"),
        ("binary", b"\x16\x0d\0", "160D00"),
        ("ipv6", ipaddress.IPv6Address("::ffff:5.6.7.8").packed, "::ffff:5.6.7.8"),
        ("ipv6", ipaddress.IPv6Address("::9.9.9.9").packed, "::9.9.9.9"),
        ("integer", b"\xff\xff\xff\xff", "4294967295"),
    ],
)
def test_as_haproxy_shows_it(type: str, key: bytes, text: str) -> None:
    assert shown(type, key) == text


@pytest.mark.parametrize(("type", "text"), [("ip", "zzz"), ("integer", "zzz"), ("ipv6", "1.2.3.4")])
def test_invalid_keys(type: str, text: str) -> None:
    with pytest.raises(ValueError, match="Invalid key"):
        typed(type, DEFAULT_LENGTH[type], text)


def test_binary_keys_are_not_typed() -> None:
    with pytest.raises(ValueError, match="is not supported"):
        typed("binary", 4, "aa")
