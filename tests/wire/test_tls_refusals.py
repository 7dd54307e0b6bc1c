"""Clients' certificates, and handshakes that come to nothing, with the words HAProxy's log has for them."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from greenlb.model import CertificateLine
from greenlb.net import sockets, tls
from tests.support.certs import Authority, key_pem
from tests.support.tls_peers import (
    HERE,
    LINGER_RESET,
    V1_3,
    WAIT,
    Peers,
    T,
    bind,
    both_versions,
    client,
    pair,
    refused,
    session_of,
)


@pytest.fixture
def peers() -> Iterator[Peers]:
    with Peers() as made:
        yield made


@pytest.fixture
def plain(authority: Authority) -> tls.ServerContext:
    return tls.ServerContext(bind(authority.pem("a.test")))


def bearing(file: Path | None, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client with the certificate in ``file``."""
    context = client(version)
    if file is not None:
        context.load_cert_chain(file)
    return context


def asking(authority: Authority, verify: str, **settings: Any) -> tls.ServerContext:
    return tls.ServerContext(
        bind(authority.pem("a.test"), verify=verify, ca_file=str(authority.ca_file), **settings)
    )


@both_versions
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_a_clients_certificate(
    peers: Peers, authority: Authority, version: ssl.TLSVersion, verify: str
) -> None:
    file = authority.pem("client.test")
    ours, _ = pair(peers, asking(authority, verify), bearing(file, version))
    assert ours.facts.certificate == ssl.PEM_cert_to_DER_cert(
        file.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----"
    )
    assert ours.facts.verify_error == 0


@both_versions
def test_a_client_without_a_certificate(peers: Peers, authority: Authority, version: ssl.TLSVersion) -> None:
    ours, _ = pair(peers, asking(authority, "optional"), bearing(None, version))
    assert ours.facts.certificate is None
    failure, _ = refused(peers, asking(authority, "required"), bearing(None, version))
    assert failure.text == "SSL handshake failure"
    assert "peer did not return a certificate" in failure.detail


@both_versions
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_a_client_of_another_authority(
    peers: Peers, authority: Authority, tmp_path: Path, version: ssl.TLSVersion, verify: str
) -> None:
    stranger = Authority(tmp_path, "somebody else").pem("client.test")
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(stranger.read_bytes())
    failure, _ = refused(peers, asking(authority, verify), bearing(leaf, version))
    assert failure.text == "SSL client CA chain cannot be verified"
    assert failure.detail == "self-signed certificate in certificate chain"


def test_a_clients_certificate_that_has_run_out(peers: Peers, authority: Authority) -> None:
    expired = authority.pem("client.test", days=-1)
    failure, _ = refused(peers, asking(authority, "required"), bearing(expired, V1_3))
    assert failure.text == "SSL client certificate not trusted"
    assert failure.detail == "certificate has expired"


def test_a_clients_certificate_that_was_revoked(peers: Peers, authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("client.test")
    file = tmp_path / "client.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    revoking = asking(authority, "required", crl_file=str(authority.revoke(certificate)))
    failure, _ = refused(peers, revoking, bearing(file, V1_3))
    assert failure.text == "SSL client certificate not trusted"
    assert failure.detail == "certificate revoked"
    other = authority.pem("other.test")
    assert pair(peers, revoking, bearing(other, V1_3))[0].facts.certificate is not None


def test_one_certificate_may_ask_more_than_its_bind(peers: Peers, authority: Authority) -> None:
    strict = CertificateLine(
        str(authority.pem("strict.test")), HERE, verify="required", ca_file=str(authority.ca_file)
    )
    context = tls.ServerContext(bind(authority.pem("open.test"), strict))
    peer = client(V1_3)
    session = session_of(*pair(peers, context, peer, "open.test"))
    failure, _ = refused(peers, context, client(V1_3), "strict.test")
    assert "peer did not return a certificate" in failure.detail

    def resume() -> bool:
        with (
            pytest.raises(ssl.SSLError),
            peer.wrap_socket(peers.dial(), server_hostname="strict.test", session=session) as sock,
        ):
            sock.recv(1)
        return True

    theirs = peers.run(resume)
    with pytest.raises(tls.HandshakeFailure):  # what let it in at open.test does not count here
        context.accept(peers.accept(), WAIT)
    assert theirs.result(WAIT)
    ours, _ = pair(peers, context, bearing(authority.pem("client.test"), V1_3), "strict.test")
    assert ours.facts.certificate is not None


def test_one_certificate_may_ask_less_than_the_first(peers: Peers, authority: Authority) -> None:
    strict, free = (
        CertificateLine(
            str(authority.pem(f"{verify}.test")), HERE, verify=verify, ca_file=str(authority.ca_file)
        )
        for verify in ("required", "none")
    )
    context = tls.ServerContext(bind(strict, free))
    ours, _ = pair(peers, context, client(V1_3), "none.test")
    assert ours.facts.certificate is None
    refused(peers, context, client(V1_3), "required.test")
    refused(peers, context, client(V1_3))


HELLO_BEGINS = b"\x16\x03\x01\x02\x00\x01"


def failing(
    peers: Peers, context: tls.ServerContext, act: Callable[[socket.socket], T]
) -> tls.HandshakeFailure:
    """The failure with a client that does ``act`` and then closes."""

    def run() -> T:
        with peers.dial() as sock:
            return act(sock)

    theirs = peers.run(run)
    with pytest.raises(tls.HandshakeFailure) as caught:
        context.accept(peers.accept(), WAIT)
    theirs.result(WAIT)
    return caught.value


def test_plain_http(peers: Peers, plain: tls.ServerContext) -> None:
    def speak(sock: socket.socket) -> bytes:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        return sock.recv(1000)  # an end, not a reset

    failure = failing(peers, plain, speak)
    assert (failure.text, failure.empty) == ("SSL handshake failure", False)
    assert failure.detail == "http request"


def test_rubbish(peers: Peers, plain: tls.ServerContext) -> None:
    failure = failing(peers, plain, lambda sock: sock.sendall(b"\x00" * 100))
    assert (failure.text, failure.empty) == ("SSL handshake failure", False)


@pytest.mark.parametrize("sent", [b"", HELLO_BEGINS], ids=["nothing", "half-a-hello"])
def test_a_client_that_goes_away(peers: Peers, plain: tls.ServerContext, sent: bytes) -> None:
    failure = failing(peers, plain, lambda sock: sock.sendall(sent))
    assert (failure.text, failure.empty) == ("Connection closed during SSL handshake", True)


def test_a_client_that_goes_away_after_its_hello(peers: Peers, plain: tls.ServerContext) -> None:
    outgoing = ssl.MemoryBIO()
    hello = client().wrap_bio(ssl.MemoryBIO(), outgoing)
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()

    def speak(sock: socket.socket) -> None:
        sock.sendall(outgoing.read())
        sock.recv(65536)

    failure = failing(peers, plain, speak)
    assert (failure.text, failure.empty) == ("SSL handshake failure", False)


def test_a_client_that_resets(peers: Peers, plain: tls.ServerContext) -> None:
    def reset(sock: socket.socket) -> None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)

    failure = failing(peers, plain, reset)
    assert (failure.text, failure.empty) == ("SSL handshake failure", False)


@pytest.mark.parametrize("sent", [b"", HELLO_BEGINS], ids=["nothing", "half-a-hello"])
def test_a_client_that_stalls(peers: Peers, plain: tls.ServerContext, sent: bytes) -> None:
    with peers.dial() as sock:
        sock.sendall(sent)
        started = time.monotonic()
        with pytest.raises(sockets.Timeout) as caught:
            plain.accept(peers.accept(), 0.1)
        assert 0.09 < time.monotonic() - started < 5
        assert isinstance(caught.value, tls.HandshakeTimeout)
        assert (caught.value.text, caught.value.empty) == ("Timeout during SSL handshake", True)


def test_the_time_is_for_the_whole_handshake(peers: Peers, plain: tls.ServerContext) -> None:
    done = threading.Event()

    def trickle(sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for byte in HELLO_BEGINS + bytes(200):
                sock.sendall(bytes([byte]))
                if done.wait(0.02):
                    break

    def run() -> None:
        with peers.dial() as sock:
            trickle(sock)

    peer = peers.run(run)
    started = time.monotonic()
    with pytest.raises(tls.HandshakeTimeout):
        plain.accept(peers.accept(), 0.15)
    assert time.monotonic() - started < 1.5
    done.set()
    peer.result(WAIT)
