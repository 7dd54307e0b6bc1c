"""TLS towards servers, with Python's ssl module as the server."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from greenlb.model import ServerTls
from greenlb.net import sockets, tls
from tests.support.certs import Authority, key_pem
from tests.support.tls_peers import (
    HERE,
    WAIT,
    Peers,
    both_versions,
    names,
)


@pytest.fixture
def peers() -> Iterator[Peers]:
    with Peers() as made:
        yield made


def server(authority: Authority, *served: str, ask_client: bool = False) -> ssl.SSLContext:
    return authority.server_context(*served, ask_client=ask_client)


def towards(authority: Authority, **settings: Any) -> ServerTls:
    return replace(ServerTls(HERE, ca_file=str(authority.ca_file)), **settings)


def meet(
    peers: Peers, context: tls.ClientContext, origin: ssl.SSLContext, name: str | None = None
) -> tuple[tls.TlsStream, ssl.SSLSocket]:
    """Both ends of a connection from us to an origin."""

    def serve() -> ssl.SSLSocket:
        sock, _ = peers.acceptor.accept()
        return origin.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)

    theirs = peers.run(serve)
    try:
        ours = context.connect(sockets.dial(peers.address, WAIT), name, WAIT)
    except tls.TlsServerFailure:
        with contextlib.suppress(ssl.SSLError, OSError):
            peers.ends.append(theirs.result(WAIT))
        raise
    peers.ends += ours, theirs.result(WAIT)
    return ours, theirs.result(WAIT)


@both_versions
@pytest.mark.parametrize("name", ["s.test", None])
def test_a_server_is_verified(
    peers: Peers, authority: Authority, version: ssl.TLSVersion, name: str | None
) -> None:
    origin = server(authority, "s.test")
    asked = []
    origin.sni_callback = lambda sock, wanted, context: asked.append(wanted)
    origin.maximum_version = version
    ours, theirs = meet(peers, tls.ClientContext(towards(authority)), origin, name)
    assert asked == [name]
    ours.send(b"hello")
    assert theirs.recv(10) == b"hello"
    theirs.sendall(b"good day")
    assert ours.recv(10, WAIT) == b"good day"
    assert ours.facts.version == theirs.version()


@pytest.mark.parametrize(
    ("verifyhost", "name", "good"),
    [
        ("s.test", None, True),
        ("other.test", None, False),
        ("other.test", "s.test", True),  # the name that was asked for goes before verifyhost
        ("s.test", "other.test", False),
        ("", "a.w.test", True),
        ("", "a.b.w.test", False),
        ("127.0.0.1", None, True),
        ("127.0.0.2", None, False),
    ],
)
def test_the_name_of_a_server(
    peers: Peers, authority: Authority, verifyhost: str, name: str | None, good: bool
) -> None:
    context = tls.ClientContext(towards(authority, verifyhost=verifyhost))
    origin = server(authority, "s.test", "*.w.test", "127.0.0.1")
    if good:
        meet(peers, context, origin, name)
        return
    with pytest.raises(tls.TlsServerFailure, match="mismatch") as caught:
        meet(peers, context, origin, name)
    assert caught.value.mismatch == (name is not None)


@pytest.mark.parametrize("name", ["x" * 256, "a\0b", "m\xfcnchen.test"])
def test_a_name_that_is_none_is_not_sent(peers: Peers, authority: Authority, name: str) -> None:
    """It can be a client's Host: it must harm nobody else."""
    context = tls.ClientContext(towards(authority))
    with pytest.raises(tls.TlsServerFailure, match="is not a host name") as caught:
        context.connect(sockets.dial(peers.address, WAIT), name, WAIT)
    assert caught.value.mismatch
    peers.accept().close()
    meet(peers, context, server(authority, "s.test"), "s.test")


def test_a_server_that_cannot_be_verified(peers: Peers, authority: Authority, tmp_path: Path) -> None:
    origin = server(Authority(tmp_path, "somebody else"), "s.test")
    with pytest.raises(tls.TlsServerFailure, match=r"^SSL handshake failure: self-signed") as caught:
        meet(peers, tls.ClientContext(towards(authority)), origin, "s.test")
    assert not caught.value.mismatch
    ours, _ = meet(peers, tls.ClientContext(ServerTls(HERE, verify="none")), origin, "whatever.test")
    assert ours.facts.version == "TLSv1.3"


def test_a_server_whose_certificate_was_revoked(peers: Peers, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("s.test")
    file = tmp_path / "s.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    origin = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    origin.load_cert_chain(file)
    context = tls.ClientContext(towards(authority, crl_file=str(authority.revoke(certificate))))
    with pytest.raises(tls.TlsServerFailure, match="revoked"):
        meet(peers, context, origin, "s.test")


def test_our_certificate_for_a_server(peers: Peers, authority: Authority) -> None:
    origin = server(authority, "s.test", ask_client=True)
    context = tls.ClientContext(towards(authority, crt=str(authority.pem("me.test"))))
    _, theirs = meet(peers, context, origin, "s.test")
    assert names(theirs) == "me.test"


@both_versions
def test_a_session_with_a_server_is_taken_up_again(
    peers: Peers, authority: Authority, version: ssl.TLSVersion
) -> None:
    context = tls.ClientContext(towards(authority))
    origin = server(authority, "s.test", "t.test")
    origin.maximum_version = version
    reused = []
    for name in ("s.test", "s.test", "t.test", "t.test", None, None):
        ours, theirs = meet(peers, context, origin, name)
        reused.append(theirs.session_reused)
        assert ours.facts.resumed == theirs.session_reused
        theirs.sendall(b"x")
        assert ours.recv(1, WAIT) == b"x"
    assert reused == [False, True] * 3


def test_settings_towards_a_server(peers: Peers, authority: Authority) -> None:
    origin = server(authority, "s.test")
    origin.set_alpn_protocols(["http/1.1"])
    settings = {
        "max_version": "TLSv1.2",
        "ciphers": "ECDHE-ECDSA-CHACHA20-POLY1305",
        "alpn": ("h2", "http/1.1"),
    }
    ours, theirs = meet(peers, tls.ClientContext(towards(authority, **settings)), origin, "s.test")
    assert theirs.cipher()[0] == "ECDHE-ECDSA-CHACHA20-POLY1305"  # type: ignore[index]
    assert theirs.selected_alpn_protocol() == ours.facts.alpn == "http/1.1"


def test_curves_towards_a_server(peers: Peers, authority: Authority) -> None:
    origin = server(authority, "s.test")
    origin.set_ecdh_curve("prime256v1")
    meet(peers, tls.ClientContext(towards(authority, curves="P-256")), origin)
    with pytest.raises(tls.TlsServerFailure, match="SSL handshake failure"):
        meet(peers, tls.ClientContext(towards(authority, curves="P-384")), origin)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (b"", "Connection closed during SSL handshake"),
        (b"HTTP/1.1 400 Bad\r\n\r\n", "wrong version number|packet length"),
    ],
)
def test_a_server_that_does_not_speak_tls(
    peers: Peers, authority: Authority, answer: bytes, text: str
) -> None:
    def serve() -> None:
        sock, _ = peers.acceptor.accept()
        with sock:
            sock.recv(65536)
            sock.sendall(answer)

    theirs = peers.run(serve)
    with pytest.raises(tls.TlsServerFailure, match=text):
        tls.ClientContext(towards(authority)).connect(sockets.dial(peers.address, WAIT), None, WAIT)
    theirs.result(WAIT)


def test_a_server_that_says_nothing(peers: Peers, authority: Authority) -> None:
    with pytest.raises(sockets.Timeout):
        tls.ClientContext(towards(authority)).connect(sockets.dial(peers.address, WAIT), None, 0.05)


def test_an_end_without_close_notify_is_known_for_one(peers: Peers, authority: Authority) -> None:
    """A body that such an end would complete may have been cut on its way."""
    context = tls.ClientContext(towards(authority))
    for clean in (True, False):
        ours, theirs = meet(peers, context, server(authority, "s.test"), "s.test")
        theirs.sendall(b"some")
        assert ours.recv(4, WAIT) == b"some"
        if clean:
            peers.run(theirs.unwrap)
        else:
            socket.socket(fileno=theirs.detach()).close()
        assert ours.recv(10, WAIT) == b""
        assert ours.truncated is not clean
