"""Messages and descriptors between the master, control and the workers.

A channel is one end of a SOCK_SEQPACKET pair: a message arrives whole or not at all, a peer that died
reads as the end.  A message is a JSON object; ``kind`` says what it is.  Descriptors travel with it
(SCM_RIGHTS).  Standard library only, and never blocks: the caller polls ``fileno()``.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final

_MOST_BYTES: Final = 1 << 17
_MOST_DESCRIPTORS: Final = 200


@dataclass(slots=True)
class Message:
    """``descriptors`` are the receiver's to close."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    descriptors: list[int] = field(default_factory=list)

    def close(self) -> None:
        """Close the descriptors that nobody wants."""
        while self.descriptors:
            os.close(self.descriptors.pop())

    def channel(self) -> Channel:
        """The channel whose end came with the message."""
        return Channel(socket.socket(fileno=self.descriptors[0]))


class Channel:
    """One end.  What the peer does not take at once waits in ``backlog``, up to ``_MOST_WAITING``."""

    _MOST_WAITING: Final = 4096

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._waiting: deque[tuple[bytes, list[int]]] = deque()

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    def fileno(self) -> int:
        return self._sock.fileno()

    @property
    def blocked(self) -> bool:
        """Does anything wait to be sent?  Then poll for writing too and call ``flush``."""
        return bool(self._waiting)

    def send(self, kind: str, descriptors: list[int] | None = None, **fields: Any) -> bool:
        """Send a message.  False: the peer is gone, or has not read for so long that it is lost."""
        data = json.dumps({"kind": kind, **fields}).encode()
        if len(data) > _MOST_BYTES:
            raise ValueError(f"a message of {len(data)} bytes: at most {_MOST_BYTES}")
        if len(self._waiting) >= self._MOST_WAITING:
            return False
        kept = [os.dup(fd) for fd in descriptors or ()] if self._waiting else list(descriptors or ())
        if self._waiting:
            self._waiting.append((data, kept))
            return True
        try:
            self._send(data, kept)
        except BlockingIOError:
            self._waiting.append((data, [os.dup(fd) for fd in kept]))
        except OSError:
            return False
        return True

    def flush(self) -> bool:
        """Send what waits, as far as the peer takes it.  False: the peer is gone."""
        while self._waiting:
            data, descriptors = self._waiting[0]
            try:
                self._send(data, descriptors)
            except BlockingIOError:
                return True
            except OSError:
                return False
            self._waiting.popleft()
            for fd in descriptors:
                os.close(fd)
        return True

    def _send(self, data: bytes, descriptors: list[int]) -> None:
        rights = (
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
        )
        self._sock.sendmsg([data], rights, socket.MSG_NOSIGNAL)

    def receive(self) -> Message | None:
        """The next message, or None when none is there.  Raises EOFError when the peer is gone."""
        space = socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
        try:
            data, ancillary, _, _ = self._sock.recvmsg(_MOST_BYTES, space, socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            return None
        except OSError:
            raise EOFError from None
        if not data:
            raise EOFError
        descriptors = array.array("i")
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
        fields = json.loads(data)
        return Message(fields.pop("kind"), fields, list(descriptors))

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()
        for _, descriptors in self._waiting:
            for fd in descriptors:
                os.close(fd)
        self._waiting.clear()
