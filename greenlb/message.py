"""Heads and replies as data: what the rules edit and what the wire carries.

A head keeps the bytes that came in.  ``Fields`` is the header block as received, and an edit is a
splice of it, so a name or a value that no rule touched keeps its spelling, its order and its white
space, and a head that no rule touches is never rebuilt.

Names given to the methods are lower-case ``bytes`` for look-up; what is *written* is spelled by the
caller.  Values are ``bytes`` without surrounding white space (RFC 9110 section 5.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

OWS = b" \t"

_BREAKS = re.compile(rb"[\r\n\0]")


def one_line(value: bytes) -> bytes:
    """``value`` with a space for each CR, LF and NUL (RFC 9110 section 5.5): a value that was decoded
    from a request must not end its field and begin another."""
    return value if _BREAKS.search(value) is None else _BREAKS.sub(b" ", value)


class Fields:
    """A header (or trailer) block.

    ``raw`` is ``b"\\r\\nName: value\\r\\nName: value\\r\\n"``: it begins with the CRLF that ends the
    line before it and ends with the CRLF of its last field, so every field stands between two CRLFs.
    ``lower`` is the same block in lower case, for look-ups by name; a position in the one is a position
    in the other.  Both are for reading: the methods below edit them together.
    The block has been held to the law (RFC 9112 section 5) before it gets here.
    """

    __slots__ = ("lower", "raw")

    def __init__(self, raw: bytes = b"\r\n") -> None:
        self.raw = raw
        self.lower = raw.lower()

    def has(self, name: bytes) -> bool:
        # Not ``in``: before it looks for bytes, CPython tries them as a number and makes an error of it.
        return self.lower.find(b"\r\n" + name + b":") >= 0

    def get(self, name: bytes) -> bytes | None:
        """The value of the first field called ``name``, or None."""
        start = self.lower.find(b"\r\n" + name + b":")
        if start < 0:
            return None
        start += len(name) + 3
        return self.raw[start : self.raw.index(b"\r\n", start)].strip(OWS)

    def get_all(self, name: bytes) -> list[bytes]:
        """The value of every field called ``name``, in order of arrival."""
        values = []
        mark = b"\r\n" + name + b":"
        start = self.lower.find(mark)
        while start >= 0:
            start += len(mark)
            end = self.raw.index(b"\r\n", start)
            values.append(self.raw[start:end].strip(OWS))
            start = self.lower.find(mark, end)
        return values

    def elements(self, name: bytes) -> list[bytes]:
        """The comma-separated elements of every field called ``name`` (RFC 9110 section 5.6.1);
        a comma inside a quoted string does not separate."""
        found = []
        for value in self.get_all(name):
            found += split_list(value)
        return found

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """(name as spelled, value) for every field, in order."""
        for line in self.raw[2:-2].split(b"\r\n") if len(self.raw) > 2 else ():
            name, _, value = line.partition(b":")
            yield name, value.strip(OWS)

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field after all others.  ``value`` may come from anywhere: see ``one_line``."""
        if _BREAKS.search(value) is not None:
            value = one_line(value)
        self.append(name + b": " + value + b"\r\n")

    def append(self, lines: bytes) -> None:
        """Append ready-made field lines, each ended by CRLF."""
        self.raw += lines
        self.lower += lines.lower()

    def remove(self, name: bytes) -> bool:
        """Drop every field called ``name``; True when there was one."""
        raw, lower = self.raw, self.lower
        mark = b"\r\n" + name + b":"
        start = lower.find(mark)
        if start < 0:
            return False
        kept, position = [], 0
        while start >= 0:
            kept.append(raw[position:start])
            position = raw.index(b"\r\n", start + 2)
            start = lower.find(mark, position)
        kept.append(raw[position:])
        self.raw = raw = b"".join(kept)
        self.lower = raw.lower()
        return True

    def cut(self, lines: re.Pattern[bytes]) -> None:
        """Drop the field lines that ``lines`` finds in the block in lower case: each match begins with the
        CRLF before its line and ends before the CRLF behind it."""
        found = lines.search(self.lower)
        while found is not None:
            start, end = found.span()
            self.raw = self.raw[:start] + self.raw[end:]
            self.lower = self.lower[:start] + self.lower[end:]
            found = lines.search(self.lower, start)

    def set(self, name: bytes, value: bytes) -> None:
        """Replace every field of that name by one at the end.  ``name`` as it is to be spelled."""
        self.remove(name.lower())
        self.add(name, value)

    def splice(self, start: int, end: int, piece: bytes) -> None:
        """Put ``piece`` in place of ``raw[start:end]``.  It must leave every field between two CRLFs."""
        self.raw = raw = self.raw[:start] + piece + self.raw[end:]
        self.lower = raw.lower()

    def replace(self, items: list[tuple[bytes, bytes]]) -> None:
        """Put ``items`` (name as spelled, value) in place of the whole block."""
        self.raw = raw = b"\r\n" + b"".join(
            [b"%b: %b\r\n" % (name, one_line(value)) for name, value in items]
        )
        self.lower = raw.lower()

    def __repr__(self) -> str:
        return f"<Fields {self.raw[2:]!r}>"


def split_list(value: bytes) -> list[bytes]:
    """The elements of one comma-separated value, white space trimmed, empty elements dropped."""
    if b'"' not in value:
        return [part for part in (p.strip(OWS) for p in value.split(b",")) if part]
    parts, start, quoted, i = [], 0, False, 0
    while i < len(value):
        c = value[i]
        if quoted and c == 0x5C:  # backslash: the next octet is taken as it is (RFC 9110 5.6.4)
            i += 1
        elif c == 0x22:
            quoted = not quoted
        elif c == 0x2C and not quoted:
            parts.append(value[start:i])
            start = i + 1
        i += 1
    parts.append(value[start:])
    return [part for part in (p.strip(OWS) for p in parts) if part]


CHUNKED = -1
"""Body length of a chunked message."""
UNTIL_CLOSE = -2
"""Body length of a response that ends with its connection."""


class Request:
    """A request head.

    ``target`` is the request target as received; ``path`` and ``query`` are cut from it.  ``http11``
    is the version the client speaks (HTTP/1.1 or later minor).  ``length`` is the body's framing: a
    count of bytes, or CHUNKED.  ``keep_alive`` is what the client asked for (RFC 9112 section 9.3).
    ``upgrade`` is the value of Upgrade when Connection names it, else empty.
    ``host`` is the authority the client means: Host, with which an absolute-form target has to agree.
    """

    __slots__ = (
        "expect_continue",
        "fields",
        "head_size",
        "http11",
        "keep_alive",
        "length",
        "line",
        "method",
        "target",
        "upgrade",
    )

    def __init__(
        self,
        method: bytes,
        target: bytes,
        http11: bool,
        fields: Fields,
        length: int = 0,
        keep_alive: bool = True,
        head_size: int = 0,
        line: bytes = b"",
        upgrade: bytes = b"",
        expect_continue: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.http11 = http11
        self.fields = fields
        self.length = length
        self.keep_alive = keep_alive
        self.upgrade = upgrade
        self.expect_continue = expect_continue
        self.head_size = head_size
        self.line = line  # the request line as the client sent it, for the log

    @property
    def host(self) -> bytes:
        return self.fields.get(b"host") or b""

    @property
    def path(self) -> bytes:
        """The path without query: of an origin-form or absolute-form target; else the target."""
        target = self.target
        if not target.startswith(b"/"):
            scheme = target.find(b"://")
            if scheme < 0:
                return target
            slash = target.find(b"/", scheme + 3)
            mark = target.find(b"?", scheme + 3)
            if slash < 0 or 0 <= mark < slash:
                return b"/"
            target = target[slash:]
        mark = target.find(b"?")
        return target if mark < 0 else target[:mark]

    @property
    def query(self) -> bytes:
        """What stands after the first ``?``, or empty."""
        return self.target.partition(b"?")[2]

    @property
    def bodiless(self) -> bool:
        """Whether the client waits for a head alone: what it asked counts, whatever rules make of it."""
        return self.line.startswith(b"HEAD ") or (self.method == b"HEAD" and not self.line)

    @property
    def version(self) -> bytes:
        return b"1.1" if self.http11 else b"1.0"

    def __repr__(self) -> str:
        return f"<Request {self.method!r} {self.target!r} length={self.length}>"


class Response:
    """A response head.  ``length`` as in Request, or UNTIL_CLOSE; ``keep_alive`` is whether the
    *server's* connection may carry another request after this one.  ``recoder`` is there only where answers
    may be compressed (see ``protocol.compress``)."""

    __slots__ = ("fields", "head_size", "http11", "keep_alive", "length", "reason", "recoder", "status")

    recoder: Any

    def __init__(
        self,
        status: int,
        reason: bytes,
        http11: bool,
        fields: Fields,
        length: int = 0,
        keep_alive: bool = True,
        head_size: int = 0,
    ) -> None:
        self.status = status
        self.reason = reason
        self.http11 = http11
        self.fields = fields
        self.length = length
        self.keep_alive = keep_alive
        self.head_size = head_size

    def __repr__(self) -> str:
        return f"<Response {self.status} length={self.length}>"


class Reply:
    """An answer of our own: what a rule or a failure gives the client instead of a server's.

    ``raw`` is set for an ``errorfile``: the file's bytes go out as they are, then we close.
    ``standard``: it comes from the table of errors, so an ``errorfile`` of its status takes its place.
    ``cause`` and ``phase`` become the log's flags (see exchange.ENDINGS).
    ``action`` is what happens besides an answer: ``tarpit`` holds it back for ``timeout tarpit``,
    ``reject`` closes without one, ``silent-drop`` closes without telling the client.
    """

    __slots__ = ("action", "body", "cause", "close", "fields", "phase", "raw", "reason", "standard", "status")

    def __init__(
        self,
        status: int,
        reason: bytes,
        fields: Fields,
        body: bytes = b"",
        *,
        close: bool = False,
        raw: bytes | None = None,
        standard: bool = False,
        cause: str = "L",
        phase: str = "R",
        action: str = "",
    ) -> None:
        self.status = status
        self.reason = reason
        self.fields = fields
        self.body = body
        self.standard = standard
        self.action = action
        self.close = close
        self.raw = raw
        self.cause = cause
        self.phase = phase

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.cause}{self.phase}>"


class Service(Reply):
    """An answer that a WSGI application gives.  ``name`` is what the log has in a server's place
    (``<STATS>``); ``mount`` is the part of the path that becomes SCRIPT_NAME: the rule has seen that the
    request's path is that or lies below it."""

    __slots__ = ("application", "mount", "name")

    def __init__(self, application: Callable[..., Iterable[bytes]], name: str, mount: str = "") -> None:
        super().__init__(200, b"OK", Fields(), action="service")
        self.application = application
        self.name = name
        self.mount = mount
