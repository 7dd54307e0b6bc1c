"""Two streams made one: what comes on either goes out on the other, until both have ended.

A tunnel is callbacks on the hub and no greenlet, so an idle one costs its watchers.  A half-close is
passed on and the other direction goes on.  A direction whose reader is slow is not read from, so that no
memory grows and the writer is slowed down by the kernel.  Small pieces are copied; once full buffers
come one after another between plain sockets, bytes go through a pipe with splice(2), until they are
small again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from gevent import get_hub

from greenlb.net import pipes, timers
from greenlb.net.limits import Limits
from greenlb.net.sockets import WRITE, Stream

_SMALL: Final = 16384
_LARGE: Final = 65536
"""Bytes asked for at a time, before and after a whole buffer came."""
_FULL: Final = 2
"""So many whole buffers in a row are bulk: splice(2) takes over."""
_THIN: Final = 8
"""So many pieces in a row below ``_SMALL`` are not."""
_TURNS: Final = 8
"""Pieces of one direction before the others have their turn."""

AUTO, ALWAYS, NEVER = "auto", "always", "never"
"""When splice(2) is used."""


@dataclass(slots=True)
class Ended:
    """How a tunnel ended: the log's first flag and the bytes each way (client to server: ``sent``)."""

    cause: str
    sent: int
    received: int


class Gate(Protocol):
    """What the server's first bytes have to pass.  ``look`` is given each piece as it comes, and the end or
    the lateness (``delay`` seconds) of more as ``last``.  It gives the bytes to pass on, None to wait for
    more, or False: the tunnel is to end.  ``closing``: with these bytes all is said."""

    delay: float
    closing: bool

    def look(self, data: bytes, last: bool = False) -> bytes | bool | None: ...


class _Flow:
    """One direction.  ``rest`` is what was read and not yet taken, ``inside`` how many bytes lie in the pipe;
    with either it is ``held``: nothing is read."""

    __slots__ = (
        "_count",
        "_full",
        "_pipe",
        "_size",
        "_splices",
        "_writer",
        "ended",
        "held",
        "inside",
        "moved",
        "rest",
        "sink",
        "source",
        "tunnel",
        "upward",
    )

    def __init__(self, tunnel: Tunnel, source: Stream, sink: Stream, upward: bool, splices: str) -> None:
        self.tunnel = tunnel
        self.source = source
        self.sink = sink
        self.upward = upward
        self.moved = 0
        self.ended = False
        self.held = False
        self.rest: memoryview | bytes = b""
        self.inside = 0
        self._pipe: tuple[int, int] | None = None
        self._writer: Any = None
        self._size = _SMALL
        self._splices = splices if source.plain and sink.plain else NEVER
        self._full = _FULL if self._splices == ALWAYS else 0
        self._count = 0

    # -- reading ---------------------------------------------------------------------------------

    def start(self, early: bytes) -> None:
        if early:
            self._pass_on(early)
        if not self.held and not self.tunnel.over:
            self.source.flow(self.pull)
            if self.source.readable or self.source.pending():
                self.pull()

    def pull(self) -> None:
        """There is something to read."""
        tunnel = self.tunnel
        tunnel.client_moved = tunnel.server_moved = time.monotonic()
        if self._full >= _FULL and self._splice():
            return
        source = self.source
        for _ in range(_TURNS):
            try:
                data = source.recv_nowait(self._size)
            except OSError:
                tunnel.broken(self.upward)
                return
            if not data:
                if data is not None:
                    self._finish()
                return
            self._pass_on(data)
            if self.held or tunnel.over:
                return
            if len(data) == self._size:
                self._size = _LARGE
                if self._splices == AUTO:
                    self._full += 1
                    if self._full >= _FULL:
                        break
            elif not source.pending():
                self._full = 0
                if len(data) < _SMALL:
                    self._size = _SMALL
                return
        if source.pending():
            get_hub().loop.run_callback(self._again)

    def _again(self) -> None:
        if not (self.held or self.ended or self.tunnel.over):
            self.pull()

    def stop(self) -> None:
        """Whatever the source may still say is not wanted."""
        self.ended = True
        self.source.halt()

    def finish_with(self, data: bytes) -> None:
        """Pass ``data`` on, the last there is."""
        self.stop()
        self._pass_on(data)
        if not self.held and not self.tunnel.over:
            self.tunnel.half_done()

    def _finish(self) -> None:
        """The source has ended its half."""
        self.ended = True
        self.source.halt()
        self._release()
        if not self.held:
            self.sink.shutdown_write()
            self.tunnel.half_done()

    # -- writing ---------------------------------------------------------------------------------

    def _pass_on(self, data: bytes) -> None:
        self.moved += len(data)
        try:
            sent = self.sink.send_nowait(data)
        except OSError:
            self.tunnel.broken(not self.upward)
            return
        if sent < len(data):
            self.rest = memoryview(data)[sent:] if sent else data
            self._hold()

    def _hold(self) -> None:
        """Read no more until the sink has taken what we have."""
        if not self.held:
            self.held = True
            self.source.halt()
            if self._writer is None:
                self._writer = get_hub().loop.io(self.sink.fd, WRITE)
            self._writer.start(self._push)
            self.tunnel.watch()

    def _push(self) -> None:
        """The sink takes bytes again."""
        tunnel = self.tunnel
        before = self.inside or len(self.rest)
        try:
            if self.inside:
                self._drain()
            else:
                sent = self.sink.send_nowait(self.rest)
                self.rest = self.rest[sent:] if sent < len(self.rest) else b""
        except OSError:
            tunnel.broken(not self.upward)
            return
        left = self.inside or len(self.rest)
        if left < before:
            now = time.monotonic()
            if self.upward:
                tunnel.server_moved = now
            else:
                tunnel.client_moved = now
        if left:
            return
        self._writer.stop()
        self.held = False
        if self.ended:
            self.sink.shutdown_write()
            tunnel.half_done()
            return
        self.source.flow(self.pull)
        if self.source.pending():
            self.pull()

    # -- bulk ------------------------------------------------------------------------------------

    def _splice(self) -> bool:
        """Move what is there through a pipe.  False: it has to be copied."""
        if self._pipe is None:
            try:
                self._pipe = pipes.take()
            except OSError:
                self._splices = NEVER
                self._full = 0
                return False
        for _ in range(_TURNS):
            try:
                count = os.splice(self.source.fd, self._pipe[1], pipes.SIZE)
            except BlockingIOError:
                return True
            except OSError:
                self.tunnel.broken(self.upward)
                return True
            if not count:
                self._finish()
                return True
            self.moved += count
            self.inside = count
            try:
                self._drain()
            except OSError:
                self.tunnel.broken(not self.upward)
                return True
            if self.inside:
                self._hold()
                return True
            if count < _LARGE:
                if count < _SMALL:
                    self._thin()
                return True
            self._count = 0
        return True

    def _thin(self) -> None:
        """A small piece: several in a row are cheaper to copy, and the pipe can serve somebody else."""
        self._count += 1
        if self._count >= _THIN and self._splices == AUTO:
            self._count = self._full = 0
            self._size = _SMALL
            self._release()

    def _drain(self) -> None:
        assert self._pipe is not None
        try:
            while self.inside:
                self.inside -= os.splice(self._pipe[0], self.sink.fd, self.inside)
        except BlockingIOError:
            return

    def _release(self) -> None:
        """Give the pipe back."""
        if self._pipe is not None and not self.inside:
            pipe, self._pipe = self._pipe, None
            pipes.give(pipe, empty=True)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.stop()
            self._writer.close()
        if self._pipe is not None:
            pipes.give(self._pipe, empty=not self.inside)
            self._pipe = None


class Tunnel:
    """``done`` is called from the hub, once, when both directions have ended or one broke; it closes the
    streams.  ``splices`` says when splice(2) is used, client to server and back."""

    __slots__ = (
        "_alarm",
        "_cause",
        "_done",
        "_down",
        "_gate",
        "_gate_timer",
        "_limits",
        "_timer",
        "_up",
        "client",
        "client_moved",
        "over",
        "server",
        "server_moved",
    )

    def __init__(
        self,
        client: Stream,
        server: Stream,
        limits: Limits,
        done: Callable[[Ended], object],
        splices: tuple[str, str] = (AUTO, AUTO),
    ) -> None:
        self.client = client
        self.server = server
        self.over = False
        self.client_moved = self.server_moved = time.monotonic()
        self._limits = limits
        self._done = done
        self._cause = "-"
        self._gate: Gate | None = None
        self._gate_timer: Any = None
        self._timer: Any = None
        self._alarm = 0.0  # when the timer runs out; 0: it does not run
        self._up = _Flow(self, client, server, True, splices[0])
        self._down = _Flow(self, server, client, False, splices[1])

    def start(self, early: bytes = b"", gate: Gate | None = None) -> None:
        """``early`` was already read from the client.  The server's first bytes have to pass ``gate``."""
        self.watch()
        self._up.start(early)
        if self.over:
            return
        if gate is None:
            self._down.start(b"")
        else:
            self._gate = gate
            self._pass(gate.look(b""))

    # -- the server's first bytes ----------------------------------------------------------------

    def _pass(self, verdict: bytes | bool | None) -> None:
        """What the gate says of what has come so far."""
        gate = self._gate
        if verdict is None:
            if self._gate_timer is None and gate is not None:
                self._gate_timer = timers.after(gate.delay, self._gate_late)
                self.server.flow(self._at_gate)
                if self.server.readable or self.server.pending():
                    self._at_gate()
            return
        self._close_gate()
        if not isinstance(verdict, bytes):
            self._end()
        elif gate is not None and gate.closing:
            self._up.stop()
            self._down.finish_with(verdict)
        else:
            self._down.start(verdict)

    def _at_gate(self) -> None:
        gate = self._gate
        if gate is None:
            return
        try:
            data = self.server.recv_nowait(_SMALL)
        except OSError:
            self.broken(False)
            return
        if data is not None:
            self.server_moved = time.monotonic()
            self._pass(gate.look(data, last=not data))
            if self._gate is not None and self.server.pending():
                get_hub().loop.run_callback(self._at_gate)

    def _gate_late(self) -> None:
        if self._gate is not None:
            self._pass(self._gate.look(b"", last=True))

    def _close_gate(self) -> None:
        self._gate = None
        self.server.halt()
        timers.end(self._gate_timer)
        self._gate_timer = None

    # -- ending ----------------------------------------------------------------------------------

    def half_done(self) -> None:
        """A direction has ended, and said so to its sink."""
        if self._up.ended and self._down.ended and not (self._up.held or self._down.held):
            self._end()
        else:
            self.watch()

    def broken(self, by_client: bool) -> None:
        """A socket failed."""
        if self._cause == "-":
            self._cause = "C" if by_client else "S"
        self._end()

    def _end(self) -> None:
        if self.over:
            return
        self.over = True
        self.client.halt()
        self._close_gate()
        self._up.close()
        self._down.close()
        timers.end(self._timer)
        self._done(Ended(self._cause, self._up.moved, self._down.moved))

    def end(self, cause: str) -> None:
        """End it now, for ``cause``; ``done`` is called."""
        if self._cause == "-":
            self._cause = cause
        self._end()

    # -- time ------------------------------------------------------------------------------------

    def _due(self) -> tuple[float | None, float | None]:
        """When the client and the server will have kept us waiting for too long, None for never.  Who is
        waited for is the one whose bytes are to come, or who is to take ours."""
        limits, up, down = self._limits, self._up, self._down
        half = up.ended or down.ended
        client = limits.client_fin if half else limits.client
        server = limits.server_fin if half else limits.server
        waits_client = down.held or not (up.ended or up.held)
        waits_server = up.held or not (down.ended or down.held)
        return (
            self.client_moved + client if client is not None and waits_client else None,
            self.server_moved + server if server is not None and waits_server else None,
        )

    def watch(self) -> None:
        """Set the timer for who is waited for now."""
        if self.over:
            return
        due = min((moment for moment in self._due() if moment is not None), default=0.0)
        if not due or 0.0 < self._alarm <= due:
            return  # a timer that runs out too early finds that out
        timers.end(self._timer)
        self._alarm = due
        self._timer = timers.after(max(0.0, due - time.monotonic()) + 0.0005, self._on_timer)

    def _on_timer(self) -> None:
        """Too late, or things have moved since.  A silent client is taken for one that has said all, so that
        a server that works gets its answer through; all other lateness ends the tunnel."""
        self._alarm = 0.0
        now = time.monotonic()
        client, server = self._due()
        if client is not None and client <= now:
            self._late("c")
            if self._down.held or self._down.ended or (server is not None and server <= now):
                self._end()
            else:
                self._up._finish()
                self.watch()
        elif server is not None and server <= now:
            self._late("s")
            self._end()
        else:
            self.watch()

    def _late(self, cause: str) -> None:
        if self._cause == "-":
            self._cause = cause
