"""A certificate that nobody has signed, for trying TLS out on one's own machine."""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = datetime.timedelta(days=90)
_SPARE = datetime.timedelta(days=1)


def certificate() -> str:
    """The path of a PEM file with a key and a certificate for this machine's names; it is made when it is not
    there, and anew when it is about to expire.  Raises OSError."""
    folder = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "greenlb")
    path = os.path.join(folder, "self-signed.pem")
    if not _is_good(path):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        partial = f"{path}.{os.getpid()}"
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_make())
        os.replace(partial, path)
    return path


def _is_good(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            made = x509.load_pem_x509_certificate(file.read())
    except (OSError, ValueError):
        return False
    return made.not_valid_after_utc - _SPARE > datetime.datetime.now(datetime.UTC)


def _make() -> bytes:
    host = socket.gethostname()
    now = datetime.datetime.now(datetime.UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = [
        x509.DNSName("localhost"),
        *([x509.DNSName(host)] if host.isascii() and host != "localhost" else []),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        x509.IPAddress(ipaddress.ip_address("::1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SPARE)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
