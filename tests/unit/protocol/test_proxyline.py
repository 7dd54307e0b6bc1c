"""The PROXY protocol's headers: what the specification prints, what HAProxy sends, and rubbish."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.checksum import crc32c
from greenlb.protocol import proxyline
from greenlb.protocol.proxyline import (
    BAD_HEADER,
    BAD_PROTOCOL,
    NOT_HEADER,
    SIGNATURE,
    Ends,
    Header,
    Refused,
    Tls,
)

FOUR = Ends("192.168.0.1", 56324, "192.168.0.11", 443)
SIX = Ends("2001:db8::1", 1, "2001:db8::2", 65535)
LINE = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"


def binary(command: int, family: int, block: bytes) -> bytes:
    return SIGNATURE + bytes((command, family)) + len(block).to_bytes(2) + block


def refusal(data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        proxyline.read(data)
    return str(refused.value)


def test_the_line_of_the_specification() -> None:
    assert proxyline.line(FOUR) == LINE
    assert proxyline.read(LINE + b"GET / HTTP/1.1\r\n") == Header(len(LINE), FOUR)


def test_lines_of_other_families() -> None:
    assert proxyline.line(SIX) == b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"
    assert proxyline.line(Ends("10.0.0.1", 1, "::1", 2)) == b"PROXY TCP6 ::ffff:10.0.0.1 ::1 1 2\r\n"
    assert proxyline.line(Ends("/run/a", 0, "/run/b", 0)) == proxyline.line(None) == b"PROXY UNKNOWN\r\n"


@pytest.mark.parametrize("rest", [b"", b" ffff:f::f ffff::ffff 65535 65535", b" anything at all"])
def test_unknown_tells_nothing(rest: bytes) -> None:
    data = b"PROXY UNKNOWN" + rest + b"\r\n"
    assert proxyline.read(data + b"x") == Header(len(data), None)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", NOT_HEADER),
        (b"PROXIES", NOT_HEADER),
        (b"PRO\r\n", NOT_HEADER),
        (SIGNATURE[:11] + b"\r", NOT_HEADER),
        (SIGNATURE + b"\x11\x11\x00\x00", NOT_HEADER),  # version 1 in binary
        (binary(0x22, 0x11, b""), BAD_HEADER),  # no such command
        (b"PROXY UDP4 1.1.1.1 2.2.2.2 1 2\r\n", BAD_PROTOCOL),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 3\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", BAD_HEADER),
        (b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 ::1 1 2\r\n", BAD_HEADER),
        (b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", BAD_HEADER),
        (b"PROXY TCP6 :::1 ::2 1 2\r\n", BAD_HEADER),
        (b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", BAD_HEADER),
        (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\nGET / HTTP/1.1\r\n", BAD_HEADER),
        (b"PROXY UNKNOWN" + b"x" * 95, BAD_HEADER),  # no end within 107 bytes
        (binary(0x21, 0x41, bytes(12)), BAD_PROTOCOL),
        (binary(0x21, 0x13, bytes(12)), BAD_PROTOCOL),
        (binary(0x21, 0x11, bytes(11)), BAD_HEADER),
        (binary(0x21, 0x21, bytes(35)), BAD_HEADER),
        (binary(0x21, 0x31, bytes(215)), BAD_HEADER),
        (binary(0x21, 0x11, bytes(12) + b"\x04\x00"), BAD_HEADER),  # a field's head is cut
        (binary(0x21, 0x11, bytes(12) + b"\x04\x00\x02x"), BAD_HEADER),  # a field's value is cut
        (binary(0x20, 0x00, b"\x03\x00\x04abcd"), BAD_HEADER),  # a wrong checksum
        (binary(0x20, 0x00, b"\x03\x00\x03abc"), BAD_HEADER),  # not even four bytes of it
        (binary(0x20, 0x00, proxyline.field(2, b"a" * 256)), BAD_HEADER),
        (binary(0x20, 0x00, proxyline.field(5, b"a" * 129)), BAD_HEADER),
    ],
)
def test_refused(data: bytes, text: str) -> None:
    assert refusal(data) == text


def test_binary_of_both_families() -> None:
    assert proxyline.binary(FOUR) == SIGNATURE + bytes.fromhex("2111000cc0a80001c0a8000bdc0401bb")
    data = proxyline.binary(SIX)
    assert data[12:16] == b"\x21\x21\x00\x24"
    assert proxyline.read(data + b"rest") == Header(52, SIX)


def test_local_keeps_the_real_addresses() -> None:
    assert proxyline.binary(None) == SIGNATURE + b"\x20\x00\x00\x00"
    assert proxyline.read(binary(0x20, 0x11, proxyline.field(4, b"padding") + b"")) == Header(
        26, None, ((4, b"padding"),)
    )


def test_unspecified_is_not_looked_at() -> None:
    assert proxyline.read(binary(0x21, 0x00, b"\xff" * 20)) == Header(36, None)
    assert proxyline.read(binary(0x21, 0x10, bytes(12))) == Header(28, None)


def test_unix() -> None:
    block = b"/run/client".ljust(108, b"\0") + b"/run/server".ljust(108, b"\0")
    found = proxyline.read(binary(0x21, 0x31, block))
    assert found is not None and found.ends == Ends("/run/client", 0, "/run/server", 0)


def test_fields() -> None:
    fields = ((1, b"h2"), (2, b"shop.example.com"), (5, b"id"))
    found = proxyline.read(proxyline.binary(FOUR, fields))
    assert found is not None and found.fields == fields
    assert found.field(proxyline.AUTHORITY) == b"shop.example.com"
    assert found.field(proxyline.NETNS) is None


def test_checksum_as_the_rfc_has_it() -> None:
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 appendix B.4
    assert crc32c(b"123456789") == 0xE3069283


@given(st.integers(16, 55).filter(lambda at: at not in (28, 29, 30)), st.integers(1, 255))
def test_checksum_finds_every_changed_byte(position: int, change: int) -> None:
    data = bytearray(proxyline.binary(FOUR, ((2, b"shop.example.com"), (1, b"h2")), checksum=True))
    read = proxyline.read(bytes(data))
    assert read is not None and read.ends == FOUR
    data[position] ^= change  # of all but the checksum's own type and length
    with pytest.raises(Refused):
        proxyline.read(bytes(data))


def test_ssl_value() -> None:
    assert proxyline.ssl_value(None, True, True) == bytes(5)
    tls = Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256", "client", True, True, 0)
    value = proxyline.ssl_value(tls, True, True)
    assert value[:5] == b"\x07\0\0\0\0"
    assert value[5:] == b"\x21\0\x07TLSv1.3\x22\0\x06client\x23\0\x16TLS_AES_128_GCM_SHA256"
    assert proxyline.ssl_value(Tls("TLSv1.2", verify=0), True, False) == b"\x01\0\0\0\0\x21\0\x07TLSv1.2"


addresses4 = st.ip_addresses(v=4).map(str)
addresses6 = st.ip_addresses(v=6).map(str)
ports = st.integers(0, 65535)
ends = st.one_of(
    st.builds(Ends, addresses4, ports, addresses4, ports),
    st.builds(Ends, addresses6, ports, addresses6, ports),
)


@given(ends, st.integers(0, 400), st.binary(max_size=20))
def test_what_is_written_is_read(given_ends: Ends, cut: int, rest: bytes) -> None:
    for data in (
        proxyline.line(given_ends),
        proxyline.binary(given_ends),
        proxyline.binary(given_ends, ((2, b"name"),), checksum=True),
    ):
        whole = proxyline.read(data + rest)
        assert whole is not None and whole.size == len(data) and whole.ends is not None
        assert ipaddress.ip_address(whole.ends.src) == ipaddress.ip_address(given_ends.src)
        assert ipaddress.ip_address(whole.ends.dst) == ipaddress.ip_address(given_ends.dst)
        assert (whole.ends.src_port, whole.ends.dst_port) == (given_ends.src_port, given_ends.dst_port)
        assert proxyline.read(data[: cut % len(data)]) is None


@given(
    st.binary(max_size=200),
    st.sampled_from((b"", b"PROXY ", b"PROXY TCP4 ", SIGNATURE, SIGNATURE + b"\x21\x11\x00")),
)
def test_rubbish_is_refused_or_awaited(data: bytes, start: bytes) -> None:
    try:
        found = proxyline.read(start + data)
    except Refused:
        return
    assert found is None or 0 < found.size <= len(start + data)
