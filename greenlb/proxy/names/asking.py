"""Questions to the name servers of one section, each on a socket of its own.

A question by UDP goes out from a port of the kernel's choice, over a connected socket, with an id by
chance: what comes from elsewhere, or answers something else, is not listened to (RFC 5452).
"""

from __future__ import annotations

import secrets
import struct
import time
from contextlib import suppress
from typing import Final, NamedTuple

import gevent
from gevent import socket
from gevent.lock import BoundedSemaphore
from gevent.pool import Group
from gevent.queue import Empty, Queue

from greenlb.names import Nameserver, Resolvers
from greenlb.protocol import dns
from greenlb.protocol.dns import Answer

MOST_AT_ONCE: Final = 64
"""Questions of one section that are out at a time; each has a socket for every name server."""
_LONGEST: Final = 65535

COUNTERS: Final = (
    "sent", "snd_error", "valid", "update", "cname", "cname_error", "any_err", "nx", "timeout", "refused",
    "other", "invalid", "too_big", "truncated", "outdated",
)  # fmt: skip
"""Of each name server, in the order of ``show resolvers``."""

_COUNTED: Final = {dns.VALID: "valid", dns.EMPTY: "any_err", dns.NX: "nx", dns.REFUSED: "refused"}


class Found(NamedTuple):
    """An answer, and who gave it; ``by`` is None when nobody did."""

    answer: Answer
    by: Nameserver | None = None


class Asker:
    """``counts``: for each name server how often what happened."""

    def __init__(self, section: Resolvers) -> None:
        self.section = section
        self.counts = {server: dict.fromkeys(COUNTERS, 0) for server in section.nameservers}
        self._room = BoundedSemaphore(MOST_AT_ONCE)

    def resolve(self, name: str, kinds: tuple[str, ...]) -> Found:
        """Look a name up: for records of the first of ``kinds``, else of the next; all over again as often
        as ``resolve_retries`` says.  Blocks the greenlet."""
        found = Found(Answer(dns.TIMEOUT))
        for _ in range(self.section.retries):
            for kind in kinds:
                with self._room:
                    found = self._ask_all(name, kind)
                if found.answer.kind == dns.VALID:
                    return found
                if found.answer.kind == dns.TIMEOUT:
                    break
        return found

    def _ask_all(self, name: str, kind: str) -> Found:
        """Ask all at once: the first good answer, else the last bad one."""
        deadline = time.monotonic() + self.section.retry
        answers: Queue[Found] = Queue()
        asked = Group()
        for server in self.section.nameservers:
            asked.spawn(self._ask, server, name, kind, deadline, answers)
        found = Found(Answer(dns.TIMEOUT))
        try:
            for _ in self.section.nameservers:
                last: Found = answers.get(timeout=max(0.0, deadline - time.monotonic()) + 0.1)
                if last.answer.kind == dns.VALID:
                    return last
                if last.answer.kind != dns.TIMEOUT:
                    found = last
        except Empty:
            pass
        finally:
            asked.kill(block=False)
        return found

    def _ask(self, server: Nameserver, name: str, kind: str, deadline: float, answers: Queue[Found]) -> None:
        """Ask one name server, and put what came of it into ``answers``."""
        counts = self.counts[server]
        answer = Answer(dns.TIMEOUT)
        try:
            with gevent.Timeout(max(0.001, deadline - time.monotonic())):
                answer = self._exchange(server, name, kind)
        except gevent.Timeout:
            counts["timeout"] += 1
        except OSError:  # nobody listens there, or it cannot be reached: as if it had said nothing
            counts["snd_error"] += 1
            gevent.sleep(max(0.0, deadline - time.monotonic()))
        else:
            counts[_COUNTED.get(answer.kind, "other")] += 1
            counts["cname"] += answer.aliased
        answers.put(Found(answer, server))

    def _exchange(self, server: Nameserver, name: str, kind: str) -> Answer:
        """Raises OSError."""
        number = secrets.randbelow(1 << 16)
        if not server.tcp:
            try:
                return self._by_udp(server, name, kind, number)
            except dns.Truncated:
                self.counts[server]["truncated"] += 1
        return self._by_tcp(server, name, kind, number)

    def _by_udp(self, server: Nameserver, name: str, kind: str, number: int) -> Answer:
        """Raises OSError, dns.Truncated."""
        question = dns.question(name, kind, number, self.section.payload_size)
        with _connected(server, socket.SOCK_DGRAM) as sock:
            sock.send(question)
            self.counts[server]["sent"] += 1
            while True:
                data = sock.recv(_LONGEST)
                if len(data) > self.section.payload_size:
                    self.counts[server]["too_big"] += 1
                    continue
                with suppress(dns.Invalid):
                    return dns.read(data, name, kind, number)
                self.counts[server]["invalid"] += 1

    def _by_tcp(self, server: Nameserver, name: str, kind: str, number: int) -> Answer:
        """RFC 7766: the message's length in two bytes goes before it.  Raises OSError."""
        question = dns.question(name, kind, number, self.section.payload_size)
        with _connected(server, socket.SOCK_STREAM) as sock:
            sock.sendall(struct.pack("!H", len(question)) + question)
            self.counts[server]["sent"] += 1
            (length,) = struct.unpack("!H", _exactly(sock, 2))
            try:
                return dns.read(_exactly(sock, length), name, kind, number)
            except (dns.Invalid, dns.Truncated):
                self.counts[server]["invalid"] += 1
                return Answer(dns.OTHER)


def _connected(server: Nameserver, kind: int) -> socket.socket:
    """Raises OSError."""
    address = server.address
    sock = socket.socket(socket.AF_INET6 if address.ipv6 else socket.AF_INET, kind)
    try:
        sock.connect((address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _exactly(sock: socket.socket, size: int) -> bytes:
    """Raises OSError: fewer bytes came."""
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the name server closed the connection")
        data += more
    return data
