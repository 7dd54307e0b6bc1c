"""Converters: what may stand after a comma in a sample expression.  One module a family, one row each."""

from __future__ import annotations

from greenlb.policy.converters import (
    documents,
    encodings,
    farm,
    hashes,
    maps,
    numbers,
    secrets,
    tables,
    text,
    variables,
)
from greenlb.policy.vocabulary import Converter, nearest

TABLE: dict[str, Converter] = {
    row.name: row
    for family in (text, encodings, documents, hashes, secrets, numbers, maps, tables, farm, variables)
    for row in family.ROWS
}

_GRPC = "protocol buffers are not read"
_FIX = "FIX is not read"
_MQTT = "MQTT is not read"
_LATER = "HAProxy has it since a later version than 2.6"

REFUSED: dict[str, str] = {
    "debug": "there is no buffer of events; a log-format shows a value",
    "fix_is_valid": _FIX,
    "fix_tag_value": _FIX,
    "mqtt_field_value": _MQTT,
    "mqtt_is_valid": _MQTT,
    "param": _LATER,
    "protobuf": _GRPC,
    "rfc7239_field": _LATER,
    "rfc7239_is_valid": _LATER,
    "rfc7239_n2nh": _LATER,
    "rfc7239_n2np": _LATER,
    "rfc7239_nn": _LATER,
    "rfc7239_np": _LATER,
    "ungrpc": _GRPC,
    "x509_v_err_str": _LATER,
}
"""Converters of HAProxy that greenlb does not have: why."""


def find(name: str) -> Converter:
    """The converter called ``name``.  Raises ValueError."""
    row = TABLE.get(name)
    if row is None:
        if name in REFUSED:
            raise ValueError(f"converter '{name}' is not supported: {REFUSED[name]}")
        raise ValueError(f"unknown converter '{name}'{nearest(name, TABLE)}")
    return row
