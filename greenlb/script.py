"""What a health check does, step by step: connect, send, expect.

``config`` makes scripts of what is written, ``proxy.checks`` plays them.  A text that is worked out anew each
time is a callable over the check's own Exchange, which has the server's answer and no client.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenlb.exchange import Exchange
    from greenlb.live import Hook
    from greenlb.model import Address, Check

Text = Callable[["Exchange"], bytes]


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection, closing the one before.  ``default``: as the server's line says, with its TLS and
    its PROXY header; ``implicit``: nobody wrote it.  ``port_of`` gives the port where a sample tells it."""

    number: int = 0
    comment: str = ""
    default: bool = False
    implicit: bool = False
    address: Address | None = None
    port: int = 0
    port_of: Callable[[Exchange], object] | None = None
    tls: bool = False
    sni: str = ""
    alpn: tuple[str, ...] = ()
    send_proxy: bool = False
    linger: bool = False


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes; ``hexadecimal``: what ``data`` renders is read as digits of them."""

    number: int
    data: bytes | Text
    comment: str = ""
    hexadecimal: bool = False


@dataclass(frozen=True, slots=True)
class SendHttp:
    """Send an HTTP request."""

    number: int
    method: bytes = b"OPTIONS"
    uri: bytes | Text = b"/"
    version: bytes = b"HTTP/1.0"
    headers: tuple[tuple[bytes, Text], ...] = ()
    body: bytes | Text = b""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """A text or a regular expression; ``how`` is str, beg, end, sub or reg."""

    how: str
    text: bytes | Text = b""
    pattern: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a protocol's own reader makes of an answer.  ``status`` empty: it is as it should be so far."""

    status: str = ""
    info: bytes = b""
    code: int = 0


Reader = Callable[[bytes, bool], "Verdict | None"]
"""Reads an answer; the flag tells that no more comes.  None: wait for more."""


@dataclass(frozen=True, slots=True)
class Expect:
    """Wait for an answer and judge it.

    ``kind`` is the keyword: string, rstring, binary, rbinary, string-lf, binary-lf, status, rstatus, hdr,
    fhdr, or custom, which asks ``reader``.  ``min_recv`` -1: more is waited for while it does not match.
    Statuses are names of ``proxy.health``'s table, empty for the usual ones.
    """

    number: int
    kind: str
    text: bytes | Text = b""
    pattern: re.Pattern[bytes] | None = None
    codes: tuple[tuple[int, int], ...] = ()
    name: Match | None = None
    value: Match | None = None
    reader: Reader | None = None
    inverse: bool = False
    min_recv: int = -1
    comment: str = ""
    ok_status: str = ""
    error_status: str = ""
    timeout_status: str = ""
    on_success: Text | None = None
    on_error: Text | None = None
    status_code: Callable[[Exchange], object] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Do something that the network does not see: set-var, unset-var."""

    rule: Callable[[Exchange], object]


Step = Connect | Send | SendHttp | Expect | Act


@dataclass(frozen=True, slots=True)
class Script:
    """A check.  ``family`` is tcp, http, or the name of another protocol; ``steps`` begin with a Connect
    (Acts aside)."""

    family: str = ""
    steps: tuple[Step, ...] = (Connect(default=True, implicit=True),)
    disable_on_404: bool = False
    send_state: bool = False

    @property
    def only_connects(self) -> bool:
        return len(self.steps) == 1


@dataclass(frozen=True, slots=True)
class External:
    """``option external-check``: a program to be run, with this PATH."""

    command: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class PythonCheck:
    """``option python-check``: a function to be called."""

    hook: Hook


HealthCheck = Script | External | PythonCheck


@dataclass(frozen=True, slots=True)
class Agent:
    """``server ... agent-check``: a program beside the server that says how it is.  ``check`` is how often
    and where, ``send`` what it is sent first."""

    check: Check
    send: bytes = b""


@dataclass(frozen=True, slots=True)
class Observe:
    """``server ... observe``: traffic tells of a server too.  ``on_error`` is what happens after
    ``error_limit`` errors in a row."""

    layer: int  # 4 | 7
    error_limit: int = 10
    on_error: str = "fail-check"  # fastinter | fail-check | sudden-death | mark-down
