"""Samples of bodies: as much as has come and stands in the buffer.

``option http-buffer-request`` and the action ``wait-for-body`` make that the whole, up to the size of the
buffer; without them it is what came with the head.  A body that is on its way to the other side is gone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.vocabulary import Argument, Fetch, Occurrences, Sample, octets

Body = Callable[[Exchange], "bytes | None"]

_FORM = re.compile(rb"application/x-www-form-urlencoded\s*(?:;|\Z)", re.IGNORECASE)


def _request(x: Exchange) -> bytes | None:
    reach = x.client.reach
    return None if reach is None or x.request is None else reach.body(x)


def _response(x: Exchange) -> bytes | None:
    reach = x.client.reach
    return None if reach is None or x.response is None else reach.response_body(x)


def _whole(body: Body) -> Callable[[], Fetch]:
    return lambda: lambda x: body(x) or None


def _length(body: Body) -> Callable[[], Fetch]:
    def fetch(x: Exchange) -> int | None:
        found = body(x)
        return None if found is None else len(found)

    return lambda: fetch


def _size(of_response: bool) -> Callable[[], Fetch]:
    """What the head says; where it says nothing, what has come."""

    def fetch(x: Exchange) -> int | None:
        message = x.response if of_response else x.request
        if message is None:
            return None
        if message.length >= 0:
            return message.length
        found = _response(x) if of_response else _request(x)
        return None if found is None else len(found)

    return lambda: fetch


def _parameters(name: str | None) -> Occurrences:
    wanted = None if name is None else octets(name)

    def values(x: Exchange) -> list[bytes]:
        kind = x.request.fields.get(b"content-type") if x.request is not None else None
        if kind is None or _FORM.match(kind) is None:
            return []
        pairs = (part.partition(b"=") for part in (_request(x) or b"").split(b"&"))
        return [value for key, equal, value in pairs if equal and (wanted is None or key == wanted)]

    return values


def _parameter(name: str | None) -> Fetch:
    values = _parameters(name)

    def fetch(x: Exchange) -> bytes | None:
        found = values(x)
        return found[0] if found else None

    return fetch


ROWS = (
    Sample("req.body", "bin", "request", "The request's body.", _whole(_request), reads="body"),
    Sample(
        "req.body_len",
        "int",
        "request",
        "How much of the request's body is here.",
        _length(_request),
        reads="body",
    ),
    Sample(
        "req.body_size",
        "int",
        "request",
        "The size of the request's body as its head tells, else how much is here.",
        _size(False),
        reads="body",
    ),
    Sample(
        "req.body_param",
        "str",
        "request",
        "The first value of a parameter of a form (application/x-www-form-urlencoded), not decoded.",
        _parameter,
        (Argument("name", optional=True),),
        every=_parameters,
        reads="body",
    ),
    Sample("res.body", "bin", "response", "The response's body.", _whole(_response), reads="response body"),
    Sample(
        "res.body_len",
        "int",
        "response",
        "How much of the response's body is here.",
        _length(_response),
        reads="response body",
    ),
    Sample(
        "res.body_size",
        "int",
        "response",
        "The size of the response's body as its head tells, else how much is here.",
        _size(True),
        reads="response body",
    ),
)
