"""Converters of integers (64 bits, saturating, as in HAProxy), booleans and addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable

from greenlb.exchange import Exchange
from greenlb.policy.addresses import Address
from greenlb.policy.kinds import cast, kind_of
from greenlb.policy.variables import getter, is_name
from greenlb.policy.vocabulary import Argument, Convert, Converter

_LARGEST = (1 << 63) - 1
_SMALLEST = -(1 << 63)

Operation = Callable[[int, int], int]


def _saturate(value: int) -> int:
    return min(max(value, _SMALLEST), _LARGEST)


def _signed(value: int) -> int:
    """``value`` as a two's complement number of 64 bits."""
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _divide(a: int, b: int) -> int:
    """Rounded towards zero; by zero gives the largest number."""
    if b == 0:
        return _LARGEST
    quotient = abs(a) // abs(b)
    return _saturate(quotient if (a < 0) == (b < 0) else -quotient)


def _modulo(a: int, b: int) -> int:
    """With the sign of the dividend; by zero gives zero."""
    if b == 0:
        return 0
    remainder = abs(a) % abs(b)
    return -remainder if a < 0 else remainder


def _with_operand(operation: Operation) -> Callable[[str], Convert]:
    """The operand is an integer or a variable; without that variable there is no result."""

    def make(text: str) -> Convert:
        if is_name(text):
            variable = getter(text)

            def convert(x: Exchange, value: int) -> int | None:
                found = variable(x)
                if found is None:
                    return None
                to_int = cast(kind_of(found), "int") if kind_of(found) != "int" else None
                number = found if to_int is None else to_int(found)
                return None if number is None else operation(value, number)

            return convert
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"an integer or a variable is expected, got '{text}'") from None
        return lambda x, value: operation(value, number)

    return make


def _ipmask(mask4: int, mask6: int | None) -> Convert:
    """An IPv6 address that carries an IPv4 one (``::ffff:a.b.c.d``) is masked as IPv4."""

    def convert(x: Exchange, value: Address) -> Address | None:
        if isinstance(value, ipaddress.IPv6Address) and value.ipv4_mapped is not None:
            value = value.ipv4_mapped
        if isinstance(value, ipaddress.IPv4Address):
            return ipaddress.IPv4Address(int(value) & mask4)
        return None if mask6 is None else ipaddress.IPv6Address(int(value) & mask6)

    return convert


def _arithmetic(name: str, doc: str, operation: Operation) -> Converter:
    return Converter(name, "int", "int", doc, _with_operand(operation), (Argument("value"),))


ROWS = (
    _arithmetic("add", "Adds.", lambda a, b: _saturate(a + b)),
    _arithmetic("sub", "Subtracts.", lambda a, b: _saturate(a - b)),
    _arithmetic("mul", "Multiplies.", lambda a, b: _saturate(a * b)),
    _arithmetic("div", "Divides, towards zero.", _divide),
    _arithmetic("mod", "The remainder of a division.", _modulo),
    _arithmetic("and", "Bitwise and.", lambda a, b: _signed(a & b)),
    _arithmetic("or", "Bitwise or.", lambda a, b: _signed(a | b)),
    _arithmetic("xor", "Bitwise exclusive or.", lambda a, b: _signed(a ^ b)),
    Converter("neg", "int", "int", "The opposite number.", lambda: lambda x, value: _saturate(-value)),
    Converter("cpl", "int", "int", "The bitwise complement.", lambda: lambda x, value: ~value),
    Converter("bool", "int", "bool", "True unless zero.", lambda: lambda x, value: value != 0),
    Converter("not", "int", "bool", "True when zero.", lambda: lambda x, value: value == 0),
    Converter("odd", "int", "bool", "True when odd.", lambda: lambda x, value: value % 2 == 1),
    Converter("even", "int", "bool", "True when even.", lambda: lambda x, value: value % 2 == 0),
    Converter(
        "htonl",
        "int",
        "bin",
        "The number in four octets, network order.",
        lambda: lambda x, v: (v & 0xFFFFFFFF).to_bytes(4, "big"),
    ),
    Converter(
        "ipmask",
        "ip",
        "ip",
        "Keeps the network part of an address.",
        _ipmask,
        (Argument("mask4", "mask4"), Argument("mask6", "mask6", True)),
    ),
)
