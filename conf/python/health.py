"""How a server is, by more than an answer, and which of those that are well gets a request.

balance = python health:least_loaded
option python-check = health:greets
"""

import socket
from collections.abc import Sequence

from greenlb import Choice, ServerCheck, Transaction


def greets(check: ServerCheck) -> str | None:
    """A server is well when it answers HEAD with anything but an error of its own."""
    with socket.create_connection((check.host, check.port), 2) as connection:
        connection.sendall(b"HEAD / HTTP/1.0\r\n\r\n")
        answer = connection.recv(64).split(b" ", 2)
    if len(answer) < 2 or not answer[0].startswith(b"HTTP/"):
        return "no HTTP"
    return f"status {answer[1].decode('latin-1')}" if answer[1] >= b"500" else None


def least_loaded(txn: Transaction, servers: Sequence[Choice]) -> Choice:
    """The one with the least to do for its weight."""
    return min(servers, key=lambda server: server.load / server.weight)
