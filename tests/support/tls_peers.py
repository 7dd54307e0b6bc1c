"""Peers of greenlb's TLS streams: Python's ssl module, which is another OpenSSL, on loopback sockets.

Our end runs on the test's own hub; the other end's handshake runs in a thread meanwhile.
"""

from __future__ import annotations

import _socket
import os
import socket
import ssl
import struct
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography import x509

from greenlb.model import Address, BindTls, CertificateLine, Where
from greenlb.net import listening, sockets, tls

HERE = Where("greenlb.ini", 3)
WAIT = 10.0
LINGER_RESET = struct.pack("ii", 1, 0)

T = TypeVar("T")
V1_2, V1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
both_versions = pytest.mark.parametrize("version", [V1_2, V1_3], ids=["1.2", "1.3"])


class Peers:
    """A listening socket of ours, and threads for what the other side does meanwhile."""

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(4)
        self.ends: list[tls.TlsStream | ssl.SSLSocket] = []
        self.listener = listening.listen(Address("127.0.0.1"))
        self.acceptor = socket.socket(fileno=os.dup(self.listener.fileno()))  # for a thread to block on
        self.acceptor.settimeout(WAIT)
        self.address = Address("127.0.0.1", self.listener.getsockname()[1])

    def run(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        return self.threads.submit(call, *arguments)

    def dial(self) -> socket.socket:
        return socket.create_connection((self.address.host, self.address.port), WAIT)

    def accept(self) -> sockets.Stream:
        sockets.wait_for(self.listener.fileno(), sockets.READ, WAIT)
        fd, _ = self.listener._accept()  # type: ignore[attr-defined]
        sock = _socket.socket(fileno=fd)
        sock.setblocking(False)
        return sockets.Stream(sock)

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        for end in self.ends:
            end.close()
        self.listener.close()
        self.acceptor.close()
        self.threads.shutdown()


def client(version: ssl.TLSVersion | None = None, ciphers: str = "") -> ssl.SSLContext:
    """A client that believes anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def bind(*files: Path | CertificateLine, **settings: Any) -> BindTls:
    lines = tuple(f if isinstance(f, CertificateLine) else CertificateLine(str(f), HERE) for f in files)
    return replace(BindTls(HERE, lines), **settings)


def pair(
    peers: Peers,
    context: tls.ServerContext,
    peer: ssl.SSLContext | None = None,
    name: str | None = None,
    session: ssl.SSLSession | None = None,
) -> tuple[tls.TlsStream, ssl.SSLSocket]:
    """Both ends of a connection whose client end is Python's."""
    peer = peer or client()

    def connect() -> ssl.SSLSocket:
        return peer.wrap_socket(
            peers.dial(), server_hostname=name, session=session, suppress_ragged_eofs=False
        )

    theirs = peers.run(connect)
    ours = context.accept(peers.accept(), WAIT)
    peers.ends += ours, theirs.result(WAIT)
    return ours, theirs.result(WAIT)


def refused(
    peers: Peers, context: tls.ServerContext, peer: ssl.SSLContext, name: str | None = None
) -> tuple[tls.HandshakeFailure, ssl.SSLError]:
    """What our side and the client say of a handshake that fails."""

    def connect() -> ssl.SSLError:
        with (
            pytest.raises(ssl.SSLError) as caught,
            peer.wrap_socket(peers.dial(), server_hostname=name) as sock,
        ):
            sock.recv(1)  # in TLS 1.3 the client is done before the server has seen its certificate
        return caught.value

    theirs = peers.run(connect)
    with pytest.raises(tls.HandshakeFailure) as ours:
        context.accept(peers.accept(), WAIT)
    return ours.value, theirs.result(WAIT)


def names(sock: ssl.SSLSocket) -> str:
    """The common name of the certificate that the client got."""
    der = sock.getpeercert(binary_form=True)
    assert der is not None
    return str(x509.load_der_x509_certificate(der).subject.rdns[0].rfc4514_string()).removeprefix("CN=")


def kind(sock: ssl.SSLSocket) -> str:
    der = sock.getpeercert(binary_form=True)
    assert der is not None
    return type(x509.load_der_x509_certificate(der).public_key()).__name__.removesuffix("PublicKey")


def session_of(ours: tls.TlsStream, theirs: ssl.SSLSocket) -> ssl.SSLSession:
    """The client's session, when the server's tickets are in."""
    ours.send(b"x")
    assert theirs.recv(1) == b"x"
    session = theirs.session
    assert session is not None
    ours.close()
    assert theirs.recv(1) == b""
    theirs.close()
    return session
