"""How servers stand, in cells that outlive who wrote them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from greenlb.board import GENERATION, Board
from greenlb.model import NOWHERE, Address, Backend, Check, Config, Global, Server
from greenlb.proxy.standing import DRAIN, MAINTENANCE, RESOLUTION, Standing, Standings


def server(name: str, *, weight: int = 1, check: Check | None = None, disabled: bool = False) -> Server:
    return Server(name, 1, Address("127.0.0.1", 80), NOWHERE, weight=weight, check=check, disabled=disabled)


def config(*servers: Server) -> Config:
    return Config(Global(), (), (Backend("be", 2, NOWHERE, "http", servers=servers),))


def test_at_first_a_server_stands_as_it_is_configured() -> None:
    s1 = server("s1", weight=7, check=Check(rise=2, fall=3))
    standing = Standings(config(s1), Board(1, 64)).read(s1)
    assert standing == Standing()
    assert standing.up(s1)
    assert standing.effective_weight(s1) == 7


def test_what_is_written_is_read_and_raises_the_generation() -> None:
    s1, s2 = server("s1"), server("s2")
    board = Board(1, 64)
    standings = Standings(config(s1, s2), board)
    standings.write(s2, Standing(health=0, admin=DRAIN, weight=0))
    assert standings.read(s2) == Standing(health=0, admin=DRAIN, weight=0)
    assert standings.read(s1) == Standing()
    assert standings.generation == board.row(0)[GENERATION] == 1


def test_it_is_found_by_name_in_the_next_configuration() -> None:
    board = Board(1, 64)
    old, new = server("s2", check=Check()), server("s2", check=Check())
    Standings(config(server("s1"), old), board).write(old, Standing(health=1))
    standings = Standings(config(new), board)
    assert standings.read(new).health == 1
    assert not standings.read(new).up(new)


def test_up_and_weight() -> None:
    checked = server("s1", weight=5, check=Check(rise=2, fall=3))
    assert Standing(health=2).up(checked)
    assert not Standing(health=1).up(checked)
    assert not Standing(health=4, admin=MAINTENANCE).up(checked)
    assert Standing(health=0).up(server("s1"))  # its check was taken out of the configuration
    assert Standing(weight=9).effective_weight(checked) == 9
    assert Standing(weight=9, admin=DRAIN).effective_weight(checked) == 0


def test_a_server_that_is_configured_disabled_can_be_enabled() -> None:
    board = Board(1, 64)
    off = server("s1", disabled=True)
    standings = Standings(config(off), board)
    assert standings.read(off).admin == MAINTENANCE
    assert not standings.read(off).up(off)
    standings.write(off, Standing())
    assert standings.read(off).up(off)


def test_what_the_configuration_says_anyhow_is_not_kept() -> None:
    board = Board(1, 64)
    off, on = server("s1", disabled=True), server("s1")
    Standings(config(off), board).write(off, Standing(health=3, admin=MAINTENANCE))
    assert Standings(config(on), board).read(on).admin == 0


def test_addresses_of_both_families() -> None:
    s1 = server("s1")
    standings = Standings(config(s1), Board(1, 64))
    for host in ("10.0.0.7", "255.255.255.255", "::1", "ffff:eeee::ffff:0:1", "::"):
        standings.write(s1, Standing(address=Address(host, 65535)))
        assert standings.read(s1).address == Address(host, 65535)
    standings.write(s1, Standing())
    assert standings.read(s1).address is None


def named(host: str = "", name: str = "app.example.com:80", *, forget: bool = False) -> Server:
    return Server("s1", 1, Address(host, 80, name=name), NOWHERE, forget=forget)


@pytest.mark.parametrize("host", ["10.0.0.1", "255.255.255.255", "2001:db8::1", "ffff:ffff::ffff", ""])
def test_an_address_is_kept(host: str) -> None:
    s1 = named("10.9.9.9")
    standings = Standings(config(s1), Board(1, 64))
    address = Address(host, 65535, name=s1.address.name)
    standings.write(s1, Standing(address=address))
    assert standings.read(s1).address == address
    assert standings.read(s1).up(s1) is bool(host)


def test_without_an_address_it_is_in_maintenance_and_that_is_not_kept() -> None:
    s1 = named()
    standings = Standings(config(s1), Board(1, 64))
    assert standings.read(s1).admin == RESOLUTION
    assert not standings.read(s1).up(s1)
    standings.write(s1, replace(standings.read(s1), admin=RESOLUTION | DRAIN))
    standings.write(s1, replace(standings.read(s1), address=Address("10.0.0.1", 80)))
    assert standings.read(s1).admin == DRAIN


@pytest.mark.parametrize(
    ("before", "after", "kept"),
    [
        (named("10.0.0.1"), named("10.0.0.2"), True),  # the name means something else now: no matter
        (named("10.0.0.1"), named("10.0.0.1", "other.example.com:80"), False),
        (named("10.0.0.1", forget=True), named("10.0.0.1", forget=True), True),
        (named("10.0.0.1", forget=True), named("10.0.0.2", forget=True), False),
    ],
)
def test_an_address_is_kept_while_the_configuration_says_the_same(
    before: Server, after: Server, kept: bool
) -> None:
    board = Board(1, 64)
    Standings(config(before), board).write(before, Standing(address=Address("10.1.1.1", 81)))
    address = Standings(config(after), board).read(after).address
    assert (address is not None) is kept
