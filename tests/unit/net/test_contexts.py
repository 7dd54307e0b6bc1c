from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from OpenSSL import SSL

from greenlb.model import Where
from greenlb.net import certs, contexts
from greenlb.net.certs import TlsConfigError
from greenlb.net.contexts import Settings
from tests.support.certs import Authority, key_pem

HERE = Where("greenlb.ini", 7)


def refusal(**settings: Any) -> str:
    versions: dict[str, Any] = {"min_version": "", "max_version": ""}
    with pytest.raises(TlsConfigError) as caught:
        contexts.new_context(SSL.TLS_SERVER_METHOD, Settings(**{**versions, **settings}), HERE)
    assert caught.value.where is HERE
    return str(caught.value)


def test_settings_that_are_good() -> None:
    settings = Settings(
        "TLSv1.2", "TLSv1.3", "ECDHE+AESGCM", "TLS_AES_128_GCM_SHA256", "X25519:P-256", tickets=False
    )
    context = contexts.new_context(SSL.TLS_SERVER_METHOD, settings, HERE)
    ciphers = SSL.Connection(context).get_cipher_list()
    assert "TLS_AES_128_GCM_SHA256" in ciphers and "TLS_AES_256_GCM_SHA384" not in ciphers
    assert "ECDHE-RSA-AES128-GCM-SHA256" in ciphers and "AES128-SHA" not in ciphers


def test_a_version_that_does_not_exist() -> None:
    message = refusal(min_version="TLSv1.22")
    assert message.startswith("ssl-min-ver TLSv1.22: expected one of TLSv1.0, TLSv1.1")
    assert message.endswith("did you mean TLSv1.2?")
    assert "does not speak SSLv3" in refusal(max_version="SSLv3")


def test_ciphers_that_do_not_exist() -> None:
    assert refusal(ciphers="nosuch").startswith("ciphers nosuch: OpenSSL knows none of them")
    assert refusal(ciphersuites="TLS_NOSUCH").startswith("ciphersuites TLS_NOSUCH: expected TLS 1.3 suites")


def test_a_curve_that_does_not_exist_is_named() -> None:
    assert refusal(curves="X25519:P-257") == "curves X25519:P-257: unknown curve 'P-257'; did you mean P-256?"
    assert refusal(curves="FOO") == "curves FOO: unknown curve 'FOO'; expected names such as X25519:P-256"


@pytest.mark.parametrize("name", contexts.CURVES)
def test_the_curves_we_suggest_exist(name: str) -> None:
    contexts.check_curves(name, HERE)


def weak_bundle(directory: Path) -> certs.Certificate:
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak.test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = directory / "weak.pem"
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    return certs.load(str(file), HERE)


def test_a_key_too_weak_says_what_to_do(tmp_path: Path) -> None:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    bundle = weak_bundle(tmp_path)
    with pytest.raises(TlsConfigError) as caught:
        contexts.use_certificates(context, [bundle], HERE)
    message = str(caught.value)
    assert "(RSA 1024): its key is too small (ee key too small)" in message
    assert "RSA key of 2048 bits" in message and "DEFAULT@SECLEVEL=0" in message


def test_what_the_message_advises_works(tmp_path: Path) -> None:
    settings = Settings("", "", "DEFAULT@SECLEVEL=0")
    context = contexts.new_context(SSL.TLS_SERVER_METHOD, settings, HERE)
    contexts.use_certificates(context, [weak_bundle(tmp_path)], HERE)


def test_dh_parameters(authority: Authority) -> None:
    file = authority.pem("a.test")
    plain = file.read_bytes()
    file.write_bytes(plain + b"-----BEGIN DH PARAMETERS-----\nMAYCAQUCAQI=\n-----END DH PARAMETERS-----\n")
    with pytest.raises(TlsConfigError, match="DH parameters are too weak"):
        contexts.use_certificates(SSL.Context(SSL.TLS_SERVER_METHOD), [certs.load(str(file), HERE)], HERE)
