"""Samples of header fields, of the request and of the response.

``hdr`` sees the comma-separated elements of all fields of a name as one list, ``fhdr`` the whole field
values.  As a value the last element is taken; in a condition each is tried.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.message import OWS, Fields
from greenlb.policy.addresses import Address, parse_address
from greenlb.policy.vocabulary import Argument, Convert, Fetch, Kind, Needs, Occurrences, Sample, octets

_HISTORY = 10  # HAProxy's MAX_HDR_HISTORY: how far a negative occurrence may look back
_ELEMENT = re.compile(rb'((?>(?:[^",]|"(?>(?:[^"\\]|\\.)*)"?)*))(,|\Z)', re.DOTALL)
_NUMBER = re.compile(rb"[+-]?\d+")
_PORT = re.compile(rb"([0-9.]+):(\d{1,5})")

Block = Callable[[Exchange], Fields | None]
List = Callable[[Fields], list[bytes]]


def request_fields(x: Exchange) -> Fields | None:
    return None if x.request is None else x.request.fields


def response_fields(x: Exchange) -> Fields | None:
    return None if x.response is None else x.response.fields


def pieces(value: bytes) -> list[bytes]:
    """``value`` cut at its commas; a quoted comma does not separate."""
    if b'"' not in value:
        return value.split(b",")
    parts, position = [], 0
    while True:
        match = _ELEMENT.match(value, position)
        assert match is not None  # the expression matches the empty string
        parts.append(match.group(1))
        if not match.group(2):
            return parts
        position = match.end()


def split(value: bytes) -> list[bytes]:
    """The comma-separated elements of ``value``, empty ones kept."""
    return [piece.strip(OWS) for piece in pieces(value)]


def elements(fields: Fields, name: bytes) -> list[bytes]:
    """All elements of all fields called ``name``, in order."""
    values = fields.get_all(name)
    if len(values) == 1:
        return split(values[0]) if b"," in values[0] else values
    return [part for value in values for part in split(value)]


def _lister(name: str | None, whole: bool) -> List:
    if name is None:
        if whole:
            return lambda fields: [value for _, value in fields.items()]
        return lambda fields: [part for _, value in fields.items() for part in split(value)]
    wanted = octets(name.lower())
    if whole:
        return lambda fields: fields.get_all(wanted)
    return lambda fields: elements(fields, wanted)


def _occurrence(block: Block, listed: List, occurrence: int) -> Fetch:
    if occurrence < -_HISTORY:
        raise ValueError(f"a header occurrence must be -{_HISTORY} or more, got {occurrence}")
    index = occurrence - 1 if occurrence > 0 else occurrence

    def nth(x: Exchange) -> bytes | None:
        fields = block(x)
        if fields is None:
            return None
        values = listed(fields)
        return values[index] if -len(values) <= index < len(values) else None

    return nth


def _value(block: Block, whole: bool, convert: Convert | None = None) -> Callable[..., Fetch]:
    """Makes the fetch of one value: the named occurrence, by default the last."""

    def make(name: str | None, occurrence: int | None = None) -> Fetch:
        text = _occurrence(block, _lister(_named(name, whole), whole), occurrence or -1)
        if convert is None:
            return text

        def converted(x: Exchange) -> object:
            value = text(x)
            return None if value is None else convert(x, value)

        return converted

    return make


def _every(block: Block, whole: bool, convert: Convert | None = None) -> Callable[..., Occurrences]:
    """Makes the list of values a condition tries: all of them, or the one named occurrence."""

    def make(name: str | None, occurrence: int | None = None) -> Occurrences:
        listed = _lister(_named(name, whole), whole)
        one = _occurrence(block, listed, occurrence) if occurrence else None

        def values(x: Exchange) -> list[bytes]:
            if one is not None:
                value = one(x)
                return [] if value is None else [value]
            fields = block(x)
            return [] if fields is None else listed(fields)

        if convert is None:
            return values
        return lambda x: [c for c in (convert(x, value) for value in values(x)) if c is not None]

    return make


def _named(name: str | None, whole: bool) -> str | None:
    if name is None and not whole:
        raise ValueError("a header name is expected between the parentheses")
    return name


def _count(block: Block, whole: bool) -> Callable[..., Fetch]:
    def make(name: str | None) -> Fetch:
        listed = _lister(name, whole)

        def count(x: Exchange) -> int | None:
            fields = block(x)
            return None if fields is None else len(listed(fields))

        return count

    return make


def _names(block: Block) -> Callable[..., Fetch]:
    def make(delimiter: str | None) -> Fetch:
        between = octets(delimiter[:1]) if delimiter else b","

        def names(x: Exchange) -> bytes | None:
            fields = block(x)
            return None if fields is None else between.join([name for name, _ in fields.items()])

        return names

    return make


def _lines(block: Block) -> Callable[[], Fetch]:
    """The field lines, with the empty one that ends them."""

    def lines(x: Exchange) -> bytes | None:
        fields = block(x)
        return None if fields is None else fields.raw[2:] + b"\r\n"

    return lambda: lines


def _counted(text: bytes) -> bytes:
    """Behind its length as HAProxy's SPOE writes numbers: 240 and more go on seven bits an octet, after
    four in the first."""
    number, head = len(text), bytearray()
    if number < 240:
        head.append(number)
    else:
        head.append(number & 0xFF | 0xF0)
        number = (number - 240) >> 4
        while number >= 128:
            head.append(number & 0xFF | 0x80)
            number = (number - 128) >> 7
        head.append(number)
    return bytes(head) + text


def _binary(block: Block) -> Callable[[], Fetch]:
    def binary(x: Exchange) -> bytes | None:
        fields = block(x)
        if fields is None:
            return None
        return b"".join([_counted(n) + _counted(v) for n, v in fields.items()]) + b"\0\0"

    return lambda: binary


def to_number(x: Exchange, value: bytes) -> int:
    match = _NUMBER.match(value)
    return int(match.group()) if match else 0


def to_address(x: Exchange, value: bytes) -> Address | None:
    """An address, an IPv4 one possibly followed by a port."""
    with_port = _PORT.fullmatch(value)
    if with_port is not None:
        if int(with_port.group(2)) > 65535:
            return None
        value = with_port.group(1)
    return parse_address(value.decode("latin-1"))


_HEADER = (Argument("name", optional=True), Argument("occ", "int", optional=True))
_SHORT = frozenset(("hdr", "hdr_cnt", "hdr_ip", "hdr_val"))  # what hdr_cnt and shdr_cnt spell too


def _family(prefix: str, old: str, needs: Needs, block: Block, what: str) -> tuple[Sample, ...]:
    """The same rows for the request's fields and the response's; ``old`` is the short spelling of hdr."""

    def row(
        name: str,
        kind: Kind,
        doc: str,
        make: Callable[..., Fetch],
        every: Callable[..., Occurrences] | None = None,
        arguments: tuple[Argument, ...] = _HEADER,
    ) -> Sample:
        aliases = (old + name.removeprefix("hdr"),) if name in _SHORT else ()
        return Sample(f"{prefix}.{name}", kind, needs, doc, make, arguments, aliases, every)

    def values(
        name: str, kind: Kind, doc: str, whole: bool = False, convert: Convert | None = None
    ) -> Sample:
        return row(name, kind, doc, _value(block, whole, convert), _every(block, whole, convert))

    counted, named = (Argument("name", optional=True),), (Argument("delim", optional=True),)
    return (
        values("hdr", "str", f"The last (or the named) element of a {what} field."),
        values("fhdr", "str", f"The last (or the named) whole value of a {what} field.", whole=True),
        values("hdr_ip", "ip", f"The address in a {what} field's element.", convert=to_address),
        values("hdr_val", "int", f"The number that begins a {what} field's element.", convert=to_number),
        row("hdr_cnt", "int", f"How many elements a {what} field has.", _count(block, False), None, counted),
        row(
            "fhdr_cnt",
            "int",
            f"How many {what} fields of a name there are.",
            _count(block, True),
            None,
            counted,
        ),
        row("hdrs", "bin", f"The {what} fields as lines.", _lines(block), None, ()),
        row(
            "hdrs_bin",
            "bin",
            f"The {what} fields, each name and value behind its length, and two empty strings.",
            _binary(block),
            None,
            (),
        ),
        row("hdr_names", "str", f"The names of all {what} fields, joined.", _names(block), None, named),
    )


def _bearer(name: str | None) -> Fetch:
    """RFC 6750 section 2.1.  A field that is named has an empty token rather than none, as in HAProxy."""
    field, nothing = octets((name or "authorization").lower()), b"" if name else None

    def fetch(x: Exchange) -> bytes | None:
        if x.request is None:
            return None
        scheme, _, token = (x.request.fields.get(field) or b"").partition(b" ")
        return token.strip(OWS) or nothing if scheme.lower() == b"bearer" else nothing

    return fetch


ROWS = (
    Sample(
        "http_auth_bearer",
        "str",
        "request",
        "The token that follows the scheme Bearer in Authorization, or in another field.",
        _bearer,
        (Argument("header", optional=True),),
    ),
    *_family("req", "hdr", "request", request_fields, "request"),
    *_family("res", "shdr", "response", response_fields, "response"),
)
