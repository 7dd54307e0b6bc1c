"""What asks a server how it is: a connection, a dialogue, a program, or the agent beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Protocol

from greenlb.exchange import Client, Exchange
from greenlb.model import NOWHERE, Address, Bind, Check, Frontend
from greenlb.net.tls import ClientContext
from greenlb.proxy.backend import LiveBackend, ServerState
from greenlb.proxy.checks.engine import Dialogue, Wire
from greenlb.proxy.checks.wire import Connection
from greenlb.proxy.health import Result
from greenlb.script import Connect, Expect, Script, Send, Step, Verdict

Probe = Callable[[], Result]
"""Asks once.  It takes its time, and raises nothing."""

PLAIN = Script()


class ClosingWire(Wire, Protocol):
    """A Wire that has to be closed."""

    def close(self) -> None: ...


_NOBODY = Bind("health-check", Address(""), NOWHERE)
_FRONTENDS = {mode: Frontend("health-checks", 1, NOWHERE, mode=mode) for mode in ("tcp", "http")}


class DialogueProbe:
    """A script that is played with a server, which may be another one the next time."""

    def __init__(
        self,
        backend: LiveBackend,
        state: ServerState,
        check: Check,
        script: Script,
        contexts: Mapping[int, ClientContext],
        serving: Callable[[], bool] = lambda: True,
        status: Callable[[], bytes] = bytes,
    ) -> None:
        self._backend = backend
        self._state = state
        self.check = check
        self.script = script
        self._contexts = contexts
        self._serving = serving
        self._status = status

    def __call__(self) -> Result:
        wire = self.wire()
        start = time.monotonic()
        try:
            dialogue = Dialogue(
                self.script,
                wire,
                self._exchange(),
                limit=self._backend.plane.settings.bufsize,
                serving=self._serving(),
                state=self._status,
            )
            result = dialogue.play()
        finally:
            wire.close()
        return result._replace(duration=int((time.monotonic() - start) * 1000))

    def wire(self) -> ClosingWire:
        """What the script is played over."""
        return Connection(
            self._state.address, self._backend.model, self.check, self._contexts, self.script.only_connects
        )

    def _exchange(self) -> Exchange:
        """What samples look at: a server, its answer, and no client."""
        frontend = _FRONTENDS["http" if self.script.family == "http" else "tcp"]
        x = Exchange(Client(frontend, _NOBODY, "127.0.0.1", 0, "127.0.0.1", 0))
        x.backend = self._backend.model
        x.server = self._state.server
        return x


def agent_script(send: bytes) -> Script:
    """The agent's script: what it is to be sent, if anything, and its one line."""
    steps: list[Step] = [Connect(default=True, implicit=True)]
    if send:
        steps.append(Send(1, send))
    steps.append(Expect(2, "custom", reader=_whole_line))
    return Script("agent", tuple(steps))


def _whole_line(data: bytes, ended: bool) -> Verdict | None:
    """The agent's line ends with the first CR, LF or NUL."""
    for at, octet in enumerate(data):
        if octet in b"\r\n":
            return Verdict(info=data[:at] + b"\n")
        if not octet:
            return Verdict(info=data[:at])
    return Verdict(info=data) if ended else None
