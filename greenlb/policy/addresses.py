"""Addresses and networks as conditions meet them: parsed once, matched by integer arithmetic."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Generic, TypeVar

from greenlb.model import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
T = TypeVar("T")


_LONGEST = 45  # of an IPv6 address that ends in an IPv4 one


def parse_address(text: str) -> Address | None:
    """The address that ``text`` spells, or None.  Recent answers are kept: clients come again and
    again.  What is too long to be one is not, so that nobody fills the memory with it."""
    return _parse_address(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=8192)
def _parse_address(text: str) -> Address | None:
    if "%" in text:  # a zone means something on its own host alone
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


@lru_cache(maxsize=8192)
def peer_address(text: str) -> Address | None:
    """The address of a connection's end as the kernel gives it: a link-local one has its zone behind."""
    return parse_address(text) or parse_address(text.partition("%")[0])


def address_text(address: Address) -> str:
    """As inet_ntop(3) writes it: ``::ffff:192.0.2.1``, which the ipaddress module would spell in
    hexadecimal."""
    return str(address) if address.version == 4 else socket.inet_ntop(socket.AF_INET6, address.packed)


def parse_network(text: str, resolve: bool = True) -> Network:
    """A pattern of ``src``: ``10.0.0.1``, ``10.0.0.0/8``, ``10.0.0.0/255.0.0.0``, ``10.12/8`` (the
    omitted middle is zero, as inet_aton reads it), ``2001:db8::/32``, or a host name when ``resolve``.
    Raises ValueError."""
    address, slash, mask = text.partition("/")
    if ":" not in address:
        address = _ipv4(address, resolve, text)
    try:
        return ipaddress.ip_network(address + slash + mask, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not a valid IPv4 or IPv6 address or network") from None


def _ipv4(text: str, resolve: bool, pattern: str) -> str:
    if text and text[0].isdigit() and text.replace(".", "").isalnum():
        try:
            return socket.inet_ntoa(socket.inet_aton(text))
        except OSError:
            pass
    if resolve and text and not text.replace(".", "").isdigit():
        try:
            return socket.gethostbyname(text)
        except OSError:
            raise ValueError(f"'{pattern}' is not an address, nor the name of a host that is known") from None
    raise ValueError(f"'{pattern}' is not a valid IPv4 or IPv6 address or network")


def matcher(networks: Iterable[Network]) -> Callable[[Any], bool]:
    """A test whether an address lies in one of ``networks``.

    An IPv4 address also matches an IPv6 network as ``::ffff:a.b.c.d``; an IPv6 address matches an IPv4
    network when it carries one (``::ffff:a.b.c.d``, ``::a.b.c.d``, ``2002:abcd::``).
    """
    found = list(networks)
    v4 = _member(n for n in found if n.version == 4)
    v6 = _member(n for n in found if n.version == 6)

    def inside(address: Address) -> bool:
        number = int(address)
        if address.version == 4:
            return v4(number) or v6(number | 0xFFFF << 32)
        if v6(number):
            return True
        high = number >> 32
        if high == 0 or high == 0xFFFF:
            return v4(number & 0xFFFFFFFF)
        return number >> 112 == 0x2002 and v4(number >> 80 & 0xFFFFFFFF)

    return inside


class Networks(Generic[T]):
    """What the smallest network around an address stands for; of a network that comes twice, the first.
    A table of prefixes for each length that occurs: a look-up costs a step for each of them, whatever their
    number.  IPv4 and IPv6 meet as in ``matcher``."""

    __slots__ = ("_v4", "_v6")

    def __init__(self) -> None:
        self._v4: dict[int, dict[int, T]] = {}  # how many bits are not of the network -> the rest -> value
        self._v6: dict[int, dict[int, T]] = {}

    def add(self, text: str, value: T) -> None:
        """Raises ValueError when ``text`` is no network."""
        tables, shift, prefix = self._place(text)
        table = tables.get(shift)
        if table is None:
            table = tables[shift] = {}
            ordered = sorted(tables.items())  # the longest prefix first
            tables.clear()
            tables.update(ordered)
        table.setdefault(prefix, value)

    def remove(self, text: str) -> None:
        tables, shift, prefix = self._place(text)
        tables.get(shift, {}).pop(prefix, None)

    def clear(self) -> None:
        self._v4.clear()
        self._v6.clear()

    def _place(self, text: str) -> tuple[dict[int, dict[int, T]], int, int]:
        address, slash, length = text.partition("/")
        if address.count(".") == 3 and (not slash or (length.isdigit() and int(length) <= 32)):
            try:
                number = int.from_bytes(socket.inet_pton(socket.AF_INET, address))
            except OSError:
                pass
            else:
                shift = 32 - int(length) if slash else 0
                return self._v4, shift, number >> shift
        network = parse_network(text, resolve=False)
        shift = network.max_prefixlen - network.prefixlen
        tables = self._v4 if network.version == 4 else self._v6
        return tables, shift, int(network.network_address) >> shift

    def find(self, address: Address) -> T | None:
        number = int(address)
        if address.version == 4:
            found = _nearest(self._v4, number)
            return _nearest(self._v6, number | 0xFFFF << 32) if found is None and self._v6 else found
        found = _nearest(self._v6, number)
        if found is not None:
            return found
        high = number >> 32
        if high == 0 or high == 0xFFFF:
            return _nearest(self._v4, number & 0xFFFFFFFF)
        return _nearest(self._v4, number >> 80 & 0xFFFFFFFF) if number >> 112 == 0x2002 else None


def _nearest(tables: dict[int, dict[int, T]], number: int) -> T | None:
    for shift, table in tables.items():
        value = table.get(number >> shift)
        if value is not None:
            return value
    return None


def _member(networks: Iterable[Network]) -> Callable[[int], bool]:
    """A test over integers: one mask and one set for each prefix length that occurs."""
    by_mask: dict[int, set[int]] = {}
    for network in networks:
        by_mask.setdefault(int(network.netmask), set()).add(int(network.network_address))
    if not by_mask:
        return lambda number: False
    if len(by_mask) == 1:
        ((mask, values),) = by_mask.items()
        if len(values) == 1:
            (only,) = values
            return lambda number: number & mask == only
        return lambda number: number & mask in values
    rows = tuple((mask, frozenset(values)) for mask, values in sorted(by_mask.items(), reverse=True))

    def member(number: int) -> bool:
        for mask, values in rows:  # noqa: SIM110 - a generator costs more than what it tests
            if number & mask in values:
                return True
        return False

    return member
