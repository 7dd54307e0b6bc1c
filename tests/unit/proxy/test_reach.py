"""What rules may do to a client's socket, and how a body is waited for."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from greenlb.message import CHUNKED, UNTIL_CLOSE
from greenlb.protocol.http1 import ChunkedBody
from greenlb.proxy import reach
from greenlb.proxy.reach import Reach


class Sock:
    """Remembers its options; ``broken``: the kernel refuses them."""

    def __init__(self, family: int, broken: bool = False) -> None:
        self.family = family
        self.broken = broken
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, *option: int) -> None:
        if self.broken:
            raise PermissionError
        self.options.append(option)  # type: ignore[arg-type]


def told(sock: Any, *option: int) -> list[tuple[int, int, int]]:
    Reach(SimpleNamespace(), SimpleNamespace(sock=sock)).set_option(*option)  # type: ignore[arg-type]
    return sock.options  # type: ignore[no-any-return]


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_type_of_service(family: int) -> None:
    expected = [(socket.IPPROTO_IP, socket.IP_TOS, 0x20)]
    if family == socket.AF_INET6:
        expected.insert(0, (socket.IPPROTO_IPV6, socket.IPV6_TCLASS, 0x20))
    assert told(Sock(family), socket.IPPROTO_IP, socket.IP_TOS, 0x20) == expected


def test_a_mark_and_what_is_not_allowed() -> None:
    mark = socket.SOL_SOCKET, socket.SO_MARK, 7
    assert told(Sock(socket.AF_INET6), *mark) == [mark]
    assert told(Sock(socket.AF_INET, broken=True), *mark) == []


@pytest.mark.parametrize("length", [5, CHUNKED, UNTIL_CLOSE])
def test_a_body_is_waited_for_byte_by_byte(length: int) -> None:
    data = b"1\r\na\r\n4;x=y\r\nbcde\r\n0\r\n\r\n" if length == CHUNKED else b"abcde"
    whole = None if length == UNTIL_CLOSE else len(data)
    arriving = reach._Arriving(length)
    for come in range(len(data)):
        assert arriving.look(data[:come]) is None
    assert arriving.look(data + (b"GET" if whole else b"")) == whole
    assert arriving.here == 5


def test_what_was_looked_at_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends its chunks in single bytes costs no more for the bytes that are there."""
    looked = 0

    class Counting(ChunkedBody):
        def feed(self, data: bytes, decoded: list[bytes] | None = None) -> int:
            nonlocal looked
            looked += len(data)
            return super().feed(data, decoded)

    monkeypatch.setattr(reach, "ChunkedBody", Counting)
    data = b"1\r\na\r\n" * 500
    arriving = reach._Arriving(CHUNKED)
    for come in range(1, len(data) + 1):
        arriving.look(data[:come])
    assert arriving.here == 500
    assert looked < 10 * len(data)
