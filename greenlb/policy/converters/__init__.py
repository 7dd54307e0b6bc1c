"""Converters: what may stand after a comma in a sample expression.  One module a family, one row each."""

from __future__ import annotations

from greenlb.policy.converters import encodings, farm, maps, numbers, tables, text, variables
from greenlb.policy.vocabulary import Converter, nearest

TABLE: dict[str, Converter] = {
    row.name: row
    for family in (text, encodings, numbers, maps, tables, farm, variables)
    for row in family.ROWS
}

UNSUPPORTED = frozenset(
    (
        "aes_gcm_dec",
        "be2dec",
        "be2hex",
        "capture-req",
        "capture-res",
        "crc32c",
        "debug",
        "digest",
        "djb2",
        "fix_is_valid",
        "fix_tag_value",
        "hmac",
        "json_query",
        "jwt_header_query",
        "jwt_payload_query",
        "jwt_verify",
        "language",
        "mqtt_field_value",
        "mqtt_is_valid",
        "param",
        "protobuf",
        "rfc7239_field",
        "sdbm",
        "secure_memcmp",
        "ungrpc",
        "wt6",
        "x509_v_err_str",
        "xxh3",
        "xxh32",
        "xxh64",
    )
)
"""Converters of HAProxy that greenlb does not have."""


def find(name: str) -> Converter:
    """The converter called ``name``.  Raises ValueError."""
    row = TABLE.get(name)
    if row is None:
        if name in UNSUPPORTED:
            raise ValueError(f"converter '{name}' is not supported")
        raise ValueError(f"unknown converter '{name}'{nearest(name, TABLE)}")
    return row
