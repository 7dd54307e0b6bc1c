"""A syslog receiver, and HAProxy's HTTP log line read back into its fields."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass

from tests.support.stream import QUIET, WAIT, Silence

_DATAGRAM = re.compile(
    rb"<(?P<pri>[0-9]+)>(?P<date>[A-Z][a-z]{2} [ 0-9][0-9] [0-9]{2}:[0-9]{2}:[0-9]{2}) "
    rb"(?:(?P<host>[^ :\[]+) )?(?P<tag>[^ \[]+)\[(?P<pid>[0-9]+)\]: (?P<text>.*)\n",
    re.DOTALL,
)
_HTTPLOG = re.compile(
    r"(?P<client>[0-9a-f.:]+):(?P<port>[0-9]+) "
    r"\[(?P<date>[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3})\] "
    r"(?P<frontend>[^ ]+) (?P<backend>[^ /]+)/(?P<server>[^ ]+) "
    r"(?P<timers>-?[0-9]+(?:/-?[0-9]+){3}/\+?[0-9]+) (?P<status>-?[0-9]+) (?P<size>\+?[0-9]+) "
    r"(?P<cookie>[^ ]+) (?P<set_cookie>[^ ]+) (?P<flags>[^ ]{4}) "
    r"(?P<counts>[0-9]+/[0-9]+/[0-9]+/[0-9]+)/(?P<retries>\+?[0-9]+) (?P<queues>[0-9]+/[0-9]+) "
    r"(?:\{(?P<captured_request>[^}]*)\} )?(?:\{(?P<captured_response>[^}]*)\} )?"
    r'"(?P<request>[^"]*)"(?P<more>.*)'
)
_TCPLOG = re.compile(
    r"(?P<client>[0-9a-f.:]+):(?P<port>[0-9]+) \[(?P<date>[^]]+)\] "
    r"(?P<frontend>[^ ]+) (?P<backend>[^ /]+)/(?P<server>[^ ]+) "
    r"(?P<timers>-?[0-9]+/-?[0-9]+/\+?[0-9]+) (?P<size>\+?[0-9]+) (?P<flags>[^ ]{2}) "
    r"(?P<counts>[0-9]+/[0-9]+/[0-9]+/[0-9]+)/(?P<retries>\+?[0-9]+) (?P<queues>[0-9]+/[0-9]+)"
)


@dataclass(frozen=True)
class Datagram:
    """One message in syslog's traditional form.  ``host`` is empty without log-send-hostname."""

    priority: int
    host: str
    tag: str
    pid: int
    text: str


@dataclass(frozen=True)
class Line:
    """One ``option httplog`` (or tcplog) line.  Timers are milliseconds: TR, Tw, Tc, Tr, Ta (tcplog: Tw,
    Tc, Tt); ``total`` and ``size`` keep the ``+`` of logasap; captures are None without braces."""

    text: str
    client: str
    port: int
    date: str
    frontend: str
    backend: str
    server: str
    timers: tuple[int, ...]
    total: str
    status: int
    size: str
    cookie: str
    set_cookie: str
    flags: str
    counts: tuple[int, ...]
    retries: str
    queues: str
    captured_request: str | None
    captured_response: str | None
    request: str
    more: str

    @property
    def to(self) -> str:
        """``backend/server``."""
        return f"{self.backend}/{self.server}"


def parse_line(text: str) -> Line | None:
    """The fields of an httplog or tcplog line; None for any other text."""
    found = _HTTPLOG.fullmatch(text) or _TCPLOG.fullmatch(text)
    if not found:
        return None
    part: dict[str, str] = found.groupdict()
    timers = part["timers"].split("/")
    return Line(
        text=text,
        client=part["client"],
        port=int(part["port"]),
        date=part["date"],
        frontend=part["frontend"],
        backend=part["backend"],
        server=part["server"],
        timers=tuple(int(timer) for timer in timers),
        total=timers[-1],
        status=int(part.get("status") or -1),
        size=part["size"],
        cookie=part.get("cookie", "-"),
        set_cookie=part.get("set_cookie", "-"),
        flags=part["flags"],
        counts=tuple(int(count) for count in part["counts"].split("/")),
        retries=part["retries"],
        queues=part["queues"],
        captured_request=part.get("captured_request"),
        captured_response=part.get("captured_response"),
        request=part.get("request", ""),
        more=part.get("more", ""),
    )


class Syslog:
    """A UDP port that syslog datagrams are sent to.  ``raw`` keeps every one as it came."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.sock.bind(("127.0.0.1", 0))
        self.raw: list[bytes] = []

    @property
    def port(self) -> int:
        port: int = self.sock.getsockname()[1]
        return port

    def receive(self, wait: float = WAIT) -> Datagram:
        """The next datagram; Silence when none comes, AssertionError for one of another form."""
        self.sock.settimeout(wait)
        try:
            raw = self.sock.recv(65536)
        except TimeoutError:
            raise Silence(f"no log line came; so far: {self.raw[-5:]}") from None
        self.raw.append(raw)
        found = _DATAGRAM.fullmatch(raw)
        assert found, f"no syslog datagram: {raw!r}"
        host = (found["host"] or b"").decode()
        return Datagram(
            int(found["pri"]), host, found["tag"].decode(), int(found["pid"]), found["text"].decode("latin-1")
        )

    def line(self, wait: float = WAIT) -> Line:
        """The next traffic line; other messages are passed over."""
        deadline = time.monotonic() + wait
        while True:
            line = parse_line(self.receive(max(0.01, deadline - time.monotonic())).text)
            if line:
                return line

    def message(self, pattern: str, wait: float = WAIT) -> Datagram:
        """The next datagram whose text the regular expression matches whole; others are passed over."""
        deadline = time.monotonic() + wait
        while True:
            datagram = self.receive(max(0.01, deadline - time.monotonic()))
            if re.fullmatch(pattern, datagram.text):
                return datagram

    def expect_no_line(self, seconds: float = QUIET) -> None:
        """No traffic line comes for so long."""
        try:
            line = self.line(seconds)
        except Silence:
            return
        raise AssertionError(f"a line that should not be: {line.text}")

    def close(self) -> None:
        self.sock.close()
