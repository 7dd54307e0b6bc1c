"""A client of the runtime socket."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support.lb import Balancer
from tests.support.stream import WAIT, eventually

SOCKET = "stats socket = {dir}/stats level admin\n"
"""The line of [global]."""


@contextlib.contextmanager
def connection(address: Path | str | int) -> Iterator[socket.socket]:
    """A connection to a path, an abstract name, or a port of this machine."""
    family = socket.AF_INET if isinstance(address, int) else socket.AF_UNIX
    with socket.socket(family) as client:
        client.settimeout(WAIT)
        client.connect(("127.0.0.1", address) if isinstance(address, int) else str(address))
        yield client


def said(client: socket.socket) -> str:
    """All that comes until the end."""
    return b"".join(iter(lambda: client.recv(65536), b"")).decode()


def raw(address: Path | str | int, data: str | bytes, half: bool = True) -> str:
    """What is answered to ``data``; with ``half`` the client says at once that there is no more."""
    with connection(address) as client:
        client.sendall(data if isinstance(data, bytes) else data.encode())
        if half:
            client.shutdown(socket.SHUT_WR)
        return said(client)


def ask(lb: Balancer, command: str) -> str:
    """The answer to one command, without the empty line at its end."""
    path = lb.directory / "stats"
    if not path.exists():
        eventually(path.exists, "the socket is there")  # after the ports
    answer = raw(path, command + "\n")
    assert answer.endswith("\n"), answer
    return answer[:-1]
