"""What log lines are made of: encodings, dates, the parts of a request line."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from os import getpid

from greenlb.policy.uniqueid import unique_id

_WIRE_PLAIN = bytes(c for c in range(32, 127) if c not in b'"#')
_FIELD_PLAIN = bytes(c for c in range(32, 127) if c not in b'"#{|}')
_NOT_CONTROL = bytes(c for c in range(256) if c >= 32 and c != 127)
_VALUE_PLAIN = _NOT_CONTROL + b"\t"

BADREQ = b"<BADREQ>"
"""What stands for a request line that could not be read."""


def _encoder(plain: bytes, mark: bytes) -> Callable[[bytes | None], bytes]:
    """An encoding that leaves the bytes of ``plain`` and writes the others as ``mark`` and two digits."""
    others = re.compile(b"[^" + re.escape(plain) + b"]")

    def encode(text: bytes | None) -> bytes:
        if not text or not text.translate(None, plain):
            return text or b""
        return others.sub(lambda found: mark + b"%02X" % found.group()[0], text)

    return encode


encode_wire = _encoder(_WIRE_PLAIN, b"#")
"""A request line as HAProxy logs it."""
encode_field = _encoder(_FIELD_PLAIN, b"#")
"""A captured field: also the marks that stand around captures are encoded."""
printable = _encoder(_NOT_CONTROL, b"#")
"""A string without control bytes, so that no value can begin a line of its own."""
percent_encoded = _encoder(_VALUE_PLAIN, b"%")
"""A sample's value as part of a header field (RFC 9110 section 5.5)."""


def escape(text: bytes) -> bytes:
    """The +E flag: a PARAM-VALUE of structured data (RFC 5424 section 6.3.3)."""
    return re.sub(rb'(["\\\]])', rb"\\\1", text)


def braces(captured: Iterable[bytes | None], quoted: bool = False, escaped: bool = False) -> bytes:
    """``{a|b}``."""
    text = b"{" + b"|".join([encode_field(value) for value in captured]) + b"}"
    text = escape(text) if escaped else text
    return b'"' + text + b'"' if quoted else text


def listing(captured: Iterable[bytes | None], quoted: bool = False, escaped: bool = False) -> bytes:
    """``a b`` with ``-`` for what was not there, or ``"a" "b"`` with an empty pair."""
    values = [encode_field(value) for value in captured]
    values = [escape(value) for value in values] if escaped else values
    return b" ".join([b'"' + value + b'"' if quoted else value or b"-" for value in values])


def hexadecimal(address: str) -> bytes:
    """An address as its bytes in hexadecimal; empty when it is none (a unix socket)."""
    try:
        return ip_address(address).packed.hex().upper().encode()
    except ValueError:
        return b""


class _Dates(dict[int, bytes]):
    """Second since 1970 -> the date of a log line; each is formatted once."""

    def __init__(self, form: str, broken_down: Callable[[float], time.struct_time]) -> None:
        self.form = form
        self.broken_down = broken_down

    def __missing__(self, second: int) -> bytes:
        if len(self) >= 256:  # long requests may have begun in any of them
            self.clear()
        moment = self.broken_down(second)
        month = _MONTHS[moment.tm_mon - 1]  # never translated
        text = self[second] = time.strftime(self.form, moment).replace("MONTH", month).encode()
        return text


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

local_dates = _Dates("%d/MONTH/%Y:%H:%M:%S", time.localtime)
local_zone_dates = _Dates("%d/MONTH/%Y:%H:%M:%S %z", time.localtime)
gmt_zone_dates = _Dates("%d/MONTH/%Y:%H:%M:%S +0000", time.gmtime)
iso_dates = _Dates("%Y-%m-%dT%H:%M:%S", time.gmtime)


def iso_date(moment: int) -> str:
    """Milliseconds since 1970 as RFC 3339 writes them, in UTC."""
    return f"{iso_dates[moment // 1000].decode()}.{moment % 1000:03d}Z"


def method(line: bytes) -> bytes:
    """The request line's first word."""
    words = line.split(None, 1)
    return words[0] if len(words) > 1 else BADREQ


def target(line: bytes) -> bytes:
    """The request line's second word."""
    words = line.split()
    return words[1] if len(words) > 1 else BADREQ


def path(line: bytes) -> bytes:
    """The path of the target: without scheme, authority and query."""
    found = target(line)
    if b"://" in found.partition(b"?")[0]:
        _, slash, rest = found.partition(b"://")[2].partition(b"/")
        found = slash + rest or b"/"
    return found.partition(b"?")[0]


def query(line: bytes) -> bytes:
    """The query with its question mark, or nothing."""
    if not line:
        return BADREQ
    _, mark, rest = target(line).partition(b"?")
    return mark + rest


def version(line: bytes) -> bytes:
    """The request line's third word; a request of two words is HTTP/0.9."""
    words = line.split(None, 2)
    if len(words) < 2:
        return BADREQ
    return words[2] if len(words) == 3 else b"HTTP/0.9"


def decode(text: bytes) -> str:
    """For JSON: UTF-8, and what is not UTF-8 as ``\\xNN``."""
    return text.decode("utf-8", "backslashreplace")


def texts(captured: Iterable[bytes | None] | None) -> list[str | None]:
    """Captured fields for JSON."""
    return [None if value is None else decode(value) for value in captured or ()]


def none_if_negative(number: int) -> int | None:
    """A timer for JSON: -1 is a phase that was not reached."""
    return number if number >= 0 else None


NAMES: dict[str, object] = {
    function.__name__: function
    for function in (
        *(braces, decode, escape, getpid, hexadecimal, iso_date, listing, method, none_if_negative),
        *(path, query, target, texts, version),
    )
} | {
    "BADREQ": BADREQ,
    "encode_wire": encode_wire,
    "gmt_zone_dates": gmt_zone_dates,
    "local_dates": local_dates,
    "local_zone_dates": local_zone_dates,
    "monotonic": time.monotonic,
    "percent_encoded": percent_encoded,
    "printable": printable,
    "unique_id": unique_id,
    "wall": time.time,
}
"""What a compiled format may call."""
