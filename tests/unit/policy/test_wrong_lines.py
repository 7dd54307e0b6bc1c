"""Lines that are wrong: what HAProxy refuses is refused, and where greenlb says more, it is known."""

from __future__ import annotations

import pytest

from tests.support import wrong_lines

STRICTER = {
    ("http", "http-request deny if { rand(10) lt }"),
    ("http", "http-request deny if { status 200 }"),
    ("http", "http-request deny if { res.hdr(x) a }"),
    ("http", "http-request deny if { sc_conn_cnt(3) 1 }"),
    ("http", "http-request deny if { sc_get_gpc(100,0) 1 }"),
    ("http", "http-request set-header X %[path,add]"),
    ("http", "http-request set-header X %[path,ltime]"),
    ("http", "http-request set-header X %[path,json_query(a)]"),
    ("http", "http-request set-header X %{+Z}ci"),
    ("http", "http-request deny if { src_port gt }"),
    ("http", "http-request deny if { path }"),
    ("http", "http-request deny if { hdr(x) }"),
    ("http", "http-request deny if"),
    ("http", "http-request deny if ! or TRUE"),
    ("http", "http-request deny if TRUE or"),
    ("http", "http-request deny if or TRUE"),
    ("http", "http-request deny if TRUE || || FALSE"),
    ("http", "http-request set-header X a if"),
    ("http", "http-request sc-inc-gpc0"),
    ("http", "http-request sc-inc-gpc(100,0)"),
    ("http", "http-request sc-set-gpt0(0)"),
    ("http", "http-request set-nice x"),
    ("http", "tcp-request connection accept if { path /a }"),
    ("http", "tcp-request session accept if { hdr(a) b }"),
    ("http", "http-request deny if REQ_CONTENT"),
    ("http", "use_backend be if"),
    ("tcp", "tcp-request connection reject if { req.len gt 0 }"),
    ("tcp", "tcp-request connection reject if { req.ssl_sni a }"),
    ("tcp", "tcp-request content reject if { res.len gt 0 }"),
}
"""Errors here, which HAProxy lets pass or warns of: they do nothing, or nothing that was meant."""

TOLD = {
    ("http", "http-request deny if TRUE FALSE"),
    ("http", "http-request deny if !TRUE"),
    ("http", "http-request deny if ! TRUE"),
    ("tcp", "tcp-request content reject if { path /a }"),
    ("tcp", "tcp-request content reject if { hdr(host) a }"),
    ("tcp", "use_backend be if { path /a }"),
}
"""Warnings here alone: conditions that never hold, HTTP in mode tcp."""

KNOWN = {
    ("http", "http-response deny if { path /a }"),
    ("http", "http-response deny if { req.hdr(a) b }"),
}
"""Warnings of HAProxy: its response rules have forgotten the request."""

KINDER = dict.fromkeys((("whole", text) for text in wrong_lines.SHARED), "ok")
"""A named section of defaults with rules may serve frontends, backends and other defaults."""

OURS = {
    **dict.fromkeys(STRICTER, "error"),
    **dict.fromkeys(TOLD, "warning"),
    **dict.fromkeys(KNOWN, "ok"),
    **KINDER,
}


def test_every_line_is_recorded() -> None:
    assert [(mode, line) for mode, line, _ in wrong_lines.load()] == wrong_lines.rows()


@pytest.mark.parametrize(("mode", "line", "said"), wrong_lines.load())
def test_what_is_wrong(mode: str, line: str, said: str) -> None:
    assert wrong_lines.ours(mode, line) == OURS.get((mode, line), said)


def test_nothing_is_refused_less() -> None:
    """What HAProxy refuses, greenlb refuses, but for what it can do."""
    differing = {(mode, line) for mode, line, said in wrong_lines.load() if said == "error"} & OURS.keys()
    assert differing == KINDER.keys()
