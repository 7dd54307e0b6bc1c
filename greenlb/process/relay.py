"""Runtime commands that a worker's own pages give: control does them, for it knows the whole farm."""

from __future__ import annotations

from typing import Final

from gevent.event import AsyncResult
from gevent.timeout import Timeout

from greenlb.admin.runtime.runtime import Unreachable
from greenlb.process.channel import Message
from greenlb.process.inbox import Inbox
from greenlb.process.packing import unpack

PATIENCE: Final = 5.0
"""Seconds that control has for an answer."""


class Relay:
    """``control`` is the way to it; None while there is no control."""

    def __init__(self) -> None:
        self.control: Inbox | None = None
        self._open: dict[int, AsyncResult[str | None]] = {}
        self._number = 0

    def ask(self, text: str, level: str) -> str:
        """The answer to a command at a level.  Raises Unreachable."""
        self._number += 1
        number = self._number
        result = self._open[number] = AsyncResult()
        try:
            if self.control is None or not self.control.send(
                "command", number=number, text=text, level=level
            ):
                raise Unreachable
            said = result.get(timeout=PATIENCE)
            if said is None:
                raise Unreachable
            return str(said)
        except Timeout:
            raise Unreachable from None
        finally:
            del self._open[number]

    def said(self, message: Message) -> None:
        """Control has answered."""
        number = message.fields.get("number", 0)
        unpack(message)
        if number in self._open:
            self._open[number].set(message.fields.get("said"))

    def lost(self) -> None:
        """Control is gone: who waits for it waits in vain."""
        self.control = None
        for result in self._open.values():
            result.set(None)
