"""One request or one TCP connection: its facts, its timers, how it ended.

Everything the rules ask, the log prints and the statistics count about an exchange gathers here as
plain attributes while it runs, and is read once, at its end.  Times are ``time.monotonic()``
seconds; -1.0 means that phase was not reached.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from greenlb.message import Request, Response
    from greenlb.model import Address, Backend, Bind, Frontend, Server


_numbers = count()


@dataclass(slots=True)
class TlsFacts:
    """What a handshake settled.  ``version`` as HAProxy prints it (``TLSv1.3``), ``certificate`` is the
    peer's leaf in DER, ``verify_error`` OpenSSL's X509_V_ERR number.  ``ask`` gives what is read off the
    connection only when somebody wants it, by its name in ``net.openssl.FACTS``; None once it is closed."""

    version: str = ""
    cipher: str = ""
    sni: str = ""
    alpn: str = ""
    resumed: bool = False
    certificate: bytes | None = None
    verify_error: int = 0
    ca_error: int = 0
    ask: Callable[[str], Any] | None = None


@dataclass(frozen=True, slots=True)
class Hello:
    """What a TLS hello says.  ``type`` is 1 for a client's, 2 for a server's; ``version`` the one in the
    message itself, 0x0303 for TLS 1.2 and (RFC 8446 section 4.1.2) for TLS 1.3, which ``tls13`` tells:
    offered by a client, chosen by a server.  ``ciphers`` is how many suites it names, ``groups``
    whether a client names groups (supported_groups), ``ticket`` what it offers to resume a session with, None
    where it knows no tickets."""

    type: int
    version: int
    session_id: bytes
    server_name: bytes | None
    alpn: tuple[bytes, ...]
    ciphers: int
    tls13: bool
    groups: bool = False
    ticket: bytes | None = None


class Cut(Exception):
    """An exchange ends here: the log's two flags, and the answer's status where the flags do not say
    it (0: none)."""

    def __init__(self, cause: str, phase: str, status: int | None = None) -> None:
        super().__init__(cause + phase)
        self.cause = cause
        self.phase = phase
        self.status = status


class Undecided(Exception):
    """What a condition asks for has not come yet, and may still come."""


class Ahead:
    """The first bytes of one direction, held back while rules look at them.

    ``final``: no more will be waited for.  ``growing`` is set by who reads a value that more bytes would
    change.  ``limit`` is how many are looked at.  ``read`` makes a Hello of bytes; its answer ``more`` is for
    the beginning of one, any other for what is none."""

    __slots__ = ("_hello", "_known", "_more", "_read", "data", "final", "growing", "limit")

    def __init__(self, read: Callable[[bytes], object], more: object, limit: int) -> None:
        self.data = b""
        self.final = False
        self.growing = False
        self.limit = limit
        self._read = read
        self._more = more
        self._known = -1
        self._hello: object = None

    def release(self) -> bytes:
        """Take the bytes out, to be passed on.  What they said as a hello stays known."""
        self.final = True
        self.hello()
        data, self.data = self.data, b""
        self._known = 0
        return data

    def hello(self) -> Hello | None:
        """The hello that the bytes begin with; None when they begin with something else, or when the rest
        of it is not waited for any more.  Raises Undecided."""
        if self._known != len(self.data):
            self._known = len(self.data)
            self._hello = self._read(self.data)
        if isinstance(self._hello, Hello):
            return self._hello
        if self._hello is self._more and not self.final:
            raise Undecided
        return None

    def piece(self, start: int, count: int) -> bytes | None:
        """``count`` bytes from ``start``; None when they never come.  Raises Undecided."""
        if start + count <= len(self.data):
            return self.data[start : start + count]
        if self.final or start + count > self.limit:
            return None
        raise Undecided


class Reach(Protocol):
    """What rules may ask of a client's connection at work.  Bodies are decoded; ``seconds`` is how long is
    waited at most (None: no limit), ``least`` for how many bytes, 0 for the whole.  A body that does not come
    in time ends the exchange."""

    ends: tuple[int, str, int] | None
    """Where rules have changed them for a request: the client's port, and what it connected to."""

    @property
    def stopping(self) -> bool: ...

    def tcp_info(self) -> bytes | None: ...

    def set_option(self, level: int, option: int, value: int) -> None: ...

    def hint(self, x: Exchange, fields: bytes) -> None: ...

    def hold(self, forward: Any, data: bytes, response: Response) -> None: ...

    def release(self) -> bytes: ...

    def body(self, x: Exchange) -> bytes: ...

    def response_body(self, x: Exchange) -> bytes: ...

    def wait_for_body(self, x: Exchange, seconds: float | None, least: int) -> None: ...

    def wait_for_response_body(self, x: Exchange, seconds: float | None, least: int) -> None: ...


class Client:
    """One accepted connection.  ``wall`` and ``accepted`` are the same moment on the two clocks;
    ``handshake`` is the TLS (and PROXY) time in seconds; ``exchanges`` counts requests so far."""

    __slots__ = (
        "accepted",
        "bind",
        "dst",
        "dst_port",
        "exchanges",
        "expects_proxy",
        "frontend",
        "handshake",
        "proxied",
        "reach",
        "ready",
        "src",
        "src_port",
        "tls",
        "tracked",
        "variables",
        "wall",
    )

    def __init__(
        self, frontend: Frontend, bind: Bind, src: str, src_port: int, dst: str, dst_port: int
    ) -> None:
        self.frontend = frontend
        self.bind = bind
        self.src = src
        self.src_port = src_port
        self.dst = dst
        self.dst_port = dst_port
        self.wall = time.time()
        self.accepted = time.monotonic()
        self.handshake = 0.0
        self.ready = self.accepted  # when it could take its next request: the end of the last answer
        self.exchanges = 0
        self.expects_proxy = bind.accept_proxy  # its first bytes must be a PROXY header
        self.reach: Reach | None = None  # only where the rules read something of it
        self.proxied: Any = None  # the protocol.proxyline.Header that it began with
        self.tls: TlsFacts | None = None
        self.tracked: list[Any] | None = None  # policy.stick's entries of sc0, sc1 and sc2
        self.variables: dict[str, object] | None = None  # of scope sess


@dataclass(slots=True)
class Wishes:
    """What rules want of the way to a server, where one said anything of it.  ``priority`` is a class and an
    offset in milliseconds (see ``proxy.queue``).  ``forced``: to the server that is bound, be it down, and to
    no other; ``unbound``: persistence does not count; ``once``: only what reached no server is tried again;
    ``backend`` and ``server`` are those that Python chose;
    ``coding``: which of the configured algorithms compresses the answer; ``timeouts`` in place of the
    backend's."""

    priority: tuple[int, int] = (0, 0)
    forced: bool = False
    unbound: bool = False
    once: bool = False
    backend: str = ""
    server: str = ""
    coding: int | None = None
    timeouts: dict[str, float | None] | None = None


class Exchange:
    """One request and its answer, or one TCP connection, from its first byte to its log line."""

    __slots__ = (
        "ahead",
        "ahead_response",
        "answered",
        "backend",
        "bytes_in",
        "bytes_out",
        "cause",
        "client",
        "connected",
        "cookie_dates",
        "cookie_in",
        "cookie_out",
        "cookie_request",
        "cookie_response",
        "counts",
        "end",
        "ends",
        "frontend",
        "head_done",
        "kept",
        "level",
        "number",
        "phase",
        "queue_backend",
        "queue_server",
        "ready",
        "redispatched",
        "request",
        "request_captures",
        "request_line",
        "response",
        "response_captures",
        "retries",
        "reused",
        "served",
        "server",
        "server_tls",
        "service",
        "src",
        "start",
        "status",
        "stick_keys",
        "tracked",
        "unique_id",
        "variables",
        "wishes",
    )

    def __init__(self, client: Client) -> None:
        self.client = client
        self.frontend: Frontend = client.frontend
        self.number = next(_numbers)  # of this process, from 0
        self.src: str = client.src  # trusted-proxies may put another address here
        self.backend: Backend | None = None
        self.server: Server | None = None
        self.ahead: Ahead | None = None  # what the client sent first, in mode tcp
        self.ahead_response: Ahead | None = None  # and what the server did
        self.server_tls: TlsFacts | None = None  # of the connection to the server
        # The address and the port that we connected to the server from, and where it then was.
        self.ends: tuple[str, int, Address | None] = ("", 0, None)
        self.service: str = ""  # who answered when no server did, e.g. "<STATS>"
        self.request: Request | None = None
        self.response: Response | None = None
        self.request_line: bytes = b""  # as received, for the log; empty = <BADREQ>

        # Timers.  ready: the connection was free for it; start: first byte of the request; head_done: its
        # head was whole; served: a server was chosen and its slot taken (end of queueing and turn-around
        # pauses); connected; answered: the response's head was whole; end: last byte.
        self.ready = client.ready
        self.start = -1.0
        self.head_done = -1.0
        self.served = -1.0
        self.connected = -1.0
        self.answered = -1.0
        self.end = -1.0

        self.status = -1  # what the client got; -1: nothing
        self.bytes_in = 0  # read from the client
        self.bytes_out = 0  # sent to the client, heads included
        self.cause = "-"  # the log's first flag
        self.phase = "-"  # the log's second
        self.cookie_in = "-"  # the log's third: what the request's cookie meant
        self.cookie_out = "-"  # the log's fourth: what was done to the response's
        self.kept: Server | None = None  # the server that the request's cookie named and that is to be used
        self.cookie_dates: tuple[int, int] | None = None  # last seen, first seen: of a dated cookie
        self.retries = 0
        self.redispatched = False
        self.reused = False  # an idle server connection carried it
        self.queue_server = 0  # requests ahead in the server's queue when it joined
        self.queue_backend = 0
        self.counts = (0, 0, 0, 0)  # connections of process, frontend, backend, server at the end
        self.request_captures: list[bytes | None] | None = None
        self.response_captures: list[bytes | None] | None = None
        self.cookie_request: bytes = b""  # what `capture cookie` saw: NAME=value
        self.cookie_response: bytes = b""
        self.stick_keys: list[Any] | None = None  # what policy.stick stores once there is a server
        self.tracked: list[Any] | None = None  # as the client's, of this exchange alone
        self.variables: dict[str, object] | None = None
        self.unique_id: bytes | None = None  # policy.uniqueid makes it
        self.level = 6  # syslog severity of its line
        self.wishes: Wishes | None = None

    def wish(self) -> Wishes:
        """What rules want of its way to a server, to be changed."""
        if self.wishes is None:
            self.wishes = Wishes()
        return self.wishes

    def ended(self, cause: str, phase: str) -> None:
        """Set how it ended, once: what happened first is what the log tells."""
        if self.cause == "-":
            self.cause = cause
            self.phase = phase


class Ending(NamedTuple):
    """One row of ENDINGS.  ``status`` is what the client gets when no head was sent yet (None: just a
    close); ``counter`` names the statistics column that counts it."""

    status: int | None
    counter: str
    doc: str


CAUSES = {
    "C": "the client closed or reset the connection",
    "S": "the server refused, closed or reset the connection",
    "P": "the proxy ended it: a rule, an invalid message or a limit",
    "L": "answered here, without a server",
    "R": "a resource ran out (descriptors, memory, ports)",
    "I": "an internal error",
    "D": "the server was marked down and its connections were shut",
    "U": "an active server came back and the backup's connections were shut",
    "K": "an operator shut it",
    "c": "the client kept us waiting too long",
    "s": "the server (or its queue) kept us waiting too long",
    "-": "it ended as it should",
}

PHASES = {
    "R": "while the request was awaited",
    "Q": "in the queue",
    "C": "while connecting to the server",
    "H": "while the response's head was awaited",
    "D": "while data was flowing",
    "L": "while the last data went out",
    "T": "in a tarpit",
    "-": "",
}

ENDINGS: dict[tuple[str, str], Ending] = {
    ("-", "-"): Ending(None, "", "complete"),
    ("C", "R"): Ending(400, "ereq", "the client went away before its request was whole"),
    ("c", "R"): Ending(408, "ereq", "the request did not come in time (timeout http-request)"),
    ("P", "R"): Ending(400, "ereq", "an invalid request, or one that a rule denied"),
    ("L", "R"): Ending(None, "", "answered by a rule, a service or the statistics page"),
    ("P", "T"): Ending(500, "dreq", "held in a tarpit"),
    ("C", "Q"): Ending(None, "cli_abrt", "the client gave up in the queue"),
    ("s", "Q"): Ending(503, "econ", "no slot came free in time (timeout queue)"),
    ("S", "Q"): Ending(503, "econ", "the queue was full"),
    ("C", "C"): Ending(None, "cli_abrt", "the client gave up while we were connecting"),
    ("S", "C"): Ending(503, "econ", "no server could be reached"),
    ("s", "C"): Ending(503, "econ", "no server accepted in time (timeout connect)"),
    ("R", "C"): Ending(503, "econ", "no descriptor or port left for a server connection"),
    ("P", "C"): Ending(503, "econ", "the connection limit was reached"),
    ("C", "H"): Ending(400, "cli_abrt", "the client went away while its body or our answer was awaited"),
    ("c", "H"): Ending(408, "cli_abrt", "the request's body did not come in time (timeout client)"),
    ("S", "H"): Ending(502, "eresp", "the server closed without an answer"),
    ("s", "H"): Ending(504, "eresp", "the server did not answer in time (timeout server)"),
    ("P", "H"): Ending(502, "eresp", "an invalid response, or one that a rule denied"),
    ("P", "D"): Ending(400, "ereq", "an invalid request body"),
    ("C", "D"): Ending(None, "cli_abrt", "the client went away during the data"),
    ("c", "D"): Ending(None, "cli_abrt", "the client stopped reading or writing (timeout client)"),
    ("S", "D"): Ending(None, "srv_abrt", "the server broke off during the data"),
    ("s", "D"): Ending(None, "srv_abrt", "the server stalled during the data (timeout server)"),
    ("D", "D"): Ending(None, "", "the server went down and its sessions were shut"),
    ("U", "D"): Ending(None, "", "an active server came back and the backup's sessions were shut"),
    ("K", "-"): Ending(None, "", "an operator shut the connection"),
    ("D", "-"): Ending(None, "", "the server went down and its connections were shut"),
    ("U", "-"): Ending(None, "", "an active server came back and the backup's connections were shut"),
    ("K", "D"): Ending(None, "", "an operator shut the session"),
    ("K", "H"): Ending(502, "", "an operator shut the session before its answer"),
    ("K", "C"): Ending(503, "", "an operator shut the session before it reached a server"),
    ("K", "Q"): Ending(503, "", "an operator shut the session in the queue"),
    ("D", "H"): Ending(502, "", "the server went down before its answer"),
    ("D", "C"): Ending(503, "", "the server went down before it was reached"),
    ("D", "Q"): Ending(503, "", "the server went down before its turn came"),
    ("U", "H"): Ending(502, "", "an active server came back before the backup's answer"),
    ("U", "C"): Ending(503, "", "an active server came back before the backup was reached"),
    ("U", "Q"): Ending(503, "", "an active server came back before the backup's turn came"),
    ("I", "H"): Ending(500, "eresp", "an internal error"),
    ("I", "R"): Ending(500, "ereq", "an internal error"),
    ("I", "D"): Ending(None, "", "an internal error"),
    ("I", "C"): Ending(500, "econ", "an internal error"),
}
"""(cause, phase) -> what the client gets and what counts it.  Law of the log's first two flags."""
