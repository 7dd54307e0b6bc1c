"""WSGI (PEP 3333): a request head becomes an environ, what an application says becomes a response.

``environ`` copies a dict that was made once for the client connection and adds what the request says.
``Body`` is ``wsgi.input``.  ``Call`` is one call of an application; its answer goes, framed, to a ``Sink``.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from greenlb.message import CHUNKED, UNTIL_CLOSE, Fields, Request, Response
from greenlb.protocol.http1 import FIELD, ChunkedBody

Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
"""A WSGI application."""

_KNOWN_NAMES: Final = 1024
_keys: dict[str, str] = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}
_ABOUT_THE_CONNECTION: Final = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "upgrade", "transfer-encoding")
)
_LAW = re.compile(rb"\r\n(?>(?:" + FIELD + rb"\r\n)*)")
_LINE = re.compile(FIELD)
_STATUS = re.compile(r"([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_COUNT = re.compile(rb"[0-9]{1,18}")
_BODILESS: Final = frozenset((204, 304))
_JOINED: Final = 1 << 20
"""A list of pieces up to this size is sent as one."""


# -- the request -------------------------------------------------------------------------------------


def environ(template: Environ, request: Request, body: Body) -> Environ:
    """The environ of a request: ``template``, which is left as it is, and the head.  SCRIPT_NAME in the
    template is cut off the path, which has to begin with it (see ``mounted``)."""
    made = template.copy()
    made["REQUEST_METHOD"] = request.method.decode("latin-1")
    target = request.target.decode("latin-1")
    made["REQUEST_URI"] = made["RAW_URI"] = target
    if not target.startswith("/"):
        target = _path_of(target)
    path, _, made["QUERY_STRING"] = target.partition("?")
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    made["PATH_INFO"] = path[len(made["SCRIPT_NAME"]) :]
    made["SERVER_PROTOCOL"] = "HTTP/1.1" if request.http11 else "HTTP/1.0"
    made["wsgi.input"] = body
    for line in request.fields.raw[2:-2].decode("latin-1").split("\r\n"):
        name, _, value = line.partition(":")
        try:
            key = _keys[name]
        except KeyError:
            key = _key(name)
        if key in made:
            _again(made, key, value.strip(" \t"))
        else:
            made[key] = value.strip(" \t")
    made.pop("", None)
    return made


def _path_of(target: str) -> str:
    """The path and the query of an absolute target; of ``*`` and of CONNECT's none."""
    _, scheme, rest = target.partition("://")
    if not scheme:
        return ""
    found = re.search(r"[/?]", rest)
    path = rest[found.start() :] if found else "/"
    return path if path.startswith("/") else "/" + path


def _key(name: str) -> str:
    """The environ's key for a field; empty for one that has none.

    That of a name with an underscore could not be told from another name's, so it has none.  What is about
    the connection is between the client and us: what the application reads of the body is decoded.
    """
    lower = name.lower()
    if lower in ("content-type", "content-length"):
        key = _keys[lower]
    elif "_" in name or not name or lower in _ABOUT_THE_CONNECTION:
        key = ""
    else:
        key = "HTTP_" + name.upper().replace("-", "_")
    if len(_keys) < _KNOWN_NAMES and len(name) < 64:
        _keys[name] = key
    return key


def _again(made: Environ, key: str, value: str) -> None:
    """A field that came before: one list (RFC 9110 section 5.3); of cookies, RFC 6265 section 5.4."""
    made[key] += ("; " if key == "HTTP_COOKIE" else ",") + value


def mounted(prefix: str, request: Request) -> bool:
    """Whether the path of ``request`` is ``prefix`` (without a slash at its end) or lies below it."""
    path = unquote_to_bytes(request.path).decode("latin-1")
    return path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/")


class Body:
    """``wsgi.input``: the request's body, read as it is asked for.

    ``data`` is what has come of it already, and ``receive`` gives more of the client's bytes; it raises what
    the application is to see when there are none.  The bytes behind the body are in ``rest``.
    """

    __slots__ = ("_chunks", "_have", "_left", "_receive", "done", "rest")

    def __init__(self, length: int, data: bytes, receive: Callable[[], bytes]) -> None:
        self._left = length
        self._chunks = ChunkedBody() if length == CHUNKED else None
        self._have = b""  # of the body, and not read yet
        self.rest = data
        self._receive = receive
        self.done = not length
        """Nothing of the body is still to come from the client."""

    @property
    def left(self) -> int:
        """How much of the body is still to come from the client, or CHUNKED."""
        return self._left

    def _next(self) -> bytes:
        """The next bytes of the body, b"" at its end.  Raises what ``receive`` does, BadMessage."""
        while not self.done:
            raw, self.rest = self.rest or self._receive(), b""
            if self._chunks is None:
                data, self.rest = raw[: self._left], raw[self._left :]
                self._left -= len(data)
                self.done = not self._left
                return data
            pieces: list[bytes] = []
            taken = self._chunks.feed(raw, pieces)
            if self._chunks.done:
                self.done, self._left = True, 0
            self.rest = raw[taken:]
            if not self.done and not pieces:
                self.rest += self._receive()
            elif pieces:
                return b"".join(pieces)
        return b""

    def skip(self) -> bool:
        """Pass over what has come of the body; True when that was all of it.  Raises BadMessage."""
        self._have = b""
        while not self.done and self.rest:
            if self._chunks is None:
                self._next()
                continue
            taken = self._chunks.feed(self.rest)
            self.rest = self.rest[taken:]
            if self._chunks.done:
                self.done, self._left = True, 0
            elif not taken:
                break
        return self.done

    def read(self, size: int | None = -1) -> bytes:
        """``size`` bytes, fewer at the body's end; all without ``size``."""
        have = self._have
        if size is not None and 0 <= size <= len(have):
            self._have = have[size:]
            return have[:size]
        pieces, count = [have], len(have)
        while size is None or size < 0 or count < size:
            data = self._next()
            if not data:
                break
            pieces.append(data)
            count += len(data)
        whole = b"".join(pieces) if len(pieces) > 2 or have else pieces[-1]
        if size is None or size < 0:
            size = count
        self._have = whole[size:]
        return whole[:size]

    def readline(self, size: int | None = -1) -> bytes:
        """A line with its end, or as much of it as ``size`` allows."""
        if size == 0:
            return b""
        limit = sys.maxsize if size is None or size < 0 else size
        pieces: list[bytes] = []  # each is looked at once, however long the line is
        data, self._have = self._have, b""
        while True:
            end = data.find(b"\n", 0, limit) + 1
            if end or len(data) >= limit:
                end = end or limit
                self._have = data[end:]
                pieces.append(data[:end])
                break
            pieces.append(data)
            limit -= len(data)
            data = self._next()
            if not data:
                break
        return b"".join(pieces)

    def readlines(self, hint: int | None = None) -> list[bytes]:
        """All lines, or those up to the one that makes them ``hint`` bytes."""
        lines, count = [], 0
        while line := self.readline():
            lines.append(line)
            count += len(line)
            if hint is not None and 0 < hint <= count:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        while line := self.readline():
            yield line


class Errors:
    """``wsgi.errors``: a text stream; each line goes to ``log``."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._open = ""

    def write(self, text: str) -> int:
        """Log the lines that are whole."""
        *lines, self._open = (self._open + text).split("\n")
        for line in lines:
            self._log(line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what is there of a line."""
        if self._open:
            line, self._open = self._open, ""
            self._log(line)


class FileWrapper:
    """``wsgi.file_wrapper``."""

    def __init__(self, filelike: Any, size: int = 65536) -> None:
        self.filelike = filelike
        self.size = size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while data := self.filelike.read(self.size):
            yield data

    def region(self) -> tuple[int, int, int] | None:
        """The descriptor of a file, and offset and size of what is left of it; None of anything else."""
        try:
            descriptor = self.filelike.fileno()
            offset = self.filelike.tell()
            size = os.fstat(descriptor).st_size
        except (AttributeError, OSError, ValueError):
            return None
        return (descriptor, offset, size - offset) if size > offset else None


# -- the response ------------------------------------------------------------------------------------


class ApplicationError(Exception):
    """The application broke its contract; the text says how."""


class Sink(Protocol):
    """Where an answer goes.  Both raise to end the call."""

    def begin(self, response: Response, data: bytes, last: bool) -> None:
        """The head, and the first bytes of the body as they go over the wire."""

    def send(self, data: bytes, last: bool) -> None:
        """More of the body."""

    def file(self, descriptor: int, offset: int, count: int) -> None:
        """More of the body, from a file."""


class Call:
    """One call of an application.  ``begun``: the head has gone to the sink."""

    __slots__ = ("_bodiless", "_head", "_http11", "_left", "_sink", "begun")

    def __init__(self, request: Request, sink: Sink) -> None:
        self._sink = sink
        self._http11 = request.http11
        self._bodiless = request.bodiless or request.method == b"HEAD"
        self._head: Response | None = None
        self._left = 0  # of a counted body
        self.begun = False

    def run(self, application: Application, environ: Environ) -> None:
        """The application's whole answer.  Raises what it raises, ApplicationError, what the sink raises."""
        result = application(environ, self.start_response)
        try:
            if type(result) is list or type(result) is tuple:
                self._whole(result)
            else:
                self._pieces(result)
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333's.  Raises ApplicationError, or the exception of ``exc_info`` when it comes too late."""
        if exc_info is not None:
            try:
                if self.begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no circle through this frame
        elif self._head is not None:
            raise ApplicationError("start_response() was called twice without exc_info")
        self._head = response(status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        """PEP 3333's: ``data`` is sent before it returns."""
        if type(data) is not bytes:
            raise ApplicationError(f"write() takes bytes, not {type(data).__name__}")
        if data or not self.begun:
            self._put(data, None)

    def _whole(self, pieces: Sequence[bytes]) -> None:
        """An answer that is here in one: nobody need be told of its length by chunks."""
        try:
            data: object = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        except TypeError:
            data = None
        if type(data) is not bytes:
            raise ApplicationError("the answer is a list of something else than bytes")
        if self.begun or len(data) > _JOINED:
            self._pieces(pieces)
        else:
            self._put(data, len(data))
            self._check()

    def _pieces(self, result: Iterable[bytes]) -> None:
        if isinstance(result, FileWrapper) and not self.begun and self._file(result):
            self._check()
            return
        for data in result:
            if type(data) is not bytes:
                raise ApplicationError(f"the answer has {type(data).__name__} where bytes are due")
            if data:
                self._put(data, None)
                if self._finished:
                    return
        if not self.begun:
            self._put(b"", 0)
        elif self._left == CHUNKED:
            self._left = 0
            self._sink.send(b"0\r\n\r\n", True)
        self._check()

    @property
    def _finished(self) -> bool:
        """Nothing that the application could add would be sent."""
        return self._bodiless or self._left == 0

    def _file(self, wrapper: FileWrapper) -> bool:
        """Send a file without reading it; False when it has to be read."""
        region = wrapper.region()
        if region is None or self._head is None:
            return False
        descriptor, offset, count = region
        self._frame(self._head, count)
        if self._left >= 0:
            count = min(count, self._left)
            self._begin(b"", not count)
            if count and not self._bodiless:
                self._left -= count
                self._sink.file(descriptor, offset, count)
        return self.begun

    def _put(self, data: bytes, whole: int | None) -> None:
        """Send ``data``, the head before it.  ``whole``: the length of the body, where it is known."""
        head = self._head
        if head is None:
            raise ApplicationError("the application gave a body before it called start_response()")
        if not self.begun:
            self._frame(head, whole)
        if self._bodiless:
            if not self.begun:
                self._begin(b"", True)
            return
        left = self._left
        if left == CHUNKED:
            if data:
                data = b"%x\r\n%b\r\n" % (len(data), data)
        elif left >= 0:
            data = data[:left]
            self._left = left = left - len(data)
        if self.begun:
            if data:
                self._sink.send(data, left == 0)
        else:
            self._begin(data, left == 0 or whole is not None)

    def _begin(self, data: bytes, last: bool) -> None:
        assert self._head is not None
        self.begun = True
        self._sink.begin(self._head, data, last)

    def _frame(self, head: Response, whole: int | None) -> None:
        """Decide how the client will know the end of the body (RFC 9112 section 6)."""
        fields = head.fields
        if head.status in _BODILESS:
            self._bodiless = True
        if self._bodiless:
            head.length = 0
        elif head.length == UNTIL_CLOSE:
            if whole is not None:
                fields.append(b"Content-Length: %d\r\n" % whole)
                head.length = whole
            elif self._http11:
                fields.append(b"Transfer-Encoding: chunked\r\n")
                head.length = CHUNKED
        self._left = head.length

    def _check(self) -> None:
        if self._left > 0 and not self._bodiless:
            raise ApplicationError(f"the answer ended {self._left} bytes before its Content-Length")


def response(status: str, headers: Sequence[tuple[str, str]]) -> Response:
    """The head that an application gives to start_response.  ``length`` is that of Content-Length, else
    UNTIL_CLOSE.  Fields about the connection are left out: it is ours.  Raises ApplicationError."""
    found = _STATUS.fullmatch(status) if type(status) is str else None
    if found is None:
        raise ApplicationError(f"{status!r} is no status: expected one such as '200 OK'")
    try:
        raw = "".join(["\r\n", *[name + ": " + value + "\r\n" for name, value in headers]]).encode("latin-1")
    except (TypeError, ValueError):
        raise ApplicationError(f"{headers!r} is no list of fields: expected pairs of latin-1 text") from None
    if _LAW.fullmatch(raw) is None or raw.count(b"\r\n") != len(headers) + 1:
        raise ApplicationError(_why(headers))
    code = int(found[1])
    if code < 200:
        raise ApplicationError(f"{status!r} is no status of a final response")
    fields = Fields(raw)
    if fields.lower.find(b"\r\ntransfer-encoding:") >= 0:
        fields.remove(b"transfer-encoding")
        fields.remove(b"content-length")
    length = UNTIL_CLOSE
    counts = fields.get_all(b"content-length")
    if counts:
        if len(set(counts)) > 1 or _COUNT.fullmatch(counts[0]) is None:
            raise ApplicationError(f"Content-Length is {b', '.join(counts).decode('latin-1')!r}")
        if len(counts) > 1:
            fields.set(b"Content-Length", counts[0])
        if code == 204:
            fields.remove(b"content-length")
        length = int(counts[0])
    return Response(code, (found[2] or "").encode("latin-1"), True, fields, length)


def _why(headers: Iterable[tuple[str, str]]) -> str:
    for name, value in headers:
        if _LINE.fullmatch(f"{name}: {value}".encode("latin-1")) is None:
            return f"{name!r}: {value!r} is no field: a token and text without control bytes are expected"
    return "malformed fields"
