"""Samples of the client's connection, of its TLS layer, and of who serves it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange, TlsFacts
from greenlb.policy.addresses import parse_address, peer_address
from greenlb.policy.vocabulary import Fetch, Sample


def _tls(read: Callable[[TlsFacts], Any]) -> Callable[[], Fetch]:
    """A fact of the client's TLS layer; absent without TLS."""
    return lambda: lambda x: None if x.client.tls is None else read(x.client.tls)


def _backend_name(x: Exchange) -> bytes:
    return (x.frontend if x.backend is None else x.backend).name.encode()


def _server_name(x: Exchange) -> bytes | None:
    return None if x.server is None else x.server.name.encode()


def _server_address(x: Exchange) -> object:
    return None if x.server is None else parse_address(x.server.address.host)


ROWS = (
    Sample(
        "src",
        "ip",
        "",
        "The client's address, as a trusted proxy reported it where there is one.",
        lambda: lambda x: peer_address(x.src),
    ),
    Sample("src_port", "int", "", "The client's port.", lambda: lambda x: x.client.src_port),
    Sample(
        "dst", "ip", "", "The address the client connected to.", lambda: lambda x: peer_address(x.client.dst)
    ),
    Sample("dst_port", "int", "", "The port the client connected to.", lambda: lambda x: x.client.dst_port),
    Sample("fe_name", "str", "", "The frontend's name.", lambda: lambda x: x.frontend.name.encode()),
    Sample("fe_id", "int", "", "The frontend's number.", lambda: lambda x: x.frontend.number),
    Sample(
        "fe_client_timeout",
        "int",
        "",
        "The frontend's client timeout in milliseconds.",
        lambda: lambda x: round((x.frontend.timeouts.client or 0) * 1000),
    ),
    Sample(
        "be_name",
        "str",
        "",
        "The backend's name; the frontend's while none is chosen.",
        lambda: _backend_name,
    ),
    Sample(
        "be_id",
        "int",
        "",
        "The backend's number; the frontend's while none is chosen.",
        lambda: lambda x: (x.frontend if x.backend is None else x.backend).number,
    ),
    Sample("srv_name", "str", "server", "The name of the server that answers.", lambda: _server_name),
    Sample(
        "srv_id",
        "int",
        "server",
        "The number of the server that answers.",
        lambda: lambda x: None if x.server is None else x.server.number,
    ),
    Sample("bc_dst", "ip", "server", "The address of the server that answers.", lambda: _server_address),
    Sample(
        "bc_dst_port",
        "int",
        "server",
        "The port of the server that answers.",
        lambda: lambda x: None if x.server is None else x.server.address.port,
    ),
    Sample(
        "ssl_fc", "bool", "", "True when the client speaks TLS.", lambda: lambda x: x.client.tls is not None
    ),
    Sample(
        "ssl_fc_protocol",
        "str",
        "",
        "The client's TLS version, as TLSv1.3.",
        _tls(lambda t: t.version.encode()),
    ),
    Sample("ssl_fc_cipher", "str", "", "The client's cipher.", _tls(lambda t: t.cipher.encode())),
    Sample(
        "ssl_fc_sni",
        "str",
        "",
        "The server name the client asked for.",
        _tls(lambda t: t.sni.encode() or None),
    ),
    Sample(
        "ssl_fc_has_sni", "bool", "", "True when the client asked for a name.", _tls(lambda t: t.sni != "")
    ),
    Sample(
        "ssl_fc_alpn", "str", "", "The protocol ALPN settled on.", _tls(lambda t: t.alpn.encode() or None)
    ),
    Sample(
        "ssl_fc_is_resumed",
        "bool",
        "",
        "True when the TLS session was resumed.",
        lambda: lambda x: x.client.tls is not None and x.client.tls.resumed,
    ),
    # A connection whose handshake failed never comes to have an exchange.
    Sample("fc_err", "int", "", "What went wrong in accepting the connection: 0.", lambda: lambda x: 0),
    Sample("ssl_fc_err", "int", "", "What went wrong in the TLS handshake: 0.", _tls(lambda t: 0)),
    Sample(
        "ssl_fc_has_crt",
        "bool",
        "",
        "True when the client sent a certificate.",
        _tls(lambda t: bool(t.certificate)),
    ),
    Sample(
        "ssl_c_used",
        "bool",
        "",
        "True when the session rests on a client certificate.",
        _tls(lambda t: t.certificate is not None),
    ),
    Sample(
        "ssl_c_verify",
        "int",
        "",
        "OpenSSL's verdict on the client's certificate: 0 is good.",
        _tls(lambda t: t.verify_error or t.ca_error),
    ),
    Sample(
        "ssl_c_err",
        "int",
        "",
        "OpenSSL's error for the client's certificate itself.",
        _tls(lambda t: t.verify_error),
    ),
    Sample(
        "ssl_c_ca_err",
        "int",
        "",
        "OpenSSL's error for the certificates above the client's.",
        _tls(lambda t: t.ca_error),
    ),
    Sample("ssl_c_der", "bin", "", "The client's certificate in DER.", _tls(lambda t: t.certificate)),
    Sample(
        "ssl_c_sha1",
        "bin",
        "",
        "The SHA-1 fingerprint of the client's certificate.",
        _tls(
            lambda t: hashlib.sha1(t.certificate, usedforsecurity=False).digest() if t.certificate else None
        ),
    ),
)
