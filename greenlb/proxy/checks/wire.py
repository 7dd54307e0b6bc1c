"""The connection of a check: dialled, announced and encrypted as its step says."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from greenlb.model import Address, Backend, Check, SendProxy
from greenlb.net.sockets import Stream, Timeout, dial, touch
from greenlb.net.tls import ClientContext, TlsServerFailure
from greenlb.proxy import announce
from greenlb.proxy.checks.engine import TlsFailure
from greenlb.script import Connect

HANDSHAKE_FAILED = "SSL handshake failure"
WRONG_NAME = "Server presented an SSL certificate different from the expected one"


def target(address: Address, check: Check, step: Connect | None = None, port: int = 0) -> Address:
    """Where a server at ``address`` is checked: there, unless the step, or ``addr`` or ``port`` of its
    line, say otherwise.  ``port`` is what a sample of the step gave."""
    chosen = (step.address if step is not None else None) or check.address or address
    if chosen.unix:
        return chosen
    ports = (step.port if step else 0, port, step.address.port if step and step.address else 0, check.port)
    found = next((each for each in ports if each), 0)
    return replace(
        chosen, port=found or (check.address.port if check.address else 0) or address.port, name=""
    )


def patience(backend: Backend, inter: float) -> float:
    """How long a connection may take.  ``inter`` covers all of a check; with ``timeout check`` set, what
    follows the connection has its own time, and ``timeout connect`` holds for the connection."""
    timeouts = backend.timeouts
    if timeouts.check is None or timeouts.connect is None:
        return inter
    return min(inter, timeouts.connect)


class Connection:
    """The Wire of one check.  ``contexts`` are the TLS contexts of the steps, by their numbers; 0 is the
    server line's own.  ``alone``: nothing follows the connection."""

    def __init__(
        self,
        address: Address,
        backend: Backend,
        check: Check,
        contexts: Mapping[int, ClientContext],
        alone: bool,
    ) -> None:
        self.layer = 4
        self.tls = False
        self._address = address
        self._backend = backend
        self._check = check
        self._contexts = contexts
        self._alone = alone
        self._stream: Stream | None = None
        self._linger = False
        self._deadline = 0.0

    def connect(self, step: Connect, port: int) -> None:
        self.close()
        self.layer, self.tls = 4, False
        self._linger = step.linger
        self._deadline = time.monotonic() + patience(self._backend, self._check.inter)
        where = target(self._address, self._check, step, port)
        context = self._contexts.get(0 if step.default else step.number)
        announced = self._check.send_proxy if step.default else SendProxy() if step.send_proxy else None
        if self._alone and context is None and announced is None:
            touch(where, self._left())
            return
        stream = self._stream = dial(where, self._left(), self._check.source)
        self.layer = 6
        if announced is not None:
            stream.send(announce.check_header(announced, stream), self._left())
        if context is not None:
            self._stream = self._shake(stream, context, step.sni or (self._check.sni if step.default else ""))
        self.layer = 7
        if self._backend.timeouts.check is not None:
            self._deadline = time.monotonic() + self._backend.timeouts.check

    def _shake(self, stream: Stream, context: ClientContext, name: str) -> Stream:
        try:
            made = context.connect(stream, name or None, self._left())
        except TlsServerFailure as failure:
            raise TlsFailure(WRONG_NAME if failure.mismatch else HANDSHAKE_FAILED) from None
        self.tls = True
        return made

    def _left(self) -> float:
        """Seconds that are left.  Raises Timeout."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise Timeout
        return left

    def send(self, data: bytes) -> None:
        assert self._stream is not None
        self._stream.send(data, self._left())

    def receive(self, size: int) -> bytes:
        assert self._stream is not None
        return self._stream.recv(size, self._left())

    def close(self) -> None:
        """Close at once: with a reset, which costs no port, where the step does not say ``linger``."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if self._linger:
            stream.shutdown_write()
            stream.drain()
            stream.close()
        else:
            stream.drain()
            stream.reset()
