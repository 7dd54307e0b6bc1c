"""Plays a check's script over a connection: bytes in, a Result out.

Every kind of check is a script.  The engine opens no socket: it is given a Wire, so that it can be tested
with bytes alone.  Whatever a server sends, at most ``limit`` bytes of it are looked at.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from typing import Final, Protocol

from greenlb.exchange import Exchange
from greenlb.net.sockets import Timeout
from greenlb.proxy.checks.answers import Answer, Judgement, Wait, judge
from greenlb.proxy.health import LONGEST_INFO, Result
from greenlb.script import Act, Connect, Expect, Script, Send, SendHttp, Step, Text

_FROM_AFAR = frozenset(
    (errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.EHOSTDOWN)
)
"""What the network answers; all else is our own kernel's word, and HAProxy says so."""
_ACTIONS: Final = {
    "string": "expect string '%s'",
    "binary": "expect binary '%s'",
    "rstring": "expect regex",
    "rbinary": "expect binary regex",
    "string-lf": "expect log-format string",
    "binary-lf": "expect log-format binary",
    "custom": "expect custom function",
}
_PIECE: Final = 16384


class TlsFailure(OSError):
    """The handshake of a check failed; ``text`` says why."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Wire(Protocol):
    """The connection of a check.  ``layer`` is how far it has come: 4 while it is made, 6 during its TLS
    handshake, 7 from then on.  Everything raises Timeout and OSError."""

    @property
    def layer(self) -> int: ...

    @property
    def tls(self) -> bool: ...

    def connect(self, step: Connect, port: int) -> None:
        """Close what is open and connect.  ``port`` 0: the step's, or the server's.  Raises TlsFailure."""

    def send(self, data: bytes) -> None: ...

    def receive(self, size: int) -> bytes:
        """What has come; b"" is the end."""


class Failed(Exception):
    """The check is over."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.status)
        self.result = result


class Dialogue:
    """One play of a script.  ``x`` is what samples look at.  ``serving``: the server is not down, so that
    ``disable-on-404`` may take it out gently; ``state`` gives the value of ``send-state``."""

    def __init__(
        self,
        script: Script,
        wire: Wire,
        x: Exchange,
        *,
        limit: int = _PIECE,
        serving: bool = True,
        state: Callable[[], bytes] = bytes,
    ) -> None:
        self.script = script
        self.wire = wire
        self.x = x
        self._limit = limit
        self._gently = script.disable_on_404 and serving
        self._state = state
        self._answer = Answer(script.family == "http")
        self._code = 0
        self._step: Step | None = None
        self._head = 0

    def play(self) -> Result:
        """Play to the end.  Raises nothing of the network's."""
        try:
            at = 0
            while at < len(self.script.steps):
                at = self._do(at)
            return self._passed()
        except Failed as failed:
            return failed.result
        except Timeout:
            return self._late()
        except OSError as error:
            return self._broken(error)

    # -- steps -----------------------------------------------------------------------------------

    def _do(self, at: int) -> int:
        """Do step ``at``; which one is next."""
        step = self.script.steps[at]
        if isinstance(step, Act):
            step.rule(self.x)
            return at + 1
        before, self._step = self._step, step
        self._code = 0
        if isinstance(step, Expect):
            if not isinstance(before, Expect):
                self._head = at
            return self._expect(step, at)
        if isinstance(step, Connect):
            self._connect(step)
        elif isinstance(step, Send):
            self._send(self._octets(step))
        else:
            self._answer.method = step.method
            self._send(request(step, self.x, self._state() if self.script.send_state else b""))
        return at + 1

    def _connect(self, step: Connect) -> None:
        self._answer = Answer(self.script.family == "http")
        port = step.port_of(self.x) if step.port_of is not None else 0
        self.wire.connect(step, port if isinstance(port, int) and 0 < port < 65536 else 0)

    def _send(self, data: bytes) -> None:
        self._answer = Answer(self.script.family == "http", self._answer.method)
        if data:
            self.wire.send(data)

    def _octets(self, step: Send) -> bytes:
        data = rendered(step.data, self.x)
        if not step.hexadecimal:
            return data
        try:
            return bytes.fromhex(data.decode("ascii"))
        except ValueError:
            info = f"tcp-check send : failed to build log-format string at step {step.number}"
            raise Failed(Result("L7RSP", info)) from None

    def _expect(self, step: Expect, at: int) -> int:
        answer = self._answer
        if not answer.data and not answer.ended:
            self._receive(step)
        answer.show(self.x)
        if answer.response is not None:
            self._code = answer.response.status
            if self._gently and self._code == 404:
                return at + 1
        judged = judge(step, answer, self.x)
        if isinstance(judged, Wait):
            if answer.ended:
                raise Failed(Result(step.error_status or "L7RSP"))
            self._receive(step)
            return self._head  # more bytes may change what the steps before made of it
        if judged.code is not None:
            self._code = judged.code
        if not judged.passed:
            raise Failed(self._refused(step, judged))
        if judged.info:
            self._answer.told = judged.info
        return at + 1

    def _receive(self, step: Expect) -> None:
        """Get more of the answer, if only its end."""
        answer = self._answer
        try:
            data = self.wire.receive(min(_PIECE, self._limit - len(answer.data)))
        except OSError:
            if not answer.data:
                raise
            data = b""  # a reset behind the answer is usual
        if not data:
            answer.ended = True
            if not answer.data and not answer.http:
                info = f"TCPCHK got an empty response at step {step.number}"
                if step.comment:
                    info += f" comment: '{step.comment}'"
                raise Failed(Result(step.error_status or "L7RSP", info))
        answer.add(data, len(answer.data) + len(data) >= self._limit)

    # -- ends ------------------------------------------------------------------------------------

    def _refused(self, step: Expect, judged: Judgement) -> Result:
        info = judged.info
        if not info and step.on_error is not None:
            info = step.on_error(self.x)
        elif not info and self.script.family == "tcp":
            info = _unwanted(step).encode("latin-1", "replace")
        if step.comment:
            info += b" comment: " + step.comment.encode("utf-8", "surrogateescape")
        self._read_code(step)
        return Result(judged.status, text(info), 0, self._code)

    def _read_code(self, step: Expect) -> None:
        if step.status_code is not None:
            value = step.status_code(self.x)
            if isinstance(value, bytes):
                digits = re.match(rb"[0-9]{1,9}", value)
                value = int(digits[0]) if digits else 0
            if isinstance(value, int):
                self._code = value

    def _passed(self) -> Result:
        step = self._step
        tcp = self.script.family == "tcp"
        if isinstance(step, Expect):
            if self._gently and self._code == 404:
                return Result("L7OKC", "", 0, self._code)
            info = self._answer.told
            if step.on_success is not None:
                info += step.on_success(self.x)
            elif tcp:
                info += b"(tcp-check)"
            self._read_code(step)
            most = self._limit if self.script.family == "agent" else LONGEST_INFO
            return Result(step.ok_status or "L7OK", text(info, most), 0, self._code)
        if isinstance(step, Connect):
            return Result("L6OK" if self.wire.tls else "L4OK", "" if step.implicit else "(tcp-check)")
        return Result("L7OK", "(tcp-check)")

    def _late(self) -> Result:
        step = self._step
        late = "L7TOUT"
        if self.wire.layer < 7:
            late = "L4TOUT" if self.wire.layer == 4 else "L6TOUT"
        elif isinstance(step, Expect) and step.timeout_status:
            late = step.timeout_status
        return Result(late, self._place(), 0, self._code)

    def _broken(self, error: OSError) -> Result:
        if isinstance(error, TlsFailure):
            return Result("L6RSP", error.text + self._place())
        why = os.strerror(error.errno) if error.errno else str(error)
        if self.wire.layer == 4 and error.errno in _FROM_AFAR:
            return Result("L4CON", why + self._place())
        if self.wire.layer < 7:
            return Result(
                "SOCKERR" if self.wire.layer == 4 else "L6RSP", f"General socket error ({why}){self._place()}"
            )
        return Result("SOCKERR", why + self._place())

    def _place(self) -> str:
        """Which step of a written check it was."""
        step = self._step
        if self.script.family != "tcp" or step is None or isinstance(step, Act):
            return ""
        if isinstance(step, Connect) and step.implicit:
            return " at initial connection step of tcp-check"
        place = f" at step {step.number} of tcp-check ({_action(step)})"
        return f"{place} comment: '{step.comment}'" if step.comment else place


def _action(step: Connect | Send | SendHttp | Expect) -> str:
    match step:
        case Connect(port=port):
            return f"connect port {port}" if port else "connect"
        case Expect(kind=kind, text=octets):
            action = _ACTIONS[kind]
            return action % text(octets) if "%s" in action and isinstance(octets, bytes) else action
        case _:
            return "send"


def _unwanted(step: Expect) -> str:
    """HAProxy's words for an answer of the wrong kind."""
    what = {
        "string": f" '{text(step.text) if isinstance(step.text, bytes) else ''}'",
        "binary": " (binary)",
        "rstring": " (regex)",
        "rbinary": " (binary regex)",
        "string-lf": " (log-format string)",
        "binary-lf": " (log-format binary)",
        "custom": " (custom function)",
    }[step.kind]
    begin = "TCPCHK matched unwanted content" if step.inverse else "TCPCHK did not match content"
    return f"{begin}{what} at step {step.number}"


def text(octets: bytes, most: int = LONGEST_INFO) -> str:
    """A Result's info: up to its first NUL, and not too long."""
    return octets.partition(b"\0")[0].decode("latin-1")[:most]


def rendered(what: bytes | Text, x: Exchange) -> bytes:
    return what if isinstance(what, bytes) else what(x)


def request(step: SendHttp, x: Exchange, state: bytes) -> bytes:
    """The request of a check.  HTTP/1.0 ends with its answer; HTTP/1.1 is asked to."""
    lines = [b" ".join((step.method, rendered(step.uri, x) or b"/", step.version))]
    names = set()
    for name, value in step.headers:
        if field := value(x):
            names.add(name.lower())
            lines.append(name + b": " + field)
    if state:
        lines.append(b"X-Haproxy-Server-State: " + state)
    body = rendered(step.body, x)
    if body:
        lines.append(b"Content-length: %d" % len(body))
    if b"connection" not in names and step.version != b"HTTP/1.0":
        lines.append(b"Connection: close")
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
