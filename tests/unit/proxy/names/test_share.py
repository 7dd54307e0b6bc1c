"""What answers make of servers: no sockets, no clock."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.model import NOWHERE
from greenlb.names import Resolution, Resolvers
from greenlb.protocol import dns
from greenlb.protocol.dns import Service
from greenlb.proxy.names.share import Memory, Place, pick, places, weight

SECTION = Resolvers("dns", NOWHERE, nx=5.0, refused=6.0, timeout=7.0, other=8.0, obsolete=10.0)
ANY = Resolution("app.example.com", "dns")

hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.1.0.1", "2001:db8::1", "2001:db8::2"])
answers = st.lists(hosts, unique=True)
targets = st.builds(
    Service,
    st.sampled_from(["a.test", "b.test", "c.test"]),
    st.sampled_from([80, 81]),
    st.integers(0, 65535),
    st.just(0),
)


def resolution(**changes: object) -> Resolution:
    return Resolution("app.example.com", "dns", **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("records", "host", "how", "taken", "chosen"),
    [
        ([], "10.0.0.1", {}, (), ""),
        (["10.0.0.1", "10.0.0.2"], "", {}, (), "10.0.0.1"),
        (["10.0.0.1", "10.0.0.2"], "10.0.0.2", {}, (), "10.0.0.2"),
        (["10.0.0.1", "10.0.0.2"], "", {}, ("10.0.0.1",), "10.0.0.2"),
        (["10.0.0.1"], "", {}, ("10.0.0.1",), ""),
        (["10.0.0.1"], "", {"duplicates": True}, ("10.0.0.1",), "10.0.0.1"),
        (["10.0.0.1", "10.0.0.2"], "", {"duplicates": True}, ("10.0.0.1",), "10.0.0.2"),
        (["10.0.0.1", "::1"], "10.0.0.1", {}, (), "::1"),
        (["::1", "10.0.0.1"], "", {"prefer": "ipv4"}, (), "10.0.0.1"),
        (["::1"], "", {"prefer": "ipv4"}, (), "::1"),
        (["10.0.0.1", "10.1.0.1"], "10.0.0.1", {"networks": (ip_network("10.1.0.0/16"),)}, (), "10.1.0.1"),
    ],
)
def test_an_address_is_chosen(
    records: list[str], host: str, how: dict[str, object], taken: tuple[str, ...], chosen: str
) -> None:
    assert pick(records, host, resolution(**how), taken) == chosen


@given(answers, st.lists(st.sampled_from(["", "10.0.0.1", "10.9.9.9"]), min_size=1, max_size=6))
def test_servers_of_a_name_share_its_addresses_one_each(records: list[str], at: list[str]) -> None:
    """As many servers as can be have one, no two the same, and nobody who has one moves for another."""
    now = [host if at.index(host) == number else "" for number, host in enumerate(at)]
    before = list(now)
    for number, host in enumerate(now):
        taken = {other for place, other in enumerate(now) if place != number} - {""}
        now[number] = pick(records, host, resolution(prefer="ipv4"), taken)
    had = [host for host in now if host]
    assert len(set(had)) == len(had)
    assert set(had) <= set(records)
    fresh = [host for host in before if host in records]
    assert len(had) >= min(len(records) - len(fresh), len(now) - len(fresh))
    again = [pick(records, host, resolution(prefer="ipv4"), set(now) - {host, ""}) for host in now]
    if not any(":" in record for record in records):
        assert [a for a, host in zip(again, now, strict=True) if host] == had


@given(
    st.lists(targets, unique_by=lambda service: (service.target, service.port)),
    st.lists(st.none() | st.builds(Place, st.sampled_from(["a.test", "x.test"]), st.just(80)), max_size=5),
)
def test_servers_of_a_srv_name_get_one_record_each(services: list[Service], held: list[Place | None]) -> None:
    held = [place if held.index(place) == number else None for number, place in enumerate(held)]
    offered = {Place(service.target, service.port) for service in services}
    now = places(services, held)
    had = [place for place in now if place is not None]
    assert len(now) == len(held)
    assert len(set(had)) == len(had) == min(len(offered), len(held))
    assert set(had) <= offered
    for before, after in zip(held, now, strict=True):
        if before in offered:
            assert after == before


def test_after_a_restart_a_server_gets_the_record_whose_place_it_has() -> None:
    services = [Service("a.test", 80, 1, 0), Service("b.test", 80, 1, 0), Service("c.test", 81, 1, 0)]
    known = {"a.test": ("10.0.0.1",), "b.test": ("10.0.0.2",)}
    near = [("10.0.0.2", 80), ("10.0.0.9", 81), ("", 0)]
    assert places(services, [None] * 3, near, known) == [
        Place("b.test", 80),
        Place("c.test", 81),  # nothing is known of its address, so the port decides
        Place("a.test", 80),
    ]


@pytest.mark.parametrize(("units", "expected"), [(0, 0), (10, 1), (255, 1), (256, 2), (65535, 256)])
def test_weights(units: int, expected: int) -> None:
    assert weight(Service("a.test", 80, units, 0)) == expected


def test_an_address_outlives_the_answers_that_have_it_for_a_while() -> None:
    memory: Memory[str] = Memory(SECTION, 0.0)
    assert memory.take(["a", "b"], 1.0) == ["a", "b"]
    assert memory.take(["b"], 5.0) == ["a", "b"]
    assert memory.take(["b"], 11.0) == ["b"]
    assert memory.take(["a", "b"], 12.0) == ["b", "a"]


@pytest.mark.parametrize(
    ("kind", "hold"),
    [(dns.NX, 5.0), (dns.REFUSED, 6.0), (dns.TIMEOUT, 7.0), (dns.OTHER, 8.0), (dns.EMPTY, 8.0)],
)
def test_an_error_takes_everything_when_its_time_is_up(kind: str, hold: float) -> None:
    memory: Memory[str] = Memory(SECTION, 0.0)
    memory.take(["a"], 100.0)
    assert not memory.lost(kind, 100.0 + hold - 0.1)
    assert memory.take(["b"], 100.0) == ["a", "b"]
    assert memory.lost(kind, 100.0 + hold)
    assert memory.take(["b"], 101.0) == ["b"]
