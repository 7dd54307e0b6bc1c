"""A channel read on the hub."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from gevent import get_hub

from greenlb.net import timers
from greenlb.process.channel import Channel, Message

_AGAIN = 0.02
"""Seconds until what the peer did not take is sent again."""


class Inbox:
    """Calls ``heard`` from the hub with each message, and ``gone`` when the peer is.  Neither may block.

    One descriptor is kept in reserve: what is sent to a process that has no other left would be lost.
    """

    def __init__(
        self, channel: Channel, heard: Callable[[Message], None], gone: Callable[[], None] = lambda: None
    ) -> None:
        self.channel = channel
        self._heard = heard
        self._gone = gone
        self._reserve = -1
        self._keep_reserve()
        self._watcher: Any = get_hub().loop.io(channel.fileno(), 1, ref=False)
        self._watcher.start(self._readable)
        self._retry: Any = None

    def send(self, kind: str, descriptors: list[int] | None = None, **fields: Any) -> bool:
        """Send now, or as soon as the peer reads.  False: it is gone."""
        sent = self.channel.send(kind, descriptors, **fields)
        self._look_again()
        return sent

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        timers.end(self._retry)
        self._use_reserve()
        self.channel.close()

    def _readable(self) -> None:
        try:
            while (message := self._receive()) is not None:
                self._heard(message)
        except EOFError:
            self.close()
            self._gone()

    def _receive(self) -> Message | None:
        self._use_reserve()
        message = self.channel.receive()
        self._keep_reserve()
        return message

    def _keep_reserve(self) -> None:
        with contextlib.suppress(OSError):  # the message brought the last one: then at the next
            self._reserve = os.dup(self.channel.fileno())

    def _use_reserve(self) -> None:
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1

    def _look_again(self) -> None:
        if self.channel.blocked and self._retry is None:
            self._retry = timers.after(_AGAIN, self._flush, ref=False)

    def _flush(self) -> None:
        timers.end(self._retry)
        self._retry = None
        self.channel.flush()
        self._look_again()
