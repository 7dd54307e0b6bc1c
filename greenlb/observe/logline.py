"""Log lines read back: HAProxy's httplog, httpslog, tcplog, the default line and the error line.

The formats are those of HAProxy's manual, section 8.2.  What stands before a line (syslog's priority, date,
host and tag) is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_CLIENT: Final = r"(?:^|(?<=[\s>]))(?P<client>[0-9A-Fa-f.:]+|unix):(?P<port>\d+) "
_WAY: Final = (
    r"\[(?P<date>[^\]]+)\] (?P<frontend>[^\s~]+)(?P<tls>~?) (?P<backend>[^\s/]+)/(?P<server><[A-Z]+>|\S+) "
)
_COUNTS: Final = (
    r"(?P<actconn>\d+)/(?P<feconn>\d+)/(?P<beconn>\d+)/(?P<srvconn>\d+)/"
    r"(?P<redispatched>\+?)(?P<retries>\d+) (?P<server_queue>\d+)/(?P<backend_queue>\d+)"
)
_HTTP: Final = re.compile(
    _CLIENT + _WAY + r"(?P<TR>-?\d+)/(?P<Tw>-?\d+)/(?P<Tc>-?\d+)/(?P<Tr>-?\d+)/(?P<early>\+?)(?P<Ta>-?\d+) "
    r"(?P<status>-?\d+) \+?(?P<size>\d+) (?P<cookie>\S+) (?P<set_cookie>\S+) (?P<flags>[\w-]{4}) "
    + _COUNTS
    + r'(?: (?P<captures>\{.*?\}))? "(?P<request>.*?)"'
    r"(?: (?P<tls_facts>(?:-?\d+/){4}\d \S+/\S+/\S+))?\s*$"
)
_TCP: Final = re.compile(
    _CLIENT
    + _WAY
    + r"(?P<Tw>-?\d+)/(?P<Tc>-?\d+)/(?P<early>\+?)(?P<Tt>-?\d+) \+?(?P<size>\d+) (?P<flags>[\w-]{2}) "
    + _COUNTS
    + r"\s*$"
)
_CONNECT: Final = re.compile(
    r"Connect from (?P<client>\S+):(?P<port>\d+) to (?P<to>\S+:\d+) "
    r"\((?P<frontend>[^/]+)/(?P<mode>HTTP|TCP)\)"
)
_ERROR: Final = re.compile(
    _CLIENT + r"\[(?P<date>[^\]]+)\] (?P<frontend>[^\s/~]+)/(?P<bind>\S+): (?P<message>.+?)\s*$"
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line's fields.  ``kind`` is ``http``, ``tcp``, ``connect`` or ``error``; fields that a kind does not
    have are at their defaults.

    ``timers`` are milliseconds by HAProxy's names (``TR Tw Tc Tr Ta``, or ``Tw Tc Tt``), -1 for a phase that
    was not reached.  ``flags`` are the termination state (four letters, in mode tcp two).  ``counts`` are the
    connections of the process, the frontend, the backend and the server; ``queues`` how many were ahead in
    the server's queue and in the backend's.  ``early``: it was logged before its end (``option logasap``).
    ``message`` is the sentence of an error line, ``to`` where a connect line's client connected to.
    """

    kind: str
    client: str
    port: int
    date: str = ""
    frontend: str = ""
    tls: bool = False
    backend: str = ""
    server: str = ""
    timers: dict[str, int] | None = None
    status: int | None = None
    size: int | None = None
    cookie: str = "-"
    set_cookie: str = "-"
    flags: str = ""
    counts: tuple[int, int, int, int] = (0, 0, 0, 0)
    retries: int = 0
    redispatched: bool = False
    queues: tuple[int, int] = (0, 0)
    captures: str = ""
    request: str = ""
    early: bool = False
    tls_facts: str = ""
    message: str = ""
    to: str = ""


def parse(line: str) -> LogLine:
    """The fields of a line.  Raises ValueError: it is none of the known kinds."""
    for kind, pattern in (("http", _HTTP), ("tcp", _TCP)):
        found = pattern.search(line)
        if found is not None:
            return _exchange(kind, found)
    found = _CONNECT.search(line)
    if found is not None:
        return LogLine(
            "connect",
            found["client"],
            int(found["port"]),
            frontend=found["frontend"],
            to=found["to"],
            message=found["mode"],
        )
    found = _ERROR.search(line)
    if found is not None:
        return LogLine(
            "error",
            found["client"],
            int(found["port"]),
            found["date"],
            found["frontend"],
            message=found["message"],
            to=found["bind"],
        )
    raise ValueError("this is no log line of option httplog, httpslog or tcplog, nor HAProxy's default one")


def _exchange(kind: str, found: re.Match[str]) -> LogLine:
    names = ("TR", "Tw", "Tc", "Tr", "Ta") if kind == "http" else ("Tw", "Tc", "Tt")
    http = found.groupdict()
    return LogLine(
        kind=kind,
        client=found["client"],
        port=int(found["port"]),
        date=found["date"],
        frontend=found["frontend"],
        tls=bool(found["tls"]),
        backend=found["backend"],
        server=found["server"],
        timers={name: int(found[name]) for name in names},
        status=int(http["status"]) if kind == "http" else None,
        size=int(found["size"]),
        cookie=http.get("cookie") or "-",
        set_cookie=http.get("set_cookie") or "-",
        flags=found["flags"],
        counts=(int(found["actconn"]), int(found["feconn"]), int(found["beconn"]), int(found["srvconn"])),
        retries=int(found["retries"]),
        redispatched=bool(found["redispatched"]),
        queues=(int(found["server_queue"]), int(found["backend_queue"])),
        captures=http.get("captures") or "",
        request=http.get("request") or "",
        early=bool(found["early"]),
        tls_facts=http.get("tls_facts") or "",
    )
