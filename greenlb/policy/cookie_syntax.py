"""What Cookie and Set-Cookie fields say, read as HAProxy reads them, and ``capture cookie``.

RFC 6265 knows no white space around the equal sign, no quoting and no attributes in a Cookie field; the
two RFCs before it (2109, 2965) did, and clients of their time are still about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from greenlb.message import Fields

SPACES = b" \t"

# One part of a Cookie value, its separator in front.  A quoted string (RFC 2965) may hold separators; one
# that does not end runs to the end of the value.
_VALUE = rb'(?>(?:[^",;]|"(?>(?:[^"\\]|\\.)*)(?:"|\\?\Z))*)'
_PART = re.compile(rb"([;,]?)([ \t]*)([^=;,]*)(?:=([ \t]*)(" + _VALUE + rb"))?", re.DOTALL)
SET_COOKIE = re.compile(rb"[ \t]*([^=;]*)=[ \t]*(" + _VALUE + rb")", re.DOTALL)


class Part(NamedTuple):
    """``separator`` with the spaces after it, ``name``, ``value`` (None: no equal sign) and the spaces
    ``after`` it."""

    separator: bytes
    name: bytes
    value: bytes | None
    after: bytes

    @property
    def text(self) -> bytes:
        if self.value is None:
            return self.separator + self.name + self.after
        return self.separator + self.name + b"=" + self.value + self.after


def parts(line: bytes) -> Iterator[Part]:
    """The parts of a Cookie field's value.  The white space around an equal sign is dropped."""
    position = 0
    first = True
    while first or position < len(line):
        match = _PART.match(line, position)
        if match is None or (first and match[1]):
            yield Part(b"", b"", None, b"")  # it starts with a separator: nothing stands before it
        else:
            separator, spaces, name, _, value = match.groups()
            tail = name if value is None else value
            kept = tail.rstrip(SPACES)
            if value is None:
                yield Part(separator + spaces, kept, None, tail[len(kept) :])
            else:
                yield Part(separator + spaces, name.rstrip(SPACES), kept, tail[len(kept) :])
            position = match.end()
        first = False


def capture_request(fields: Fields, name: bytes, length: int) -> bytes:
    """``capture cookie NAME len LENGTH``: the first ``name=value`` of the request that starts with ``name``,
    at most ``length`` bytes of it; empty when there is none.  Before ``Persistence.request`` strips it."""
    if not fields.has(b"cookie"):
        return b""
    for line in fields.get_all(b"cookie"):
        if name in line:
            for part in parts(line):
                if part.value is not None and not part.name.startswith(b"$"):
                    text = part.name + b"=" + part.value
                    if text.startswith(name):
                        return text[:length]
    return b""


def capture_response(fields: Fields, name: bytes, length: int) -> bytes:
    """The same of the response's Set-Cookie fields.  Before ``Persistence.response`` edits them."""
    if not fields.has(b"set-cookie"):
        return b""
    for line in fields.get_all(b"set-cookie"):
        match = SET_COOKIE.match(line)
        if match:
            text = match[1].rstrip(SPACES) + b"=" + match[2].rstrip(SPACES)
            if text.startswith(name):
                return text[:length]
    return b""
