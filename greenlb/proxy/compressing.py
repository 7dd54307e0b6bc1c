"""Requests to backends whose answers may be compressed.  Backends without use ``forward`` as it is."""

from __future__ import annotations

from typing import Final

from greenlb.message import UNTIL_CLOSE
from greenlb.protocol.compress import Recoder
from greenlb.protocol.http1 import BadMessage
from greenlb.proxy.application import MixedForward
from greenlb.proxy.careful import CarefulForward, CarefulMixedForward
from greenlb.proxy.forward import Forward
from greenlb.proxy.upload import Cut


class CompressingForward(Forward):
    """What came of the server's head says whether its body goes through a Recoder."""

    __slots__ = ()

    def _relay_body(self, head: bytes, data: bytes, length: int, decode: bool) -> bool:
        recoder: Recoder | None = getattr(self.x.response, "recoder", None)
        if recoder is None:
            return super()._relay_body(head, data, length, decode)
        assert length != UNTIL_CLOSE
        try:
            return self._recode(recoder, head, data)
        finally:
            books = self.conn.live.plane.books
            books.compressed(self.x, recoder.consumed, recoder.produced)

    def _recode(self, recoder: Recoder, head: bytes, data: bytes) -> bool:
        """As ``_relay_body``."""
        while True:
            try:
                out = recoder.feed(data)
            except BadMessage:
                if self.x.bytes_out == 0:
                    self.x.status = -1
                    raise Cut("P", "H") from None
                raise Cut("S", "D") from None
            if head or out:
                self._send(head + out)
                head = b""
            if recoder.done:
                return bool(recoder.rest)
            data = self._body_part(65536)
            if not data:
                raise self._short()


class _Mixed(CompressingForward, MixedForward):
    __slots__ = ()


class _Careful(CompressingForward, CarefulForward):
    __slots__ = ()


class _CarefulMixed(CompressingForward, CarefulMixedForward):
    __slots__ = ()


FORWARDS: Final[dict[str, type[Forward]]] = {
    "compressing network": CompressingForward,
    "compressing mixed": _Mixed,
    "compressing careful network": _Careful,
    "compressing careful mixed": _CarefulMixed,
}
"""By the kind of a backend."""
