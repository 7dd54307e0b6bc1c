"""The service manager's ear: sd_notify(3), spoken by hand.  Standard library only."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket that ``NOTIFY_SOCKET`` names; to nobody where it is not set.

    ``interval`` is how often, in seconds, the manager wants to hear that we live: half of what it waits
    before it takes us for hung, as sd_watchdog_enabled(3) advises; 0 when it does not ask.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        pid = environment.get("WATCHDOG_PID", str(os.getpid()))
        microseconds = environment.get("WATCHDOG_USEC", "")
        asked = microseconds.isdecimal() and pid == str(os.getpid()) and bool(self._address)
        self.interval = int(microseconds) / 2e6 if asked else 0.0

    def ready(self, status: str) -> None:
        """Serving, for the first time or again after ``reloading``."""
        self._send(READY="1", MAINPID=str(os.getpid()), STATUS=status)

    def reloading(self) -> None:
        """A new configuration is being taken up; ``ready`` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(RELOADING="1", MONOTONIC_USEC=str(microseconds), STATUS="Reloading")

    def stopping(self) -> None:
        self._send(STOPPING="1", STATUS="Stopping")

    def alive(self) -> None:
        """To be sent every ``interval``."""
        self._send(WATCHDOG="1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(STATUS=text)

    def _send(self, **states: str) -> None:
        if not self._address:
            return
        # "@name" is a socket in the abstract namespace (unix(7)).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        message = "\n".join(f"{name}={value}" for name, value in states.items())
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
        ):
            sock.sendto(message.encode(), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT, address)
