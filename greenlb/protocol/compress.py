"""Answers compressed on their way (RFC 9110 section 8.4): whether one may be, what its head then says, and
its body, piece by piece.

Which answers is HAProxy's choice; those to HEAD and a 304 say what the answer to GET would say (RFC 9110
sections 9.3.2 and 15.4.5), which it leaves as they are.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from typing import Final, Protocol

from greenlb.compression import ALGORITHMS, Compression
from greenlb.message import CHUNKED, UNTIL_CLOSE, Fields, Request, Response, split_list
from greenlb.protocol.http1 import ChunkedBody

_KNOWN: Final = 256
_STATUSES: Final = frozenset((200, 201, 202, 203))
_ETAG: Final = re.compile(rb'(?:W/)?"[!#-~\x80-\xff]*"')
_QUALITY: Final = re.compile(rb"[\t ]*q[\t ]*=[\t ]*(0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)[\t ]*", re.IGNORECASE)


class Coder(Protocol):
    """One body's compression; what ``zlib.compressobj`` makes."""

    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self, mode: int = ..., /) -> bytes: ...


class _Identity:
    def compress(self, data: bytes, /) -> bytes:
        return data

    def flush(self, mode: int = zlib.Z_FINISH, /) -> bytes:
        return b""


class Recoder:
    """A body between two framings: as its sender frames it, ``length`` as a Response's, in; compressed and
    in chunks out.  Whatever came so far is in what went out, so that a slow stream arrives.

    ``algorithm`` is its name in the configuration.  ``consumed`` and ``produced`` count the body's bytes
    without framing; ``rest`` is what came behind its end.
    """

    __slots__ = ("_chunks", "_coder", "_left", "algorithm", "consumed", "done", "produced", "rest")

    def __init__(self, coder: Coder, length: int, algorithm: bytes = b"") -> None:
        self._coder = coder
        self.algorithm = algorithm
        self._chunks = ChunkedBody() if length == CHUNKED else None
        self._left = length
        self.consumed = self.produced = 0
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """What is to be sent for more of the body.  Raises BadMessage."""
        data = self.rest + data
        if self.done:
            self.rest = data
            return b""
        if self._chunks is None:
            body, self.rest = data[: self._left], data[self._left :]
            self._left -= len(body)
            return self._put(body, b"\r\n" if not self._left else b"")
        pieces: list[bytes] = []
        taken = self._chunks.feed(data, pieces)
        self.rest = data[taken:]
        return self._put(b"".join(pieces), self._chunks.trailer + b"\r\n" if self._chunks.done else b"")

    def _put(self, body: bytes, end: bytes) -> bytes:
        """``end``: the trailer section, when that was all."""
        coder = self._coder
        out = b""
        if body:
            out = coder.compress(body)
            self.consumed += len(body)
        if end:
            self.done = True
            out += coder.flush(zlib.Z_FINISH)
        elif body:
            out += coder.flush(zlib.Z_SYNC_FLUSH)
        self.produced += len(out)
        framed = b"%x\r\n%b\r\n" % (len(out), out) if out else b""
        return framed + b"0\r\n" + end if end else framed

    def end(self) -> bytes:
        """What ends the body before its sender has."""
        return self._put(b"", b"\r\n")


class Compressor:
    """What is compressed between a frontend and a backend.  ``level``, ``memory`` and ``window`` are
    zlib's."""

    def __init__(self, compression: Compression, level: int = 1, memory: int = 8, window: int = 15) -> None:
        self._types = compression.types
        self._least = compression.minsize
        self.offloads = compression.offload

        def deflating(wbits: int) -> Callable[[], Coder]:
            return lambda: zlib.compressobj(level, zlib.DEFLATED, wbits, memory)

        makers: dict[str, Callable[[], Coder]] = {
            "identity": _Identity,
            "gzip": deflating(16 + window),
            "deflate": deflating(window),
            "raw-deflate": deflating(-window),
        }
        # HAProxy looks at the last one first, which is what "*" gets.
        self._codings = [(ALGORITHMS[name], makers[name]) for name in reversed(compression.algorithms)]
        self._known: dict[bytes, int | None] = {}
        self._names = [name.encode() for name in reversed(compression.algorithms)]

    def choose(self, request: Request) -> int | None:
        """Which of its algorithms the request asks for; None: none of them."""
        if not request.http11:
            return None
        said = b",".join(request.fields.get_all(b"accept-encoding"))
        try:
            return self._known[said]
        except KeyError:
            chosen = self._choose(said)
        if len(self._known) < _KNOWN and len(said) < 128:  # there are few browsers, and many who pretend
            self._known[said] = chosen
        return chosen

    def _choose(self, said: bytes) -> int | None:
        qualities: dict[bytes, float] = {}
        for element in split_list(said):
            name, _, parameter = element.lower().partition(b";")
            match = _QUALITY.fullmatch(parameter)
            qualities[name.strip(b" \t")] = float(match[1]) if match is not None else 1.0
        best, chosen = 0.0, None
        for name, quality in qualities.items():
            if quality <= best:
                continue
            for number, (coding, _) in enumerate(self._codings):
                if coding and (name == coding or (name == b"*" and coding not in qualities)):
                    best, chosen = quality, number
                    break
        if chosen is None:
            return next((n for n, (coding, _) in enumerate(self._codings) if not coding), None)
        return chosen

    def begin(self, number: int, request: Request, response: Response) -> Recoder | None:
        """Make of the head of ``response`` that of a compressed one; what its body is to go through.  None:
        it is not to be, or has no body.  ``number`` is what ``choose`` said."""
        fields = response.fields
        if response.status == 304:
            _weaken(fields)
            _vary(fields)
            return None
        head = request.bodiless or request.method == b"HEAD"
        if not self._may(response, head):
            return None
        coding, make = self._codings[number]
        _weaken(fields)
        fields.remove(b"content-length")
        if not fields.has(b"transfer-encoding"):
            fields.append(b"Transfer-Encoding: chunked\r\n")
        _vary(fields)
        if coding:
            fields.append(b"Content-Encoding: " + coding + b"\r\n")
        return None if head else Recoder(make(), response.length, self._names[number])

    def _may(self, response: Response, head: bool) -> bool:
        """Whether an answer may be compressed, or would be if it had a body (``head``)."""
        if response.status not in _STATUSES or not response.http11:
            return False
        fields = response.fields
        if head:
            counted = fields.get(b"content-length")
            length = int(counted) if counted is not None else CHUNKED
            if counted is None and not fields.has(b"transfer-encoding"):
                return False
        else:
            length = response.length
        if length in (0, UNTIL_CLOSE) or 0 < length < self._least:
            return False
        if fields.has(b"content-encoding") or fields.has(b"content-range"):
            return False
        if any(e.lower() == b"no-transform" for e in fields.elements(b"cache-control")):
            return False
        tags = fields.get_all(b"etag")
        if len(tags) > 1 or (tags and _ETAG.fullmatch(tags[0]) is None):
            return False
        kind = fields.get(b"content-type")
        if kind is None:
            return not self._types
        kind = kind.lower()
        return not kind.startswith(b"multipart") and (not self._types or kind.startswith(self._types))


def _weaken(fields: Fields) -> None:
    """A strong tag names the bytes, and these will be others (RFC 9110 section 8.8.1)."""
    tag = fields.get(b"etag")
    if tag is not None and tag.startswith(b'"'):
        fields.set(b"ETag", b"W/" + tag)


def _vary(fields: Fields) -> None:
    """A cache may not give this to whoever accepts something else (RFC 9110 section 12.5.5)."""
    named = {element.lower() for element in fields.elements(b"vary")}
    if not named & {b"accept-encoding", b"*"}:
        fields.append(b"Vary: Accept-Encoding\r\n")
