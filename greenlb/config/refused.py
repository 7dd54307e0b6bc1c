"""Words of HAProxy's that are refused, each with why or with what takes its place."""

from __future__ import annotations

from typing import Final

from greenlb.config import inert

_NOT_YET: Final = "greenlb has nothing for it"
_PYTHON: Final = "there is no Lua: Python does what it is for ('http-request python')"
_STRICT: Final = "what two readers could understand differently is refused, never passed on"
_CLIENT_ERRORS: Final = "a client certificate that is not good is refused; 'verify optional' asks for none"
_SSLV3: Final = "SSLv3 is not spoken"
_NO_CIP: Final = "NetScaler's protocol is not read: use the PROXY protocol"
_NO_SOCKS: Final = "SOCKS is not spoken"
_NAMESPACES: Final = "network namespaces are not changed: start greenlb in the one that it is for"
_SOCKETS_ONLY: Final = "it belongs to 'stats socket'"
_NO_CA: Final = "certificates are not made up while clients wait"
_ENVIRONMENT: Final = "the environment is what it is in an INI file; a haproxy.cfg may set it"
_SCRIPTED: Final = "watch the log: an UP or DOWN line comes with each change"
_CLIENTS_CHOICE: Final = "the server's address would be the client's choice"

GLOBAL: Final[dict[str, str]] = {
    "cluster-secret": "it is for what greenlb does not speak: QUIC",
    "default-path": "paths are relative to the folder that greenlb was started in, or to -C FOLDER",
    "h1-accept-payload-with-any-method": _STRICT,
    "issuers-chain-path": "put the chain into the certificate's file",
    **dict.fromkeys(("lua-load", "lua-load-per-thread"), _PYTHON),
    "maxsslconn": "set 'maxconn' in the frontends that speak TLS",
    "pp2-never-send-local": "checks tell what they are, as the PROXY protocol says (section 2.2)",
    **dict.fromkeys(("presetenv", "resetenv", "setenv", "unsetenv"), _ENVIRONMENT),
    "ssl-dh-param-file": "put DH parameters into the certificate's file",
    **dict.fromkeys(
        ("ssl-engine", "ssl-propquery", "ssl-provider", "ssl-provider-path"),
        "engines and providers are set up in OpenSSL's own configuration file (OPENSSL_CONF)",
    ),
    **dict.fromkeys(
        ("ssl-load-extra-del-ext", "ssl-load-extra-files"),
        "a key beside its certificate is FILE.key, an OCSP answer FILE.ocsp",
    ),
    "tune.http.logurilen": "a line is as long as 'len' of its log target says",
}
"""Of the section global."""

PROXY: Final[dict[str, str]] = {
    "email-alert": _SCRIPTED,
    "filter": "there are no filters",
    "id": "proxies are numbered in their order",
    **dict.fromkeys(("option accept-invalid-http-request", "option accept-invalid-http-response"), _STRICT),
    "option contstats": "an exchange is counted when it ends",
    "option forceclose": "use 'option httpclose'",
    "option http-proxy": _CLIENTS_CHOICE,
    "option http-tunnel": "requests behind the first would not be looked at",
    "option http-use-proxy-header": "Proxy-Connection never was a standard",
    "option nolinger": "a reset would destroy answers under way",
    "option spop-check": "there is no SPOE",
    **dict.fromkeys(
        ("option transparent", "transparent"), "the server's address would be the client's choice"
    ),
    **dict.fromkeys(("persist", "persist rdp-cookie"), "RDP is not read: use 'stick on src'"),
    "use-fcgi-app": "FastCGI is not spoken: use a server of HTTP or of uwsgi",
    "monitor-net": "use 'http-request return status 200 if { src NETWORK }'",
    "clitimeout": "use 'timeout client'",
    "contimeout": "use 'timeout connect'",
    "srvtimeout": "use 'timeout server'",
    "redispatch": "use 'option redispatch'",
}
"""Of defaults, frontend, backend and listen."""

BIND: Final[dict[str, str]] = {
    "accept-netscaler-cip": _NO_CIP,
    **dict.fromkeys(("ca-ignore-err", "crt-ignore-err"), _CLIENT_ERRORS),
    **dict.fromkeys(("ca-sign-file", "ca-sign-pass", "generate-certificates"), _NO_CA),
    "ca-verify-file": "put all authorities into 'ca-file'",
    "ecdhe": "use 'curves'",
    "force-sslv3": _SSLV3,
    **dict.fromkeys(("level", "severity-output"), _SOCKETS_ONLY),
    "maxconn": "use the frontend's 'maxconn'",
    "namespace": _NAMESPACES,
    "proto": "HTTP/1 is what is spoken",
    "tls-ticket-keys": "ticket keys are OpenSSL's: all workers have them as long as the master lasts",
}
"""Of what follows the address of bind."""

SERVER: Final[dict[str, str]] = {
    "check-proto": "HTTP/1 is what is spoken",
    **dict.fromkeys(("check-via-socks4", "socks4"), _NO_SOCKS),
    "force-sslv3": _SSLV3,
    "id": "servers are numbered in their order",
    "namespace": _NAMESPACES,
    "no-ssl-reuse": "TLS 1.3 resumes sessions wherever the server allows it",
    "redir": "use 'http-request redirect'",
    "usesrc": "addresses of clients are told by 'send-proxy' or 'option forwardfor'",
}
"""Of what follows the address of server."""


def reasons(refused: dict[str, str], nothing: dict[str, inert.Inert]) -> dict[str, str]:
    """Both together, as an INI file refuses them."""
    return {name: row.why for name, row in nothing.items()} | refused
