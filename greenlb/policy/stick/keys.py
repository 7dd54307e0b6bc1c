"""Keys of stick tables: what a sample becomes in a table of each type, and how a key is shown and typed.

The rules are HAProxy's (src/stick_table.c, smp_to_stkey and stksess_setkey; src/sample.c for the casts):
a string is cut at ``len``, a binary is cut or padded with zeroes, an integer is 32 bits, an IPv6 table
takes IPv4 addresses as ``::ffff:a.b.c.d``, an IPv4 table takes those IPv6 addresses that carry one.
Keys sort as HAProxy shows them.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final

from greenlb.policy.kinds import can_cast, cast
from greenlb.policy.vocabulary import Kind

Encode = Callable[[Any], bytes | None]
"""A sample's value to the key; None: it has no meaning in such a table."""

TYPES: Final = ("ip", "ipv6", "integer", "string", "binary")
DEFAULT_LENGTH: Final = {"ip": 4, "ipv6": 16, "integer": 4, "string": 31, "binary": 32}
"""Bytes of a key; HAProxy counts the NUL that ends a string among its default of 32."""

_CASTS: Final[dict[str, Kind]] = {
    "ip": "ip",
    "ipv6": "ip",
    "integer": "int",
    "string": "str",
    "binary": "bin",
}
_MAPPED: Final = b"\0" * 10 + b"\xff\xff"
_SHOWN: Final = {ord(c): "\\" + c for c in " \\"}


def encoder(type: str, length: int, kind: Kind) -> Encode:
    """The function that makes keys of samples of ``kind``.  Raises ValueError when they cannot be."""
    target = _CASTS[type]
    if not can_cast(kind, target):
        raise ValueError(f"{kind} cannot be the key of a table of type {type}")
    encode = _ENCODERS[type](length)
    if type in ("ip", "ipv6") and kind in ("str", "meth"):  # a text must be written in the family itself
        family = socket.AF_INET if type == "ip" else socket.AF_INET6
        return lambda value: _written(family, value)
    change = cast(kind, target)
    if change is None:
        return encode
    convert = change

    def changed(value: Any) -> bytes | None:
        value = convert(value)
        return None if value is None else encode(value)

    return changed


def _written(family: int, text: bytes) -> bytes | None:
    try:
        return socket.inet_pton(family, text.decode("latin-1"))
    except (OSError, ValueError):
        return None


def _ipv4(length: int) -> Encode:
    def encode(address: Any) -> bytes | None:
        packed: bytes = address.packed
        return packed if len(packed) == 4 else carried_ipv4(packed)

    return encode


def _ipv6(length: int) -> Encode:
    def encode(address: Any) -> bytes:
        packed: bytes = address.packed
        return packed if len(packed) == 16 else _MAPPED + packed

    return encode


def carried_ipv4(packed: bytes) -> bytes | None:
    """The IPv4 address that an IPv6 one stands for, ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2)."""
    return packed[12:] if packed[:12] == _MAPPED else None


def _integer(length: int) -> Encode:
    return lambda value: (value & 0xFFFFFFFF).to_bytes(4, "big")


def _string(length: int) -> Encode:
    return lambda value: value.partition(b"\0")[0][:length]


def _binary(length: int) -> Encode:
    return lambda value: value[:length].ljust(length, b"\0")


_ENCODERS: Final[dict[str, Callable[[int], Encode]]] = {
    "ip": _ipv4,
    "ipv6": _ipv6,
    "integer": _integer,
    "string": _string,
    "binary": _binary,
}


def shown(type: str, key: bytes) -> str:
    """The key as ``show table`` prints it."""
    if type == "ip":
        return socket.inet_ntop(socket.AF_INET, key)
    if type == "ipv6":
        return socket.inet_ntop(socket.AF_INET6, key)
    if type == "integer":
        return str(int.from_bytes(key, "big"))
    if type == "binary":
        return key.hex().upper()
    return "".join(_SHOWN.get(byte, chr(byte)) if 32 <= byte < 127 else f"\\x{byte:02X}" for byte in key)


def typed(type: str, length: int, text: str) -> bytes:
    """The key that an operator typed.  Raises ValueError with HAProxy's answer."""
    if type == "binary":
        raise ValueError(
            "Showing keys from tables of type other than ip, ipv6, string and integer is not supported"
        )
    if type in ("ip", "ipv6"):
        found = _written(socket.AF_INET if type == "ip" else socket.AF_INET6, text.encode())
        if found is None:
            raise ValueError("Invalid key")
        return found
    if type == "integer":
        try:
            return (int(text, 0) & 0xFFFFFFFF).to_bytes(4, "big")
        except ValueError:
            raise ValueError("Invalid key") from None
    return _string(length)(text.encode("utf-8", "surrogateescape")) or b""
