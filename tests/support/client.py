"""Clients: a raw connection to a port, plain or TLS, and the real curl."""

from __future__ import annotations

import socket
import ssl
import subprocess

from tests.support.stream import WAIT, Stream


def connect(port: int, *, host: str = "127.0.0.1", source: str | None = None) -> Stream:
    """A TCP connection; ``source`` is the address that it comes from (127.0.0.2 ...)."""
    return Stream(socket.create_connection((host, port), WAIT, (source, 0) if source else None))


def connect_tls(
    port: int,
    context: ssl.SSLContext,
    name: str | None = None,
    *,
    session: ssl.SSLSession | None = None,
    source: str | None = None,
) -> Stream:
    """A TLS connection that asks for ``name`` (None: no SNI).  Raises ssl.SSLError like the ssl module."""
    plain = connect(port, source=source).sock
    try:
        return Stream(context.wrap_socket(plain, server_hostname=name, session=session))
    except BaseException:
        plain.close()
        raise


def context_for(
    ca_file: str | None = None,
    *,
    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
    maximum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    certificate: str | None = None,
    alpn: list[str] | None = None,
) -> ssl.SSLContext:
    """A client's context: it verifies against ``ca_file``, or takes any certificate without."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version, context.maximum_version = minimum, maximum
    if ca_file:
        context.load_verify_locations(ca_file)
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(certificate)
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def curl(*arguments: str) -> str:
    """What curl prints; its failure is an AssertionError."""
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--max-time", str(WAIT), *arguments],
        capture_output=True,
        timeout=2 * WAIT,
        check=False,
    )
    assert done.returncode == 0, f"curl: exit {done.returncode}: {done.stderr.decode()}"
    return done.stdout.decode("latin-1")
