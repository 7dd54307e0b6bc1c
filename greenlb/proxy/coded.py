"""An application's answer where answers may be compressed."""

from __future__ import annotations

import os
from typing import Final

from greenlb.message import CHUNKED, Reply, Response
from greenlb.protocol.compress import Recoder
from greenlb.proxy.serving import ClientGone, Serving

_PIECE: Final = 1 << 16


class Coded(Serving):
    """What goes over the wire passes through ``coded``, once the head said so.  The head and the first of the
    body go out together; ``announce`` tells how much of that is the head."""

    __slots__ = ()

    def judge(self, response: Response) -> Reply | None:
        reply = super().judge(response)
        recoder: Recoder | None = getattr(response, "recoder", None) if reply is None else None
        if recoder is not None:
            response.length = CHUNKED
        self.coded = recoder, 0
        return reply

    def announce(self, size: int) -> None:
        super().announce(size)
        self.coded = self.coded[0], size

    def _put(self, data: bytes, last: bool) -> None:
        recoder: Recoder | None
        recoder, size = self.coded
        if recoder is not None:
            self.coded = recoder, 0
            data = data[:size] + recoder.feed(data[size:])
            if last:
                self._book(recoder)
        super()._put(data, last)

    def file(self, descriptor: int, offset: int, count: int) -> None:
        """A file has to be read."""
        if self.coded[0] is None:
            super().file(descriptor, offset, count)
            return
        while count:
            data = os.pread(descriptor, min(count, _PIECE), offset)
            if not data:
                raise ClientGone("the file became shorter")
            offset += len(data)
            count -= len(data)
            self.send(data, not count)

    def last_words(self) -> bytes:
        recoder: Recoder | None = self.coded[0]
        if recoder is None:
            return super().last_words()
        words = recoder.end()
        self._book(recoder)
        return words

    def _book(self, recoder: Recoder) -> None:
        self.conn.live.plane.books.compressed(self.x, recoder.consumed, recoder.produced)
