"""What becomes of answers behind all other rules: ``http-after-response``, then compression.

A frontend where neither is configured has no ``Finishing``, and does not ask.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from greenlb.compression import between
from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import Backend, Config, Frontend, Rule
from greenlb.protocol.compress import Compressor, Recoder
from greenlb.proxy.comprate import CompressionRate
from greenlb.proxy.inspection import first_reply

if TYPE_CHECKING:
    from greenlb.proxy.plane import Plane

_RAW: Final = re.compile(rb"(HTTP/1\.[01]) (\d{3}) ?([^\r\n]*)((?:\r\n[^\r\n]+)*\r\n)\r\n(.*)", re.DOTALL)


class _Pair:
    """What is done to answers that come from one backend, or none, through the frontend."""

    __slots__ = ("compressor", "rules")

    def __init__(self, rules: Sequence[Sequence[Rule]], compressor: Compressor | None) -> None:
        self.rules = [part for part in rules if part]
        self.compressor = compressor


class Finishing:
    """A frontend's, whichever backend answers."""

    def __init__(self, model: Frontend, plane: Plane) -> None:
        self._model = model
        self._plane = plane
        self._pairs: dict[str, _Pair] = {}
        limit = plane.settings.maxcomprate
        self._rate = CompressionRate(plane.config, plane.books, limit << 10) if limit else None

    def _pair(self, backend: Backend | None) -> _Pair:
        name = "" if backend is None else backend.name
        found = self._pairs.get(name)
        if found is None:
            found = self._pairs[name] = self._made(backend)
        return found

    def _made(self, backend: Backend | None) -> _Pair:
        front, settings = self._model, self._plane.settings
        compression = between(front.compression, None if backend is None else backend.compression)
        compressor = None
        if compression is not None:
            compressor = Compressor(
                compression, settings.compression_level, settings.zlib_memlevel, settings.zlib_windowsize
            )
        if backend is None or backend.number == front.number:
            return _Pair((front.after_rules,), compressor)
        return _Pair((backend.after_rules, front.after_rules), compressor)

    def ask(self, x: Exchange, backend: Backend) -> None:
        """``compression offload``: the server is not to know what the client takes."""
        compressor, request = self._pair(backend).compressor, x.request
        if compressor is None or not compressor.offloads or request is None:
            return
        number = compressor.choose(request)
        if number is not None:
            x.wish().coding = number
            request.fields.remove(b"accept-encoding")

    def finish(self, x: Exchange, response: Response) -> None:
        """The last of a response's head; ``response.recoder`` is what its body is to go through."""
        pair = self._pair(x.backend)
        for rules in pair.rules:
            first_reply(rules, x)
        response.recoder = None
        compressor, request = pair.compressor, x.request
        if compressor is not None and request is not None and (self._rate is None or self._rate.room()):
            response.recoder = _recoder(x, compressor, request, response)

    def dress(self, x: Exchange, reply: Reply) -> None:
        """An answer of our own through the rules."""
        pair = self._pair(x.backend)
        if not pair.rules:
            return
        version, body = b"HTTP/1.1", b""
        status, reason, fields = reply.status, reply.reason, reply.fields
        if reply.raw is not None:
            found = _RAW.fullmatch(reply.raw)
            if found is None:  # it is meant to be silence
                return
            version, code, reason, block, body = found.groups()
            status, fields = int(code), Fields(block)
        given = x.response
        x.response = response = Response(status, reason, True, fields)
        for rules in pair.rules:
            first_reply(rules, x)
        x.response = given  # what a server said, if anything: counters and logs tell the two apart
        if reply.raw is not None:
            line = b"%b %d %b" % (version, response.status, response.reason)
            reply.raw = line + response.fields.raw + b"\r\n" + body
        reply.status, reply.reason, reply.fields = response.status, response.reason, response.fields


def _recoder(x: Exchange, compressor: Compressor, request: Request, response: Response) -> Recoder | None:
    number = None if x.wishes is None else x.wishes.coding
    if number is None:
        number = compressor.choose(request)
    return None if number is None else compressor.begin(number, request, response)


def needed(model: Frontend, config: Config) -> bool:
    """Whether there is anything for a frontend's Finishing to do, with some backend."""
    proxies = (model, *config.backends)
    return any(proxy.after_rules or proxy.compression is not None for proxy in proxies)
