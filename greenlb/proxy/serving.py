"""One request given to a WSGI application, on the client's connection: its environ, its body as it is read,
its answer as it is made.  What differs between a service of ours and a server is in ``services`` and
``upstream.wsgi``.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Final

from gevent import get_hub
from greenlet import GreenletExit, getcurrent, greenlet

from greenlb import __version__
from greenlb.exchange import Client, Exchange
from greenlb.message import CHUNKED, UNTIL_CLOSE, Reply, Request, Response
from greenlb.net import certs, timers
from greenlb.net.sockets import Timeout
from greenlb.protocol.http1 import HOP_BY_HOP, BadMessage
from greenlb.protocol.wsgi import (
    Application,
    ApplicationError,
    Body,
    Call,
    Environ,
    Errors,
    FileWrapper,
    environ,
)
from greenlb.proxy.upload import Cut
from greenlb.proxy.watch import gone

if TYPE_CHECKING:
    from greenlb.proxy.http_mode import HttpConnection

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_PIECE: Final = 1 << 16


class Interrupted(GreenletExit):
    """Raised in an application that is not to go on, where it waits."""


class _Drained(Interrupted):
    """Its worker is to end, and its answer is one that never would."""


class Replaced(Exception):
    """A response rule has an answer of its own."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class ClientGone(OSError):
    """What an application sees that reads the body of a client which is gone, or too slow."""


def _nothing() -> bytes:
    return b""


_EMPTY: Final = Body(0, b"", _nothing)  # nothing can be done to it: one is enough


class Serving:
    """A call of an application; also the Sink of its answer.

    ``timeout`` is how long the application may take for each piece of its answer.  While it computes, the
    client's stream is parked with that deadline: the stream's own lazy timer watches over the application.
    """

    __slots__ = (
        "_body",
        "_cut",
        "_endless",
        "_expects",
        "_greenlet",
        "_timer",
        "_waits",
        "_whole",
        "coded",
        "conn",
        "keep",
        "request",
        "timeout",
        "x",
    )

    name = "application"
    coded: Any  # of a Coded alone
    abort = False
    """``option abortonclose``: a client that closes while it waits has given up."""

    def __init__(self, conn: HttpConnection, x: Exchange, request: Request, timeout: float | None) -> None:
        self.conn = conn
        self.x = x
        self.request = request
        self.timeout = timeout
        self.keep = False
        self._expects = request.expect_continue
        self._endless = False  # an answer that is meant to go on until somebody leaves
        self._whole = False  # all of the answer has gone out
        self._cut: Cut | Interrupted | None = None
        self._waits = False  # the application has the word
        self._timer: Any = None
        self._greenlet: greenlet = getcurrent()
        if request.length:
            self._body = Body(request.length, conn.buffer, self._receive)
            x.bytes_in += len(conn.buffer)
            conn.buffer = b""
        else:
            self._body = _EMPTY

    def run(self, application: Application, template: Environ) -> bool:
        """True when the client's connection may carry another request.  Raises Cut."""
        conn = self.conn
        call = Call(self.request, self)
        made = environ(template, self.request, self._body)
        if self.x.src != conn.client.src:  # somebody trusted named another, and not his port
            made["REMOTE_ADDR"] = self.x.src
            del made["REMOTE_PORT"]
        conn.serving = self
        try:
            self._resume()
            call.run(application, made)
            if self._cut is not None:  # the application has swallowed it
                raise self._cut
        except Replaced as replaced:
            self._settle()
            return conn.answer(self.x, replaced.reply)
        except BaseException as error:
            self._settle()
            return self._failed(error)
        self._settle()
        conn.broken = False
        return self._is_read() and self.keep

    def _settle(self) -> None:
        """The application's turn is over."""
        conn = self.conn
        conn.serving = None
        if self._waits:
            self._waits = False
            conn.stream.unpark()
        timers.end(self._timer)
        self._timer = None
        body = self._body
        if body is not _EMPTY:
            conn.buffer = body.rest
            conn.rest = body.left
            self.x.bytes_in -= len(body.rest)

    def _is_read(self) -> bool:
        """Whether the next request can be found behind this one's body.  Raises Cut."""
        body, conn = self._body, self.conn
        if body is _EMPTY or body.done:
            return True
        before = len(body.rest)
        try:
            done = body.skip()
        except BadMessage:
            done = False
        self.x.bytes_in += before - len(body.rest)
        conn.buffer = body.rest
        conn.rest = body.left
        conn.unread = not done
        return done

    # -- what goes wrong -------------------------------------------------------------------------

    def _failed(self, error: BaseException) -> bool:
        """End the exchange for what came out of the application.  Raises Cut."""
        conn = self.conn
        cut = self._cut
        if isinstance(cut, _Drained):
            return self._finish()
        begun = self.x.status >= 0
        conn.broken = begun and not self._whole
        if isinstance(cut, Cut):
            raise cut from None
        if isinstance(error, BadMessage):  # it is the client who broke his contract
            raise Cut("P", "D" if begun else "R", 400)
        conn.live.plane.log.failure(f"{self.name} failed at {_printable(self.request)}", error)
        if self._whole:
            return self.keep and self._is_read()
        raise self.failure(begun)

    def failure(self, begun: bool) -> Cut:
        """How an exchange ends whose application failed."""
        return Cut("I", "D") if begun else Cut("I", "R")

    def _finish(self) -> bool:
        """An endless answer ends well."""
        self._absorb()
        self.conn.broken = False
        if self.x.response is not None and self.x.response.length == CHUNKED:
            with contextlib.suppress(OSError):
                self.conn.stream.send_nowait(self.last_words())
        return False

    def last_words(self) -> bytes:
        """What ends a chunked body."""
        return b"0\r\n\r\n"

    def _absorb(self) -> None:
        """Let pass what was about to wake the application: it must not wake who comes after it."""
        hub = get_hub()
        mine: list[bool] = []

        def wake() -> None:
            mine.append(True)
            self._greenlet.switch()

        hub.loop.run_callback(wake)
        while not mine:
            hub.switch()

    # -- the application's time ------------------------------------------------------------------

    def _resume(self) -> None:
        """The application has the word, for so long."""
        if self._endless and self.conn.live.plane.stopping:
            self._cut = _Drained()
            raise self._cut
        self._waits = True
        self.conn.stream.park(self._awake, self.timeout)

    def _pause(self) -> None:
        """We have it.  Raises ApplicationError: what an earlier call left behind must not touch the exchange
        that has the connection now."""
        if self._cut is not None:
            raise self._cut
        if self.conn.serving is not self:
            raise ApplicationError("write() or wsgi.input was used after the call that it belongs to")
        self._waits = False
        self.conn.stream.unpark()
        timers.end(self._timer)
        self._timer = None

    def _awake(self) -> None:
        """Called by the hub: it is too late, or the client says something out of turn.  Half a close may be
        how it ends its request, but nobody who listens to events closes before he leaves."""
        stream = self.conn.stream
        if stream.timed_out:
            self._late()
        elif (self._endless or self.abort) and gone(stream):
            self.end(Cut("C", "D" if self.x.status >= 0 else "H"))
        elif self.timeout is not None:
            # The next request, or half a close: it waits, and the stream watches no more deadlines for us.
            self._timer = timers.after(self.timeout, self._late)

    def _late(self) -> None:
        if self._waits:
            self.end(Cut("s", "D" if self.x.status >= 0 else "H"))

    def drain(self) -> None:
        """Called by the hub: the worker is to end."""
        if self._endless and self._waits and self._cut is None:
            self._cut = _Drained()
            self._greenlet.throw(self._cut)

    def end(self, cut: Cut) -> None:
        """Called by the hub: the exchange ends here.  An application that takes every Exception for its own
        is not asked."""
        if self._cut is None:
            self._cut = cut
            self._greenlet.throw(Interrupted() if self._waits else cut)

    # -- the body --------------------------------------------------------------------------------

    def _receive(self) -> bytes:
        """More of the client's bytes, for the body.  Raises ClientGone."""
        self._pause()
        conn = self.conn
        late = self.x.answered >= 0
        try:
            if self._expects:
                self._expects = False
                if not late:
                    conn.stream.send(_CONTINUE, conn.live.model.timeouts.client)
                    self.x.bytes_out += len(_CONTINUE)
            data = conn.stream.recv(_PIECE, conn.live.model.timeouts.client)
        except Timeout:
            self._cut = Cut("c", "D" if late else "H")
            raise ClientGone("the client does not send the rest of the body") from None
        except OSError:
            data = b""
        if not data:
            self._cut = Cut("C", "D" if late else "H")
            raise ClientGone("the client went away in the middle of the body")
        self.x.bytes_in += len(data)
        self._resume()
        return data

    # -- the answer ------------------------------------------------------------------------------

    def begin(self, response: Response, data: bytes, last: bool) -> None:
        """The head and the first of the body.  Raises Cut, Replaced."""
        self._pause()
        x, conn, request = self.x, self.conn, self.request
        x.answered = time.monotonic()
        x.response = response
        fields = response.fields
        try:
            reply = self.judge(response)
        except Cut as cut:  # it is no failure of the application's
            self._cut = cut
            raise
        if reply is not None:
            raise Replaced(reply)
        fields.cut(HOP_BY_HOP)
        keep = self.keep = (
            request.keep_alive
            and response.length != UNTIL_CLOSE
            and conn.live.keeps_alive
            and not (self._expects and not self._body.done)
        )
        if not keep:
            extra = b"Connection: close\r\n"
        else:
            extra = b"" if request.http11 else b"Connection: keep-alive\r\n"
        x.status = response.status
        head = b"HTTP/1.1 %d %b%b%b\r\n" % (response.status, response.reason, fields.raw, extra)
        conn.broken = response.length == UNTIL_CLOSE and not last
        if not last:
            self._endless = fields.lower.find(b"\r\ncontent-type: text/event-stream") >= 0
        self.announce(len(head))
        self._put(head + data, last)

    def judge(self, response: Response) -> Reply | None:
        """Our own answer in the place of the application's, or None."""
        return None

    def announce(self, size: int) -> None:
        """A head of ``size`` bytes is about to go out."""

    def send(self, data: bytes, last: bool) -> None:
        """More of the body.  Raises Cut."""
        self._pause()
        self._put(data, last)

    def _put(self, data: bytes, last: bool) -> None:
        conn = self.conn
        try:
            conn.stream.send(data, conn.live.model.timeouts.client)
        except Timeout:
            self._cut = Cut("c", "D")
            raise self._cut from None
        except OSError:
            self._cut = Cut("C", "D")
            raise self._cut from None
        self.x.bytes_out += len(data)
        self._whole = last
        self._resume()

    def file(self, descriptor: int, offset: int, count: int) -> None:
        """More of the body, from a file that never enters Python where the socket is a plain one.  Raises
        Cut."""
        self._pause()
        stream = self.conn.stream
        timeout = self.conn.live.model.timeouts.client
        while count:
            try:
                if stream.plain:
                    sent = os.sendfile(stream.fd, descriptor, offset, min(count, 1 << 20))
                else:
                    data = os.pread(descriptor, min(count, _PIECE), offset)
                    stream.send(data, timeout)
                    sent = len(data)
                if not sent:
                    raise ClientGone("the file became shorter")
            except BlockingIOError:
                self._await_room(timeout)
                continue
            except Timeout:
                self._cut = Cut("c", "D")
                raise self._cut from None
            except ClientGone:
                raise
            except OSError:
                self._cut = Cut("C", "D")
                raise self._cut from None
            offset += sent
            count -= sent
            self.x.bytes_out += sent
        self._resume()

    def _await_room(self, timeout: float | None) -> None:
        try:
            self.conn.stream.wait_writable(timeout)
        except Timeout:
            self._cut = Cut("c", "D")
            raise self._cut from None


def template(client: Client, mount: str, errors: Errors, *, processes: bool) -> Environ:
    """What all requests of a connection have in their environ."""
    secure = client.tls is not None
    made: Environ = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": f"greenlb/{__version__}",
        "SERVER_NAME": client.dst or "localhost",
        "SERVER_PORT": str(client.dst_port or (443 if secure else 80)),
        "SCRIPT_NAME": mount,
        "REMOTE_ADDR": client.src,
        "REMOTE_PORT": str(client.src_port),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if secure else "http",
        "wsgi.errors": errors,
        "wsgi.multithread": True,  # greenlets are threads to it: many requests at a time
        "wsgi.multiprocess": processes,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "wsgi.input_terminated": True,
    }
    if secure:
        made |= _tls(client)
    return made


def _tls(client: Client) -> Environ:
    """What the handshake settled, by the names that Apache's mod_ssl gives it."""
    tls = client.tls
    assert tls is not None
    made: Environ = {
        "HTTPS": "on",
        "SSL_PROTOCOL": tls.version,
        "SSL_CIPHER": tls.cipher,
        "SSL_TLS_SNI": tls.sni,
        "SSL_CLIENT_VERIFY": "NONE",
    }
    if tls.certificate is not None:
        error = tls.verify_error or tls.ca_error
        made["SSL_CLIENT_VERIFY"] = f"FAILED:{error}" if error else "SUCCESS"
        made |= certs.client_variables(tls.certificate)
    return made


def _printable(request: Request) -> str:
    return f"{request.method.decode('latin-1')} {request.path.decode('latin-1')}"
