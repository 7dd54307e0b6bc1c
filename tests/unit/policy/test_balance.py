"""The algorithms of ``balance``, on servers of paper."""

from __future__ import annotations

import ipaddress
import itertools
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Balance, Bind, Frontend, Server
from greenlb.policy import balance, balancewords, hashing
from greenlb.policy.balancewords import HashType
from greenlb.policy.hooks import Hook
from greenlb.policy.shares import Shares

FRONTEND = Frontend("fe", 1, NOWHERE)
BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)


@dataclass(eq=False)
class Paper:
    """A candidate."""

    server: Server
    weight: int = 1
    load: int = 0
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = self.server.name

    @property
    def limit(self) -> int:
        return self.server.maxconn

    def __repr__(self) -> str:
        return self.name


def farm(*weights: int, maxconn: int = 0, backups: Sequence[int] = ()) -> list[Paper]:
    """s1, s2 ... with these weights; ``backups`` are the numbers of backup servers."""
    return [
        Paper(
            Server(f"s{n}", n, Address("192.0.2.1", n), NOWHERE, weight, n in backups, maxconn=maxconn),
            weight,
        )
        for n, weight in enumerate(weights, 1)
    ]


def exchange(target: bytes = b"/", src: str = "192.0.2.1", **fields: bytes) -> Exchange:
    x = Exchange(Client(FRONTEND, BIND, src, 1, "127.0.0.1", 80))
    head = Fields()
    for name, value in fields.items():
        head.add(name.replace("_", "-").encode(), value)
    x.request = Request(b"GET", target, True, head)
    return x


def make(text: str, servers: Sequence[Paper], hash_type: str = "map-based") -> balance.Balancer:
    spec = balancewords.parse(text.split(), balancewords.parse_hash_type(hash_type.split()))
    balancer = balance.make(spec, itertools.count().__next__, random.Random(1).random)
    balancer.rebuild(servers)
    return balancer


def names(balancer: balance.Balancer, count: int, avoid: Paper | None = None) -> list[str]:
    x = exchange()
    return [str(balancer.pick(x, avoid)) for _ in range(count)]


# --- who may be picked ---


def test_actives_before_backups() -> None:
    servers = farm(1, 1, 1, 1, backups=(3, 4))
    assert [c.name for c in balance.usable(servers)] == ["s1", "s2"]
    assert [c.name for c in balance.usable(servers[1:])] == ["s2"]


def test_the_first_backup_or_all_of_them() -> None:
    servers = farm(1, 1, 1, backups=(2, 3))[1:]
    assert [c.name for c in balance.usable(servers)] == ["s2"]
    assert [c.name for c in balance.usable(servers, allbackups=True)] == ["s2", "s3"]


def test_weight_0_is_never_picked() -> None:
    servers = farm(0, 1, 0, backups=(3,))
    assert [c.name for c in balance.usable(servers)] == ["s2"]
    assert balance.usable([servers[0], servers[2]]) == []


# --- in turn ---


@pytest.mark.parametrize("algorithm", ["roundrobin", "static-rr"])
def test_round_robin_visibly_alternates(algorithm: str) -> None:
    assert names(make(algorithm, farm(1, 1)), 6) == ["s1", "s2"] * 3


def test_two_processes_share_the_turns() -> None:
    tick = itertools.count().__next__
    here, there = (balance.make(Balance(), tick) for _ in range(2))
    for balancer in (here, there):
        balancer.rebuild(farm(1, 1, 1))
    x = exchange()
    assert [str(b.pick(x)) for b in (here, here, there, here, there, there)] == ["s1", "s2", "s3"] * 2


def test_round_robin_shares_the_turns_of_a_failing_server_among_all_others() -> None:
    servers = farm(1, 1, 1)
    picked = Counter(names(make("roundrobin", servers), 300, avoid=servers[0]))
    assert picked["s1"] == 0
    assert abs(picked["s2"] - picked["s3"]) <= 2


@pytest.mark.parametrize("algorithm", ["roundrobin", "leastconn", "random", "first"])
def test_a_full_server_is_passed_over(algorithm: str) -> None:
    servers = farm(1, 1, maxconn=2)
    servers[0].load = 2
    servers[1].load = 1
    assert set(names(make(algorithm, servers), 8)) == {"s2"}


@pytest.mark.parametrize("algorithm", [*balance.ALGORITHMS])
def test_nobody_is_picked_of_nobody(algorithm: str) -> None:
    words = {"url_param": "url_param id", "hdr": "hdr(x)"}.get(algorithm, algorithm)
    for hash_type in (HashType(), HashType(True)):
        if words == "python":
            spec = balancewords.parse(["python", "m:f"], hook=lambda text: Hook(text, NOWHERE, "python"))
            assert spec.hook is not None
            spec.hook.function = lambda transaction, servers: None
        else:
            spec = balancewords.parse(words.split(), hash_type) if words != "hash" else hash_spec(hash_type)
        balancer = balance.make(spec, itertools.count().__next__)
        assert balancer.pick(exchange()) is None
        balancer.rebuild([])
        assert balancer.pick(exchange()) is None
        only = farm(1)
        balancer.rebuild(only)
        assert balancer.pick(exchange(), avoid=only[0]) is only[0]


def hash_spec(hash_type: HashType) -> Balance:
    return balancewords.parse(["hash", "src"], hash_type, lambda text: lambda x: b"k")


# --- by load ---


def test_leastconn_takes_the_least_loaded_for_its_weight() -> None:
    servers = farm(1, 1, 4)
    balancer = make("leastconn", servers)
    servers[0].load, servers[1].load, servers[2].load = 3, 2, 8
    assert names(balancer, 3) == ["s3", "s3", "s3"]  # (8 + 1) / 4 < (2 + 1) / 1
    servers[2].load = 15
    assert names(balancer, 3) == ["s2", "s2", "s2"]


def test_leastconn_takes_equals_in_turn() -> None:
    servers = farm(1, 1, 1)
    balancer = make("leastconn", servers)
    assert names(balancer, 6) == ["s1", "s2", "s3"] * 2
    for server in servers:
        server.load = 5
    assert names(balancer, 6) == ["s1", "s2", "s3"] * 2


def test_leastconn_takes_idle_servers_whatever_their_weight() -> None:
    servers = farm(1, 100)
    balancer = make("leastconn", servers)
    servers[1].load = 1
    assert names(balancer, 2) == ["s1", "s1"]


def test_leastconn_avoids() -> None:
    servers = farm(1, 1, 1)
    servers[0].load, servers[1].load, servers[2].load = 0, 5, 9
    assert names(make("leastconn", servers), 2, avoid=servers[0]) == ["s2", "s2"]


def test_first_fills_by_number() -> None:
    servers = farm(1, 1, 1, maxconn=2)
    balancer = make("first", servers[::-1])
    picked = []
    for _ in range(7):
        picked.append(chosen := balancer.pick(exchange()))
        assert isinstance(chosen, Paper)
        chosen.load += 1
    assert [str(p) for p in picked] == ["s1", "s1", "s2", "s2", "s3", "s3", "s1"]


def test_random_draws_by_weight_and_prefers_the_less_loaded() -> None:
    servers = farm(1, 3)
    drawn = Counter(names(make("random(1)", servers), 4000))
    assert 2800 < drawn["s2"] < 3200
    servers[1].load = 30
    drawn = Counter(names(make("random(2)", servers), 4000))
    assert drawn["s2"] < 2450  # only where both draws met it: 9/16


# --- by hash ---


def test_a_key_goes_to_one_server_and_no_key_goes_round() -> None:
    for hash_type in ("map-based", "consistent"):
        balancer = make("url_param id", farm(1, 1, 1), hash_type)
        for n in range(20):
            x = exchange(b"/?a=1&id=%d" % n)
            assert balancer.pick(x) is balancer.pick(x)
        assert len(set(names(balancer, 48))) == 3


def test_consistent_hashing_moves_only_the_keys_of_a_lost_server() -> None:
    servers = farm(1, 2, 3)
    balancer = make("uri", servers, "consistent")
    keys = [exchange(b"/%d" % n) for n in range(500)]
    before = [balancer.pick(x) for x in keys]
    balancer.rebuild(servers[:2])
    for x, place in zip(keys, before, strict=True):
        if place is not servers[2]:
            assert balancer.pick(x) is place
    balancer.rebuild(servers)
    assert [balancer.pick(x) for x in keys] == before


@pytest.mark.parametrize("hash_type", ["map-based", "consistent"])
def test_a_hashed_exchange_avoids_a_failing_server(hash_type: str) -> None:
    servers = farm(1, 1, 1)
    balancer = make("uri", servers, hash_type)
    for n in range(50):
        x = exchange(b"/%d" % n)
        place = balancer.pick(x)
        assert isinstance(place, Paper)
        assert balancer.pick(x, avoid=place) not in (place, None)


def test_source_folds_addresses() -> None:
    assert hashing.address(exchange(src="192.0.2.1")) == 0xC0000201
    assert (
        hashing.address(exchange(src="1:2:3:4:5:6:7:8")) == 0x00010002 ^ 0x00030004 ^ 0x00050006 ^ 0x00070008
    )
    assert hashing.address(exchange(src="/run/x.sock")) is None


@pytest.mark.parametrize(
    ("name", "data", "number"),
    [
        ("sdbm", b"", 0),
        ("sdbm", b"/index.html", 0x33242976),
        ("djb2", b"", 5381),
        ("djb2", b"/index.html", 0xE114B9CF),
        ("crc32", b"123456789", 0xCBF43926),
        ("wt6", b"/index.html", 0x3101077E),
    ],
)
def test_hash_functions(name: str, data: bytes, number: int) -> None:
    assert hashing.FUNCTIONS[name](data) == number


@given(st.binary(max_size=60))
def test_polynomials_are_the_loops_they_stand_for(data: bytes) -> None:
    sdbm, djb2 = 0, 5381
    for byte in data:
        sdbm = (byte + (sdbm << 6) + (sdbm << 16) - sdbm) % 2**32
        djb2 = ((djb2 << 5) + djb2 + byte) % 2**32
    assert hashing.sdbm(data) == sdbm
    assert hashing.djb2(data) == djb2


# --- keys ---


@pytest.mark.parametrize(
    ("words", "target", "key"),
    [
        ("", b"/a/b?c=d", b"/a/b"),
        ("whole", b"/a/b?c=d", b"/a/b?c=d"),
        ("len 3", b"/a/b?c=d", b"/a/"),
        ("depth 1", b"/a/b/c", b"/a"),
        ("depth 2", b"/a/b/c", b"/a/b"),
        ("depth 9", b"/a/b/c", b"/a/b/c"),
        ("depth 1", b"/a?x=/b/c", b"/a"),
        ("depth 3 whole", b"/a?x=/b/c", b"/a?x=/b/c"),
        ("depth 2 whole", b"/a?x=/b/c", b"/a?x=/b"),
        ("", b"http://h/a/b?c", b"http://h/a/b"),
        ("path-only", b"http://h/a/b?c", b"/a/b"),
        ("path-only whole", b"http://h/a?c", b"/a?c"),
        ("path-only", b"*", b""),
    ],
)
def test_uri_keys(words: str, target: bytes, key: bytes) -> None:
    spec = balancewords.parse(["uri", *words.split()])
    assert spec.key is not None
    assert spec.key(exchange(target)) == key


@pytest.mark.parametrize(
    ("target", "key"),
    [
        (b"/?id=7", b"7"),
        (b"/?a=b&id=7&c=d", b"7"),
        (b"/?xid=1&id=2", b"2"),
        (b"/?id=", b""),
        (b"/?id", None),
        (b"/id=7", None),
        (b"/?id=1&id=2", b"1"),
    ],
)
def test_url_param_keys(target: bytes, key: bytes | None) -> None:
    spec = balancewords.parse(["url_param", "id"])
    assert spec.key is not None
    assert spec.key(exchange(target)) == key


@pytest.mark.parametrize(
    ("words", "value", "key"),
    [
        ("hdr(X)", b"one, two", b"one"),
        ("hdr(X)", b'"a,b", two', b'"a,b"'),
        ("hdr(X)", b"", None),
        ("hdr(X)", b", two", None),
        ("hdr(X) use_domain_only", b"www.example.com", b"example"),
        ("hdr(X) use_domain_only", b"www.example.com:8080", b"example"),
        ("hdr(X) use_domain_only", b"example.com", b"example"),
        ("hdr(X) use_domain_only", b"localhost", b"localhost"),
        ("hdr(X) use_domain_only", b".com", b".com"),
        ("hdr(X) use_domain_only", b"a..com", b"a."),
    ],
)
def test_header_keys(words: str, value: bytes, key: bytes | None) -> None:
    spec = balancewords.parse(words.split())
    assert spec.key is not None
    assert spec.key(exchange(x=value)) == key
    assert spec.key(exchange()) is None


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (b"text", b"text"),
        ("text", b"text"),
        (None, None),
        (258, b"\0\0\0\0\0\0\1\2"),
        (-1, b"\xff" * 8),
        (ipaddress.ip_address("192.0.2.1"), b"\xc0\0\2\1"),
        (ipaddress.ip_address("::1"), b"\0" * 15 + b"\1"),
    ],
)
def test_sample_keys_are_binary(value: object, key: bytes | None) -> None:
    spec = balancewords.parse(["hash", "whatever"], compile_sample=lambda text: lambda x: value)
    assert spec.key is not None
    assert spec.key(exchange()) == key


def test_a_connection_without_a_request_has_no_key() -> None:
    x = exchange()
    x.request = None
    for words in ("uri", "url_param id", "hdr(host)"):
        spec = balancewords.parse(words.split())
        assert spec.key is not None
        assert spec.key(x) is None


# --- words ---


def test_parse() -> None:
    assert balancewords.parse([]) == Balance("roundrobin")
    assert balancewords.parse(["random(3)"]).draws == 3
    assert balancewords.parse(["random()"]).draws == 2
    spec = balancewords.parse(["source"], HashType(True, "wt6", True))
    assert (spec.algorithm, spec.consistent, spec.hash_function, spec.avalanche) == (
        "source",
        True,
        "wt6",
        True,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("map-based", HashType(False, "sdbm", False)),
        ("consistent", HashType(True, "sdbm", True)),
        ("consistent sdbm", HashType(True, "sdbm", False)),
        ("map-based djb2 avalanche", HashType(False, "djb2", True)),
    ],
)
def test_parse_hash_type(text: str, expected: HashType) -> None:
    assert balancewords.parse_hash_type(text.split()) == expected
    assert balancewords.parse_hash_type(tuple(text.split())) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("roundrobbin", "did you mean 'roundrobin'?"),
        ("roundrobin x", "balance roundrobin: unexpected 'x'"),
        ("roundrobin(2)", "no argument in parentheses expected"),
        ("random(0)", "number of draws must be a positive integer, not '0'"),
        ("random(x", "expected NAME or NAME(ARGUMENT), not 'random(x'"),
        ("uri len", "'len' must be a positive integer, not ''"),
        ("uri depht 2", "did you mean 'depth'?"),
        ("url_param", "expected the name of a parameter"),
        ("url_param id check_post", "check_post is not supported"),
        ("hdr", "expected the name of a field"),
        ("hdr(host) use_domain", "did you mean 'use_domain_only'?"),
        ("hash", "expected one sample expression"),
        ("hash src", "sample expressions cannot be used here"),
        ("rdp-cookie", "not supported"),
    ],
)
def test_what_cannot_be_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        balancewords.parse(text.split())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected map-based, consistent"),
        ("consistant", "did you mean 'consistent'?"),
        ("consistent md5", "expected sdbm, djb2, wt6, crc32, not 'md5'"),
        ("consistent sdbm avalanch", "did you mean 'avalanche'?"),
    ],
)
def test_a_hash_type_that_cannot_be_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        balancewords.parse_hash_type(text.split())


# -- queues and shares ------------------------------------------------------------------------------


def test_leastconn_counts_the_queue_of_a_server_with_maxqueue() -> None:
    """A full server is given more as long as its queue has room, and they wait for it alone."""
    made = balance.make(Balance("leastconn"), itertools.count().__next__)
    servers = farm(1, 1, maxconn=2)
    servers = [
        Paper(replace(each.server, maxqueue=3), load=load) for each, load in zip(servers, (5, 4), strict=True)
    ]
    made.rebuild(servers)
    assert made.pick(exchange()) is servers[1]
    assert (made.binds(servers[1]), made.binds(servers[0])) == (True, False)


@pytest.mark.parametrize(("algorithm", "binds"), [("uri", True), ("source", True), ("roundrobin", False)])
def test_a_hash_binds_to_its_server(algorithm: str, binds: bool) -> None:
    for consistent in (False, True):
        made = balance.make(balancewords.parse([algorithm], HashType(consistent)), itertools.count().__next__)
        servers = farm(1, maxconn=1)
        made.rebuild(servers)
        assert made.binds(servers[0]) is binds


@pytest.mark.parametrize("algorithm", ["uri", "random"])
def test_hash_balance_factor(algorithm: str) -> None:
    """No server has more than its share allows, by weight; without a factor one key's server has all."""
    spec = balancewords.parse([algorithm], HashType(True))
    for factor, most in ((0, None), (125, (32, 63))):
        made = balance.make(replace(spec, factor=factor), itertools.count().__next__)
        servers = farm(1, 1, 2)
        made.rebuild(servers)
        for _ in range(100):
            chosen = made.pick(exchange())
            assert isinstance(chosen, Paper)
            chosen.load += 1
        loads = [each.load for each in servers]
        if most is None:
            assert algorithm == "random" or max(loads) == 100
        else:
            assert max(loads[:2]) <= most[0]
            assert loads[2] <= most[1]


def test_a_share_is_never_nothing() -> None:
    """Whoever has nothing gets one, however small its share."""
    servers = farm(1, 256)
    shares = Shares(110)
    shares.rebuild(servers)
    assert shares.room(servers[0])
    servers[0].load = 1
    assert not shares.room(servers[0])
