from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, x25519

from greenlb.model import Where
from greenlb.net import certs
from greenlb.net.certs import Store, TlsConfigError
from tests.support import ocsp
from tests.support.certs import Authority, key_pem

HERE = Where("greenlb.ini", 7)
DH = b"-----BEGIN DH PARAMETERS-----\nMAMCAQU=\n-----END DH PARAMETERS-----\n"


def refusal(file: Path) -> str:
    with pytest.raises(TlsConfigError) as caught:
        certs.load(str(file), HERE)
    assert caught.value.where is HERE
    return str(caught.value)


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def test_certificate_chain_and_key_in_one_file(authority: Authority) -> None:
    bundle = certs.load(str(authority.pem("a.test", "*.w.test")), HERE)
    assert bundle.names == ("a.test", "*.w.test")
    assert bundle.kind == "ECDSA"
    assert bundle.key_text == "ECDSA 256"
    assert [c.subject for c in bundle.chain] == [authority.name]
    assert bundle.chain_pem == pem(bundle.leaf) + pem(authority.certificate)
    assert bundle.dh is None and bundle.ocsp is None


def test_the_key_may_stand_first_and_dh_parameters_anywhere(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("a.test")
    file = tmp_path / "site.pem"
    file.write_bytes(key_pem(key) + DH + b"some text\n" + pem(certificate))
    bundle = certs.load(str(file), HERE)
    assert bundle.leaf == certificate
    assert bundle.dh == DH


def test_the_key_may_lie_beside(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("a.test")
    (tmp_path / "site.pem").write_bytes(pem(certificate))
    (tmp_path / "site.pem.key").write_bytes(key_pem(key))
    assert certs.load(str(tmp_path / "site.pem"), HERE).leaf == certificate


def test_names_are_those_of_the_alternatives_and_the_common_name(authority: Authority) -> None:
    certificate, _ = authority.sign("Common.test", "b.test", "10.0.0.1")
    assert certs.names_of(certificate) == ("common.test", "b.test")


def test_a_bundle_is_one_file_a_kind_of_key(tmp_path: Path) -> None:
    base = str(tmp_path / "site.pem")
    assert certs.files_of(base) == (base,)
    for suffix in (".ecdsa", ".rsa"):
        Path(base + suffix).touch()
    assert certs.files_of(base) == (base + ".rsa", base + ".ecdsa")
    Path(base).touch()
    assert certs.files_of(base) == (base,)


def test_a_missing_file(tmp_path: Path) -> None:
    message = refusal(tmp_path / "none.pem")
    assert message == f"cannot read the certificate file {tmp_path}/none.pem: No such file or directory"


def test_a_folder_where_a_file_is_meant(tmp_path: Path) -> None:
    assert "Is a directory" in refusal(tmp_path)


def test_a_file_without_a_certificate(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(key_pem(authority.key))
    assert "no certificate found" in refusal(file)


def test_a_certificate_without_a_key(authority: Authority) -> None:
    file = authority.pem("a.test", with_key=False)
    message = refusal(file)
    assert "no private key found" in message and f"{file}.key" in message


def test_a_key_that_is_not_the_certificates(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "mixed.pem"
    file.write_bytes(pem(authority.sign("a.test")[0]) + key_pem(authority.sign("b.test")[1]))
    message = refusal(file)
    assert "does not belong to the first certificate" in message and "expected" in message


def test_a_chain_in_the_wrong_order_says_which_goes_first(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("a.test")
    file = tmp_path / "reversed.pem"
    file.write_bytes(pem(authority.certificate) + pem(certificate) + key_pem(key))
    assert "but to CN=a.test: put that one first" in refusal(file)


def test_a_key_with_a_passphrase(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.sign("a.test")
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    file = tmp_path / "locked.pem"
    file.write_bytes(pem(certificate) + locked)
    message = refusal(file)
    assert "has a passphrase" in message and "openssl pkey" in message


@pytest.mark.parametrize("label", [b"CERTIFICATE", b"PRIVATE KEY"])
def test_a_block_that_is_rubbish(authority: Authority, tmp_path: Path, label: bytes) -> None:
    rubbish = b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n" % (label, label)
    file = tmp_path / "rubbish.pem"
    file.write_bytes(rubbish if label == b"CERTIFICATE" else pem(authority.certificate) + rubbish)
    assert "cannot be read" in refusal(file)


def test_a_key_that_cannot_sign(authority: Authority, tmp_path: Path) -> None:
    key = x25519.X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path / "x25519.pem"
    file.write_bytes(pem(authority.certificate) + key)
    assert "cannot be used for TLS" in refusal(file)


def test_kinds_of_key() -> None:
    assert certs.kind_of(ec.generate_private_key(ec.SECP384R1()).public_key()) == "ECDSA"
    assert certs.kind_of(ed25519.Ed25519PrivateKey.generate().public_key()) == "Ed25519"


def test_validity(authority: Authority) -> None:
    bundle = certs.load(str(authority.pem("a.test", days=1)), HERE)
    now = datetime.datetime.now(datetime.UTC)
    assert bundle.validity_problem(now) is None
    assert "expired on" in (bundle.validity_problem(now + datetime.timedelta(days=2)) or "")
    assert "not valid before" in (bundle.validity_problem(now - datetime.timedelta(days=50)) or "")


def test_an_ocsp_answer_beside_the_file(authority: Authority) -> None:
    file = authority.pem("a.test")
    answer = ocsp.good(authority, certs.load(str(file), HERE).leaf)
    Path(f"{file}.ocsp").write_bytes(answer)
    assert certs.load(str(file), HERE).ocsp == answer


def test_an_ocsp_answer_that_is_none(authority: Authority) -> None:
    file = authority.pem("a.test")
    Path(f"{file}.ocsp").write_bytes(b"rubbish")
    assert "not an OCSP answer" in refusal(file)
    Path(f"{file}.ocsp").write_bytes(ocsp.try_later())
    assert "is an error (try_later)" in refusal(file)


def test_authorities_from_a_file_and_from_a_folder(authority: Authority, tmp_path: Path) -> None:
    assert certs.Store().authorities(str(authority.ca_file), HERE) == [authority.certificate]
    (tmp_path / "one.crt").write_bytes(pem(authority.certificate))
    (tmp_path / ".hidden.pem").write_bytes(b"not read")
    (tmp_path / "README").write_bytes(b"not read")
    assert certs.Store().authorities(str(tmp_path), HERE) == [authority.certificate]


def test_authorities_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(TlsConfigError, match="no certificate found in this ca-file"):
        certs.Store().authorities(str(tmp_path), HERE)
    with pytest.raises(TlsConfigError, match="cannot read the ca-file file"):
        certs.Store().authorities(str(tmp_path / "none"), HERE)


def test_revocations(authority: Authority) -> None:
    certificate, _ = authority.sign("a.test")
    (revocations,) = certs.Store().revocations(str(authority.revoke(certificate)), HERE)
    found = revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
    assert found is not None
    with pytest.raises(TlsConfigError, match="no revocation list"):
        certs.Store().revocations(str(authority.ca_file), HERE)


def test_the_store_reads_a_file_once(authority: Authority) -> None:
    store = Store()
    file = authority.pem("a.test")
    first = store.get(str(file), HERE)
    file.unlink()
    assert store.get(str(file), HERE) is first


def test_the_store_takes_a_new_bundle_or_keeps_the_old(authority: Authority) -> None:
    store = Store()
    file = authority.pem("a.test")
    old = store.get(str(file), HERE)
    with pytest.raises(TlsConfigError):
        store.replace(str(file), pem(authority.certificate), HERE)
    assert store.get(str(file), HERE) is old
    new = store.replace(str(file), authority.pem("b.test").read_bytes(), HERE)
    assert store.get(str(file), HERE) is new
    assert new.names == ("b.test",)
