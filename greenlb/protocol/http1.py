"""HTTP/1 heads and bodies: bytes in, meaning out.

Rule 1: every head is held to the law on its raw bytes before anybody gives it a meaning: token names,
CRLF line ends, no folding, no control byte (RFC 9112 sections 2.2, 5).  What breaks the law is refused,
never repaired.

Rule 2: h11 is the parser of record.  The *plain lane* gives a head its meaning without h11 where the
head is so ordinary that one look at its few framing fields is enough; it accepts only what the law and
h11 accept, and with the same meaning.  Everything else goes to h11.

Rule 3: a body is relayed, not parsed.  A counted one is counted; of a chunked one only the sizes and
the trailer are read (``ChunkedBody``).
"""

from __future__ import annotations

import re
from typing import Final

import h11

from greenlb.message import CHUNKED, UNTIL_CLOSE, Fields, Request, Response

TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
FIELD: Final = TOKEN + rb"++:[\t -~\x80-\xff]*+"

_REQUEST_LAW = re.compile(
    rb"((" + TOKEN + rb'++) ([!"$-~]++) HTTP/1\.([0-9]))((?>(?:\r\n' + FIELD + rb")*)\r\n)\r\n"
)
_RESPONSE_LAW = re.compile(
    rb"HTTP/1\.([0-9]) ([1-9][0-9][0-9])(?: ([\t -~\x80-\xff]*+))?((?>(?:\r\n" + FIELD + rb")*)\r\n)\r\n"
)
_TRAILER_LAW = re.compile(rb"((?>(?:" + FIELD + rb"\r\n)*))\r\n")
# A line end that is not CRLF, or a control byte: no more bytes can make such a head lawful.
_HOPELESS = re.compile(rb"(?<!\r)\n|\r(?!\n|\Z)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# uri-host [ ":" port ] (RFC 9110 section 7.2, RFC 3986 section 3.2.2); user information is not allowed.
HOST: Final = (
    rb"(?:\[[0-9A-Fa-f:.]++(?:%25[0-9A-Za-z._~\-]++)?\]|(?>(?:[0-9A-Za-z._~!$&'()*+,;=\-]|%[0-9A-Fa-f]{2})*))"
    rb"(?::[0-9]{0,5}+)?"
)
_HOST = re.compile(HOST)
_ABSOLUTE = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*)://([^/?]*)")
_COUNT = re.compile(rb"[0-9]{1,18}")
# The values that the plain lane understands, between the colon and the end of the line.
_PLAIN_HOST = re.compile(rb"[\t ]*+" + HOST + rb"[\t ]*+\r\n")
_PLAIN_COUNT = re.compile(rb"[\t ]*+([0-9]{1,18}+)[\t ]*+\r\n")
_PLAIN_CHUNKED = re.compile(rb"[\t ]*+chunked[\t ]*+\r\n")
# Blanks behind a size are no lawful padding, but what some servers send; before an extension nobody does.
_SIZE = rb"([0-9A-Fa-f]{1,15}+)(?:[\t ]*+|;[\t -~\x80-\xff]*+)\r\n"
_FIRST_SIZE = re.compile(_SIZE).match
_NEXT_SIZE = re.compile(rb"\r\n" + _SIZE).match  # behind the CRLF that ends the chunk before it
_CHUNK_LINE_LIMIT = 1024
_TRAILER_LIMIT = 8192

HOP_BY_HOP: Final = re.compile(rb"\r\n(?:connection|keep-alive|proxy-connection|te|upgrade):[^\r]*")
"""Fields about one connection only, for ``Fields.cut`` (RFC 9110 section 7.6.1).  Transfer-Encoding stays:
the framing is relayed as it is."""
HOP_BY_HOP_BUT_UPGRADE: Final = re.compile(rb"\r\n(?:connection|keep-alive|proxy-connection|te):[^\r]*")

PROTECTED: Final = frozenset(
    b"host content-length content-type content-encoding content-range transfer-encoding trailer expect "
    b"cookie set-cookie authorization proxy-authorization www-authenticate cache-control location "
    b"forwarded".split()
)
"""What Connection may not name: end-to-end fields whose loss changes the message's meaning."""

_UNNAMEABLE: Final = PROTECTED | frozenset((b"close", b"keep-alive", b"upgrade", b"te", b"connection"))

_FORBIDDEN_TRAILERS: Final = PROTECTED | frozenset(
    b"connection keep-alive proxy-connection te upgrade max-forwards x-real-ip x-http-method-override".split()
)


class BadMessage(ValueError):
    """A message that is refused.  ``status`` is the answer its sender gets when it is a request."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def head_end(data: bytes, start: int = 0) -> int:
    """Where the head in ``data`` ends (behind its empty line), or 0 while it is incomplete.  ``start``:
    how much of ``data`` was looked at before.  Raises BadMessage when no more bytes can make it a lawful
    one."""
    start = start - 3 if start > 3 else 0
    end = data.find(b"\r\n\r\n", start)
    if end >= 0:
        return end + 4
    if broken := _HOPELESS.search(data, start):
        raise BadMessage(f"byte {data[broken.start()]:#04x} where only CRLF ends a line")
    return 0


def may_be_response(data: bytes) -> bool:
    """Whether ``data`` can be the beginning of a response, so that more of it is worth waiting for."""
    return data.startswith(b"HTTP/1.") or b"HTTP/1.".startswith(data)


# -- requests ----------------------------------------------------------------------------------------


def parse_request(head: bytes, *, plain: bool = True) -> Request:
    """The meaning of a whole request head (with its empty line).  Raises BadMessage."""
    law = _REQUEST_LAW.fullmatch(head)
    if law is None:
        raise BadMessage(_why(head, _REQUEST_LINE, "request line"))
    line, method, target, minor, raw = law.groups()
    fields = Fields(raw)
    lower = fields.lower
    http11 = minor != b"0"
    length = _plain_request(method, target, lower) if plain and http11 else None
    if length is None:
        length = _judge_request(head, method, target, fields, http11)
    request = Request(method, target, http11, fields, length, http11, len(head), line)
    if (at := lower.find(b"connection:")) >= 0 and not (
        http11
        and lower.startswith(b"\r\nconnection: keep-alive\r\n", at - 2)
        and lower.find(b"connection:", at + 11) < 0
    ):  # that one is every browser's, and says nothing new
        _read_connection(request)
    if lower.find(b"\r\nexpect:") >= 0:
        request.expect_continue = http11 and b"100-continue" in _elements(fields, b"expect")
    if method == b"CONNECT":  # what follows a refused one may be meant for the tunnel, not for us
        request.keep_alive = False
    return request


def _plain_request(method: bytes, target: bytes, lower: bytes) -> int | None:
    """The plain lane: the body's length, or None when h11 has to look."""
    host = lower.find(b"\r\nhost:")
    if (
        target[0] != 0x2F
        or host < 0
        or _PLAIN_HOST.match(lower, host + 7) is None
        or lower.find(b"\r\nhost:", host + 7) >= 0
        or method == b"CONNECT"
    ):
        return None
    length = _plain_length(lower)
    return 0 if length == UNTIL_CLOSE else length


def _plain_length(lower: bytes) -> int | None:
    """The length that at most one ordinary framing field tells, UNTIL_CLOSE when there is none, or None
    when h11 has to look.  ``lower`` is a block in lower case."""
    count = lower.find(b"\r\ncontent-length:")
    coding = lower.find(b"\r\ntransfer-encoding:")
    if count < 0:
        if coding < 0:
            return UNTIL_CLOSE
        if (
            _PLAIN_CHUNKED.match(lower, coding + 20)
            and lower.find(b"\r\ntransfer-encoding:", coding + 20) < 0
        ):
            return CHUNKED
    elif coding < 0:
        digits = _PLAIN_COUNT.match(lower, count + 17)
        if digits is not None and lower.find(b"\r\ncontent-length:", count + 17) < 0:
            return int(digits[1])
    return None


def _judge_request(head: bytes, method: bytes, target: bytes, fields: Fields, http11: bool) -> int:
    """The body's length, after h11 and after the rules it is too kind about.  Raises BadMessage."""
    length = _framing(fields, http11) or 0
    _check_authority(method, target, fields, http11)
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 1)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadMessage(str(error)) from None
    if not isinstance(event, h11.Request):
        raise BadMessage("incomplete request head")
    if length:
        if not http11 and method in (b"GET", b"HEAD", b"DELETE"):
            # HTTP/1.0 gave these no body, so an old server would take it for the next request.
            raise BadMessage("HTTP/1.0 request with a body its method does not have", 413)
        if method == b"CONNECT":  # RFC 9110 section 9.3.6: it has no content
            raise BadMessage("CONNECT with a body")
    return length


def _framing(fields: Fields, http11: bool) -> int | None:
    """The body length that the framing fields tell; None when there are none.  RFC 9112 section 6.3
    would let a recipient repair some of what is refused here.  Raises BadMessage."""
    codings = fields.get_all(b"transfer-encoding")
    counts = fields.get_all(b"content-length")
    if codings:
        if counts:
            raise BadMessage("both Content-Length and Transfer-Encoding")
        if not http11:
            raise BadMessage("Transfer-Encoding in an HTTP/1.0 message")
        if len(codings) != 1 or codings[0].lower() != b"chunked":
            raise BadMessage("a transfer coding that is not understood")
        return CHUNKED
    if not counts:
        return None
    values = {part.strip(b" \t") for count in counts for part in count.split(b",")}
    value = values.pop()
    if values or _COUNT.fullmatch(value) is None:
        raise BadMessage("Content-Length is not one number")
    if len(counts) > 1 or counts[0] != value:
        fields.set(b"Content-Length", value)  # said twice alike: said once (RFC 9112 section 6.3)
    return int(value)


def _check_authority(method: bytes, target: bytes, fields: Fields, http11: bool) -> None:
    """Host against the request target (RFC 9112 section 3.2).  Raises BadMessage."""
    hosts = fields.get_all(b"host")
    if len(hosts) > 1:
        raise BadMessage("more than one Host")
    if http11 and not hosts:
        raise BadMessage("no Host")
    if hosts and _HOST.fullmatch(hosts[0]) is None:
        raise BadMessage("Host is not uri-host[:port]")
    if method == b"CONNECT":
        if _HOST.fullmatch(target) is None or not target.rpartition(b":")[2].isdigit():
            raise BadMessage("CONNECT needs host:port")
        authority, scheme = target, b""
    elif target.startswith(b"/"):
        return
    elif target == b"*":
        if method != b"OPTIONS":
            raise BadMessage("only OPTIONS may ask for *")
        return
    else:
        absolute = _ABSOLUTE.match(target)
        if absolute is None or _HOST.fullmatch(absolute[2]) is None:
            raise BadMessage("the target is neither a path nor an absolute URI")
        authority, scheme = absolute[2], absolute[1].lower()
    if authority[:1] in (b"", b":"):
        raise BadMessage("the target names no host")
    if not hosts:  # HTTP/1.0: the rules and the server must see one authority (RFC 9112 section 3.2.2)
        fields.add(b"Host", authority)
    elif not _same_authority(authority, hosts[0], scheme):
        raise BadMessage("Host does not agree with the request target")


def _same_authority(one: bytes, other: bytes, scheme: bytes) -> bool:
    default = {b"http": b":80", b"https": b":443"}.get(scheme, b":")
    one, other = one.lower(), other.lower()
    return one == other or one.removesuffix(default) == other.removesuffix(default)


def _read_connection(request: Request) -> None:
    """What Connection asks for, and away with the fields it names (RFC 9110 section 7.6.1).  This comes
    before any rule, so it cannot name away what the rules add."""
    fields = request.fields
    options = _elements(fields, b"connection") or _elements(fields, b"proxy-connection")
    if b"close" in options:
        request.keep_alive = False
    elif b"keep-alive" in options:
        request.keep_alive = True
    if b"upgrade" in options and request.http11:
        request.upgrade = b", ".join(fields.get_all(b"upgrade"))
    _drop_named(fields, options)


def _elements(fields: Fields, name: bytes) -> set[bytes]:
    """The elements of a list of tokens in lower case.  Tokens hold no quoted strings."""
    value = b",".join(fields.get_all(name)).lower()
    return {option.strip(b" \t") for option in value.split(b",")} - {b""}


def _drop_named(fields: Fields, options: set[bytes]) -> None:
    """Remove the fields that ``options`` (of Connection, lower case) name, save the protected ones."""
    named = options - _UNNAMEABLE
    if named:
        # By the fields that are there: a client may name thousands that are not.
        for name in named.intersection([line.partition(b":")[0] for line in fields.lower.split(b"\r\n")]):
            if not name.startswith(b"x-forwarded-"):
                fields.remove(name)


# -- responses ---------------------------------------------------------------------------------------


def parse_response(head: bytes, method: bytes, *, plain: bool = True) -> Response:
    """The meaning of a whole response head to a request with ``method``.  Raises BadMessage."""
    law = _RESPONSE_LAW.fullmatch(head)
    if law is None:
        raise BadMessage(_why(head, _STATUS_LINE, "status line"))
    minor, code, reason, raw = law.groups()
    fields = Fields(raw)
    lower = fields.lower
    http11 = minor != b"0"
    status = int(code)
    length = _plain_length(lower) if plain else None
    if length is None or (length == CHUNKED and not http11):
        length = _judge_response(head, method, status, fields, http11)
    keep_alive = http11
    if status < 200 or status == 204 or (method == b"CONNECT" and status < 300):
        length = 0
        # RFC 9112 section 6.1, RFC 9110 sections 8.6 and 9.3.6: these have no content and say no length
        fields.remove(b"transfer-encoding")
        fields.remove(b"content-length")
    elif status == 304 or method == b"HEAD":
        length = 0
    elif length == UNTIL_CLOSE:
        keep_alive = False
    response = Response(status, reason or b"", http11, fields, length, keep_alive, len(head))
    if (at := lower.find(b"\r\nconnection:")) >= 0 and not (
        http11
        and lower.startswith(b" keep-alive\r\n", at + 13)
        and lower.find(b"\r\nconnection:", at + 13) < 0
    ):  # that one is nginx's, and says nothing new
        options = _elements(fields, b"connection")
        if b"close" in options:
            response.keep_alive = False
        elif b"keep-alive" in options and length != UNTIL_CLOSE:
            response.keep_alive = True
        _drop_named(fields, options)
    return response


def _judge_response(head: bytes, method: bytes, status: int, fields: Fields, http11: bool) -> int:
    """The body's length, as _judge_request."""
    length = _framing(fields, http11)
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=len(head) + 1)
    # h11 judges a response by the request before it, and a 101 by the upgrade that was asked for: whether
    # this client asked for one is for the caller to know.
    asked = [(b"Host", b"a"), (b"Upgrade", b"a")] if status == 101 else [(b"Host", b"a")]
    connection.send(h11.Request(method=method, target=b"/", headers=asked))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise BadMessage(str(error)) from None
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise BadMessage("incomplete response head")
    return UNTIL_CLOSE if length is None else length


# -- what was wrong ----------------------------------------------------------------------------------

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb'++) ([!"$-~]++) HTTP/1\.[0-9]')
_STATUS_LINE = re.compile(rb"HTTP/1\.[0-9] [1-9][0-9][0-9](?: [\t -~\x80-\xff]*+)?")
_LINE = re.compile(FIELD)


def _why(head: bytes, start: re.Pattern[bytes], what: str) -> str:
    """In words, why the law refuses ``head``."""
    lines = head[:-4].split(b"\r\n")
    if start.fullmatch(lines[0]) is None:
        return f"malformed {what}"
    for line in lines[1:]:
        if line[:1] in (b" ", b"\t"):
            return "a folded field line"
        if _LINE.fullmatch(line) is None:
            name = line.partition(b":")[0]
            return "white space before the colon" if name != name.rstrip(b" \t") else "a malformed field line"
    return "a malformed head"


# -- bodies ------------------------------------------------------------------------------------------


class ChunkedBody:
    """Reads the sizes of a chunked body as it passes by (RFC 9112 section 7.1).

    ``feed`` is given what has come and not been passed on yet, and says how much of it may pass on;
    the caller keeps the rest and feeds it again with more behind it.  Sizes and trailer pass only when
    they are whole and lawful.  ``done`` is set behind the last byte of the body, and then ``trailer`` is the
    trailer section without the empty line that ends it.
    """

    __slots__ = ("_left", "_next_size", "_searched", "done", "trailer")

    def __init__(self) -> None:
        self._left = 0  # data bytes of the chunk that is being passed
        self._next_size = _FIRST_SIZE
        self._searched = 0  # how much of what was not passed on has been looked at
        self.done = False

    def feed(self, data: bytes, decoded: list[bytes] | None = None) -> int:
        """How many leading bytes of ``data`` may pass on.  ``decoded`` gathers the data without its
        framing.  Raises BadMessage."""
        at, end, left, match = 0, len(data), self._left, self._next_size
        while at < end and not self.done:
            if left:
                stop = min(at + left, end)
                if decoded is not None:
                    decoded.append(data[at:stop])
                left -= stop - at
                at = stop
                continue
            size = match(data, at)
            if size is None:
                if match is _NEXT_SIZE and data.startswith(b"\r\n", at):
                    # The chunk before is whole, and passes without waiting for the next one.
                    at, match = at + 2, _FIRST_SIZE
                    continue
                self._check_size_line(data, at, match is _NEXT_SIZE)
                break
            ahead = size.end()
            if ahead - size.start(1) > _CHUNK_LINE_LIMIT:
                raise BadMessage("chunk extension too long")
            left = int(size[1], 16)
            if not left:
                ahead = self._trailer(data, ahead)
                if not ahead:
                    at, match = size.start(1), _FIRST_SIZE
                    break
            at, match = ahead, _NEXT_SIZE
        self._left, self._next_size, self._searched = left, match, end - at
        return at

    def _check_size_line(self, data: bytes, at: int, behind_chunk: bool) -> None:
        """The size line at ``at`` is not whole.  Raises BadMessage when it cannot become a lawful one."""
        if behind_chunk:
            if data[at:] != b"\r":
                raise BadMessage("chunk data longer than its size")
        elif len(data) - at > _CHUNK_LINE_LIMIT or data.find(b"\n", at) >= 0 or _HOPELESS.search(data, at):
            raise BadMessage("malformed chunk size")

    def _trailer(self, data: bytes, at: int) -> int:
        """The end of the trailer section at ``at``, and so of the body; 0 while it is incomplete."""
        unsearched = max(at - 2, self._searched - 3)
        if data.find(b"\r\n\r\n", unsearched) < 0:
            if len(data) - at > _TRAILER_LIMIT or _HOPELESS.search(data, unsearched):
                raise BadMessage("malformed trailer")
            return 0
        trailer = _TRAILER_LAW.match(data, at)
        if trailer is None:
            raise BadMessage("malformed trailer")
        if trailer.end() - at > _TRAILER_LIMIT:
            raise BadMessage("trailer too long")
        for line in trailer[1].split(b"\r\n")[:-1]:
            name = line.partition(b":")[0].lower().replace(b"_", b"-")
            if name in _FORBIDDEN_TRAILERS or name.startswith(b"x-forwarded-"):
                raise BadMessage("a trailer that carries framing or routing")
        self.done = True
        self.trailer: bytes = trailer[1]
        return trailer.end()
