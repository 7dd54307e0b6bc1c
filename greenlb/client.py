"""The runtime socket from outside: commands, and their answers as objects."""

from __future__ import annotations

import csv
import socket
from collections.abc import Iterator, Mapping
from typing import Final

_PIECE: Final = 1 << 16


class Unreachable(Exception):
    """The process that would run a command is not there just now."""


class Stat(Mapping[str, str]):
    """One row of ``show stat``: its columns by HAProxy's names, as text, empty where a row has none of them.
    ``name`` is ``pxname/svname``."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)

    def __getitem__(self, column: str) -> str:
        return self._columns[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def number(self, column: str) -> int:
        """A column as a number, 0 where it is empty.  Raises KeyError, ValueError."""
        return int(self[column] or 0)

    @property
    def name(self) -> str:
        return f"{self['pxname']}/{self['svname']}"

    @property
    def status(self) -> str:
        """``UP``, ``DOWN``, ``MAINT``, ``OPEN`` ..."""
        return self["status"]

    def __repr__(self) -> str:
        return f"<Stat {self.name} {self.status}>"


class RuntimeClient:
    """Talks to a runtime socket (``stats socket``).  ``address`` is the path of one, ``unix@PATH`` or
    ``HOST:PORT``; ``timeout`` is seconds, for each command."""

    def __init__(self, address: str, timeout: float = 10.0) -> None:
        self.address = address
        self.timeout = timeout

    def execute(self, command: str, payload: str = "") -> str:
        """The answer to one command, without the empty line at its end.  ``payload`` are the lines of what
        takes some, such as ``set ssl cert``.  Raises Unreachable; ValueError: it is no single line."""
        if "\n" in command or ";" in command.replace("\\;", ""):
            raise ValueError("one command is expected, on one line")
        data = f"{command} <<\n{payload.rstrip(chr(10))}\n\n" if payload else f"{command}\n"
        try:
            with self._connect() as connection:
                connection.sendall(data.encode(errors="surrogateescape"))
                said = b"".join(iter(lambda: connection.recv(_PIECE), b""))
        except OSError as error:
            raise Unreachable(f"{self.address}: {error}") from None
        return said.decode(errors="surrogateescape").removesuffix("\n")

    def __call__(self, command: str, level: str = "") -> str:
        """As the applications of ``greenlb.admin.apps`` ask; what may be done is up to the socket's level.
        Raises Unreachable."""
        return self.execute(command) + "\n"

    def stats(self) -> dict[str, Stat]:
        """All rows of ``show stat`` by name: ``web/FRONTEND``, ``farm/s1``, ``farm/BACKEND``.  Raises
        Unreachable."""
        lines = self.execute("show stat").removeprefix("# ").splitlines()
        rows = (Stat({name: value for name, value in row.items() if name}) for row in csv.DictReader(lines))
        return {row.name: row for row in rows}

    def info(self) -> dict[str, str]:
        """What ``show info`` tells, by name.  Raises Unreachable."""
        lines = (line.partition(":") for line in self.execute("show info").splitlines())
        return {name: value.strip() for name, colon, value in lines if colon}

    def _connect(self) -> socket.socket:
        path = self.address.removeprefix("unix@")
        host, colon, port = path.rpartition(":")
        if colon and port.isdecimal():
            return socket.create_connection((host.strip("[]") or "127.0.0.1", int(port)), self.timeout)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(self.timeout)
            connection.connect(path)
        except BaseException:
            connection.close()
            raise
        return connection
