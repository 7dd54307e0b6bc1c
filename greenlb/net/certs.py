"""Certificates as files: reading PEM bundles, and the store that knows each file once.

A bundle is HAProxy's: the certificate first, its chain after it, the key anywhere in the file or
beside it as ``FILE.key``, DH parameters if any; ``FILE.ocsp`` beside it is the answer to staple.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from greenlb.model import Where

BUNDLE_SUFFIXES = (".rsa", ".ecdsa", ".dsa")
"""``crt FILE`` also means FILE.rsa, FILE.ecdsa and FILE.dsa where FILE itself does not exist."""

Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
    | dsa.DSAPrivateKey
)

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)
_CA_SUFFIXES = (".pem", ".crt", ".cer", ".crl")


class TlsConfigError(ValueError):
    """Something about TLS in the configuration cannot be used.  ``where`` is the line that asked."""

    def __init__(self, where: Where, message: str) -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """One bundle.  ``names`` are lower-case host names and wildcards; ``kind`` is the key's (RSA,
    ECDSA, ...); ``dh`` is a PEM block, ``ocsp`` DER."""

    file: str
    leaf: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    key: Key
    names: tuple[str, ...]
    kind: str
    dh: bytes | None = None
    ocsp: bytes | None = None

    @property
    def not_after(self) -> datetime.datetime:
        return self.leaf.not_valid_after_utc

    @property
    def days_left(self) -> float:
        """Until it runs out; negative when it has."""
        return (self.not_after - datetime.datetime.now(datetime.UTC)) / datetime.timedelta(days=1)

    @property
    def chain_pem(self) -> bytes:
        """The certificate and its chain."""
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.leaf, *self.chain))

    @property
    def pem(self) -> bytes:
        """All of it: the chain, the key, the DH parameters."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.chain_pem + key + (self.dh or b"")

    @property
    def key_text(self) -> str:
        """The key's kind and size as people call it: ``RSA 2048``."""
        size = getattr(self.leaf.public_key(), "key_size", None)
        return f"{self.kind} {size}" if size else self.kind

    def validity_problem(self, now: datetime.datetime) -> str | None:
        """Why ``now`` is outside the certificate's validity, or None."""
        if now > self.not_after:
            return f"{self.file}: the certificate expired on {self.not_after:%Y-%m-%d %H:%M} UTC"
        start = self.leaf.not_valid_before_utc
        if now < start:
            return f"{self.file}: the certificate is not valid before {start:%Y-%m-%d %H:%M} UTC"
        return None


class Store:
    """The certificates in use, by file name, and whom to trust: each file is read once, however many lines
    name it, and never again, for a process that is confined could not."""

    def __init__(self) -> None:
        self._certificates: dict[str, Certificate] = {}
        self._trusted: dict[str, bytes] = {}

    def get(self, file: str, where: Where) -> Certificate:
        """The certificate in ``file``, which is read when it is not known yet.  Raises TlsConfigError."""
        certificate = self._certificates.get(file)
        if certificate is None:
            certificate = self._certificates[file] = load(file, where)
        return certificate

    def replace(self, file: str, bundle: bytes, where: Where, answer: bytes | None = None) -> Certificate:
        """Put ``bundle`` (certificate, chain and key as PEM) and the OCSP ``answer`` in the place of
        ``file``'s contents; contexts take it up with ``ServerContext.rebuild``.  Raises TlsConfigError,
        and then nothing changed."""
        stapled = None if answer is None else _ocsp_answer(answer, f"{file}.ocsp", where)
        certificate = parse(bundle, file, where, stapled)
        self._certificates[file] = certificate
        return certificate

    def put(self, certificate: Certificate) -> None:
        """Have ``certificate`` again where another one took its place."""
        self._certificates[certificate.file] = certificate

    def authorities(self, path: str, where: Where) -> list[x509.Certificate]:
        """The certificates of a ``ca-file``: a PEM file, or a folder of them.  Raises TlsConfigError."""
        blocks = _blocks(self.trusted(path, "ca-file", where), "CERTIFICATE")
        if not blocks:
            raise TlsConfigError(where, f"{path}: no certificate found in this ca-file (expected PEM)")
        return [_certificate(block, path, where) for block in blocks]

    def revocations(self, path: str, where: Where) -> list[x509.CertificateRevocationList]:
        """The lists of a ``crl-file``.  Raises TlsConfigError."""
        blocks = _blocks(self.trusted(path, "crl-file", where), "X509 CRL")
        if not blocks:
            raise TlsConfigError(where, f"{path}: no revocation list found in this crl-file (expected PEM)")
        try:
            return [x509.load_pem_x509_crl(block) for block in blocks]
        except ValueError as error:
            raise TlsConfigError(where, f"{path}: this revocation list cannot be read: {error}") from None

    def trusted(self, path: str, what: str, where: Where) -> bytes:
        """The contents of a ca-file or crl-file.  Raises TlsConfigError."""
        data = self._trusted.get(path)
        if data is None:
            data = self._trusted[path] = read_trusted(path, what, where)
        return data

    def trust(self, path: str, data: bytes) -> bytes:
        """Put ``data`` in the place of the contents of a ca-file or crl-file; what was there.  Contexts take
        it up when they are built anew."""
        before = self._trusted.get(path, b"")
        self._trusted[path] = data
        return before


def files_of(file: str) -> tuple[str, ...]:
    """The files that ``crt FILE`` means: itself, or its bundle of one file a kind of key."""
    if os.path.exists(file):
        return (file,)
    return tuple(file + s for s in BUNDLE_SUFFIXES if os.path.exists(file + s)) or (file,)


def load(file: str, where: Where) -> Certificate:
    """Read a bundle and what lies beside it.  Raises TlsConfigError."""
    bundle = read_file(file, where, "certificate")
    beside = Path(file + ".key")
    if not _blocks(bundle, "PRIVATE KEY") and beside.exists():
        bundle += b"\n" + read_file(str(beside), where, "key")
    answer = file + ".ocsp"
    stapled = None
    if os.path.exists(answer):
        stapled = _ocsp_answer(read_file(answer, where, "OCSP answer"), answer, where)
    return parse(bundle, file, where, stapled)


def parse(bundle: bytes, file: str, where: Where, stapled: bytes | None = None) -> Certificate:
    """A bundle's bytes as a Certificate; ``file`` names it in messages.  Raises TlsConfigError."""
    certificates = [_certificate(block, file, where) for block in _blocks(bundle, "CERTIFICATE")]
    if not certificates:
        raise TlsConfigError(where, f"{file}: no certificate found (expected a PEM file: {EXPECTED})")
    keys = _blocks(bundle, "PRIVATE KEY")
    if not keys:
        raise TlsConfigError(
            where, f"{file}: no private key found in it, and no {file}.key beside it (expected {EXPECTED})"
        )
    key = _private_key(keys[0], file, where)
    leaf, *chain = certificates
    if not _belongs(key, leaf):
        raise TlsConfigError(where, _mismatch(file, key, certificates))
    dh = _blocks(bundle, "DH PARAMETERS")
    return Certificate(
        file,
        leaf,
        tuple(chain),
        key,
        names_of(leaf),
        kind_of(leaf.public_key()),
        dh[0] + b"\n" if dh else None,
        stapled,
    )


EXPECTED = "the certificate, then its chain, and the key in one file"


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The host names of a certificate: its DNS alternative names and its common name, as HAProxy
    takes both."""
    names = []
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        names += extension.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        pass
    names += [str(a.value) for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return tuple(dict.fromkeys(name.lower() for name in names))


def common_name(der: bytes) -> str | None:
    """The common name of a certificate's subject."""
    try:
        named = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except ValueError:
        return None
    return str(named[-1].value) if named else None


def client_variables(der: bytes) -> dict[str, str]:
    """What a client's certificate says, by the names that Apache's mod_ssl gives to it."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        found = {
            "SSL_CLIENT_CERT": certificate.public_bytes(serialization.Encoding.PEM).decode(),
            "SSL_CLIENT_M_SERIAL": f"{certificate.serial_number:X}",
            "SSL_CLIENT_S_DN": certificate.subject.rfc4514_string(),
            "SSL_CLIENT_I_DN": certificate.issuer.rfc4514_string(),
            "SSL_CLIENT_V_START": f"{certificate.not_valid_before_utc:%b %e %H:%M:%S %Y GMT}",
            "SSL_CLIENT_V_END": f"{certificate.not_valid_after_utc:%b %e %H:%M:%S %Y GMT}",
        }
    except ValueError:
        return {}
    name = common_name(der)
    return found if name is None else found | {"SSL_CLIENT_S_DN_CN": name}


def kind_of(key: PublicKeyTypes) -> str:
    """What a client has to understand to take a certificate with this key."""
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "ECDSA"
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA"
    return type(key).__name__.removesuffix("PublicKey")


def read_trusted(path: str, what: str, where: Where) -> bytes:
    """A ``ca-file`` or a ``crl-file``; of a folder all that can be one.  Raises TlsConfigError."""
    return b"\n".join(read_file(file, where, what) for file in trusted_files(path, where))


def read_file(file: str, where: Where, what: str) -> bytes:
    """A file's bytes.  Raises TlsConfigError that says what the file was to be."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise TlsConfigError(
            where, f"cannot read the {what} file {file}: {error.strerror or error}"
        ) from None


def trusted_files(path: str, where: Where) -> Sequence[str]:
    """The files that ``ca-file PATH`` means.  Raises TlsConfigError."""
    if not os.path.isdir(path):
        return [path]
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        raise TlsConfigError(where, f"cannot read the ca-file folder {path}: {error.strerror}") from None
    return [os.path.join(path, n) for n in names if n.endswith(_CA_SUFFIXES) and not n.startswith(".")]


def _blocks(data: bytes, label: str) -> list[bytes]:
    """The PEM blocks whose label is, or ends with, ``label`` (RFC 7468 section 2)."""
    return [m[0] for m in _BLOCK.finditer(data) if m[1].decode().endswith(label)]


def _certificate(block: bytes, file: str, where: Where) -> x509.Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(block)
        certificate.public_key()
        return certificate
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsConfigError(where, f"{file}: a certificate in it cannot be read: {error}") from None


def _private_key(block: bytes, file: str, where: Where) -> Key:
    try:
        key = serialization.load_pem_private_key(block, None)
    except TypeError:
        raise TlsConfigError(
            where,
            f"{file}: its private key has a passphrase, and nobody is there to type it when greenlb starts;"
            " take it off with: openssl pkey -in KEY -out KEY.plain",
        ) from None
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TlsConfigError(where, f"{file}: its private key cannot be read: {error}") from None
    if not isinstance(key, Key):
        raise TlsConfigError(where, f"{file}: a key of its kind cannot be used for TLS (expected RSA or EC)")
    return key


def _belongs(key: Key, certificate: x509.Certificate) -> bool:
    return _public(key.public_key()) == _public(certificate.public_key())


def _public(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _mismatch(file: str, key: Key, certificates: Iterable[x509.Certificate]) -> str:
    message = f"{file}: the private key does not belong to the first certificate in the file"
    owner = next((c for c in certificates if _belongs(key, c)), None)
    if owner is not None:
        return f"{message} but to {owner.subject.rfc4514_string()}: put that one first"
    return f"{message} (expected {EXPECTED})"


def _ocsp_answer(data: bytes, file: str, where: Where) -> bytes:
    try:
        answer = ocsp.load_der_ocsp_response(data)
    except ValueError as error:
        raise TlsConfigError(where, f"{file}: not an OCSP answer in DER: {error}") from None
    if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise TlsConfigError(
            where, f"{file}: this OCSP answer is an error ({answer.response_status.name.lower()})"
        )
    return data
