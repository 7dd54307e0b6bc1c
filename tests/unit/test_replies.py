"""Our own answers as they go out."""

from __future__ import annotations

import pytest

from greenlb import replies
from greenlb.message import Fields, Reply, Request

HTTP11 = Request(b"GET", b"/", True, Fields())
HTTP10 = Request(b"GET", b"/", False, Fields())
HEAD = Request(b"HEAD", b"/", True, Fields())

UNREADABLE = (
    b"HTTP/1.1 400 Bad request\r\n"
    b"Content-length: 90\r\n"
    b"Cache-Control: no-cache\r\n"
    b"Connection: close\r\n"
    b"Content-Type: text/html\r\n"
    b"\r\n"
    b"<html><body><h1>400 Bad request</h1>\nYour browser sent an invalid request.\n</body></html>\n"
)
"""What HAProxy 2.6 sends to a request that it cannot read, octet for octet."""


def test_unreadable_request() -> None:
    assert replies.render(replies.make(400), keep=False, request=None) == UNREADABLE


@pytest.mark.parametrize("status", (400, 401, 403, 408, 413, 414, 429, 431, 500, 501, 502, 503, 504))
def test_every_status_has_its_page(status: int) -> None:
    data = replies.render(replies.make(status), keep=True, request=HTTP11)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"Content-length: %d\r\nCache-Control: no-cache\r\nContent-Type: text/html" % len(body) in head
    assert body.startswith(b"<html><body><h1>%d " % status)
    assert body.endswith(b"\n</body></html>\n")


def test_unknown_status_is_an_internal_error() -> None:
    assert replies.make(418).status == 500


@pytest.mark.parametrize("status", sorted(replies.ERRORS))
def test_closing_pages(status: int) -> None:
    assert replies.make(status).close is (status in (400, 408))


def test_flags_and_standard() -> None:
    reply = replies.make(403, "P", "R")
    assert (reply.cause, reply.phase, reply.standard, reply.action) == ("P", "R", True, "")


def test_connection_goes_last() -> None:
    closed = replies.render(replies.make(403), keep=False, request=HTTP11)
    assert b"Content-Type: text/html\r\nConnection: close\r\n\r\n<html>" in closed
    kept = replies.render(replies.make(403), keep=True, request=HTTP11)
    assert b"Connection" not in kept
    old = replies.render(replies.make(403), keep=True, request=HTTP10)
    assert b"Content-Type: text/html\r\nConnection: keep-alive\r\n\r\n<html>" in old


def test_head_gets_no_body() -> None:
    data = replies.render(replies.make(503), keep=True, request=HEAD)
    assert data.endswith(b"Content-Type: text/html\r\n\r\n")
    assert b"Content-length: 107\r\n" in data


def test_no_content_has_no_body() -> None:
    reply = Reply(204, b"No Content", Fields(), b"ignored")
    assert replies.render(reply, keep=True, request=HTTP11) == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_errorfile_goes_out_as_it_is() -> None:
    raw = b"HTTP/1.0 503 Away\r\nX: y\r\n\r\nbody"
    reply = replies.make(503)
    reply.raw = raw
    assert replies.render(reply, keep=False, request=HTTP11) == raw
    assert replies.render(reply, keep=False, request=HEAD) == b"HTTP/1.0 503 Away\r\nX: y\r\n\r\n"


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, b"OK"),
        (302, b"Moved Temporarily"),
        (150, b"Informational"),
        (299, b"Success"),
        (399, b"Redirection"),
        (498, b"Client Error"),
        (599, b"Server Error"),
        (999, b"Other"),
    ],
)
def test_reason(status: int, phrase: bytes) -> None:
    assert replies.reason(status) == phrase
