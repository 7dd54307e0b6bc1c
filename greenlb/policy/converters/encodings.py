"""Converters between encodings, digests, and dates as text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
import urllib.parse
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.vocabulary import Argument, Convert, Converter

_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})?")
_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_BASE64URL = re.compile(rb"[A-Za-z0-9_-]*")
_HEXADECIMAL = re.compile(rb"[0-9A-Fa-f]*")
_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DATE_BITS = (1 << 55) - 1  # HAProxy keeps a date this far from overflowing


def _b64dec(x: Exchange, value: bytes) -> bytes | None:
    return binascii.a2b_base64(value) if _BASE64.fullmatch(value) else None


def _ub64enc(x: Exchange, value: bytes) -> bytes:
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def base64url(value: bytes) -> bytes | None:
    """``value`` decoded, padded or not; None when it is no base64url (RFC 4648 section 5)."""
    value = value.rstrip(b"=")
    if len(value) % 4 == 1 or not _BASE64URL.fullmatch(value):
        return None
    return base64.urlsafe_b64decode(value + b"=" * (-len(value) % 4))


def _big_endian(write: Callable[[bytes], str], limit: int) -> Callable[..., Convert]:
    """Chunks of so many octets, each written by ``write``, with a separator between; a last chunk that is
    short is left out when ``truncate``."""

    def make(separator: str | None, size: int | None, truncate: int | None) -> Convert:
        if (size or truncate) and not 0 < (size or 0) <= limit:
            raise ValueError(f"the size of a chunk is from 1 to {limit}, got {size}")
        between, step = separator or "", size or limit

        def convert(x: Exchange, value: bytes) -> bytes:
            end = len(value) - len(value) % step if truncate else len(value)
            return between.join(write(value[at : at + step]) for at in range(0, end, step)).encode()

        return convert

    return make


def _hex2i(x: Exchange, value: bytes) -> int | None:
    return int(value or b"0", 16) if _HEXADECIMAL.fullmatch(value) else None


def _url_decode(in_form: int | None) -> Convert:
    """Percent-decoding; ``+`` is a space in a form, and after a question mark.  A ``%`` that two
    hexadecimal digits do not follow makes the value unusable."""

    def convert(x: Exchange, value: bytes) -> bytes | None:
        if b"+" in value:
            path, mark, query = (b"", b"", value) if in_form else value.partition(b"?")
            value = path + mark + query.replace(b"+", b" ")
        if b"%" not in value:
            return value
        if any(digits == b"" for digits in _ESCAPE.findall(value)):
            return None
        return urllib.parse.unquote_to_bytes(value)

    return convert


def _url_encode(kind: str | None) -> Convert:
    if kind not in (None, "", "query"):
        raise ValueError(f"url_enc() knows the encoding 'query', got '{kind}'")
    return lambda x, value: urllib.parse.quote_from_bytes(value, safe="-._~").encode()


def _digest(name: str) -> Convert:
    return lambda x, value: hashlib.new(name, value, usedforsecurity=False).digest()


def _sha2(bits: int | None) -> Convert:
    if bits not in (None, 224, 256, 384, 512):
        raise ValueError(f"sha2() makes 224, 256, 384 or 512 bits, got {bits}")
    return _digest(f"sha{bits or 256}")


def _json(encoding: str | None) -> Convert:
    if encoding not in (None, "", "ascii", "utf8", "utf8s", "utf8p", "utf8ps"):
        raise ValueError(f"json() reads 'ascii', 'utf8', 'utf8s', 'utf8p' or 'utf8ps', got '{encoding}'")
    name, errors = {
        "utf8": ("utf-8", "strict"),
        "utf8s": ("utf-8", "ignore"),
        "utf8p": ("utf-8", "strict"),
        "utf8ps": ("utf-8", "ignore"),
    }.get(encoding or "", ("latin-1", "strict"))

    def convert(x: Exchange, value: bytes) -> bytes | None:
        try:
            text = value.decode(name, errors)
        except UnicodeDecodeError:
            return None
        return json.dumps(text)[1:-1].replace("/", "\\/").encode()

    return convert


def _unit(unit: str | None) -> int:
    if unit is not None and unit not in _UNITS:
        raise ValueError(f"the unit must be 's', 'ms' or 'us', got '{unit}'")
    return _UNITS[unit or "s"]


def _http_date(offset: int | None, unit: str | None) -> Convert:
    """RFC 9110 section 5.6.7 (IMF-fixdate); with ms or us the fraction follows the seconds."""
    scale, shift = _unit(unit), offset or 0

    def convert(x: Exchange, value: int) -> bytes:
        seconds, fraction = divmod(value + shift, scale)
        t = time.gmtime(seconds & _DATE_BITS)
        rest = "" if scale == 1 else f".{fraction}"
        return (
            f"{_DAYS[t.tm_wday]}, {t.tm_mday:02d} {_MONTHS[t.tm_mon - 1]} {t.tm_year:04d} "
            f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}{rest} GMT"
        ).encode()

    return convert


def _time(local: bool, form: str, offset: int | None) -> Convert:
    shift = offset or 0
    split = time.localtime if local else time.gmtime
    return lambda x, value: time.strftime(form, split((value & _DATE_BITS) + shift)).encode()


_CLOCK = (Argument("format"), Argument("offset", "int", True))

ROWS = (
    Converter("base64", "bin", "str", "Encodes in base64.", lambda: lambda x, value: base64.b64encode(value)),
    Converter("b64dec", "str", "bin", "Decodes base64.", lambda: _b64dec),
    Converter("ub64enc", "bin", "str", "Encodes in base64url without padding.", lambda: _ub64enc),
    Converter("ub64dec", "str", "bin", "Decodes base64url.", lambda: lambda x, value: base64url(value)),
    Converter(
        "hex", "bin", "str", "Two hexadecimal digits an octet.", lambda: lambda x, v: v.hex().upper().encode()
    ),
    Converter("hex2i", "str", "int", "The number that hexadecimal digits write.", lambda: _hex2i),
    Converter(
        "be2dec",
        "bin",
        "str",
        "The big-endian numbers that chunks of octets write, in decimal.",
        _big_endian(lambda chunk: str(int.from_bytes(chunk)), 8),
        (Argument("separator"), Argument("chunk_size", "int"), Argument("truncate", "int", True)),
    ),
    Converter(
        "be2hex",
        "bin",
        "str",
        "Two hexadecimal digits an octet, with a separator between chunks of octets.",
        _big_endian(lambda chunk: chunk.hex().upper(), 1 << 30),
        (
            Argument("separator", "str", True),
            Argument("chunk_size", "int", True),
            Argument("truncate", "int", True),
        ),
    ),
    Converter("url_dec", "str", "str", "Percent-decodes.", _url_decode, (Argument("in_form", "int", True),)),
    Converter("url_enc", "str", "str", "Percent-encodes.", _url_encode, (Argument("enc_type", "str", True),)),
    Converter(
        "json", "str", "str", "Escapes for a JSON string.", _json, (Argument("input-code", "str", True),)
    ),
    Converter("sha1", "bin", "bin", "The SHA-1 digest.", lambda: _digest("sha1")),
    Converter(
        "sha2",
        "bin",
        "bin",
        "The SHA-2 digest, of 256 bits by default.",
        _sha2,
        (Argument("bits", "int", True),),
    ),
    Converter(
        "http_date",
        "int",
        "str",
        "A date as HTTP writes it, from seconds (ms, us) since 1970.",
        _http_date,
        (Argument("offset", "int", True), Argument("unit", "str", True)),
    ),
    Converter(
        "ltime", "int", "str", "A local date in a strftime(3) format.", lambda f, o: _time(True, f, o), _CLOCK
    ),
    Converter(
        "utime", "int", "str", "A UTC date in a strftime(3) format.", lambda f, o: _time(False, f, o), _CLOCK
    ),
)
