"""The uwsgi protocol: a request's variables in one packet, the body behind it as it is.

A packet is a header of four bytes (modifier, size, modifier) and pairs of strings, each with its length
before it, all little-endian.  What comes back is HTTP.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LARGEST = 0xFFFF


class TooLarge(ValueError):
    """The variables do not fit into a packet."""


def packet(variables: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The packet that begins a request.  Raises TooLarge."""
    pieces = [b""]
    for name, value in variables:
        if len(value) > _LARGEST:
            raise TooLarge("a variable is larger than 65535 bytes")
        pieces += (len(name).to_bytes(2, "little"), name, len(value).to_bytes(2, "little"), value)
    size = sum(map(len, pieces))
    if size > _LARGEST:
        raise TooLarge("the variables are larger than 65535 bytes")
    pieces[0] = b"\0%b\0" % size.to_bytes(2, "little")
    return b"".join(pieces)


def variables(environ: dict[str, Any], length: int | None = None) -> list[tuple[bytes, bytes]]:
    """What of a WSGI environ goes into a packet.  ``length`` is the body's, where no field told it."""
    found = [
        (name.encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in environ.items()
        if type(value) is str and not name.startswith("wsgi.") and name != "RAW_URI"
    ]
    found.append((b"REQUEST_SCHEME", environ["wsgi.url_scheme"].encode()))
    if length is not None:
        found.append((b"CONTENT_LENGTH", b"%d" % length))
    return found
