"""One request to a server and its answer back, in order of time: head out, body relayed, head in,
rules, body relayed.  A second greenlet exists only while a request body flows.
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from greenlb.exchange import Exchange
from greenlb.message import CHUNKED, UNTIL_CLOSE, Fields, Request, Response
from greenlb.net import relay
from greenlb.net.sockets import Timeout
from greenlb.protocol.http1 import (
    HOP_BY_HOP,
    HOP_BY_HOP_BUT_UPGRADE,
    BadMessage,
    ChunkedBody,
    head_end,
    may_be_response,
    parse_response,
)
from greenlb.proxy import steering
from greenlb.proxy.backend import LiveBackend, ServerState
from greenlb.proxy.upload import Cut, Upload
from greenlb.proxy.upstream.network import Upstream
from greenlb.proxy.upstream.wsgi import AppUpstream

if TYPE_CHECKING:
    from greenlb.proxy.http_mode import HttpConnection

_IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))
"""Methods that may be sent again when a server connection broke (RFC 9110 section 9.2.2)."""

_INTERIM_LIMIT: Final = 100
"""1xx responses to one request; a server that sends more never means to answer."""


_CONNECTION_LOGIN: Final = re.compile(
    rb"\r\n(?:(?:proxy-)?authorization|www-authenticate|proxy-authenticate):[ \t]*(?:ntlm|negotiate)"
)


class Stale(Exception):
    """A reused connection turned out to be dead before it gave a byte."""


class ToApplication(Exception):
    """The server that was chosen, and has a slot taken, is an application."""

    def __init__(self, upstream: AppUpstream) -> None:
        super().__init__(upstream.label)
        self.upstream = upstream


class Forward:
    """The way of one request through a backend.  ``run`` does it all."""

    __slots__ = (
        "backend",
        "conn",
        "request",
        "timeouts",
        "upload",
        "upstream",
        "x",
    )

    def __init__(self, conn: HttpConnection, x: Exchange, request: Request, backend: LiveBackend) -> None:
        self.conn = conn
        self.x = x
        self.request = request
        self.backend = backend
        self.timeouts = backend.model.timeouts
        if x.wishes is not None and x.wishes.timeouts is not None:
            self.timeouts = replace(self.timeouts, **x.wishes.timeouts)
        self.upstream: Upstream
        self.upload = Upload(conn, x, request) if request.length else None

    def run(self) -> bool:
        """True when the client's connection may carry another request.  Raises Cut, Refusal."""
        backend, conn = self.backend, self.conn
        conn.live.forwardfor(self.x, backend)
        bound = backend.persistent(self.x)
        held = conn.held
        if held is not None:
            held.stream.unpark()
            conn.held = None
            if held.state.backend is backend and (
                (held.private and held.state.up) or (bound is None and steering.prefers(backend, held.state))
            ):
                bound = held.state
        try:
            head = self.request_head()
            if self.upload is not None:
                head += self.upload.first()
            data, response = self._ask(head, bound, held)
        except BaseException:
            if held is not None:
                held.close()
            raise
        if held is not None and held is not self.upstream:
            held.close()
        state = self.upstream.state
        clean = False
        try:
            again, clean = self._answer(data, response)
            return again
        finally:
            if self.upload is not None:
                self.upload.stop()
            if clean:
                self._keep_upstream()
            else:
                self.upstream.close()
            state.release()

    # -- the request -----------------------------------------------------------------------------

    def request_head(self) -> bytes:
        """The head as the server gets it."""
        request, fields = self.request, self.request.fields
        extra = b""
        if request.upgrade and b"h2c" not in request.upgrade.lower():
            extra = b"Connection: Upgrade\r\n"
        else:
            request.upgrade = b""
        fields.cut(HOP_BY_HOP_BUT_UPGRADE if extra else HOP_BY_HOP)
        if not extra:
            if self.backend.closes or self.conn.live.closes:
                extra = b"Connection: close\r\n"
            elif not request.http11:
                extra = b"Connection: keep-alive\r\n"
        version = b" HTTP/1.1" if request.http11 else b" HTTP/1.0"
        return b"".join((request.method, b" ", request.target, version, fields.raw, extra, b"\r\n"))

    def _ask(self, data: bytes, bound: ServerState | None, held: Upstream | None) -> tuple[bytes, Response]:
        """Send the head and first body to a server; its response's head, and the bytes behind it."""
        fresh = False
        while True:
            upstream = self.backend.connect(self.x, bound, held, fresh)
            if isinstance(upstream, AppUpstream):
                raise ToApplication(upstream)
            self.upstream = upstream
            try:
                self._send_request(upstream, data)
                return self._read_response()
            except Stale:
                upstream.close()
                upstream.state.release()
                bound, held, fresh = upstream.state, None, True
            except BaseException:
                self._stop_upload()
                upstream.close()
                upstream.state.release()
                raise

    def _send_request(self, upstream: Upstream, data: bytes) -> None:
        """The head and first body, and the way for the rest.  Raises Stale, Cut."""
        timeout = self.timeouts.server
        try:
            upstream.stream.send(data, timeout)
        except Timeout:
            raise Cut("s", "H") from None
        except OSError:
            if self._repeatable(upstream):
                raise Stale from None
            # It may have answered before it closed: reading tells.
        if self.upload is not None and self.upload.going:
            self.upload.start(upstream.stream, timeout)

    def _repeatable(self, upstream: Upstream) -> bool:
        upload = self.upload
        return (
            upstream.used > 0
            and self.request.method in _IDEMPOTENT
            and (upload is None or not (upload.going or upload.started))
        )

    @property
    def _uploading(self) -> bool:
        return self.upload is not None and self.upload.going

    @property
    def _upload_cut(self) -> Cut | None:
        return None if self.upload is None else self.upload.cut

    def _stop_upload(self) -> None:
        if self.upload is not None:
            self.upload.stop()

    # -- the response ----------------------------------------------------------------------------

    def _read_response(self) -> tuple[bytes, Response]:
        """The head of the final response, and what came behind it.  Interim ones are passed on."""
        live = self.conn.live
        limit = live.head_limit
        data = self._read_server(True)
        searched = interim = 0
        while True:
            end = 0
            if data:
                try:
                    end = head_end(data, searched)
                    if end:
                        if end > limit:
                            raise BadMessage("response head too long")
                        response = parse_response(data[:end], self.request.method, plain=live.plain_lane)
                        if response.fields.raw.count(b"\r\n") > live.maxhdr:
                            raise BadMessage("too many fields")
                    elif len(data) > limit:
                        raise BadMessage("response head too long")
                    elif not may_be_response(data):
                        raise BadMessage("not a response")
                except BadMessage:
                    live.plane.captures.response(self.x, data)
                    raise Cut("P", "H") from None
            if not end:
                searched = len(data)
                data += self._read_server(False)
                continue
            data = data[end:]
            searched = 0
            if response.status >= 200 or response.status == 101:
                self.x.answered = time.monotonic()
                return data, response
            interim += 1
            if interim > _INTERIM_LIMIT:
                raise Cut("P", "H")
            self._pass_interim(response)

    def _read_server(self, first: bool) -> bytes:
        stream = self.upstream.stream
        try:
            data = stream.recv(self.conn.live.bufsize, None if self._uploading else self.timeouts.server)
        except Timeout:
            raise self._upload_cut or Cut("s", "H") from None
        except OSError:
            data = b""
        if data:
            return data
        if first and self._repeatable(self.upstream):
            raise Stale
        raise self._upload_cut or Cut("S", "H")

    def _pass_interim(self, response: Response) -> None:
        """Pass a 1xx on, though never to a client that speaks HTTP/1.0 (RFC 9110 section 15.2)."""
        if not self.request.http11:
            return
        fields = response.fields
        fields.cut(HOP_BY_HOP)
        head = b"HTTP/1.1 %d %b%b\r\n" % (response.status, response.reason, fields.raw)
        self._send(head, "H")

    def _answer(self, data: bytes, response: Response) -> tuple[bool, bool]:
        """Give the client the response.  (Its connection may go on, the server's may be used again.)
        Raises Cut."""
        x, conn, live, request = self.x, self.conn, self.conn.live, self.request
        x.response = response
        if response.status == 101 or (request.method == b"CONNECT" and response.status < 300):
            return self._switch_protocols(data, response)
        if response.status == 401 or response.status == 407:
            self._note_authentication(response.fields)
        elif request.fields.lower.find(b"authorization:") >= 0:
            self._note_authentication(request.fields)
        reach = x.client.reach
        if reach is None:
            reply = live.judge_response(x, response, self.backend)
        else:
            reach.hold(self, data, response)
            reply = live.judge_response(x, response, self.backend)
            data = reach.release()
        if reply is not None:
            return conn.answer(x, reply), False
        length = response.length
        fields = response.fields
        decode = length == CHUNKED and not request.http11
        keep = (
            request.keep_alive
            and (response.keep_alive or not self._uploading)
            and length != UNTIL_CLOSE
            and not decode
            and live.keeps_alive
        )
        fields.cut(HOP_BY_HOP)
        if decode:
            fields.remove(b"transfer-encoding")
        if not keep:
            extra = b"Connection: close\r\n"
            if request.bodiless:  # though the server was perhaps asked for more
                length, decode, response.keep_alive = 0, False, False
        else:
            extra = b"" if request.http11 else b"Connection: keep-alive\r\n"
        # The version is ours, not the client's: the highest we conform to (RFC 9110 section 6.2).
        head = b"HTTP/1.1 %d %b%b%b\r\n" % (response.status, response.reason, fields.raw, extra)
        x.status = response.status
        if live.model.logasap:
            x.bytes_out += len(head)
            live.log_now(x, self.backend)
            x.bytes_out -= len(head)
        leftover = self._relay_body(head, data, length, decode)
        going = False
        if self.upload is not None and self.upload.going:  # answered before the request was whole
            if keep:
                self.upload.finish()
            if self.upload.cut is not None:
                raise self.upload.cut
            conn.unread = going = self.upload.going
        clean = response.keep_alive and not (leftover or going or self.backend.closes or live.closes)
        return keep and not going, clean

    def _relay_body(self, head: bytes, data: bytes, length: int, decode: bool) -> bool:
        """The head and body to the client; whether bytes were left over behind the body.  Raises Cut."""
        if length >= 0:
            if len(data) >= length:
                self._send(head + data[:length])
                return len(data) > length
            self._send(head + data)
            self._relay_counted(length - len(data))
            return False
        if length == CHUNKED and not decode:
            return self._relay_chunked(head, data, decode)
        # The client knows the end by our close, so until the end came a close has to be a reset.
        self.conn.broken = True
        if decode:
            self._relay_chunked(head, data, decode)
        else:
            self._send(head + data)
            self._relay_until_close()
        self.conn.broken = False
        return True

    def _relay_counted(self, left: int) -> None:
        """``left`` more bytes, big bodies between plain sockets without entering Python."""
        source, sink = self.upstream.stream, self.conn.stream
        if left >= relay.SPLICE_FROM and source.plain and sink.plain:
            left = self._splice(left)
        while left:
            data = self._body_part(min(65536, left))
            if not data:
                raise self._short()
            left -= len(data)
            self._send(data)

    def _splice(self, left: int) -> int:
        timeouts = self.timeouts
        try:
            moved = relay.splice(
                self.upstream.stream,
                self.conn.stream,
                left,
                timeouts.server,
                self.conn.live.model.timeouts.client,
            )
        except relay.Broken as broken:
            self.x.bytes_out += broken.moved
            cause = {("in", True): "s", ("in", False): "S", ("out", True): "c", ("out", False): "C"}
            raise Cut(cause[broken.side, broken.late], "D") from None
        self.x.bytes_out += moved
        return left - moved

    def _relay_chunked(self, head: bytes, data: bytes, decode: bool) -> bool:
        chunks = ChunkedBody()
        while True:
            plain: list[bytes] | None = [] if decode else None
            try:
                taken = chunks.feed(data, plain)
            except BadMessage:
                if self.x.bytes_out == 0:
                    self.x.status = -1
                    raise Cut("P", "H") from None
                raise Cut("S", "D") from None
            out = data[:taken] if plain is None else b"".join(plain)
            if head or out:
                self._send(head + out)
                head = b""
            data = data[taken:]
            if chunks.done:
                return bool(data)
            more = self._body_part(65536)
            if not more:
                raise self._short()
            data += more

    def _relay_until_close(self) -> None:
        while data := self._body_part(65536):
            self._send(data)
        if self.upstream.stream.truncated:  # nobody can tell its end from a cut (RFC 9112 section 9.8)
            raise self._short()

    def _body_part(self, size: int) -> bytes:
        """The next bytes of the response's body; b"" at its end.  Raises Cut."""
        try:
            return self.upstream.stream.recv(size, self.timeouts.server)
        except Timeout:
            raise self._upload_cut or Cut("s", "D") from None
        except OSError:
            self.conn.broken = True
            raise Cut("S", "D") from None

    def _short(self) -> Cut:
        """The server closed in the middle of a body: the client must not take it for whole."""
        self.conn.broken = True
        return Cut("S", "D")

    def _send(self, data: bytes, phase: str = "D") -> None:
        """To the client.  Raises Cut."""
        try:
            self.conn.stream.send(data, self.conn.live.model.timeouts.client)
        except Timeout:
            raise Cut("c", phase) from None
        except OSError:
            raise Cut("C", phase) from None
        self.x.bytes_out += len(data)

    # -- special cases ---------------------------------------------------------------------------

    def _note_authentication(self, fields: Fields) -> None:
        """NTLM and Negotiate authenticate the connection, so from the first challenge or login on it
        belongs to this client alone (RFC 4559 section 6)."""
        if _CONNECTION_LOGIN.search(fields.lower) is not None:
            self.upstream.private = True

    def _keep_upstream(self) -> None:
        """The server connection goes back to the pool, or stays with this client."""
        upstream, conn = self.upstream, self.conn
        upstream.used += 1
        if upstream.private or upstream.announced or self.backend.model.reuse == "never":
            conn.held = upstream
            upstream.stream.park(conn.evict_held)
        else:
            upstream.pool.put(upstream)

    def _switch_protocols(self, data: bytes, response: Response) -> tuple[bool, bool]:
        """101: from here on both connections are one tunnel (RFC 9110 section 7.8)."""
        x, conn, request = self.x, self.conn, self.request
        if response.status == 101 and (not request.upgrade or self._uploading):
            raise Cut("P", "H")
        reply = conn.live.judge_response(x, response, self.backend)
        if reply is not None:
            return conn.answer(x, reply), False
        fields = response.fields
        fields.remove(b"connection")
        extra = b"Connection: Upgrade\r\n" if response.status == 101 else b""
        head = b"HTTP/1.1 %d %b%b%b\r\n" % (response.status, response.reason, fields.raw, extra)
        x.status = response.status
        self._send(head + data)
        early, conn.buffer = conn.buffer, b""
        live, backend = conn.live.model.timeouts, self.timeouts
        ended = relay.tunnel(
            conn.stream,
            self.upstream.stream,
            relay.Limits.of(
                live.client,
                backend.server,
                backend.tunnel or live.tunnel,
                live.client_fin,
                backend.server_fin,
            ),
            early,
        )
        x.bytes_in += ended.sent
        x.bytes_out += ended.received
        if ended.cause != "-":
            raise Cut(ended.cause, "D")
        return False, False
