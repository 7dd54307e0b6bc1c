"""Fetches of HAProxy that have no meaning here, or none so far: why, for the error message."""

from __future__ import annotations

_HELLO = (
    "OpenSSL reads the ClientHello, and keeps none of its lists ('req.ssl_*' in mode tcp can tell of one)"
)
_SECRETS = "the secrets of a TLS connection are not kept: there is no tune.ssl.keylog"
_SCHEDULER = "there is no scheduler that would measure it"
_HTX = "it shows HAProxy's inner form of a message"
_CACHE = "there is no cache"
_FCGI = "there is no FastCGI"
_NPN = "NPN gave way to ALPN (RFC 7301)"
_RDP = "RDP is not read"

REASONS: dict[str, str] = {
    **dict.fromkeys(
        (
            "ssl_fc_cipherlist_bin",
            "ssl_fc_cipherlist_hex",
            "ssl_fc_cipherlist_str",
            "ssl_fc_cipherlist_xxh",
            "ssl_fc_ecformats_bin",
            "ssl_fc_eclist_bin",
            "ssl_fc_extlist_bin",
            "ssl_fc_protocol_hello_id",
        ),
        _HELLO,
    ),
    **dict.fromkeys(
        (
            "ssl_fc_client_early_traffic_secret",
            "ssl_fc_client_handshake_traffic_secret",
            "ssl_fc_client_traffic_secret_0",
            "ssl_fc_early_exporter_secret",
            "ssl_fc_exporter_secret",
            "ssl_fc_server_handshake_traffic_secret",
            "ssl_fc_server_traffic_secret_0",
        ),
        _SECRETS,
    ),
    **dict.fromkeys(("cpu_calls", "cpu_ns_avg", "cpu_ns_tot", "lat_ns_avg", "lat_ns_tot"), _SCHEDULER),
    **dict.fromkeys(
        (
            "internal.htx.data",
            "internal.htx.free",
            "internal.htx.free_data",
            "internal.htx.has_eom",
            "internal.htx.nbblks",
            "internal.htx.size",
            "internal.htx.used",
            "internal.htx_blk.data",
            "internal.htx_blk.hdrname",
            "internal.htx_blk.hdrval",
            "internal.htx_blk.size",
            "internal.htx_blk.start_line",
            "internal.htx_blk.type",
            "internal.strm.is_htx",
        ),
        _HTX,
    ),
    **dict.fromkeys(("fcgi.docroot", "fcgi.index"), _FCGI),
    **dict.fromkeys(("req.rdp_cookie", "req.rdp_cookie_cnt"), _RDP),
    **dict.fromkeys(("rdp_cookie", "rdp_cookie_cnt"), _RDP),
    **dict.fromkeys(("distcc_body", "distcc_param"), "distcc is not read"),
    **dict.fromkeys(("res.cache_hit", "res.cache_name"), _CACHE),
    **dict.fromkeys(("ssl_bc_npn", "ssl_fc_npn"), _NPN),
    "dst_conn": "the connections of one bind are not counted apart: fe_conn has the frontend's",
}
