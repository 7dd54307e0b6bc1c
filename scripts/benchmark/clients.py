"""Clients that count exactly: so many handshakes, so many idle connections.  wrk does the rest."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.origin import DOWNLOAD

HOST = "127.0.0.1"
SCRIPT = Path(__file__).with_name("load.lua")
PATIENCE = 10.0


@dataclass(frozen=True)
class Sums:
    """What wrk counted."""

    requests: int
    bytes: int
    errors: int
    refusals: int

    @property
    def downloads(self) -> float:
        """In bytes, so that those which the end of the run cut short count for what they were."""
        return self.bytes / DOWNLOAD


def wrk(url: str, *, connections: int, seconds: int, headers: Sequence[str] = (), body: int = 0) -> Sums:
    """Run wrk for so many seconds; ``body`` makes it POST so many bytes.  Raises RuntimeError when a
    request failed: such a run measures something else."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT)]
    for header in headers:
        command += ["-H", header]
    environment = {**os.environ, "BENCH_BODY": str(body)}
    done = subprocess.run([*command, url], capture_output=True, text=True, env=environment, check=False)
    found = re.search(r"^SUMS (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise RuntimeError(f"wrk failed on {url}: {done.stdout}{done.stderr}")
    sums = Sums(**json.loads(found[1]))
    if sums.errors or sums.refusals or not sums.requests:
        raise RuntimeError(f"wrk on {url}: {sums}")
    return sums


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # our own certificates, made a minute ago
    return context


def handshakes(port: int, name: str, count: int) -> None:
    """So many full handshakes, one after the other, each on a connection that then closes without a
    request.  No session is offered, so none is resumed."""
    context = _context()
    for _ in range(count):
        plain = socket.create_connection((HOST, port), PATIENCE)
        with context.wrap_socket(plain, server_hostname=name) as tls:
            if tls.session_reused:
                raise RuntimeError("a session was resumed")
            tls.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError, ssl.SSLError):
                while tls.recv(4096):
                    pass


@contextlib.contextmanager
def idle(port: int, count: int, name: str = "") -> Iterator[None]:
    """Hold so many connections open, each after one request; over TLS when there is a server name."""
    context = _context()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            connection = socket.create_connection((HOST, port), PATIENCE)
            if name:
                connection = context.wrap_socket(connection, server_hostname=name)
            stack.enter_context(connection)
            request(connection, "/1k")
        yield


def request(connection: socket.socket, path: str) -> bytes:
    """One GET on a connection that stays open; the body, which must have a Content-Length.  Raises
    RuntimeError when the answer is not 200."""
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if not head.startswith(b"HTTP/1.1 200 ") or not length:
        raise RuntimeError(f"unexpected answer: {head!r}")
    while len(body) < int(length[1]):
        body += _more(connection)
    return body


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise RuntimeError("the proxy closed the connection")
    return data
