"""Edits of a head that cannot break it: whatever a rule writes, the message stays one message."""

from __future__ import annotations

import re
from collections.abc import Callable

from greenlb.message import OWS, Fields, Request
from greenlb.policy.samples.request import path_and_query
from greenlb.policy.vocabulary import octets

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")  # all controls but the tab
_UNSAFE = re.compile(rb"[\x00-\x20\x7f]")
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
FRAMING = frozenset((b"content-length", b"transfer-encoding"))
AUTHORITY = re.compile(rb"([A-Za-z][A-Za-z0-9+.\-]*://)([^/?#]*)")

Edit = Callable[[bytes], bytes | None]
"""A value in, the new one out, None to leave it as it is."""


def field_name(text: str) -> bytes:
    """A field's name as it is to be spelled.  Raises ValueError: not a token, or a framing field."""
    name = octets(text)
    if _TOKEN.fullmatch(name) is None:
        raise ValueError(f"'{text}' is not a header name")
    if name.lower() in FRAMING:
        raise ValueError(f"'{text}' says how long the body is: it is not for rules to change")
    return name


def clean(value: bytes) -> bytes:
    return _FORBIDDEN.sub(b" ", value)


def encode_unsafe(target: bytes) -> bytes:
    """Percent-encode what would end the target or the line: blanks and controls (RFC 9112 section 3)."""
    return _UNSAFE.sub(lambda match: b"%%%02X" % match.group()[0], target)


def set_authority(request: Request) -> None:
    """Make an absolute-form target name the host that the Host field names."""
    request.target = AUTHORITY.sub(lambda match: match.group(1) + request.host, request.target, count=1)


def rewrite(fields: Fields, name: bytes, edit: Edit) -> None:
    """Put ``edit(value)`` in place of the value of every field called ``name`` (lower-case)."""
    mark = b"\r\n" + name + b":"
    start = fields.lower.find(mark)
    while start >= 0:
        start += len(mark)
        end = fields.raw.index(b"\r\n", start)
        value = fields.raw[start:end].strip(OWS)
        changed = edit(value)
        if changed is not None:
            fields.splice(start, end, b" " + changed)
            end = start + 1 + len(changed)
        start = fields.lower.find(mark, end)


def put_method(request: Request, method: bytes) -> bool:
    """False, and nothing is changed: it is no method, or it would begin or spare a tunnel.

    The client knows the end of its answer by the method that it sent (RFC 9112 section 6.3): where that is no
    longer the server's, the exchange is the last of its connection."""
    old = request.method
    if _TOKEN.fullmatch(method) is None or (method != old and b"CONNECT" in (method, old)):
        return False
    request.method = method
    if method != old and b"HEAD" in (method, old):
        request.keep_alive = False
    return True


def put_target(request: Request, target: bytes) -> None:
    """Host follows the authority of an absolute target."""
    request.target = target or b"/"
    match = AUTHORITY.match(target)
    if match is not None:
        authority = match.group(2).rpartition(b"@")[2]
        rewrite(request.fields, b"host", lambda value: authority)


def as_path(text: bytes) -> bytes:
    """``text`` as a path: what would be read as an absolute target, with a host that Host does not name, is
    none (RFC 9112 section 3.2.2)."""
    return b"/" + text if AUTHORITY.match(text) is not None else text


def put_path(request: Request, path: bytes) -> None:
    """The query stays; scheme and authority too.  A target without a path is replaced as a whole."""
    target = request.target
    old = path_and_query(target)
    path = as_path(path)
    if old is None:
        request.target = path or b"/"
        return
    before = target[: len(target) - len(old)]
    mark = old.find(b"?")
    request.target = before + path + (old[mark:] if mark >= 0 else b"") or b"/"


def put_query(request: Request, query: bytes) -> None:
    """A question mark is added for a query, never removed."""
    before, mark, _ = request.target.partition(b"?")
    if mark or query:
        request.target = before + b"?" + query
