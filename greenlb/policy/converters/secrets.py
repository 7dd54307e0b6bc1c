"""Converters of digests, keyed digests, encryption and signed tokens."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from greenlb.exchange import Exchange
from greenlb.policy.converters.documents import as_query, json_path
from greenlb.policy.converters.encodings import base64url
from greenlb.policy.converters.text import as_text
from greenlb.policy.files import octets_of
from greenlb.policy.variables import getter, is_name
from greenlb.policy.vocabulary import Argument, Convert, Converter, Fetch, octets

VERIFIED, FAILED, UNKNOWN_ALGORITHM, UNMANAGED_ALGORITHM, INVALID_TOKEN, UNKNOWN_KEY = 1, 0, -1, -2, -3, -5
"""What jwt_verify gives."""

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}


def _algorithm(name: str) -> str:
    """The name of a digest as hashlib has it.  Raises ValueError."""
    try:
        hashlib.new(name, b"", usedforsecurity=False).digest()
    except (ValueError, TypeError):
        raise ValueError(f"a digest such as sha256 is expected, got '{name}'") from None
    return name


def _digest(name: str) -> Convert:
    algorithm = _algorithm(name)
    return lambda x, value: hashlib.new(algorithm, value, usedforsecurity=False).digest()


def _base64_text(text: str) -> Fetch:
    """Octets that are written in base64, or stand in a variable so.  Raises ValueError."""
    if is_name(text):
        variable = getter(text)

        def decoded(x: Exchange) -> bytes | None:
            found = variable(x)
            try:
                return None if found is None else binascii.a2b_base64(as_text(found), strict_mode=True)
            except binascii.Error:
                return None

        return decoded
    try:
        fixed = binascii.a2b_base64(octets(text), strict_mode=True)
    except binascii.Error:
        raise ValueError(f"base64 or a variable is expected, got '{text}'") from None
    return lambda x: fixed


def _hmac(name: str, key: str) -> Convert:
    algorithm, secret = _algorithm(name), _base64_text(key)

    def convert(x: Exchange, value: bytes) -> bytes | None:
        found = secret(x)
        return None if found is None else hmac.digest(found, value, algorithm)

    return convert


def _aes_gcm_dec(bits: int, nonce: str, key: str, tag: str) -> Convert:
    if bits not in (128, 192, 256):
        raise ValueError(f"the key has 128, 192 or 256 bits, got {bits}")
    parts = [_base64_text(text) for text in (nonce, key, tag)]

    def convert(x: Exchange, value: bytes) -> bytes | None:
        once, secret, mark = (part(x) for part in parts)
        if not once or secret is None or mark is None or len(secret) * 8 != bits:
            return None
        try:
            return AESGCM(secret).decrypt(once, value + mark, None)
        except (InvalidTag, ValueError):
            return None

    return convert


def _secure_memcmp(name: str) -> Convert:
    """In a time that does not depend on where they differ."""
    variable = getter(name)

    def convert(x: Exchange, value: bytes) -> bool | None:
        found = variable(x)
        return None if found is None else hmac.compare_digest(as_text(found), value)

    return convert


# -- signed tokens (RFC 7515) ----------------------------------------------------------------------


def _jwt_query(part: int) -> Callable[[str | None, str | None], Convert]:
    """The decoded header (0) or payload (1) of a token, or what a JSON path finds in it."""

    def make(path: str | None, kind: str | None) -> Convert:
        query = None if path is None else json_path(path)
        read = as_query(kind)

        def convert(x: Exchange, value: bytes) -> bytes | None:
            parts = value.split(b".")
            decoded = base64url(parts[part]) if len(parts) == 3 else None
            if decoded is None:
                return None
            return decoded if query is None else read(query, decoded)

        return convert

    return make


def _public_key(path: str) -> Any:
    """Of a PEM file: a public key or a certificate.  Raises ValueError."""
    content = octets_of(path)
    try:
        if b"BEGIN CERTIFICATE" in content:
            return x509.load_pem_x509_certificate(content).public_key()
        return serialization.load_pem_public_key(content)
    except ValueError:
        raise ValueError(f"'{path}' holds no public key and no certificate") from None


def _verifies(algorithm: str, key: Any, signed: bytes, signature: bytes) -> bool:
    """RSA (RFC 7518 section 3.3) or ECDSA (section 3.4)."""
    digest = _HASHES[algorithm[2:]]
    try:
        if algorithm[:2] == "RS" and isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, signed, padding.PKCS1v15(), digest)
            return True
        if algorithm[:2] == "ES" and isinstance(key, ec.EllipticCurvePublicKey):
            half = (key.key_size + 7) // 8
            if len(signature) != 2 * half:
                return False
            r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(digest))
            return True
    except InvalidSignature:
        pass
    return False


def _jwt_verify(algorithm: str, key: str) -> Convert:
    """Both may be variables; a file of keys is read when the configuration is."""
    if not is_name(algorithm):
        if algorithm[:2] == "PS":
            raise ValueError(f"the signatures of {algorithm} are not supported: use RS or ES")
        if _is_unknown(algorithm):
            raise ValueError(f"an algorithm such as HS256, RS256 or ES256 is expected, got '{algorithm}'")
    known: dict[str, Any] = {}
    chosen: Fetch = getter(algorithm) if is_name(algorithm) else (lambda x: octets(algorithm))
    secret: Fetch = getter(key) if is_name(key) else (lambda x: octets(key))
    if not is_name(key) and not (algorithm.startswith("HS") or algorithm == "none" or is_name(algorithm)):
        known[key] = _public_key(key)

    def convert(x: Exchange, value: bytes) -> int | None:
        name, found = chosen(x), secret(x)
        if name is None or found is None:
            return None
        return _verify(as_text(name).decode("latin-1"), as_text(found), value, known)

    return convert


def _is_unknown(algorithm: str) -> bool:
    """RFC 7518 section 3.1."""
    if algorithm == "none":
        return False
    return algorithm[:2] not in ("HS", "RS", "ES", "PS") or algorithm[2:] not in _HASHES


def _verify(algorithm: str, secret: bytes, token: bytes, keys: dict[str, Any]) -> int:
    family, size = algorithm[:2], algorithm[2:]
    if _is_unknown(algorithm):
        return UNKNOWN_ALGORITHM
    parts = token.split(b".")
    signature = base64url(parts[2]) if len(parts) == 3 else None
    if signature is None:
        return INVALID_TOKEN
    if algorithm == "none":
        return VERIFIED if not signature else FAILED
    if family == "PS":
        return UNMANAGED_ALGORITHM
    signed = parts[0] + b"." + parts[1]
    if family == "HS":
        good = hmac.compare_digest(hmac.digest(secret, signed, f"sha{size}"), signature)
        return VERIFIED if good else FAILED
    key = keys.get(secret.decode("utf-8", "surrogateescape"))
    if key is None:
        return UNKNOWN_KEY
    return VERIFIED if _verifies(algorithm, key, signed, signature) else FAILED


_QUERY = (Argument("json_path", "str", True), Argument("output_type", "str", True))

ROWS = (
    Converter("digest", "bin", "bin", "The digest of an algorithm.", _digest, (Argument("algorithm"),)),
    Converter(
        "hmac",
        "bin",
        "bin",
        "The keyed digest of an algorithm; the key is base64, or a variable that holds it.",
        _hmac,
        (Argument("algorithm"), Argument("key")),
    ),
    Converter(
        "aes_gcm_dec",
        "bin",
        "bin",
        "Decrypts AES-GCM; nonce, key and tag are base64, or variables that hold it.",
        _aes_gcm_dec,
        (Argument("bits", "int"), Argument("nonce"), Argument("key"), Argument("aead_tag")),
    ),
    Converter(
        "secure_memcmp",
        "bin",
        "bool",
        "Whether it equals a variable, compared in constant time.",
        _secure_memcmp,
        (Argument("var"),),
    ),
    Converter(
        "jwt_header_query",
        "bin",
        "str",
        "The header of a JSON Web Token, or what a JSON path finds in it.",
        _jwt_query(0),
        _QUERY,
    ),
    Converter(
        "jwt_payload_query",
        "bin",
        "str",
        "The payload of a JSON Web Token, or what a JSON path finds in it.",
        _jwt_query(1),
        _QUERY,
    ),
    Converter(
        "jwt_verify",
        "bin",
        "int",
        "Checks the signature of a JSON Web Token by a secret or the PEM file of a public key: 1 good, 0 "
        "bad, -1 an unknown algorithm, -2 one that is not supported, -3 no token, -5 an unknown key.",
        _jwt_verify,
        (Argument("alg"), Argument("key")),
    ),
)
