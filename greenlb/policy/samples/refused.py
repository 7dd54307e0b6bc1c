"""Fetches of HAProxy that have no meaning here, or none so far: why, for the error message."""

from __future__ import annotations

_TABLES = "stick tables do not keep it"
_BODY = "rules run before the body is read"
_RDP = "RDP is not read"
_AUTH = "there are no user lists"

REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "sc_clr_gpc1",
            "sc_get_gpc",
            "sc_get_gpc1",
            "sc_get_gpt",
            "sc_gpc1_rate",
            "sc_http_fail_cnt",
            "sc_http_fail_rate",
            "sc_inc_gpc1",
            "src_get_gpc1",
            "src_http_fail_cnt",
            "src_http_fail_rate",
            "src_inc_gpc1",
        ),
        _TABLES,
    ),
    **dict.fromkeys(
        (
            "req.body",
            "req.body_len",
            "req.body_param",
            "req.body_size",
            "res.body",
            "res.body_len",
            "res.body_size",
        ),
        _BODY,
    ),
    **dict.fromkeys(
        (
            "req.rdp_cookie",
            "req.rdp_cookie_cnt",
        ),
        _RDP,
    ),
    **dict.fromkeys(
        ("http_auth", "http_auth_group", "http_auth_pass", "http_auth_type", "http_auth_user"),
        _AUTH,
    ),
    "unique-id": "there is no unique-id-format",
}
