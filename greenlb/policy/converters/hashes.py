"""Converters to numbers that are not secret: hashes and checksums."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import xxhash

from greenlb.checksum import crc32c
from greenlb.policy.hashing import avalanche, djb2, sdbm, wt6
from greenlb.policy.vocabulary import Argument, Convert, Converter


def _spread(function: Callable[[bytes], int]) -> Callable[[int | None], Convert]:
    """With an argument that is not 0, the result is spread over all bits."""

    def make(spread: int | None) -> Convert:
        if spread:
            return lambda x, value: avalanche(function(value))
        return lambda x, value: function(value)

    return make


def _seeded(function: Callable[[bytes, int], int], bits: int) -> Callable[[int | None], Convert]:
    """A number of 64 bits is signed, as all numbers of rules are."""

    def make(seed: int | None) -> Convert:
        start, limit, turn = (seed or 0) & ((1 << bits) - 1), 1 << 63, 1 << 64

        def convert(x: object, value: bytes) -> int:
            number = function(value, start)
            return number - turn if number >= limit else number

        return convert

    return make


_AVALANCHE = (Argument("avalanche", "int", True),)
_SEED = (Argument("seed", "int", True),)

ROWS = (
    Converter("crc32", "bin", "int", "The CRC-32 of zlib.", _spread(zlib.crc32), _AVALANCHE),
    Converter("crc32c", "bin", "int", "The CRC-32C of iSCSI.", _spread(crc32c), _AVALANCHE),
    Converter("djb2", "bin", "int", "The DJB2 hash.", _spread(djb2), _AVALANCHE),
    Converter("sdbm", "bin", "int", "The SDBM hash.", _spread(sdbm), _AVALANCHE),
    Converter("wt6", "bin", "int", "The WT6 hash.", _spread(wt6), _AVALANCHE),
    Converter("xxh32", "bin", "int", "The 32-bit xxHash.", _seeded(xxhash.xxh32_intdigest, 32), _SEED),
    Converter("xxh64", "bin", "int", "The 64-bit xxHash.", _seeded(xxhash.xxh64_intdigest, 64), _SEED),
    Converter("xxh3", "bin", "int", "The 64-bit XXH3.", _seeded(xxhash.xxh3_64_intdigest, 64), _SEED),
)
