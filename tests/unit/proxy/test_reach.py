"""What rules may do to a client's socket."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

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
