"""What commands about certificates need of the process."""

from __future__ import annotations

from typing import Protocol

from greenlb.net.certs import Certificate


class Desk(Protocol):
    """The certificates of all processes.  ``parse`` and ``commit`` raise TlsConfigError; ``commit`` has every
    process serve with ``pem`` in place of what ``file`` holds."""

    def files(self) -> list[str]: ...

    def current(self, file: str) -> Certificate | None: ...

    def parse(self, file: str, pem: bytes) -> Certificate: ...

    def commit(self, file: str, pem: bytes) -> None: ...


class Empty:
    """Where there are no certificates."""

    def files(self) -> list[str]:
        return []

    def current(self, file: str) -> Certificate | None:
        return None

    def parse(self, file: str, pem: bytes) -> Certificate:
        raise LookupError(file)

    def commit(self, file: str, pem: bytes) -> None:
        raise LookupError(file)


class Transaction:
    """What was set and is not committed: one certificate at a time, for all clients of the runtime."""

    def __init__(self) -> None:
        self.file = ""
        self.pem = b""

    def begin(self, file: str, pem: bytes) -> bool:
        """Whether it is a new one."""
        new = not self.file
        self.file, self.pem = file, pem
        return new

    def end(self) -> None:
        self.file, self.pem = "", b""
