"""What ``balance`` hashes, and the hash functions of ``hash-type``: keys out of exchanges, 32-bit numbers
out of keys.

The functions give the same numbers as HAProxy's, so that a farm keeps its placement when greenlb takes over:
sdbm and djb2 are Ozan Yigit's and Dan Bernstein's, crc32 is the one of zlib, wt6 was made for HAProxy,
and the avalanche step is one of Bob Jenkins' integer hashes followed by a spread over the whole range.
"""

from __future__ import annotations

import socket
import zlib
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address
from operator import mul
from typing import TYPE_CHECKING

from greenlb.message import split_list

if TYPE_CHECKING:
    from greenlb.exchange import Exchange
    from greenlb.model import Balance

MASK = 0xFFFFFFFF

HashFunction = Callable[[bytes], int]
Key = Callable[["Exchange"], "bytes | None"]
"""What is hashed of an exchange; None when it has no such thing."""
Sample = Callable[["Exchange"], object]


class _Polynomial:
    """A hash of the form ``h = h * factor + byte``.  Written out it is a sum of bytes times powers, and
    a sum over ``map`` costs a third of the loop."""

    __slots__ = ("_factor", "_powers", "_start")

    def __init__(self, factor: int, start: int) -> None:
        self._factor = factor
        self._start = start
        self._powers = [1]

    def __call__(self, data: bytes) -> int:
        powers = self._powers
        size = len(data)
        while len(powers) <= size:
            powers.append(powers[-1] * self._factor & MASK)
        total: int = sum(map(mul, data[::-1], powers))
        return (total + self._start * powers[size]) & MASK


sdbm: HashFunction = _Polynomial(65599, 0)
djb2: HashFunction = _Polynomial(33, 5381)


def crc32(data: bytes) -> int:
    return zlib.crc32(data)


def _rotate(value: int, count: int) -> int:
    return (value << count | value >> (32 - count)) & MASK


def wt6(data: bytes) -> int:
    low, high = 0xA53C965A, 0x5CA6953A
    low_step, high_step = 6, 18
    for byte in data:
        low = ~(low ^ byte) & MASK
        high = ~(high + byte) & MASK
        low, high = _rotate(high, low_step), _rotate(low, high_step)
        mixed = (low >> 16 ^ high) & 0xFFFF
        low_step, high_step = mixed & 0x1F, mixed >> 11
    return low ^ high


def avalanche(number: int) -> int:
    """Spread a 32-bit number: a change of one bit of ``number`` changes about half of the result's."""
    number = (number + 0x7ED55D16 + (number << 12)) & MASK
    number = number ^ 0xC761C23C ^ number >> 19
    number = (number + 0x165667B1 + (number << 5)) & MASK
    number = (number + 0xD3A2646C ^ number << 9) & MASK
    number = (number + 0xFD7046C5 + (number << 3)) & MASK
    number = number ^ 0xB55A4F09 ^ number >> 16
    return number * 3221225473 & MASK


FUNCTIONS: dict[str, HashFunction] = {"sdbm": sdbm, "djb2": djb2, "wt6": wt6, "crc32": crc32}


def number_of(spec: Balance) -> Callable[[Exchange], int | None]:
    """What ``spec`` makes of an exchange: a 32-bit number, or None when it has no key."""
    if spec.algorithm == "source":
        return spread_address if spec.avalanche else address
    function = FUNCTIONS[spec.hash_function]
    key = spec.key
    if key is None:
        raise ValueError(f"balance {spec.algorithm}: a key is needed")
    get: Key = key

    def number(x: Exchange) -> int | None:
        data = get(x)
        return None if data is None else function(data)

    def spread(x: Exchange) -> int | None:
        data = get(x)
        return None if data is None else avalanche(function(data))

    return spread if spec.avalanche else number


def address(x: Exchange) -> int | None:
    """The client's address, its 32-bit words folded into one; None for a unix socket's client."""
    text = x.src
    try:
        if ":" not in text:
            return int.from_bytes(socket.inet_pton(socket.AF_INET, text), "big")
        wide = int.from_bytes(socket.inet_pton(socket.AF_INET6, text), "big")
    except OSError:
        return None
    return (wide >> 96 ^ wide >> 64 ^ wide >> 32 ^ wide) & MASK


def spread_address(x: Exchange) -> int | None:
    number = address(x)
    return None if number is None else avalanche(number)


def key_uri(length: int = 0, depth: int = 0, whole: bool = False, path_only: bool = False) -> Key:
    """``balance uri``: the request target up to its ``?`` (``whole``: with the query), or its path alone;
    no more than ``length`` bytes and ``depth`` levels of directories of it (0: no limit)."""

    def key(x: Exchange) -> bytes | None:
        if x.request is None:
            return None
        target = x.request.target
        if path_only:
            target = _path_and_query(target)
        if length:
            target = target[:length]
        if not whole:
            mark = target.find(b"?")
            if mark >= 0:
                target = target[:mark]
        if depth:
            parts = target.split(b"/", depth + 1)
            target = b"/".join(parts[: depth + 1])
        return target

    return key


def _path_and_query(target: bytes) -> bytes:
    """An absolute-form target without scheme and authority."""
    if target.startswith(b"/"):
        return target
    scheme = target.find(b"://")
    slash = target.find(b"/", scheme + 3) if scheme >= 0 else -1
    return target[slash:] if slash >= 0 else b""


def key_url_param(name: bytes) -> Key:
    """``balance url_param NAME``: the first such parameter of the query."""
    mark = b"&" + name + b"="

    def key(x: Exchange) -> bytes | None:
        if x.request is None:
            return None
        _, question, query = x.request.target.partition(b"?")
        if not question:
            return None
        _, found, value = (b"&" + query).partition(mark)
        return value.partition(b"&")[0] if found else None

    return key


def key_header(name: bytes, domain_only: bool = False) -> Key:
    """``balance hdr(NAME)``: the first element of the first such field, None when there is none or it is
    empty.  ``domain_only`` keeps ``example`` of ``www.example.com``."""
    name = name.lower()

    def key(x: Exchange) -> bytes | None:
        value = None if x.request is None else x.request.fields.get(name)
        if value and b"," in value:
            value = None if value.startswith(b",") else split_list(value)[0]
        if not value:
            return None
        if domain_only:
            end = value.rfind(b".", 1)
            if end > 0:
                value = value[value.rfind(b".", 0, end - 1) + 1 : end]
        return value

    return key


def key_sample(sample: Sample) -> Key:
    """``balance hash EXPRESSION``: a sample in its binary form, as HAProxy hashes it: an address is its
    four or sixteen bytes, an integer its eight, in network order."""

    def key(x: Exchange) -> bytes | None:
        value = sample(x)
        if value is None or isinstance(value, bytes):
            return value
        if isinstance(value, (IPv4Address, IPv6Address)):
            return value.packed
        if isinstance(value, int):
            return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "big")
        return str(value).encode()

    return key
