"""Samples of cookies, and of parameters in the query (``name=value`` lists both)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from greenlb.exchange import Exchange
from greenlb.message import OWS
from greenlb.policy.samples.headers import (
    Block,
    elements,
    request_fields,
    response_fields,
    to_number,
)
from greenlb.policy.vocabulary import Argument, Convert, Fetch, Needs, Occurrences, Sample, octets

_PAIR = re.compile(rb'([^=;,]*+)(?:(=)((?>(?:"(?>(?:[^"\\]|\\.)*)"?|[^";,])*)))?(?:[;,]|\Z)', re.DOTALL)


def request_cookies(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The cookies of one Cookie field: (name, value), in order.  ``;`` and ``,`` separate, not within
    quotes.  What has no ``=`` and names beginning with ``$`` (RFC 2965 attributes) are skipped."""
    if b'"' in value:
        pairs = [(name, found) for name, equal, found in _PAIR.findall(value) if equal]
    else:
        parts = value.replace(b",", b";").split(b";")
        pairs = [(name, found) for name, equal, found in (p.partition(b"=") for p in parts) if equal]
    for name, found in pairs:
        name = name.strip(OWS)
        if name[:1] != b"$":
            yield name, found.strip(OWS)


def response_cookies(value: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The one cookie of a Set-Cookie field: its attributes are not cookies."""
    for pair in request_cookies(value):
        yield pair
        return


def _cookies(block: Block, response: bool, name: str | None) -> Occurrences:
    field = b"set-cookie" if response else b"cookie"
    pairs = response_cookies if response else request_cookies
    wanted = None if name is None else octets(name)

    def values(x: Exchange) -> list[bytes]:
        fields = block(x)
        if fields is None:
            return []
        lines = elements(fields, field) if response else fields.get_all(field)
        return [v for line in lines for n, v in pairs(line) if wanted is None or n == wanted]

    return values


def _one(values: Occurrences, first: bool, convert: Convert | None) -> Fetch:
    index = 0 if first else -1

    def fetch(x: Exchange) -> object:
        found = values(x)
        if not found:
            return None
        return found[index] if convert is None else convert(x, found[index])

    return fetch


def _many(values: Occurrences, convert: Convert | None) -> Occurrences:
    if convert is None:
        return values
    return lambda x: [convert(x, value) for value in values(x)]


def _cookie(block: Block, response: bool, convert: Convert | None = None) -> Callable[..., Fetch]:
    return lambda name: _one(_cookies(block, response, name), name is None, convert)


def _every_cookie(block: Block, response: bool, convert: Convert | None = None) -> Callable[..., Occurrences]:
    return lambda name: _many(_cookies(block, response, name), convert)


def _cookie_count(block: Block, response: bool) -> Callable[..., Fetch]:
    def make(name: str | None) -> Fetch:
        values = _cookies(block, response, name)
        return lambda x: len(values(x))

    return make


def _parameters(name: str | None, delimiter: str | None) -> Occurrences:
    start = octets(delimiter[:1]) if delimiter else b"?"
    ends = re.compile(b"[&;" + re.escape(start) + b"]")
    wanted = None if name is None else octets(name) + b"="

    def values(x: Exchange) -> list[bytes]:
        if x.request is None:
            return []
        _, mark, query = x.request.target.partition(start)
        if not mark:
            return []
        parts = ends.split(query)
        if wanted is None:
            return [part.partition(b"=")[2] for part in parts if b"=" in part]
        return [part[len(wanted) :] for part in parts if part.startswith(wanted)]

    return values


def _parameter(convert: Convert | None = None) -> Callable[..., Fetch]:
    return lambda name, delimiter: _one(_parameters(name, delimiter), True, convert)


def _every_parameter(convert: Convert | None = None) -> Callable[..., Occurrences]:
    return lambda name, delimiter: _many(_parameters(name, delimiter), convert)


_NAME = (Argument("name", optional=True),)
_PARAMETER = (Argument("name", optional=True), Argument("delim", optional=True))


def _family(prefix: str, old: str, needs: Needs, block: Block, response: bool) -> tuple[Sample, ...]:
    what = "response sets" if response else "request carries"
    return (
        Sample(
            f"{prefix}.cook",
            "str",
            needs,
            f"The value of a cookie that the {what}: the last of its name, the first without a name.",
            _cookie(block, response),
            _NAME,
            (old,),
            _every_cookie(block, response),
        ),
        Sample(
            f"{prefix}.cook_cnt",
            "int",
            needs,
            f"How many cookies of a name the {what}.",
            _cookie_count(block, response),
            _NAME,
            (f"{old}_cnt",),
        ),
        Sample(
            f"{prefix}.cook_val",
            "int",
            needs,
            f"The number at the start of the value of a cookie that the {what}.",
            _cookie(block, response, to_number),
            _NAME,
            (f"{old}_val",),
            _every_cookie(block, response, to_number),
        ),
    )


ROWS = (
    *_family("req", "cook", "request", request_fields, False),
    *_family("res", "scook", "response", response_fields, True),
    Sample(
        "url_param",
        "str",
        "request",
        "The first value of a parameter of the query, not decoded.",
        _parameter(),
        _PARAMETER,
        ("urlp",),
        _every_parameter(),
    ),
    Sample(
        "urlp_val",
        "int",
        "request",
        "The number at the start of a parameter of the query.",
        _parameter(to_number),
        _PARAMETER,
        (),
        _every_parameter(to_number),
    ),
)
