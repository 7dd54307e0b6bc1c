"""What rules read of an X.509 certificate, spelled as HAProxy spells it.

Everything is a function of the certificate in DER.  The last certificates are kept in parsed form: the
same clients come again, and a rule asks for several facts of one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

_SHORT = {
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
    "2.5.4.3": "CN",
    "2.5.4.4": "SN",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "street",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.13": "description",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.41": "name",
    "2.5.4.42": "GN",
    "2.5.4.43": "initials",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
}
"""OpenSSL's short names of the attributes of a name."""

_SIGNATURES = {
    "1.2.840.113549.1.1.4": "RSA-MD5",
    "1.2.840.113549.1.1.5": "RSA-SHA1",
    "1.2.840.113549.1.1.10": "RSASSA-PSS",
    "1.2.840.113549.1.1.11": "RSA-SHA256",
    "1.2.840.113549.1.1.12": "RSA-SHA384",
    "1.2.840.113549.1.1.13": "RSA-SHA512",
    "1.2.840.113549.1.1.14": "RSA-SHA224",
    "1.2.840.10040.4.3": "DSA-SHA1",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "ED25519",
    "1.3.101.113": "ED448",
    "2.16.840.1.101.3.4.3.2": "dsa_with_SHA256",
}
"""OpenSSL's short names of signature algorithms."""

_KEYS: tuple[tuple[type, str], ...] = (
    (rsa.RSAPublicKey, "rsaEncryption"),
    (ec.EllipticCurvePublicKey, "id-ecPublicKey"),
    (ed25519.Ed25519PublicKey, "ED25519"),
    (ed448.Ed448PublicKey, "ED448"),
    (dsa.DSAPublicKey, "dsaEncryption"),
)


@lru_cache(maxsize=256)
def _parsed(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _attributes(name: x509.Name) -> list[tuple[str, bytes]]:
    """The attributes in the order of the certificate, a multi-valued RDN one after another."""
    return [
        (_SHORT.get(a.oid.dotted_string, a.oid.dotted_string), _octets(a.value))
        for rdn in name.rdns
        for a in rdn
    ]


def _octets(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def _whole(name: x509.Name) -> bytes:
    """``/C=FR/O=Example/CN=www``."""
    return b"".join(b"/" + short.encode() + b"=" + value for short, value in _attributes(name))


def _entry(name: x509.Name, wanted: str, occurrence: int) -> bytes | None:
    """The value of an attribute: the ``occurrence``-th, from the end when negative."""
    found = [value for short, value in _attributes(name) if short.lower() == wanted.lower()]
    index = occurrence - 1 if occurrence > 0 else occurrence
    return found[index] if -len(found) <= index < len(found) else None


def _rfc2253(name: x509.Name) -> bytes:
    names = {a.oid: _SHORT[a.oid.dotted_string] for a in name if a.oid.dotted_string in _SHORT}
    return name.rfc4514_string(names).encode()


def distinguished_name(der: bytes, issuer: bool, entry: str, occurrence: int, rfc2253: bool) -> bytes | None:
    """The subject or the issuer: all of it, or the value of one attribute.  None when that is not there."""
    certificate = _parsed(der)
    name = certificate.issuer if issuer else certificate.subject
    if entry:
        return _entry(name, entry, occurrence)
    return _rfc2253(name) if rfc2253 else _whole(name)


def _date(moment: datetime) -> bytes:
    """YYMMDDhhmmssZ, also of a date that is written with four digits."""
    return moment.strftime("%y%m%d%H%M%SZ").encode()


def not_before(der: bytes) -> bytes:
    return _date(_parsed(der).not_valid_before_utc)


def not_after(der: bytes) -> bytes:
    return _date(_parsed(der).not_valid_after_utc)


def serial(der: bytes) -> bytes:
    """The octets of the number, without leading zeros."""
    number = _parsed(der).serial_number
    return abs(number).to_bytes((abs(number).bit_length() + 7) // 8 or 1)


def sha1(der: bytes) -> bytes:
    return hashlib.sha1(der, usedforsecurity=False).digest()


def signature_algorithm(der: bytes) -> bytes:
    oid = _parsed(der).signature_algorithm_oid.dotted_string
    return _SIGNATURES.get(oid, oid).encode()


def key_algorithm(der: bytes) -> bytes:
    key = _parsed(der).public_key()
    return next((name for kind, name in _KEYS if isinstance(key, kind)), "UNDEF").encode()


def version(der: bytes) -> int:
    return _parsed(der).version.value + 1
