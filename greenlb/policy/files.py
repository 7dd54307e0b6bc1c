"""Pattern and map files: what ``-f FILE`` and the map converters read when the configuration is read."""

from __future__ import annotations


def lines(path: str) -> list[str]:
    """The lines of a file without leading blanks; empty ones and those that begin with ``#`` in the
    first column are left out.  Raises ValueError when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape", newline="\n") as file:
            found = file.read().splitlines()
    except OSError as error:
        raise ValueError(f"cannot read '{path}': {error.strerror}") from None
    stripped = [line.lstrip(" \t").rstrip("\r\n") for line in found if not line.startswith("#")]
    return [line for line in stripped if line]


def pairs(path: str) -> list[tuple[str, str]]:
    """The lines of a map: a key, blanks, and a value that goes on to the end of the line."""
    found = []
    for line in lines(path):
        key, _, value = line.replace("\t", " ", 1).partition(" ") if "\t" in line else line.partition(" ")
        found.append((key, value.strip(" \t")))
    return found


def octets_of(path: str) -> bytes:
    """A file's content.  Raises ValueError when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"cannot read '{path}': {error.strerror}") from None
