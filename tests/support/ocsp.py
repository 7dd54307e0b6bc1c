"""What an OCSP responder would say of a test certificate."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from tests.support.certs import Authority


def good(authority: Authority, certificate: x509.Certificate) -> bytes:
    """The authority's answer, in DER: this certificate is good."""
    now = datetime.datetime.now(datetime.UTC)
    return (
        ocsp.OCSPResponseBuilder()
        .add_response(
            certificate,
            authority.certificate,
            hashes.SHA1(),
            ocsp.OCSPCertStatus.GOOD,
            now,
            now + datetime.timedelta(days=1),
            None,
            None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.NAME, authority.certificate)
        .sign(authority.key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )


def try_later() -> bytes:
    """A responder's error instead of an answer, in DER."""
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER)
    return refused.public_bytes(serialization.Encoding.DER)
