"""What both sides of TLS say in the same words."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.values import Choice, Flag, Listed, Text

VERSIONS: Final = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")

FILE = Text("FILE", "the path of a file")
CIPHERS = Text("LIST", "an OpenSSL cipher list, such as ECDHE+AESGCM:ECDHE+CHACHA20")
CIPHERSUITES = Text("LIST", "TLS 1.3 cipher suites, such as TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")
CURVES = Text("LIST", "names of curves, such as X25519:P-256")
VERSION = Choice(*VERSIONS, refused=("SSLv3",))
ALPN = Listed("PROTOCOL[,PROTOCOL]", "protocols separated by commas, such as http/1.1")

TLS_RANGE = (
    Option(
        name="ssl-min-ver",
        kind=VERSION,
        field="min_version",
        doc="The oldest TLS version that is spoken.",
        example="TLSv1.2",
    ),
    Option(
        name="ssl-max-ver",
        kind=VERSION,
        field="max_version",
        doc="The newest TLS version that is spoken.",
        example="TLSv1.3",
    ),
    *(
        Option(
            name=f"no-{word}",
            kind=Flag(version),
            field="without",
            many=True,
            doc=f"{version} is not spoken.  ssl-min-ver and ssl-max-ver say it more clearly.",
        )
        for word, version in zip(
            ("sslv3", "tlsv10", "tlsv11", "tlsv12", "tlsv13"), ("SSLv3", *VERSIONS), strict=True
        )
    ),
    *(
        Option(
            name=f"force-{word}",
            kind=Flag(version),
            field="only",
            doc=f"{version} alone is spoken.",
        )
        for word, version in zip(("tlsv10", "tlsv11", "tlsv12", "tlsv13"), VERSIONS, strict=True)
    ),
    Option(
        name="no-tls-tickets",
        kind=Flag(False),
        field="tickets",
        doc="No session tickets are given or used, so a session is resumed by its ID or not at all.",
    ),
)

TLS_SUITES = (
    Option(
        name="ciphers",
        kind=CIPHERS,
        field="ciphers",
        doc="The ciphers of TLS 1.2 and older.",
        default="OpenSSL's",
        example="ECDHE+AESGCM:ECDHE+CHACHA20",
    ),
    Option(
        name="ciphersuites",
        kind=CIPHERSUITES,
        field="ciphersuites",
        doc="The cipher suites of TLS 1.3.",
        default="OpenSSL's",
        example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
    ),
    Option(
        name="curves",
        kind=CURVES,
        field="curves",
        doc="The groups for the key exchange, the preferred one first.",
        default="OpenSSL's",
        example="X25519:P-256",
    ),
    Option(
        name="alpn",
        kind=ALPN,
        field="alpn",
        doc="The protocols offered by ALPN, the preferred one first.  In mode http: http/1.1, http/1.0.",
        example="http/1.1",
    ),
)
