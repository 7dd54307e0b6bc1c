"""What comes with a descriptor, from the master or from control: taken up, or asked for again.

A process that can open nothing more does not get the descriptor of a message, and cannot build what has to
be built of it.  The master is asked for it then, until it could be used.
"""

from __future__ import annotations

from typing import Final

from greenlb.net import timers
from greenlb.net.certs import TlsConfigError
from greenlb.observe.log import Log
from greenlb.process.certificates import Certificates, from_message
from greenlb.process.channel import Message
from greenlb.process.inbox import Inbox

AGAIN: Final = 1.0
"""Seconds until it is asked for again."""


class Parcels:
    """Certificates and log targets of one process; ``master`` leads to who has them."""

    def __init__(self, certificates: Certificates, log: Log, master: Inbox) -> None:
        self._certificates = certificates
        self._log = log
        self._master = master
        self._missing: set[tuple[str, str, str]] = set()

    def log(self, message: Message) -> None:
        """A log target that was made anew, or is still away."""
        path = message.fields["path"]
        if message.descriptors:
            self._log.adopt(path, message.descriptors[0])
        elif not message.fields.get("away"):
            self._ask_again("log", "path", path)

    def certificate(self, message: Message) -> None:
        """A certificate, or whom to trust: the master has found it good."""
        file = message.fields["file"]
        if message.fields.get("away"):
            return
        try:
            if not message.descriptors:
                raise OSError("lost on the way")
            self._certificates.use(from_message(message))
        except (OSError, TlsConfigError):
            self._ask_again("certificate", "file", file)

    def _ask_again(self, kind: str, field: str, name: str) -> None:
        missing = (kind, field, name)
        if missing in self._missing:
            return
        self._missing.add(missing)

        def ask() -> None:
            timers.end(timer)
            self._missing.discard(missing)
            self._master.send(kind, None, **{field: name})

        timer = timers.after(AGAIN, ask, ref=False)
