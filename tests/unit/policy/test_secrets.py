"""Signed tokens, encryption, and what the table of HAProxy's answers cannot hold of converters."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, Frontend
from greenlb.policy import samples
from greenlb.policy.converters import secrets
from greenlb.policy.scope import Scope

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)


def exchange(**headers: str) -> Exchange:
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), BIND, "192.0.2.1", 1234, "127.0.0.1", 80))
    block = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    x.request = Request(b"GET", b"/", True, Fields(f"\r\n{block}".encode()))
    return x


def value(text: str, x: Exchange) -> bytes | None:
    return samples.compile_bytes(text, Scope())(x)


def encoded(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def signed_by(algorithm: str, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    head = encoded(json.dumps({"alg": algorithm}).encode()) + b"." + encoded(b'{"sub":"me"}')
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(head, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(head, ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(32) + s.to_bytes(32)
    return (head + b"." + encoded(signature)).decode()


def public(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, path: Path) -> Path:
    path.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    return path


def test_tokens_of_key_pairs(tmp_path: Path) -> None:
    """RS and ES: 1 for the key's own, 0 for another's, whatever the algorithm the token claims."""
    keys = (
        ("RS256", rsa.generate_private_key(65537, 2048)),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
    )
    tokens = {name: signed_by(name, key) for name, key in keys}
    for name, key in keys:
        path = public(key, tmp_path / name)
        text = f"req.hdr(x),jwt_verify({name},{path})"
        assert value(text, exchange(x=tokens[name])) == b"1"
        assert value(text, exchange(x=tokens[name][:-4] + "AAAA")) == b"0"
        assert value(text, exchange(x=tokens["RS256" if name == "ES256" else "ES256"])) == b"0"
        assert value(text, exchange(x="no.token")) == b"-3"
        # HMAC with the public key as the secret: the algorithm is the configuration's, not the token's.
        assert value("req.hdr(x),jwt_header_query($.alg)", exchange(x=tokens[name])) == name.encode()


def test_an_algorithm_from_a_variable(tmp_path: Path) -> None:
    text = 'req.hdr(x),jwt_header_query("$.alg"),set-var(txn.alg),regsub(.*,)'
    x = exchange(x=signed_by("RS256", rsa.generate_private_key(65537, 2048)))
    value(text, x)
    assert value(f"req.hdr(x),jwt_verify(txn.alg,{tmp_path}/nothing)", x) == b"-5"
    x.variables = {"txn.alg": b"XX1"}
    assert value("req.hdr(x),jwt_verify(txn.alg,k)", x) == b"-1"
    x.variables = {"txn.alg": b"PS256"}
    assert value("req.hdr(x),jwt_verify(txn.alg,k)", x) == b"-2"
    x.variables = {}
    assert value("req.hdr(x),jwt_verify(txn.alg,k)", x) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jwt_verify(PS256,k)", "PS256 are not supported"),
        ("jwt_verify(XX,k)", "an algorithm such as HS256"),
        ("jwt_verify(RS256,/nowhere)", "cannot read '/nowhere'"),
        ("digest(sha9)", "a digest such as sha256 is expected, got 'sha9'"),
        ("hmac(sha256,%)", "base64 or a variable is expected, got '%'"),
        ("aes_gcm_dec(100,aa==,aa==,aa==)", "128, 192 or 256 bits, got 100"),
        ("json_query(a)", "a JSON path begins with '$', got 'a'"),
        ("json_query($a)", "'.name' or '[number]' is expected at 'a'"),
        ("json_query($.a,str)", "the output type is 'int' or nothing"),
        ("be2dec(.,9)", "the size of a chunk is from 1 to 8, got 9"),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ValueError) as raised:
        samples.compile_bytes(f"req.hdr(x),{text}", Scope())
    assert message in str(raised.value)


def test_a_file_without_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text("nothing")
    with pytest.raises(ValueError, match="no public key and no certificate"):
        secrets._public_key(str(path))


def test_aes_gcm() -> None:
    key, nonce = os.urandom(16), os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, b"secret text", None)
    parts = [base64.b64encode(part).decode() for part in (nonce, key, sealed[-16:])]
    x = exchange(x=base64.b64encode(sealed[:-16]).decode())
    text = "req.hdr(x),b64dec,aes_gcm_dec({},{},{},{})"
    assert value(text.format(128, *parts), x) == b"secret text"
    assert value(text.format(256, *parts), x) is None
    wrong = base64.b64encode(bytes(16)).decode()
    assert value(text.format(128, parts[0], parts[1], wrong), x) is None
    x.variables = {"txn.key": parts[1].encode()}
    assert value(text.format(128, parts[0], "txn.key", parts[2]), x) == b"secret text"
    assert value(text.format(128, parts[0], "txn.none", parts[2]), x) is None


def test_json_keeps_what_it_cannot_know() -> None:
    """Numbers as they are written, text of other scripts in UTF-8, and no answer for what is no JSON."""
    x = exchange(x='{"big":12345678901234567890,"u":"\\u00e9","deep":%s}' % ("[" * 5 + "]" * 5))
    assert value("req.fhdr(x),json_query($.big)", x) == b"12345678901234567890"
    assert value("req.fhdr(x),json_query($.u)", x) == "é".encode()
    assert value("req.fhdr(x),json_query($.deep)", x) is None
    assert value("req.fhdr(x),json_query($.a)", exchange(x="[" * 100_000)) is None


def test_captures_on_the_way() -> None:
    x = exchange()
    x.frontend = Frontend("fe", 1, NOWHERE, request_captures=((b"", 3),), response_captures=((b"", 9),))
    assert value("str(abcdef),capture-req(0)", x) is None
    x.request_captures, x.response_captures = [None], [None]
    assert value("str(abcdef),capture-req(0),upper", x) == b"ABCDEF"
    assert value("str(abcdef),capture-res(0)", x) == b"abcdef"
    assert (x.request_captures, x.response_captures) == ([b"abc"], [b"abcdef"])
    assert value("str(abcdef),capture-req(1)", x) is None
