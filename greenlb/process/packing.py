"""Answers that may be long: what does not fit into a message travels as a memfd beside it."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from greenlb.process.channel import Message
from greenlb.process.inbox import Inbox

_FITS: Final = 1 << 14
"""Bytes of JSON that go into a message itself."""
_FILE: Final = "packed"


def send_packed(inbox: Inbox, kind: str, number: int, **fields: Any) -> bool:
    """Send a message with its ``number``; False: the peer is gone."""
    data = json.dumps(fields).encode()
    if len(data) <= _FITS:
        return inbox.send(kind, number=number, **fields)
    descriptor = os.memfd_create("greenlb-answer", os.MFD_CLOEXEC)
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        return inbox.send(kind, [descriptor], number=number, **{_FILE: True})
    finally:
        os.close(descriptor)


def unpack(message: Message) -> None:
    """Put what travelled beside a message into its fields.  Lost on the way, it is as if nothing was said."""
    if message.fields.pop(_FILE, False) and message.descriptors:
        with open(message.descriptors.pop(0), "rb") as file:
            file.seek(0)
            message.fields.update(json.load(file))
    message.close()
