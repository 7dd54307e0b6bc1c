"""One end of a connection in the test's own hands: exact bytes out, strict HTTP in.

The client side and the origin side of a dialogue are the same thing, so a test reads in order of
time: the client sends, the server reads, the server answers, the client reads.  Every wait has a
deadline and ends at the event itself; nothing here sleeps.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.support.kernel import unread

WAIT = 10.0
"""Seconds until a wait for something that has to happen fails."""

QUIET = 0.15
"""Seconds that something must not happen for a test to believe that it does not."""

LINGER_RESET = struct.pack("ii", 1, 0)
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] [1-5][0-9][0-9] [\t\x20-\x7e\x80-\xff]*")
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [\x21-\x7e\x80-\xff]+ HTTP/1\.[01]")


class Silence(AssertionError):
    """Nothing came in time."""


class Closed(AssertionError):
    """The connection ended where bytes were expected; ``data`` is what came before the end."""

    def __init__(self, how: str, data: bytes) -> None:
        super().__init__(f"the peer closed ({how}) after {len(data)} bytes: {data[-200:]!r}")
        self.how = how
        self.data = data


def eventually(holds: Callable[[], object], what: str, wait: float = WAIT) -> None:
    """Ask until ``holds()`` is true; AssertionError naming ``what`` when it is not in time."""
    deadline = time.monotonic() + wait
    tick = threading.Event()
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {wait:g} s in vain: {what}")
        tick.wait(0.01)


@dataclass
class Message:
    """One message as it stood on the wire.  ``framing`` is none, length, chunked or close; ``chunks``
    are the sizes of the chunks; ``raw`` is the head with its empty line."""

    start: str
    fields: list[tuple[str, str]]
    raw: bytes
    body: bytes = b""
    framing: str = "none"
    trailers: list[tuple[str, str]] = field(default_factory=list)
    chunks: list[int] = field(default_factory=list)

    @property
    def status(self) -> int:
        return int(self.start.split(" ", 2)[1])

    @property
    def reason(self) -> str:
        return self.start.split(" ", 2)[2]

    @property
    def method(self) -> str:
        return self.start.split(" ", 1)[0]

    @property
    def target(self) -> str:
        return self.start.split(" ")[1]

    @property
    def version(self) -> str:
        """``HTTP/1.0`` or ``HTTP/1.1``."""
        return self.start[:8] if self.start.startswith("HTTP/") else self.start[-8:]

    def all(self, name: str) -> list[str]:
        """The value of every field of that name, in order."""
        return [value for spelled, value in self.fields if spelled.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of the one field of that name; None without it, AssertionError with several."""
        values = self.all(name)
        assert len(values) < 2, f"{name} stands {len(values)} times: {self.fields}"
        return values[0] if values else None

    @property
    def names(self) -> list[str]:
        """Field names in lower case, in order."""
        return [name.lower() for name, _ in self.fields]


def parse_fields(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    """(name as spelled, value) a line; AssertionError for what is no field line (RFC 9112 section 5)."""
    fields = []
    for line in lines:
        found = _FIELD.fullmatch(line)
        assert found, f"no field line: {line!r}"
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", found[2]), f"control byte in {line!r}"
        fields.append((found[1].decode("latin-1"), found[2].decode("latin-1")))
    return fields


def parse_head(raw: bytes, start: re.Pattern[bytes]) -> Message:
    """A head that ends with its empty line; AssertionError when it breaks the grammar."""
    assert raw.endswith(b"\r\n\r\n"), raw
    first, *lines = raw[:-4].split(b"\r\n")
    assert start.fullmatch(first), f"no start line: {first!r}"
    return Message(first.decode("latin-1"), parse_fields(lines), raw)


class Stream:
    """A connected socket, plain or TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(WAIT)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def tls(self) -> ssl.SSLSocket:
        """The TLS socket; AssertionError on a plain connection."""
        assert isinstance(self.sock, ssl.SSLSocket)
        return self.sock

    @property
    def port(self) -> int:
        """Our own port."""
        port: int = self.sock.getsockname()[1]
        return port

    # out

    def send(self, *pieces: bytes) -> None:
        """Send the bytes; several pieces go out one by one, each when the peer has read the one before."""
        for number, piece in enumerate(pieces):
            if number:
                self.until_read()
            self.sock.sendall(piece)

    def send_what_goes(self, data: bytes) -> bool:
        """Send although the peer may have closed already; False when it had."""
        try:
            self.sock.sendall(data)
        except (ConnectionResetError, BrokenPipeError):
            return False
        return True

    @contextlib.contextmanager
    def sending(self, pieces: Iterable[bytes], *, close: bool = False) -> Iterator[None]:
        """Send from a thread (and close then) while the test reads elsewhere; its failure is raised at
        the end."""
        failures: list[BaseException] = []

        def run() -> None:
            try:
                for piece in pieces:
                    self.sock.sendall(piece)
                if close:
                    self.close()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield
        thread.join(WAIT)
        assert not thread.is_alive(), "the peer did not take everything"
        if failures:
            raise failures[0]

    def until_read(self) -> None:
        """Wait until the process at the other end has read everything that we sent."""
        here, there = self.sock.getsockname(), self.sock.getpeername()
        eventually(lambda: unread(here, there) == 0, "the peer reads what was sent")

    def half_close(self) -> None:
        """Send FIN; the other direction stays open."""
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
        self.close()

    def close(self) -> None:
        self.sock.close()

    # in

    def _fill(self, deadline: float) -> None:
        self.sock.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            data = self.sock.recv(65536)
        except TimeoutError:
            raise Silence(f"nothing more came; so far: {self.buffer[-300:]!r}") from None
        except (ConnectionResetError, ssl.SSLError) as failure:
            raise Closed(f"{type(failure).__name__}: {failure}", self.buffer) from None
        finally:
            self.sock.settimeout(WAIT)
        if not data:
            raise Closed("FIN", self.buffer)
        self.buffer += data

    def read(self, count: int) -> bytes:
        """Exactly ``count`` bytes."""
        deadline = time.monotonic() + WAIT
        while len(self.buffer) < count:
            self._fill(deadline)
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def read_some(self) -> bytes:
        """What is there, at least one byte."""
        if not self.buffer:
            self._fill(time.monotonic() + WAIT)
        data, self.buffer = self.buffer, b""
        return data

    def read_until(self, mark: bytes) -> bytes:
        """Everything up to and with ``mark``."""
        deadline = time.monotonic() + WAIT
        while mark not in self.buffer:
            self._fill(deadline)
        end = self.buffer.index(mark) + len(mark)
        data, self.buffer = self.buffer[:end], self.buffer[end:]
        return data

    def read_to_close(self) -> bytes:
        """Everything until the peer closes, by FIN or by RST."""
        deadline = time.monotonic() + WAIT
        with contextlib.suppress(Closed):
            while True:
                self._fill(deadline)
        data, self.buffer = self.buffer, b""
        return data

    def read_to_fin(self) -> bytes:
        """Everything until the peer closes in good order."""
        deadline = time.monotonic() + WAIT
        try:
            while True:
                self._fill(deadline)
        except Closed as end:
            assert end.how == "FIN", f"an orderly close was expected: {end}"
        data, self.buffer = self.buffer, b""
        return data

    def expect_closed(self) -> None:
        """The peer closes and sends nothing more before it does."""
        rest = self.read_to_close()
        assert rest == b"", f"bytes before the close: {rest[:300]!r}"

    def expect_silence(self, seconds: float = QUIET) -> None:
        """Nothing comes, no close either, for so long."""
        assert self.buffer == b"", f"bytes that nobody asked for: {self.buffer[:300]!r}"
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        if poll.poll(seconds * 1000):
            self.sock.settimeout(WAIT)
            data = self.sock.recv(65536)
            raise AssertionError(f"silence was expected, there came {data[:300]!r}" if data else "it closed")

    def is_open(self) -> bool:
        """Whether the peer has neither closed nor sent anything, as of now."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN | select.POLLRDHUP)
        return not poll.poll(0)

    def _read_head(self, start: re.Pattern[bytes]) -> Message:
        return parse_head(self.read_until(b"\r\n\r\n"), start)

    def read_request_head(self) -> Message:
        return self._read_head(_REQUEST_LINE)

    def read_response_head(self) -> Message:
        return self._read_head(_STATUS_LINE)

    def read_request(self) -> Message:
        """One request with its body."""
        message = self.read_request_head()
        if message.get("transfer-encoding"):
            self.read_chunked(message)
        elif message.get("content-length"):
            self.read_counted(message)
        return message

    def read_response(self, method: str = "GET") -> Message:
        """One final response with its body, as RFC 9112 section 6.3 delimits it."""
        message = self.read_response_head()
        assert message.status >= 200, f"a final response was expected: {message.start}"
        if method == "HEAD" or message.status in (204, 304) or (method == "CONNECT" and message.status < 300):
            return message
        if message.get("transfer-encoding"):
            self.read_chunked(message)
        elif message.get("content-length"):
            self.read_counted(message)
        else:
            message.framing = "close"
            message.body = self.read_to_fin()
        return message

    def read_counted(self, message: Message) -> None:
        length = message.get("content-length")
        assert length is not None and re.fullmatch(r"[0-9]+", length), message.fields
        message.framing = "length"
        message.body = self.read(int(length))

    def read_chunked(self, message: Message) -> None:
        assert (message.get("transfer-encoding") or "").lower() == "chunked", message.fields
        assert message.get("content-length") is None, message.fields
        message.framing = "chunked"
        parts = []
        while True:
            line = self.read_until(b"\r\n")
            assert re.fullmatch(rb"[0-9A-Fa-f]+(;[^\r\n\x00]*)?\r\n", line), f"no chunk size: {line!r}"
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            message.chunks.append(size)
            parts.append(self.read(size))
            assert self.read(2) == b"\r\n", "a chunk that does not end with CRLF"
        message.body = b"".join(parts)
        lines = iter(lambda: self.read_until(b"\r\n")[:-2], b"")
        message.trailers = parse_fields(lines)


def chunked(*chunks: bytes, trailers: bytes = b"") -> bytes:
    """The chunks in chunked coding; ``trailers`` are ready-made lines."""
    return b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailers + b"\r\n"


def request(line: str, *fields: str, body: bytes = b"", host: str | None = "www.example.com") -> bytes:
    """``request("GET / HTTP/1.1", "Accept: */*")`` with a Host field before the others (None: without)."""
    head = [line, *([] if host is None else [f"Host: {host}"]), *fields, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def get(target: str = "/", *fields: str, host: str | None = "www.example.com") -> bytes:
    """A GET in HTTP/1.1."""
    return request(f"GET {target} HTTP/1.1", *fields, host=host)


def post(target: str, body: bytes, *fields: str) -> bytes:
    """A POST with a counted body."""
    return request(f"POST {target} HTTP/1.1", *fields, f"Content-Length: {len(body)}", body=body)


def response(line: str = "200 OK", *fields: str, body: bytes = b"") -> bytes:
    """``response("200 OK", "ETag: x", body=b"hi")``: HTTP/1.1 with a counted body."""
    head = [f"HTTP/1.1 {line}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def raw_response(line: str, *fields: str, body: bytes = b"") -> bytes:
    """``raw_response("HTTP/1.0 200 OK", "ETag: x", body=b"hi")``: nothing is added."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1") + body
