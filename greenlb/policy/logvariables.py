"""The ``%`` variables of log formats: each once, with what it means and how it is read off an exchange.

The names, the types and the restriction to ``mode http`` are HAProxy's (configuration.txt, "Custom log
format"); ``logformat`` compiles formats out of the rows.  ``arguments`` are Python expressions over
``x``, the exchange, and over the names in PREPARED; they are source text because a whole line then
becomes one function with one ``%`` operation in it.

Timers are whole milliseconds, and each is the difference of two such moments, both counted from the
request's first byte: so TR + Tw + Tc + Tr + Td is exactly Ta, as in HAProxy's lines.
"""

from __future__ import annotations

from dataclasses import dataclass

PREPARED = {
    "client": "x.client",
    "plus": 'b"+" if x.frontend.logasap else b""',
    # `x.ready` is when the connection was free for this exchange.  For the first one that is the end of
    # the handshakes; later ones have none, and HAProxy takes the end of the last answer for their accept.
    "shaken": "client.accepted + client.handshake",
    "first": "x.ready <= shaken",
    "handshake": "int(client.handshake * 1000.0) if first else 0",
    "idle": "max(0, int((x.start - (shaken if first else x.ready)) * 1000.0)) if x.start >= 0.0 else -1",
    "start": "x.start if x.start >= 0.0 else max(x.ready, client.accepted + client.handshake)",
    "received": "int((x.head_done - start) * 1000.0) if x.head_done >= 0.0 else -1",
    "queued": "int((x.served - start) * 1000.0) if x.served >= 0.0 else -1",
    "connected": "int((x.connected - start) * 1000.0) if x.connected >= 0.0 else -1",
    "answered": "int((x.answered - start) * 1000.0) if x.answered >= 0.0 else -1",
    "active": "int(((x.end if x.end >= 0.0 else monotonic()) - start) * 1000.0)",
    # The wall clock may have been set since the connection was accepted.
    "epoch": "client.wall - client.accepted if first else wall() - monotonic()",
    "accept": "int((client.wall if first else epoch + x.ready) * 1000.0)",
    "began": "int((epoch + start) * 1000.0)",
}
"""Local variables of a compiled format, in the order in which they are made (only those it needs)."""

PREPARED_TCP = PREPARED | {
    "idle": "0",
    # A connection's clock starts when its handshakes are over, whoever speaks first.
    "start": "client.accepted + client.handshake",
    "received": "0",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """One row.  ``kind`` says what the flags do and how an empty value prints:

    text      a string: +Q quotes it, +E escapes it, ``-`` stands for an empty one in a log line
    wire      bytes of the request line: what is not printable is always ``#XX``; +Q and +E as above
    captures  captured fields: ``{a|b}``, or the CLF style; nothing at all when none are configured
    number    digits
    hex       digits, or hexadecimal ones with +X
    ip        an address, hexadecimal with +X
    date      a date
    flags     the termination flags, which no flag changes

    ``template`` is what the arguments are filled into.  ``field`` is the name in a JSON line (empty:
    not there); in JSON a timer of -1 is null.
    """

    name: str
    field: str
    kind: str
    arguments: tuple[str, ...]
    doc: str
    template: str = "%b"
    http: bool = False
    json: str = ""
    """The value in JSON where it is not simply the last argument."""


def _text(name: str, field: str, argument: str, doc: str, *, http: bool = False) -> Variable:
    return Variable(name, field, "text", (argument,), doc, http=http)


def _number(
    name: str, field: str, argument: str, doc: str, *, http: bool = False, plus: str = ""
) -> Variable:
    if plus:
        return Variable(name, field, "number", (plus, argument), doc, "%b%d", http)
    return Variable(name, field, "number", (argument,), doc, "%d", http)


def _hex(name: str, field: str, argument: str, doc: str, template: str = "%d") -> Variable:
    return Variable(name, field, "hex", (argument,), doc, template)


def _wire(name: str, field: str, argument: str, doc: str) -> Variable:
    return Variable(name, field, "wire", (argument,), doc, http=True)


def _date(name: str, cache: str, moment: str, doc: str, *, http: bool = False) -> Variable:
    return Variable(name, "", "date", (f"{cache}[{moment} // 1000]",), doc, http=http)


def _millis(name: str, field: str, moment: str, doc: str, *, http: bool = False) -> Variable:
    arguments = (f"local_dates[{moment} // 1000]", f"{moment} % 1000")
    return Variable(name, field, "date", arguments, doc, "%b.%03d", http, f"iso_date({moment})")


def _captures(name: str, field: str, style: str, source: str, doc: str) -> Variable:
    return Variable(name, field, "captures", (f"{style}({source})", source), doc, json=f"texts({source})")


VARIABLES: tuple[Variable, ...] = (
    _number("B", "bytes_read", "x.bytes_out", "bytes sent to the client, heads included", plus="plus"),
    _text(
        "CC",
        "captured_request_cookie",
        "x.cookie_request and printable(x.cookie_request)",
        "the captured request cookie",
        http=True,
    ),
    _text(
        "CS",
        "captured_response_cookie",
        "x.cookie_response and printable(x.cookie_response)",
        "the captured response cookie",
        http=True,
    ),
    _text("H", "", "hostname", "this machine's host name"),
    _wire("HM", "method", "method(x.request_line)", "the request's method"),
    _wire("HP", "", "target(x.request_line).partition(b'?')[0]", "the request target without its query"),
    _wire("HPO", "path", "path(x.request_line)", "the path alone, without host and query"),
    _wire("HQ", "query", "query(x.request_line)", "the query with its ?"),
    _wire("HU", "uri", "target(x.request_line)", "the request target"),
    _wire("HV", "http_version", "version(x.request_line)", "the request's version, as in HTTP/1.1"),
    _text("ID", "", "unique_id(x)", "the exchange's unique id; it has none without unique-id-format"),
    _number("ST", "status", "x.status", "the status that the client got; -1: none"),
    _date("T", "gmt_zone_dates", "accept", "the accept date in GMT"),
    _number(
        "Ta",
        "active_ms",
        "active",
        "first byte of the request to last byte of the response",
        http=True,
        plus="plus",
    ),
    _number(
        "Tc", "connect_ms", "connected - queued if connected >= 0 else -1", "connecting, retries included"
    ),
    _number(
        "Td", "data_ms", "active - DATA if DATA >= 0 else -1", "the data phase: what is left of the whole"
    ),
    _number(
        "Th", "handshake_ms", "handshake", "TLS and PROXY handshakes; 0 after a connection's first request"
    ),
    _number("Ti", "idle_ms", "idle", "idle time before the request", http=True),
    _date("Tl", "local_zone_dates", "accept", "the accept date in local time"),
    _number("Tq", "", "handshake + idle + received if received >= 0 else -1", "Th + Ti + TR", http=True),
    _number("TR", "request_ms", "received", "first byte of the request to the end of its head", http=True),
    _number(
        "Tr",
        "response_ms",
        "answered - connected if answered >= 0 else -1",
        "connection to response head",
        http=True,
    ),
    _hex("Ts", "", "accept // 1000", "the accept date in seconds since 1970"),
    _number(
        "Tt",
        "total_ms",
        "active + handshake + (idle if idle > 0 else 0)",
        "accept to last close",
        plus="plus",
    ),
    _number("Tu", "", "active + handshake", "Tt without the idle time", plus="plus"),
    _number(
        "Tw", "queue_ms", "queued - received if queued >= 0 else -1", "queues and pauses between retries"
    ),
    _number("U", "bytes_uploaded", "x.bytes_in", "bytes read from the client"),
    _number("ac", "actconn", "x.counts[0]", "connections of the process"),
    _text(
        "b",
        "backend",
        "(x.backend or x.frontend).name.encode()",
        "the backend, or the frontend when none was chosen",
    ),
    _number("bc", "beconn", "x.counts[2]", "connections of the backend"),
    Variable("bi", "backend_source_ip", "ip", ("x.ends[0]",), "the address that we connected from"),
    _hex("bp", "backend_source_port", "x.ends[1]", "the port that we connected from"),
    _number("bq", "backend_queue", "x.queue_backend", "requests before this one in the backend's queue"),
    Variable("ci", "client_ip", "ip", ("x.src",), "the client's address"),
    _hex("cp", "client_port", "client.src_port", "the client's port"),
    _text("f", "frontend", "x.frontend.name.encode()", "the frontend"),
    _number("fc", "feconn", "x.counts[1]", "connections of the frontend"),
    Variable("fi", "frontend_ip", "ip", ("client.dst",), "the address that the client connected to"),
    _hex("fp", "frontend_port", "client.dst_port", "the port that the client connected to"),
    Variable(
        "ft",
        "",
        "text",
        ("x.frontend.name.encode()", 'b"~" if client.bind.tls else b""'),
        "the frontend, with a ~ when the client speaks TLS",
        "%b%b",
    ),
    _hex("lc", "", "next(lines)", "lines that this format has made in this process, from 0"),
    _captures("hr", "captured_request_headers", "braces", "x.request_captures", "captured request fields"),
    _captures("hrl", "", "listing", "x.request_captures", "captured request fields, CLF style"),
    _captures("hs", "captured_response_headers", "braces", "x.response_captures", "captured response fields"),
    _captures("hsl", "", "listing", "x.response_captures", "captured response fields, CLF style"),
    _hex("ms", "", "accept % 1000", "the accept date's milliseconds", "%03d"),
    _hex("pid", "pid", "getpid()", "this process"),
    _wire("r", "http_request", "x.request_line or BADREQ", "the request line, or <BADREQ>"),
    _number(
        "rc",
        "retries",
        "x.retries",
        "retries, with a + after a redispatch",
        plus='b"+" if x.redispatched else b""',
    ),
    _hex("rt", "request_counter", "x.number", "this exchange's number in the process"),
    _text(
        "s",
        "server",
        "(x.server.name if x.server else x.service or '<NOSRV>').encode()",
        "the server, or <NOSRV>",
    ),
    _number("sc", "srv_conn", "x.counts[3]", "connections of the server"),
    Variable(
        "si",
        "server_ip",
        "ip",
        ("(x.ends[2] or x.server.address).host if x.server else ''",),
        "the server's address",
    ),
    _hex("sp", "server_port", "(x.ends[2] or x.server.address).port if x.server else 0", "the server's port"),
    _number("sq", "srv_queue", "x.queue_server", "requests before this one in the server's queue"),
    _text(
        "sslc", "ssl_ciphers", "client.tls.cipher.encode() if client.tls else b''", "the client's TLS cipher"
    ),
    _text(
        "sslv",
        "ssl_version",
        "client.tls.version.encode() if client.tls else b''",
        "the client's TLS version",
    ),
    _millis("t", "accept_date", "accept", "the accept date, with milliseconds"),
    _millis("tr", "", "began", "the request's date, with milliseconds", http=True),
    _date("trg", "gmt_zone_dates", "began", "the request's date in GMT", http=True),
    _date("trl", "local_zone_dates", "began", "the request's date in local time", http=True),
    Variable(
        "ts", "", "text", ("(x.cause + x.phase).encode()",), "how the session ended: the first two flags"
    ),
    Variable(
        "tsc",
        "termination_state",
        "flags",
        ('f"{x.cause}{x.phase}{x.cookie_in}{x.cookie_out}".encode()',),
        "how the session ended, and what became of the persistence cookie",
    ),
)
"""All of them, in HAProxy's order."""

BY_NAME = {variable.name: variable for variable in VARIABLES}
