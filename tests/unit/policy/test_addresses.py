"""Networks: what is parsed, what lies inside, and how many there may be."""

from __future__ import annotations

import ipaddress
import random

import pytest

from greenlb.policy.addresses import (
    Networks,
    address_text,
    matcher,
    parse_address,
    parse_network,
    peer_address,
)


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
        ("10.12/8", "10.0.0.0/8"),
        ("127.1", "127.0.0.1/32"),
        ("192.168.1/22", "192.168.0.0/22"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::1", "::1/128"),
    ],
)
def test_parse_network(text: str, network: str) -> None:
    assert str(parse_network(text, resolve=False)) == network


@pytest.mark.parametrize(
    "text", ["", "/8", "10.0.0.0/33", "10.0.0.256", "1.2.3.4.5", "::1/129", "a b", "10.0.0.0/x"]
)
def test_not_a_network(text: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        parse_network(text, resolve=False)


def test_against_ipaddress() -> None:
    """The integer tests say what the ipaddress module says, whatever the prefix lengths."""
    random.seed(5)
    networks = [
        ipaddress.ip_network((random.getrandbits(32), random.choice((8, 9, 16, 24, 31, 32))), strict=False)
        for _ in range(60)
    ] + [
        ipaddress.ip_network((random.getrandbits(128), random.choice((3, 16, 64))), strict=False)
        for _ in range(9)
    ]
    inside = matcher(networks)
    found: Networks[str] = Networks()
    for network in networks:
        found.add(str(network), str(network))
    find = found.find
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for network in networks:
        addresses.append(network.network_address + random.randrange(min(network.num_addresses, 1 << 32)))
        addresses.append(type(network.network_address)(random.getrandbits(network.max_prefixlen)))
    hits = 0
    for address in addresses:
        own = [n for n in networks if n.version == address.version and address in n]
        hits += bool(own)
        assert inside(address) is bool(own)
        smallest = max(own, key=lambda n: n.prefixlen, default=None)
        assert find(address) == (None if smallest is None else str(smallest))
    assert hits >= len(networks)


def test_a_hundred_thousand_networks() -> None:
    """As many rows as there are prefix lengths, not as there are networks."""
    networks = [ipaddress.ip_network((n << 8, 24)) for n in range(100_000)]
    inside = matcher(networks)
    assert inside(ipaddress.ip_address(99_999 << 8 | 7))
    assert not inside(ipaddress.ip_address(100_000 << 8))


def test_parse_address() -> None:
    assert parse_address("192.0.2.1") == ipaddress.IPv4Address("192.0.2.1")
    assert parse_address("unknown") is None
    assert parse_address("") is None
    assert parse_address("fe80::1%eth0") is None
    assert parse_address("0" * 100 + "1.2.3.4") is None
    longest = parse_address("0000:0000:0000:0000:0000:ffff:192.168.100.228")
    assert longest is not None
    assert address_text(longest) == "::ffff:192.168.100.228"


def test_peer_address() -> None:
    assert peer_address("fe80::1%eth0") == ipaddress.IPv6Address("fe80::1")
    assert peer_address("192.0.2.1") == ipaddress.IPv4Address("192.0.2.1")
    assert peer_address("") is None
