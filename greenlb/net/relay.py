"""Bytes from one stream to another, untouched, for a greenlet that waits until it is done.

Big counted bodies between plain sockets go through a pipe with splice(2) and never enter Python.
"""

from __future__ import annotations

import os
from typing import Final

from gevent import get_hub
from greenlet import getcurrent

from greenlb.net import pipes
from greenlb.net.limits import Limits
from greenlb.net.sockets import WRITE, Stream, Timeout, wait_for
from greenlb.net.tunnel import Ended, Tunnel

SPLICE_FROM: Final = 65536
"""Bodies smaller than this are cheaper to copy than to set a pipe up for."""


class Broken(Exception):
    """A relay ended early.  ``side`` is "in" or "out", ``late`` whether by time, ``moved`` how many bytes
    had arrived."""

    def __init__(self, side: str, late: bool, moved: int) -> None:
        super().__init__(side)
        self.side = side
        self.late = late
        self.moved = moved


def splice(source: Stream, sink: Stream, count: int, wait_in: float | None, wait_out: float | None) -> int:
    """Move ``count`` bytes and return how many were moved: less than ``count`` when no pipe could be had,
    the caller then copies the rest.  Both streams must be plain.  Raises Broken."""
    try:
        pipe = pipes.take()
    except OSError:
        return 0
    moved = 0
    inside = 0
    try:
        while moved < count:
            if not inside:
                inside = _fill(source, pipe[1], count - moved, wait_in, moved)
            sent = _drain(sink, pipe[0], inside, wait_out, moved)
            inside -= sent
            moved += sent
    finally:
        pipes.give(pipe, empty=not inside)
    return moved


def _fill(source: Stream, writer: int, count: int, timeout: float | None, moved: int) -> int:
    size = min(count, pipes.SIZE)
    while True:
        try:
            if not source.readable:
                source.wait_readable(timeout)
            got = os.splice(source.fd, writer, size)
        except BlockingIOError:
            source.readable = False
        except Timeout:
            raise Broken("in", True, moved) from None
        except OSError:
            raise Broken("in", False, moved) from None
        else:
            if not got:
                raise Broken("in", False, moved)
            source.readable = False
            return got


def _drain(sink: Stream, reader: int, count: int, timeout: float | None, moved: int) -> int:
    while True:
        try:
            return os.splice(reader, sink.fd, count)
        except BlockingIOError:
            try:
                wait_for(sink.fd, WRITE, timeout)
            except Timeout:
                raise Broken("out", True, moved) from None
        except OSError:
            raise Broken("out", False, moved) from None


def tunnel(client: Stream, server: Stream, limits: Limits, early: bytes = b"") -> Ended:
    """Carry bytes both ways until both directions have ended or one breaks.  ``early`` was already read
    from the client.  The caller closes the streams."""
    hub = get_hub()
    waiter = getcurrent()
    found: list[Ended] = []
    waiting = False

    def done(ended: Ended) -> None:
        found.append(ended)
        if waiting:
            waiter.switch()

    carried = Tunnel(client, server, limits, done)
    carried.start(early)
    if not found:
        waiting = True
        try:
            hub.switch()
        except BaseException:  # somebody ends this greenlet: nobody is to switch to it any more
            waiting = False
            carried.end("C")
            raise
    return found[0]


__all__ = ["SPLICE_FROM", "Broken", "Ended", "Limits", "splice", "tunnel"]
