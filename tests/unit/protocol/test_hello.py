"""Hellos of real OpenSSL clients and servers, in pieces, spread over records, and broken."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.exchange import Hello
from greenlb.protocol import hello
from greenlb.protocol.hello import Verdict

SESSION = bytes(range(32))


def client_hello(name: str | None = "shop.example.com", version: ssl.TLSVersion | None = None) -> bytes:
    """What OpenSSL sends first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    out = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return out.read()


def vector(size: int, data: bytes) -> bytes:
    return len(data).to_bytes(size) + data


def extension(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2) + vector(2, value)


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + vector(3, body)


def records(data: bytes, size: int = 1 << 14) -> bytes:
    """A handshake message in records of at most ``size`` bytes."""
    return b"".join(b"\x16\x03\x01" + vector(2, data[i : i + size]) for i in range(0, len(data), size))


def server_body(extensions: bytes = b"", session: bytes = SESSION) -> bytes:
    return b"\x03\x03" + bytes(32) + vector(1, session) + b"\x13\x01\x00" + extensions


CLIENT = client_hello()
SERVER = records(message(2, server_body(vector(2, extension(43, b"\x03\x04")))))


def test_client_hello_of_openssl() -> None:
    found = hello.read(CLIENT)
    assert isinstance(found, Hello)
    assert (found.type, found.version, found.server_name) == (1, 0x0303, b"shop.example.com")
    assert found.alpn == (b"h2", b"http/1.1")
    assert found.tls13 and found.ciphers > 3 and len(found.session_id) == 32
    assert (found.groups, found.ticket) == (True, b"")


def test_client_hello_of_tls_1_2_offers_no_1_3() -> None:
    found = hello.read(client_hello(None, ssl.TLSVersion.TLSv1_2))
    assert isinstance(found, Hello)
    assert not found.tls13 and found.server_name is None and found.session_id == b""


def test_server_hello() -> None:
    assert hello.read(SERVER) == Hello(2, 0x0303, SESSION, None, (), 1, True)
    assert hello.read(records(message(2, server_body()))) == Hello(2, 0x0303, SESSION, None, (), 1, False)
    alpn = vector(2, extension(16, vector(2, vector(1, b"h2"))))
    found = hello.read(records(message(2, server_body(alpn))))
    assert isinstance(found, Hello) and found.alpn == (b"h2",)


def test_what_follows_is_not_looked_at() -> None:
    assert hello.read(SERVER + b"GET / HTTP/1.1\r\n") == hello.read(SERVER)
    together = records(message(2, server_body()) + message(11, b"certificates"))
    assert hello.read(together) == hello.read(records(message(2, server_body())))


def test_first_host_name_counts() -> None:
    names = vector(
        2, b"\x07" + vector(2, b"other") + b"\x00" + vector(2, b"a.example") + b"\x00" + vector(2, b"b")
    )
    body = b"\x03\x03" + bytes(32) + b"\0" + vector(2, b"\x13\x01") + b"\1\0" + vector(2, extension(0, names))
    found = hello.read(records(message(1, body)))
    assert isinstance(found, Hello) and found.server_name == b"a.example"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x15\x03\x03\x00\x02\x02\x28",  # an alert
        b"\x16\x02\x00",  # before SSL 3.0
        b"\x16\x03\x01\x00\x00",  # an empty record
        b"\x16\x03\x01\xff\xff",  # longer than a record may be
        b"\x16\x03\x01\x00\x04\x0b\x00\x00\x01",  # another handshake message
        b"\x16\x03\x01\x40\x00\x01\x7f\xff\xff",  # longer than a hello may be
        records(message(1, b"\x03\x03")),
        records(message(2, server_body(session=bytes(33)))),
        records(message(2, server_body(b"\x00\xff\x00"))),
        records(message(1, b"\x03\x03" + bytes(32) + b"\0" + vector(2, b"") + b"\1\0")),  # no cipher
        records(message(1, b"\x03\x03" + bytes(32) + b"\0" + vector(2, b"\x13") + b"\1\0")),  # half a cipher
    ],
)
def test_no_hello(data: bytes) -> None:
    assert hello.read(data) is Verdict.OTHER


def test_nothing_is_the_beginning_of_everything() -> None:
    assert hello.read(b"") is Verdict.MORE


@given(st.integers(0, len(CLIENT) - 1))
def test_every_beginning_asks_for_more(length: int) -> None:
    assert hello.read(CLIENT[:length]) is Verdict.MORE
    assert hello.read(SERVER[: length % len(SERVER)]) is Verdict.MORE


@given(st.integers(1, 600))
def test_any_number_of_records(size: int) -> None:
    whole = records(CLIENT[5:], size)
    assert hello.read(whole) == hello.read(CLIENT)
    assert hello.read(whole[:-1]) is Verdict.MORE


@given(
    st.sampled_from((CLIENT, SERVER)),
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), max_size=4),
)
def test_changed_bytes_do_no_harm(data: bytes, changes: list[tuple[int, int]]) -> None:
    changed = bytearray(data)
    for position, value in changes:
        changed[position % len(changed)] = value
    assert isinstance(hello.read(bytes(changed)), Hello | Verdict)


@given(st.binary(max_size=300))
def test_any_bytes_do_no_harm(data: bytes) -> None:
    hello.read(data)
    answer = hello.read(b"\x16\x03\x01" + vector(2, message(1, data)))
    assert answer is Verdict.OTHER or isinstance(answer, Hello)


@given(st.binary(max_size=80))
def test_a_verdict_never_turns(data: bytes) -> None:
    """What was something else stays so, whatever comes behind it."""
    if hello.read(data) is Verdict.OTHER:
        assert hello.read(data + CLIENT) is Verdict.OTHER
