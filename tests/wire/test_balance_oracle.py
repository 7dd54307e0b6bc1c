"""Where exchanges go: the same server from greenlb and HAProxy, and from the algorithm alone."""

from __future__ import annotations

import ipaddress
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, Frontend, Server
from greenlb.policy import balance, balancewords
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import get

WEIGHTS = (5, 3, 2, 7)
METHODS = ("map-based", "consistent")
FUNCTIONS = (
    "map-based djb2",
    "map-based wt6",
    "map-based crc32",
    "map-based sdbm avalanche",
    "consistent sdbm",
    "consistent djb2 avalanche",
    "consistent wt6",
    "consistent crc32 avalanche",
)
KEYED = (
    "source",
    "uri",
    "uri len 6",
    "uri depth 1",
    "uri depth 2 len 9",
    "uri whole",
    "uri path-only",
    "url_param id",
    "hdr(x-key)",
    "hdr(host) use_domain_only",
    "hash req.hdr(x-key)",
    "hash src",
    "hash path,length",
)
RULES = [(rule, method) for rule in KEYED for method in METHODS]
RULES += [("uri", function) for function in FUNCTIONS]
RULES += [("source", function) for function in FUNCTIONS if "avalanche" in function]

SAMPLES = {
    "req.hdr(x-key)": lambda x: x.request.fields.get(b"x-key"),
    "src": lambda x: ipaddress.ip_address(x.src),
    "path,length": lambda x: len(x.request.path),
}


@dataclass(eq=False)
class Paper:
    server: Server
    weight: int
    load: int = 0


@dataclass(frozen=True)
class Asked:
    """One request: from where, for what."""

    source: str
    target: str
    host: str
    key: str


def requests(count: int) -> Iterator[Asked]:
    chance = random.Random(2)

    def word() -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789-_.%", k=chance.randrange(1, 12)))

    for _ in range(count):
        path = "/" + "/".join(word() for _ in range(chance.randrange(1, 5)))
        query = chance.choice(["?id=" + word(), f"?a={word()}&id={word()}&c=d/e", "?xid=1&id="])
        host = chance.choice(["www.example.com", "a.b.c.example.co.uk:80", f"x.{word()}.net", "localhost"])
        yield Asked(f"127.{chance.randrange(256)}.{chance.randrange(256)}.9", path + query, host, word())


def exchange(asked: Asked) -> Exchange:
    bind = Bind("1", Address("127.0.0.1", 80), NOWHERE)
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), bind, asked.source, 1, "127.0.0.1", 80))
    head = Fields()
    head.add(b"Host", asked.host.encode())
    head.add(b"X-Key", asked.key.encode())
    x.request = Request(b"GET", asked.target.encode(), True, head)
    return x


def ask(lb: Balancer, name: str, asked: Asked) -> str | None:
    with lb.connect(name, source=asked.source) as client:
        client.send(get(asked.target, f"X-Key: {asked.key}", "Connection: close", host=asked.host))
        return client.read_response().get("x-origin")


def configuration(rules: list[tuple[str, str]], weights: tuple[int, ...]) -> str:
    text = ""
    for index, (rule, hash_type) in enumerate(rules):
        text += f"[frontend f{index}]\nbind = 127.0.0.1:{{f{index}}}\ndefault_backend = b{index}\n"
        text += f"[backend b{index}]\nbalance = {rule}\nhash-type = {hash_type}\n"
        for number, weight in enumerate(weights):
            text += f"server s{number} = 127.0.0.1:{{s{number}}} weight {weight}\n"
    return text


def test_a_hash_names_the_same_server_everywhere(proxy: Launcher, origin: Origins) -> None:
    """Over all keys, methods and functions: what the algorithm says, what greenlb does, what HAProxy does."""
    origins = {f"s{number}": origin.http(f"s{number}") for number in range(len(WEIGHTS))}
    lb = proxy(configuration(RULES, WEIGHTS), None, **origins)
    asked = 0
    for index, (rule, hash_type) in enumerate(RULES):
        spec = balancewords.parse(
            rule.split(), balancewords.parse_hash_type(hash_type.split()), SAMPLES.__getitem__
        )
        balancer = balance.make(spec, itertools.count().__next__)
        servers = [Server(f"s{n}", n + 1, Address("127.0.0.1"), NOWHERE) for n in range(len(WEIGHTS))]
        balancer.rebuild([Paper(server, weight) for server, weight in zip(servers, WEIGHTS, strict=True)])
        for one in requests(12):
            place = balancer.pick(exchange(one))
            assert place is not None
            assert ask(lb, f"f{index}", one) == place.server.name, (rule, hash_type, one)
            asked += 1
    assert asked > 300


@pytest.mark.parametrize(
    ("rule", "weights", "expected"),
    [
        ("roundrobin", (1, 1), "01010101"),
        ("roundrobin", (1, 1, 1), "012012012"),
        ("roundrobin", (5, 1, 1), "00010020001002"),
        ("roundrobin", (3, 2), "0010100101"),
        ("roundrobin", (2, 1), "001001"),
        ("roundrobin", (2, 1, 1), "01020102"),
        ("roundrobin", (5, 3, 2), "01020101020102010102"),
        ("static-rr", (1, 1), "01010101"),
        ("static-rr", (5, 1, 1), "00010020001002"),
        ("static-rr", (3, 2), "0010100101"),
        ("static-rr", (2, 1, 1), "00120012"),
        ("leastconn", (1, 1), "01010101"),
        ("first", (1, 1), "0000"),
    ],
)
def test_turns(proxy: Launcher, origin: Origins, rule: str, weights: tuple[int, ...], expected: str) -> None:
    """One request after the other, each on a connection of its own."""
    origins = {f"s{number}": origin.http(f"s{number}") for number in range(len(weights))}
    lb = proxy(configuration([(rule, "map-based")], weights), None, **origins)
    one = next(requests(1))
    places = [ask(lb, "f0", one) for _ in expected]
    assert places == [f"s{digit}" for digit in expected]
