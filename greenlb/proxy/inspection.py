"""Rules over a connection's first bytes: asked again with every piece that comes, until they know.

HAProxy's rules (its manual, "tcp-request content"): what more bytes may change is waited for, for
``inspect-delay`` from the first rule that could not decide; after that, at the end of the bytes, and when
``tune.bufsize`` is full, what is not there is taken for absent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from greenlb.exchange import Ahead, Exchange, Undecided
from greenlb.message import Reply
from greenlb.model import ALLOW, Global, Rule
from greenlb.net.sockets import Stream, Timeout
from greenlb.protocol import hello


def ahead(settings: Global) -> Ahead:
    """Nothing yet of one direction."""
    return Ahead(hello.read, hello.Verdict.MORE, settings.bufsize - settings.maxrewrite)


def first_reply(rules: Sequence[Rule], x: Exchange) -> Reply | None:
    """The answer of the first rule that gives one; ``allow`` and ``accept`` end the list without one.
    Raises Undecided."""
    for rule in rules:
        verdict = rule(x)
        if verdict is not None:
            return None if verdict is ALLOW else verdict  # type: ignore[return-value]
    return None


def inspect(x: Exchange, rules: Sequence[Rule], delay: float, stream: Stream) -> Reply | None:
    """The client's first bytes through ``rules``.  What is read stays in ``x.ahead``.  Raises OSError when
    the connection breaks."""
    held = x.ahead
    assert held is not None
    if not held.data:
        _take(held, stream.recv_nowait(held.limit))
    held.final = held.final or not delay
    deadline = 0.0
    while True:
        try:
            return first_reply(rules, x)
        except Undecided:
            pass
        now = time.monotonic()
        deadline = deadline or now + delay
        try:
            _take(held, stream.recv(held.limit - len(held.data), max(0.0, deadline - now)))
        except Timeout:
            held.final = True


def _take(held: Ahead, data: bytes | None) -> None:
    if data is None:
        return
    held.data += data
    held.final = held.final or not data or len(held.data) >= held.limit


class Gate:
    """What a server's first bytes pass through on their way to the client.

    ``passed`` is called once they may pass, before they do.  ``look`` gives the bytes to pass on, None to
    wait for more, or False: the connection is to end."""

    def __init__(
        self,
        x: Exchange,
        rules: Sequence[Rule],
        delay: float,
        settings: Global,
        passed: Callable[[], None] | None = None,
    ) -> None:
        self.delay = delay
        self.closing = False
        self._x = x
        self._rules = rules
        self._passed = passed
        self._held = x.ahead_response = ahead(settings)
        self._held.final = not delay

    def look(self, data: bytes, last: bool = False) -> bytes | bool | None:
        """``last``: no more will come, or be waited for."""
        held, x = self._held, self._x
        held.data += data
        held.final = held.final or last or len(held.data) >= held.limit
        try:
            reply = first_reply(self._rules, x)
        except Undecided:
            return None
        if reply is not None:
            x.ended(reply.cause, reply.phase)
            self.closing = reply.action == "close"
            return held.release() if self.closing else False
        if self._passed is not None:
            self._passed()
        return held.release()


def wait_for_hello(x: Exchange) -> None:
    """A rule that does nothing until it is known whether the server's bytes are a ServerHello."""
    if x.ahead_response is not None:
        x.ahead_response.hello()
