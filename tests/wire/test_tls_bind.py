"""What a bind serves its clients: certificates by name, versions, protocols, sessions.

The clients are Python's ssl module and openssl s_client.
"""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from greenlb.model import BindTls, CertificateLine
from greenlb.net import certs, tls
from greenlb.net.certs import Store
from tests.support import ocsp
from tests.support.certs import Authority, rsa_key
from tests.support.tls_peers import (
    HERE,
    V1_2,
    V1_3,
    WAIT,
    Peers,
    bind,
    both_versions,
    client,
    kind,
    names,
    pair,
    refused,
    session_of,
)

FFDHE2048 = b"""-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
"""


@pytest.fixture
def peers() -> Iterator[Peers]:
    with Peers() as made:
        yield made


@pytest.fixture
def plain(authority: Authority) -> tls.ServerContext:
    return tls.ServerContext(bind(authority.pem("a.test")))


@pytest.fixture
def farm(authority: Authority) -> BindTls:
    return bind(
        authority.pem("default.test"), authority.pem("*.w.test"), authority.pem("www.w.test", "other.test")
    )


@both_versions
@pytest.mark.parametrize(
    ("name", "served"),
    [
        ("default.test", "default.test"),
        ("www.w.test", "www.w.test"),
        ("img.w.test", "*.w.test"),
        ("OTHER.Test", "www.w.test"),
        ("a.b.w.test", "default.test"),
        ("unknown.test", "default.test"),
        (None, "default.test"),
    ],
)
def test_the_certificate_for_a_name(
    peers: Peers, farm: BindTls, version: ssl.TLSVersion, name: str | None, served: str
) -> None:
    ours, theirs = pair(peers, tls.ServerContext(farm), client(version), name)
    assert names(theirs) == served
    assert ours.facts.sni == (name or "")
    assert ours.facts.version == {V1_2: "TLSv1.2", V1_3: "TLSv1.3"}[version]
    assert ours.facts.cipher == theirs.cipher()[0]  # type: ignore[index]


@pytest.mark.parametrize("name", ["unknown.test", None])
def test_strict_sni_refuses_what_has_no_certificate(peers: Peers, farm: BindTls, name: str | None) -> None:
    context = tls.ServerContext(replace(farm, strict_sni=True))
    failure, alert = refused(peers, context, client(), name)
    assert failure.text == "SSL handshake failure" and not failure.empty
    assert alert.reason == "TLSV1_UNRECOGNIZED_NAME"
    ours, _ = pair(peers, context, client(), "img.w.test")
    assert ours.facts.sni == "img.w.test"


def test_filters_of_a_list_of_certificates(peers: Peers, authority: Authority) -> None:
    first = CertificateLine(str(authority.pem("first.test")), HERE)
    second = CertificateLine(str(authority.pem("own.test")), HERE, ("*.e.test", "!no.e.test"))
    context = tls.ServerContext(bind(first, second))
    for name, served in (("a.e.test", "own.test"), ("no.e.test", "first.test"), ("own.test", "first.test")):
        assert names(pair(peers, context, client(), name)[1]) == served


@pytest.mark.parametrize("name", ["x.test", None])
def test_each_client_gets_the_kind_of_key_it_can_check(
    peers: Peers, authority: Authority, name: str | None
) -> None:
    context = tls.ServerContext(bind(authority.pem("x.test", key=rsa_key()), authority.pem("x.test")))
    for ciphers, expected in (("aRSA", "RSA"), ("aECDSA", "EC")):
        _, theirs = pair(peers, context, client(V1_2, ciphers), name)
        assert kind(theirs) == expected
    assert kind(pair(peers, context, client(V1_3), name)[1]) == "EC"


def test_a_bundle_of_files_is_one_certificate(peers: Peers, authority: Authority, tmp_path: Path) -> None:
    authority.pem("x.test").rename(tmp_path / "x.pem.ecdsa")
    authority.pem("x.test", key=rsa_key()).rename(tmp_path / "x.pem.rsa")
    context = tls.ServerContext(bind(tmp_path / "x.pem"))
    assert kind(pair(peers, context, client(V1_2, "aRSA"))[1]) == "RSA"
    assert kind(pair(peers, context, client(V1_2, "aECDSA"))[1]) == "EC"


@pytest.mark.parametrize("jail", [False, True])
def test_the_chain_goes_out_with_the_certificate(
    peers: Peers, authority: Authority, monkeypatch: pytest.MonkeyPatch, jail: bool
) -> None:
    """With each of two kinds, and also where there is no /proc to read it from."""
    if jail:
        exists = os.path.exists
        monkeypatch.setattr(
            os.path, "exists", lambda path: not str(path).startswith("/proc") and exists(path)
        )
    context = tls.ServerContext(bind(authority.pem("x.test", key=rsa_key()), authority.pem("x.test")))
    for kind_of_key in ("rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256"):
        text = s_client(peers, context, "-showcerts", "-sigalgs", kind_of_key)
        assert text.count("-----BEGIN CERTIFICATE-----") == 2


def s_client(peers: Peers, context: tls.ServerContext, *options: str) -> str:
    """What ``openssl s_client`` prints when it meets ``context``."""
    command = ["openssl", "s_client", "-connect", str(peers.address), *options]

    def run() -> str:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT, check=False
        )
        return (done.stdout + done.stderr).decode()

    theirs = peers.run(run)
    peers.ends.append(context.accept(peers.accept(), WAIT))
    return theirs.result(WAIT)


def test_dh_parameters_of_the_file_are_used(peers: Peers, authority: Authority) -> None:
    file = authority.pem("x.test", key=rsa_key())
    with file.open("ab") as bundle:
        bundle.write(FFDHE2048)
    ours, _ = pair(peers, tls.ServerContext(bind(file)), client(V1_2, "DHE-RSA-AES128-GCM-SHA256"))
    assert ours.facts.cipher == "DHE-RSA-AES128-GCM-SHA256"


def test_an_ocsp_answer_is_stapled_for_its_certificate(peers: Peers, authority: Authority) -> None:
    with_answer, without = authority.pem("x.test"), authority.pem("y.test")
    leaf = certs.load(str(with_answer), HERE).leaf
    Path(f"{with_answer}.ocsp").write_bytes(ocsp.good(authority, leaf))
    context = tls.ServerContext(bind(without, with_answer))
    assert "OCSP Response Status: successful" in s_client(peers, context, "-status", "-servername", "x.test")
    assert "OCSP response: no response sent" in s_client(peers, context, "-status", "-servername", "y.test")
    assert names(pair(peers, context, client(), "x.test")[1]) == "x.test"


def test_a_changed_certificate_is_taken_up_and_sessions_stay_good(peers: Peers, authority: Authority) -> None:
    store = Store()
    first, second = authority.pem("a.test"), authority.pem("b.test")
    context = tls.ServerContext(bind(first, second), store)
    peer = client(V1_3)
    session = session_of(*pair(peers, context, peer, "b.test"))
    store.replace(str(first), authority.pem("new.a.test", "a.test").read_bytes(), HERE)
    store.replace(str(second), authority.pem("new.b.test", "b.test").read_bytes(), HERE)
    context.rebuild()
    for name, served in (("a.test", "new.a.test"), ("b.test", "new.b.test"), (None, "new.a.test")):
        assert names(pair(peers, context, client(), name)[1]) == served
    ours, _ = pair(peers, context, peer, "b.test", session)
    assert ours.facts.resumed


def test_an_error_in_the_choice_of_a_certificate_stays_ours(
    peers: Peers, plain: tls.ServerContext, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(plain, "_names", None)
    failure, alert = refused(peers, plain, client(), "a.test")
    assert failure.text == "SSL handshake failure"
    assert isinstance(failure.__cause__, AttributeError)
    assert alert.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("ours", "theirs"), [(("TLSv1.3", "TLSv1.3"), V1_2), (("TLSv1.2", "TLSv1.2"), V1_3)], ids=["new", "old"]
)
def test_a_version_that_is_not_ours_is_refused(
    peers: Peers, authority: Authority, ours: tuple[str, str], theirs: ssl.TLSVersion
) -> None:
    context = tls.ServerContext(bind(authority.pem("a.test"), min_version=ours[0], max_version=ours[1]))
    failure, alert = refused(peers, context, client(theirs))
    assert failure.text == "SSL handshake failure"
    assert alert.reason == "TLSV1_ALERT_PROTOCOL_VERSION"


def test_ciphers_and_suites(peers: Peers, authority: Authority) -> None:
    context = tls.ServerContext(
        bind(
            authority.pem("a.test"),
            ciphers="ECDHE-ECDSA-CHACHA20-POLY1305",
            ciphersuites="TLS_AES_128_GCM_SHA256",
        )
    )
    assert pair(peers, context, client(V1_2))[0].facts.cipher == "ECDHE-ECDSA-CHACHA20-POLY1305"
    assert pair(peers, context, client(V1_3))[0].facts.cipher == "TLS_AES_128_GCM_SHA256"


@pytest.mark.parametrize("clients_choice", [False, True])
def test_whose_order_of_ciphers_counts(peers: Peers, authority: Authority, clients_choice: bool) -> None:
    one, two = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"
    settings = {"ciphers": f"{one}:{two}", "prefer_client_ciphers": clients_choice}
    context = tls.ServerContext(bind(authority.pem("a.test"), **settings))
    ours, _ = pair(peers, context, client(V1_2, f"{two}:{one}"))
    assert ours.facts.cipher == (two if clients_choice else one)


def test_curves(peers: Peers, authority: Authority) -> None:
    context = tls.ServerContext(bind(authority.pem("a.test"), curves="P-384"))
    assert "secp384r1" in s_client(peers, context, "-groups", "P-256:P-384")
    failure, _ = refused(peers, context, with_curve("prime256v1"))
    assert failure.text == "SSL handshake failure"


def with_curve(name: str) -> ssl.SSLContext:
    context = client()
    context.set_ecdh_curve(name)
    return context


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["http/1.0", "http/1.1"], "http/1.1"), (["h2"], ""), ([], "")],
)
def test_alpn(peers: Peers, authority: Authority, offered: list[str], chosen: str) -> None:
    context = tls.ServerContext(bind(authority.pem("a.test"), alpn=("http/1.1", "http/1.0")))
    peer = client()
    if offered:
        peer.set_alpn_protocols(offered)
    ours, theirs = pair(peers, context, peer)
    assert ours.facts.alpn == chosen
    assert theirs.selected_alpn_protocol() == (chosen or None)


def without_tickets() -> ssl.SSLContext:
    context = client(V1_2)
    context.options |= ssl.OP_NO_TICKET
    return context


@pytest.mark.parametrize("name", ["default.test", "img.w.test", "unknown.test", None])
@pytest.mark.parametrize("tickets", [True, False])
@pytest.mark.parametrize(
    "make", [lambda: client(V1_3), lambda: client(V1_2), without_tickets], ids=["1.3", "1.2", "1.2-by-id"]
)
def test_a_session_is_resumed(
    peers: Peers, farm: BindTls, make: Callable[[], ssl.SSLContext], tickets: bool, name: str | None
) -> None:
    context = tls.ServerContext(replace(farm, tickets=tickets))
    peer = make()
    ours, theirs = pair(peers, context, peer, name)
    assert not ours.facts.resumed
    session = session_of(ours, theirs)
    assert session.has_ticket == ((tickets and make is not without_tickets) or peer.minimum_version == V1_3)
    ours, theirs = pair(peers, context, peer, name, session)
    assert ours.facts.resumed and theirs.session_reused
    theirs.sendall(b"hello")
    assert ours.recv(10, WAIT) == b"hello"


def test_a_client_cannot_renegotiate(peers: Peers, plain: tls.ServerContext) -> None:
    command = ["openssl", "s_client", "-tls1_2", "-connect", str(peers.address)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as peer:
        ours = plain.accept(peers.accept(), WAIT)
        assert peer.stdin is not None and peer.stdout is not None
        peer.stdin.write(b"R\n")
        peer.stdin.flush()
        with pytest.raises(OSError, match="handshake failure"):  # its answer to our no_renegotiation
            ours.recv(10, WAIT)
        ours.close()
        assert b"no renegotiation" in peer.stdout.read()
