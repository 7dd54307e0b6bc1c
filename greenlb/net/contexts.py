"""Building pyOpenSSL contexts from settings: versions, ciphers, certificates, whom to trust.

Everything that the configuration can get wrong about TLS is found here, while it is read.
"""

from __future__ import annotations

import contextlib
import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.x509 import Certificate as X509Certificate
from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags

from greenlb.model import Where
from greenlb.net import openssl
from greenlb.net.certs import Certificate, Store, TlsConfigError

VERSIONS: Final = {
    "TLSv1.0": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}

SYSTEM_AUTHORITIES: Final = "@system-ca"

CURVES: Final = (
    "X25519MLKEM768",
    "SecP256r1MLKEM768",
    "SecP384r1MLKEM1024",
    "X25519",
    "X448",
    "P-256",
    "P-384",
    "P-521",
    "prime256v1",
    "secp384r1",
    "secp521r1",
    "brainpoolP256r1tls13",
    "brainpoolP384r1tls13",
    "brainpoolP512r1tls13",
    "ffdhe2048",
    "ffdhe3072",
    "ffdhe4096",
)
"""Names to offer when a curve is not known; OpenSSL itself decides what is."""

_WEAK: Final = {
    "ee key too small": "its key is too small",
    "ca key too small": "the key of a certificate in its chain is too small",
    "ca md too weak": "it, or a certificate in its chain, is signed with a broken hash (SHA-1 or MD5)",
    "ee md too weak": "it is signed with a broken hash (SHA-1 or MD5)",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What a context offers.  An empty ``ciphers``, ``ciphersuites`` or ``curves`` is OpenSSL's own
    list; ``verify`` is none, optional or required."""

    min_version: str
    max_version: str
    ciphers: str = ""
    ciphersuites: str = ""
    curves: str = ""
    alpn: tuple[str, ...] = ()
    verify: str = "none"
    ca_file: str = ""
    crl_file: str = ""
    tickets: bool = True


def new_context(method: int, settings: Settings, where: Where) -> SSL.Context:
    """A context without certificates.  Raises TlsConfigError."""
    context = SSL.Context(method)
    # One SSL_write takes all it is given, in records of 16 KB; an idle connection keeps no buffers.
    context.clear_mode(openssl.PARTIAL_WRITE)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    if not settings.tickets:
        context.set_options(SSL.OP_NO_TICKET)
    if settings.min_version:
        context.set_min_proto_version(version(settings.min_version, "ssl-min-ver", where))
    if settings.max_version:
        context.set_max_proto_version(version(settings.max_version, "ssl-max-ver", where))
    if settings.ciphers:
        try:
            context.set_cipher_list(settings.ciphers.encode())
        except SSL.Error:
            raise TlsConfigError(
                where,
                f"ciphers {settings.ciphers}: OpenSSL knows none of them"
                " (expected names as 'openssl ciphers' prints them, ':' between them)",
            ) from None
    if settings.ciphersuites:
        try:
            context.set_tls13_ciphersuites(settings.ciphersuites.encode())
        except SSL.Error:
            raise TlsConfigError(
                where,
                f"ciphersuites {settings.ciphersuites}: expected TLS 1.3 suites, ':' between them,"
                " e.g. TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256",
            ) from None
    if settings.curves:
        check_curves(settings.curves, where)
        openssl.set_curves(context, settings.curves)
    return context


def version(name: str, keyword: str, where: Where) -> int:
    """OpenSSL's number of a protocol version.  Raises TlsConfigError."""
    number = VERSIONS.get(name)
    if number is not None:
        return number
    if name == "SSLv3":
        raise TlsConfigError(where, f"{keyword} SSLv3: this OpenSSL does not speak SSLv3 any more")
    near = difflib.get_close_matches(name, VERSIONS, 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise TlsConfigError(where, f"{keyword} {name}: expected one of {', '.join(VERSIONS)}{hint}")


def check_curves(curves: str, where: Where) -> None:
    """Raise TlsConfigError that names the first curve OpenSSL does not know."""
    scratch = SSL.Context(SSL.TLS_METHOD)
    for name in curves.split(":"):
        if not openssl.set_curves(scratch, name):
            near = difflib.get_close_matches(name, CURVES, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else "expected names such as X25519:P-256"
            raise TlsConfigError(where, f"curves {curves}: unknown curve {name!r}; {hint}")


def use_certificates(context: SSL.Context, certificates: Sequence[Certificate], where: Where) -> None:
    """Serve these, one a kind of key: OpenSSL takes the one that the client can check.  Raises
    TlsConfigError."""
    alike: dict[X509Certificate, None] = {}
    for certificate in certificates:
        try:
            # Only a file gives every certificate of a context a chain of its own.
            with _memory_file(certificate.chain_pem) as path:
                if os.path.exists(path):
                    context.use_certificate_chain_file(path)
                else:
                    context.use_certificate(certificate.leaf)
                    alike |= dict.fromkeys(certificate.chain)
            context.use_privatekey(certificate.key)
            context.check_privatekey()
        except SSL.Error as error:
            raise TlsConfigError(where, _refused(certificate, error)) from None
        if certificate.dh and not openssl.set_dh_parameters(context, certificate.dh):
            raise TlsConfigError(
                where,
                f"{certificate.file}: its DH parameters are too weak or cannot be read;"
                " make new ones with: openssl dhparam 2048",
            )
    # In a jail there is no /proc: all have the same chain, and clients take from it what they need (RFC 8446
    # section 4.4.2).  Whoever let us know of the certificates has had them checked.
    for each in alike:
        context.add_extra_chain_cert(each)


@contextlib.contextmanager
def _memory_file(data: bytes) -> Iterator[str]:
    """A path that reads as ``data``."""
    fd = os.memfd_create("greenlb-certificate", os.MFD_CLOEXEC)
    try:
        os.write(fd, data)
        os.lseek(fd, 0, os.SEEK_SET)
        yield f"/proc/self/fd/{fd}"
    finally:
        os.close(fd)


def _refused(certificate: Certificate, error: SSL.Error) -> str:
    """OpenSSL's refusal of a certificate, with the way out."""
    reason = error.args[0][0][2] if error.args and error.args[0] else "unknown reason"
    weakness = _WEAK.get(reason)
    if weakness is None:
        return f"{certificate.file}: OpenSSL does not take this certificate: {reason}"
    return (
        f"{certificate.file}: OpenSSL does not take this certificate ({certificate.key_text}): {weakness}"
        f" ({reason}). Get one with an RSA key of 2048 bits or more, or an ECDSA key, signed with SHA-256;"
        " for old machines only, 'ciphers DEFAULT@SECLEVEL=0' on this line lets it through"
    )


def trust(
    context: SSL.Context, settings: Settings, where: Where, known: Store, *, announce: bool = False
) -> None:
    """Check the peer's certificates against ``ca_file`` and ``crl_file``, as ``known`` has them;
    ``announce``: tell clients whose certificates are asked for.  Raises TlsConfigError."""
    store = context.get_cert_store()
    assert store is not None
    if settings.ca_file == SYSTEM_AUTHORITIES:
        context.set_default_verify_paths()
    elif settings.ca_file:
        for authority in known.authorities(settings.ca_file, where):
            store.add_cert(X509.from_cryptography(authority))
            if announce:
                context.add_client_ca(authority)
    if settings.crl_file:
        for revocations in known.revocations(settings.crl_file, where):
            store.add_crl(revocations)
        store.set_flags(X509StoreFlags.CRL_CHECK | X509StoreFlags.CRL_CHECK_ALL)
