"""Rules that options make: ``option http-restrict-req-hdr-names`` and ``option checkcache``."""

from __future__ import annotations

import re
from typing import Final

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Fields, Reply
from greenlb.model import Rule

_ODD: Final = re.compile(rb"\r\n[^:\r]*[^a-z0-9:\r-][^:\r]*:[^\r]*")
_CACHEABLE: Final = frozenset((200, 203, 204, 206, 300, 301, 404, 405, 410, 414, 501))
_SAFE_METHODS: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))
_ALERT: Final = 1


def restrict(how: str) -> Rule | None:
    """What becomes of fields whose names have more than letters, digits and hyphens; None: nothing."""

    def delete(x: Exchange) -> None:
        if x.request is not None:
            x.request.fields.cut(_ODD)

    def reject(x: Exchange) -> Reply | None:
        if x.request is None or _ODD.search(x.request.fields.lower) is None:
            return None
        return replies.make(403, "P", "R")

    return {"delete": delete, "reject": reject}.get(how)


def check_cache(x: Exchange) -> Reply | None:
    """A response that sets a cookie and may be kept by a cache (RFC 9111 section 3) is refused."""
    response, request = x.response, x.request
    if response is None or request is None:
        return None
    fields = response.fields
    if not (fields.has(b"set-cookie") or fields.has(b"set-cookie2")):
        return None
    said = [element.lower() for element in fields.elements(b"cache-control")]
    if any(map(_kept_back, said)) or (not said and _no_cache(fields)):
        return None
    usual = response.status in _CACHEABLE and request.method in _SAFE_METHODS
    if not (usual or b"public" in said) or not _lasts(fields, said):
        return None
    x.level = _ALERT
    return replies.make(502, "P", "H")


def _kept_back(element: bytes) -> bool:
    if element.startswith(b"no-cache="):
        return element.startswith((b'no-cache="set-cookie"', b'no-cache="set-cookie,'))
    return element.partition(b"=")[0] in (b"private", b"no-cache", b"no-store") or element in (
        b"max-age=0",
        b"s-maxage=0",
    )


def _no_cache(fields: Fields) -> bool:
    return any(element.lower() == b"no-cache" for element in fields.elements(b"pragma"))


def _lasts(fields: Fields, said: list[bytes]) -> bool:
    """Whether a cache can tell for how long it is fresh, or ask whether it still is."""
    return any(element.startswith((b"max-age=", b"s-maxage=")) for element in said) or any(
        map(fields.has, (b"expires", b"etag", b"last-modified"))
    )
