"""The types of samples: how each is cast into another, and how it reads as text.

The table is HAProxy's: a pair that is not in it cannot be cast, and is refused when the configuration
is read.  A cast gives None for a value that has no meaning in the new type.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from greenlb.policy.addresses import address_text, parse_address
from greenlb.policy.vocabulary import Kind

Cast = Callable[[Any], Any]

_INTEGER = re.compile(rb"-?\d*")


def integer(text: bytes) -> int:
    """The number at the start of ``text``; 0 when there is none."""
    digits = _INTEGER.match(text)
    number = digits.group() if digits else b""
    return int(number) if number not in (b"", b"-") else 0


def _int_to_text(value: int) -> bytes:
    return b"%d" % value


def _bool_to_text(value: bool) -> bytes:
    return b"1" if value else b"0"


def _address_to_text(value: Any) -> bytes:
    return address_text(value).encode()


def _address_to_int(value: Any) -> int | None:
    return int(value) if value.version == 4 else None


def _int_to_address(value: int) -> ipaddress.IPv4Address:
    return ipaddress.IPv4Address(value & 0xFFFFFFFF)


def _int_to_octets(value: int) -> bytes:
    return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")


def _text_to_address(value: bytes) -> Any:
    return parse_address(value.decode("latin-1"))


def _text_of_octets(value: bytes) -> bytes:
    """Binary read as a string ends at its first NUL."""
    return value.partition(b"\0")[0]


CASTS: dict[tuple[str, str], Cast | None] = {
    ("bool", "int"): int,
    ("bool", "str"): _bool_to_text,
    ("bool", "bin"): _bool_to_text,
    ("int", "bool"): bool,
    ("int", "ip"): _int_to_address,
    ("int", "str"): _int_to_text,
    ("int", "bin"): _int_to_octets,
    ("ip", "int"): _address_to_int,
    ("ip", "str"): _address_to_text,
    ("ip", "bin"): lambda value: value.packed,
    ("str", "bool"): lambda value: integer(value) != 0,
    ("str", "int"): integer,
    ("str", "ip"): _text_to_address,
    ("str", "bin"): None,
    ("str", "meth"): None,
    ("bin", "str"): _text_of_octets,
    ("bin", "meth"): None,
    ("meth", "str"): None,
    ("meth", "bin"): None,
}
"""(from, to) -> the cast; None: the value is the same."""


def can_cast(source: Kind, target: Kind) -> bool:
    return source == target or "any" in (source, target) or (source, target) in CASTS


def cast(source: Kind, target: Kind) -> Cast | None:
    """The function that turns ``source`` into ``target``; None when there is nothing to do.  Raises
    KeyError when there is no such cast."""
    if source == target or target == "any":
        return None
    if source == "any":
        return lambda value: _cast_any(value, target)
    return CASTS[source, target]


def kind_of(value: Any) -> Kind:
    """The kind of a value met at run time.  A string and a binary look alike: it is taken as a string."""
    if value is True or value is False:
        return "bool"
    if isinstance(value, bytes):
        return "str"
    return "int" if isinstance(value, int) else "ip"


def _cast_any(value: Any, target: Kind) -> Any:
    source = kind_of(value)
    if source == target or (source, target) not in CASTS:
        return value if source == target else None
    convert = CASTS[source, target]
    return value if convert is None else convert(value)
