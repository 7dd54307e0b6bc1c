"""The PROXY protocol header that a connection to a server begins with: whose connection it is."""

from __future__ import annotations

from typing import Final

from greenlb.exchange import Exchange, TlsFacts
from greenlb.model import SendProxy
from greenlb.net import certs
from greenlb.net.sockets import Stream
from greenlb.protocol import proxyline
from greenlb.protocol.proxyline import Ends, Header

_UNKNOWN_ERROR: Final = 0xFFFFFFFF


def header(spec: SendProxy, x: Exchange) -> bytes:
    """For the connection of ``x``: its client's addresses, as a PROXY header or a rule told them."""
    client = x.client
    ends = Ends(x.src, client.src_port, client.dst, client.dst_port)
    if spec.version == 1:
        return proxyline.line(ends)
    fields = []
    if client.tls is not None and client.tls.alpn:
        fields.append((proxyline.ALPN, client.tls.alpn.encode()))
    if spec.authority:
        name = _authority(x)
        if name:
            fields.append((proxyline.AUTHORITY, name))
    if spec.ssl:
        tls = None if client.tls is None else _tls(client.tls, spec.cert_cn)
        fields.append((proxyline.SSL, proxyline.ssl_value(tls, spec.cert_cn, spec.ssl_cipher)))
    return proxyline.binary(ends, tuple(fields), spec.crc32c)


def check_header(spec: SendProxy, stream: Stream) -> bytes:
    """For a check: version 1 tells our own addresses, as UNKNOWN may be refused; version 2 says LOCAL
    (sections 2.1 and 2.2 of the specification)."""
    if spec.version == 2:
        return proxyline.binary(None, checksum=spec.crc32c)
    near, far = stream.sock.getsockname(), stream.sock.getpeername()
    if not isinstance(near, tuple):
        return proxyline.line(None)
    return proxyline.line(Ends(near[0], near[1], far[0], far[1]))


def _authority(x: Exchange) -> bytes | None:
    """The name that the client asked for, as whoever stands before us told it, or its TLS."""
    proxied = x.client.proxied
    told = proxied.field(proxyline.AUTHORITY) if isinstance(proxied, Header) else None
    if told is not None or x.client.tls is None:
        return told
    return x.client.tls.sni.encode()


def _tls(facts: TlsFacts, common_name: bool) -> proxyline.Tls:
    certificate = facts.certificate
    return proxyline.Tls(
        version=facts.version,
        cipher=facts.cipher,
        common_name=certs.common_name(certificate) if certificate is not None and common_name else None,
        connection_certificate=certificate is not None and not facts.resumed,
        session_certificate=certificate is not None,
        verify=(facts.verify_error or facts.ca_error) & _UNKNOWN_ERROR,
    )
