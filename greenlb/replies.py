"""Our own answers: the one table of error replies, reason phrases, and how a reply becomes bytes.

The bodies and the spelling of the fields are HAProxy's, octet for octet, for every code that it knows;
414 and 431 are in the same form.
"""

from __future__ import annotations

from greenlb.message import Fields, Reply, Request

REASONS: dict[int, str] = {
    100: "Continue",
    101: "Switching Protocols",
    102: "Processing",
    103: "Early Hints",
    200: "OK",
    201: "Created",
    202: "Accepted",
    203: "Non-Authoritative Information",
    204: "No Content",
    205: "Reset Content",
    206: "Partial Content",
    207: "Multi-Status",
    210: "Content Different",
    226: "IM Used",
    300: "Multiple Choices",
    301: "Moved Permanently",
    302: "Moved Temporarily",
    303: "See Other",
    304: "Not Modified",
    305: "Use Proxy",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    310: "Too many Redirects",
    400: "Bad Request",
    401: "Unauthorized",
    402: "Payment Required",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    407: "Proxy Authentication Required",
    408: "Request Time-out",
    409: "Conflict",
    410: "Gone",
    411: "Length Required",
    412: "Precondition Failed",
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    415: "Unsupported Media Type",
    416: "Requested range unsatisfiable",
    417: "Expectation failed",
    418: "I'm a teapot",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    423: "Locked",
    424: "Method failure",
    425: "Too Early",
    426: "Upgrade Required",
    428: "Precondition Required",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    449: "Retry With",
    450: "Blocked by Windows Parental Controls",
    451: "Unavailable For Legal Reasons",
    456: "Unrecoverable Error",
    499: "client has closed connection",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway or Proxy Error",
    503: "Service Unavailable",
    504: "Gateway Time-out",
    505: "HTTP Version not supported",
    506: "Variant also negotiate",
    507: "Insufficient storage",
    508: "Loop detected",
    509: "Bandwidth Limit Exceeded",
    510: "Not extended",
    511: "Network authentication required",
    520: "Web server is returning an unknown error",
}
"""Reason phrases as HAProxy gives them to ``return`` and ``set-status``."""

_CLASSES = {1: "Informational", 2: "Success", 3: "Redirection", 4: "Client Error", 5: "Server Error"}

ERRORS: dict[int, tuple[str, str]] = {
    200: ("OK", "Service ready."),
    400: ("Bad request", "Your browser sent an invalid request."),
    401: ("Unauthorized", "You need a valid user and password to access this content."),
    403: ("Forbidden", "Request forbidden by administrative rules."),
    404: ("Not Found", "The resource could not be found."),
    405: (
        "Method Not Allowed",
        "A request was made of a resource using a request method not supported by that resource",
    ),
    407: ("Unauthorized", "You need a valid user and password to access this content."),
    408: ("Request Time-out", "Your browser didn't send a complete request in time."),
    410: ("Gone", "The resource is no longer available and will not be available again."),
    413: ("Payload Too Large", "The request entity exceeds the maximum allowed."),
    414: ("URI Too Long", "The request target is longer than the server is willing to read."),
    421: ("Misdirected Request", "Request sent to a non-authoritative server."),
    422: ("Unprocessable Content", "The server cannot process the contained instructions."),
    425: ("Too Early", "Your browser sent early data."),
    429: ("Too Many Requests", "You have sent too many requests in a given amount of time."),
    431: ("Request Header Fields Too Large", "The request's header fields exceed the maximum allowed."),
    500: ("Internal Server Error", "An internal server error occurred."),
    501: (
        "Not Implemented",
        ".The server does not support the functionality required to fulfill the request.",
    ),
    502: ("Bad Gateway", "The server returned an invalid or incomplete response."),
    503: ("Service Unavailable", "No server is available to handle this request."),
    504: ("Gateway Time-out", "The server didn't respond in time."),
}
"""Status -> (reason, sentence of the body): the answers there is a page for, and an ``errorfile``."""

_CLOSING = frozenset((400, 408))  # after these the connection cannot be trusted to be in step


def reason(status: int) -> bytes:
    """The reason phrase of a status; of one without a name, its class's."""
    return (REASONS.get(status) or _CLASSES.get(status // 100, "Other")).encode()


def _page(status: int) -> tuple[bytes, bytes, bytes]:
    phrase, sentence = ERRORS[status]
    body = f"<html><body><h1>{status} {phrase}</h1>\n{sentence}\n</body></html>\n".encode()
    head = f"\r\nContent-length: {len(body)}\r\nCache-Control: no-cache\r\nContent-Type: text/html\r\n"
    return phrase.encode(), head.encode(), body


_PAGES = {status: _page(status) for status in ERRORS}


def make(status: int, cause: str = "L", phase: str = "R") -> Reply:
    """The reply of the table for ``status``; of a status without a page, 500's.  It is marked as
    standard: an ``errorfile`` for its status takes its place."""
    if status not in _PAGES:
        status = 500
    phrase, head, body = _PAGES[status]
    return Reply(
        status,
        phrase,
        Fields(head),
        body,
        close=status in _CLOSING,
        cause=cause,
        phase=phase,
        standard=True,
    )


def render(reply: Reply, *, keep: bool, request: Request | None) -> bytes:
    """The bytes of a reply to ``request`` (None: it could not be read).  ``keep``: the connection goes
    on.  HEAD gets no body, nor do 204 and 304 (RFC 9110 section 6.4.1)."""
    bodyless = request is not None and request.bodiless
    if reply.raw is not None:
        return reply.raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if bodyless else reply.raw
    fields = reply.fields.raw
    if request is None:
        # HAProxy sends its page as it stands in its sources, this field third.
        fields = fields.replace(b"\r\nContent-Type:", b"\r\nConnection: close\r\nContent-Type:", 1)
        extra = b""
    elif not keep:
        extra = b"Connection: close\r\n"
    else:
        extra = b"" if request.http11 else b"Connection: keep-alive\r\n"
    head = b"HTTP/1.1 %d %b%b%b\r\n" % (reply.status, reply.reason, fields, extra)
    return head if bodyless or reply.status in (204, 304) else head + reply.body
