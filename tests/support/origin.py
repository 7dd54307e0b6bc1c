"""Servers behind the balancer: one that the test plays itself, and one that answers on its own."""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.stream import QUIET, WAIT, Closed, Message, Silence, Stream, response


class Listener:
    """A listening TCP socket on a port of the kernel's choice."""

    def __init__(
        self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", backlog: int = 128
    ) -> None:
        self.sock = socket.create_server((host, 0), backlog=backlog)
        self.tls = tls

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    def _ready(self, seconds: float) -> bool:
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def _wrap(self, sock: socket.socket) -> Stream:
        sock.settimeout(WAIT)
        return Stream(self.tls.wrap_socket(sock, server_side=True) if self.tls else sock)

    def close(self) -> None:
        self.sock.close()


class Origin(Listener):
    """A server that the test plays: ``accept()`` gives the next connection of the balancer."""

    def __init__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        super().__init__(tls, host)
        self.accepted: list[Stream] = []

    def accept(self) -> Stream:
        """The next connection; Silence when none comes."""
        if not self._ready(WAIT):
            raise Silence("no connection came to the server")
        stream = self._wrap(self.sock.accept()[0])
        self.accepted.append(stream)
        return stream

    def take(self, kept: Stream | None = None) -> tuple[Stream, Message]:
        """The next request and its connection: a new one, or ``kept`` when the request comes there."""
        stream = self.accept() if kept is None or not self._speaks(kept) else kept
        return stream, stream.read_request()

    def _speaks(self, kept: Stream) -> bool:
        """Whether the next thing to happen is a byte on ``kept``; False: a new connection, or its end."""
        if kept.buffer:
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        poll.register(kept.sock, select.POLLIN)
        ready = [fd for fd, _ in poll.poll(WAIT * 1000)]
        if kept.sock.fileno() not in ready:
            return False
        try:
            kept.buffer = kept.read_some()
        except Closed:
            return False
        return True

    def expect_nobody(self, seconds: float = QUIET) -> None:
        """No connection comes, or none that carries a byte."""
        if self._ready(seconds):
            stream = self.accept()
            data = stream.read_to_close()
            assert data == b"", f"this reached the server: {data[:300]!r}"

    def leftovers(self) -> list[bytes]:
        """What came on each connection that nobody has accepted yet, read until its end."""
        found = []
        while self._ready(0):
            found.append(self.accept().read_to_close())
        return found

    def close(self) -> None:
        for stream in self.accepted:
            stream.close()
        super().close()


@dataclass
class Received:
    """A request that came to an HttpOrigin, on which of its connections (counted from 1)."""

    connection: int
    message: Message


Answer = Callable[[Message], bytes]


class HttpOrigin(Listener):
    """A server that answers every request on its own, a thread a connection: 200, a field
    ``X-Origin`` and a body that both say its name, or what ``answer(request)`` gives.  It closes
    when it or the request said so."""

    def __init__(self, name: str, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.name = name
        self.requests: list[Received] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self._answer = answer or self._who_am_i
        self._streams: list[Stream] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def _who_am_i(self, message: Message) -> bytes:
        body = self.name.encode()
        full = response("200 OK", f"X-Origin: {self.name}", body=body)
        return full[: -len(body)] if message.method == "HEAD" else full

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return  # closed by the test
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            with self._wrap(sock) as stream:
                self._streams.append(stream)
                while True:
                    message = stream.read_request()
                    self.requests.append(Received(number, message))
                    answer = self._answer(message)
                    stream.sock.sendall(answer)
                    if _asks_close(answer) or (message.get("connection") or "").lower() == "close":
                        return
        except (Closed, Silence, OSError):
            sock.close()  # the balancer or the test ended it
        except BaseException as failure:
            self.failures.append(failure)

    def close(self) -> None:
        """End the threads and raise what went wrong in them."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(WAIT)
        super().close()
        for stream in self._streams:
            with contextlib.suppress(OSError):
                stream.sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)
        if self.failures:
            raise self.failures[0]


def _asks_close(answer: bytes) -> bool:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return b"connection: close" in head or not re.search(
        rb"content-length:|transfer-encoding:| 204 | 304 ", head
    )


class Refusing:
    """A port where nobody listens, kept from others while the test runs."""

    def __init__(self) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sock.bind(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    def listen(self) -> Origin:
        """Begin to listen on that port after all."""
        origin = Origin.__new__(Origin)
        origin.sock, origin.tls, origin.accepted = self.sock, None, []
        self.sock.listen(128)
        return origin

    def close(self) -> None:
        self.sock.close()


class Unanswering(Listener):
    """A port whose backlog is full: the kernel drops every further SYN, so a connect there hangs."""

    def __init__(self) -> None:
        super().__init__(backlog=0)
        self.fillers: list[socket.socket] = []
        while True:
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.sock.getsockname())
            self.fillers.append(filler)
            poll = select.poll()
            poll.register(filler, select.POLLOUT)
            if not poll.poll(50):
                return

    def close(self) -> None:
        for filler in self.fillers:
            filler.close()
        super().close()


class Origins:
    """Makes servers for one test and ends them with it."""

    def __init__(self) -> None:
        self.made: list[Listener | Refusing] = []

    def __call__(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Origin:
        """A server that the test plays itself."""
        origin = Origin(tls, host)
        self.made.append(origin)
        return origin

    def http(self, name: str, answer: Answer | None = None, tls: ssl.SSLContext | None = None) -> HttpOrigin:
        """A server that answers every request on its own."""
        origin = HttpOrigin(name, answer, tls)
        self.made.append(origin)
        return origin

    def refusing(self) -> Refusing:
        """A port that refuses connections."""
        refusing = Refusing()
        self.made.append(refusing)
        return refusing

    def unanswering(self) -> Unanswering:
        """A port where connects hang."""
        unanswering = Unanswering()
        self.made.append(unanswering)
        return unanswering

    def close(self) -> None:
        failures = []
        for origin in self.made:
            try:
                origin.close()
            except BaseException as failure:
                failures.append(failure)
        if failures:
            raise failures[0]
