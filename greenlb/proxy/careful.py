"""Requests that are tried again when a server failed them (``retry-on``), and that are given up when their
client does (``option abortonclose``).  Backends without these use ``forward`` as it is."""

from __future__ import annotations

from typing import Final

from greenlb.message import Response
from greenlb.proxy.application import MixedForward
from greenlb.proxy.backend import ServerState
from greenlb.proxy.forward import Forward, Stale, ToApplication
from greenlb.proxy.retrying import next_try
from greenlb.proxy.upload import Cut
from greenlb.proxy.upstream.network import Upstream
from greenlb.proxy.upstream.wsgi import AppUpstream
from greenlb.proxy.watch import Watch

_EVENTS: Final = {"SH": "empty-response", "PH": "junk-response", "sH": "response-timeout"}
"""How a try ended, by the log's flags, and what ``retry-on`` calls it."""


class _Failed(Exception):
    """The try came to nothing, and there is to be another."""


class CarefulForward(Forward):
    """``_aborted``: the client went away while the answer was awaited."""

    __slots__ = ("_aborted",)

    def _ask(self, data: bytes, bound: ServerState | None, held: Upstream | None) -> tuple[bytes, Response]:
        backend, upload = self.backend, self.upload
        watch = Watch(self.conn.stream) if backend.model.abortonclose else None
        direct = bound is not None
        if upload is not None and backend.repeats:
            upload.keep(self.conn.live.bufsize - len(data))
        avoid: ServerState | None = None
        fresh = False
        while True:
            upstream = backend.connect(self.x, bound, held, fresh, avoid, watch)
            if isinstance(upstream, AppUpstream):
                raise ToApplication(upstream)
            self.upstream = upstream
            try:
                return self._try(data if upload is None or not upload.kept else data + upload.kept, watch)
            except Stale:
                self._drop(upstream)
                bound, held, fresh, avoid = upstream.state, None, True, None
            except _Failed:
                self._drop(upstream)
                self._begin_again()
                bound = next_try(backend, self.x, upstream.state, direct, "")
                held, fresh, avoid = None, True, upstream.state
            except BaseException:
                self._drop(upstream)
                raise

    def _try(self, data: bytes, watch: Watch | None) -> tuple[bytes, Response]:
        """One try.  Raises Stale; _Failed: there is to be another one; Cut: there is not."""
        self._aborted = False
        try:
            if watch is None:
                rest, response = self._sent(data)
            else:
                with watch.calling(self._abort):
                    rest, response = self._sent(data)
        except Cut as cut:
            if self._aborted:
                raise Cut("C", "H") from None
            if self._may_fail(_EVENTS.get(cut.cause + cut.phase, "")):
                raise _Failed from None
            raise
        if self._may_fail(response.status):
            raise _Failed
        return rest, response

    def _sent(self, data: bytes) -> tuple[bytes, Response]:
        self._send_request(self.upstream, data)
        return self._read_response()

    def _abort(self) -> None:
        """Called by the watch."""
        self._aborted = True
        self.upstream.stream.interrupt()

    def _may_fail(self, event: str | int) -> bool:
        """Whether a try that ended so is not to be the last one."""
        x, upload = self.x, self.upload
        return (
            event in self.backend.model.retry_on
            and x.retries < self.backend.repeats
            and (x.wishes is None or not x.wishes.once)
            and (upload is None or upload.kept is not None)
        )

    def _begin_again(self) -> None:
        x = self.x
        x.retries += 1
        x.answered = x.connected = -1.0
        x.reused = False
        if self.upload is not None:
            self.upload.cut = None

    def _drop(self, upstream: Upstream) -> None:
        self._stop_upload()
        upstream.close()
        upstream.state.release()


class CarefulMixedForward(MixedForward, CarefulForward):
    """The same to a backend of network servers and applications."""

    __slots__ = ()
