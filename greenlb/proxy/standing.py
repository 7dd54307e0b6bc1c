"""How the farm's servers stand: cells that control writes and every worker reads.

They lie in the first row of the board, so they outlive the control process, and a reload: a server is
found there by its name.  Whatever is changed, GENERATION is raised after it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import xxhash

from greenlb.board import GENERATION, Board
from greenlb.model import Address, Backend, Config, Server

MAINTENANCE, DRAIN = 1, 8
"""Bits of ``admin``, as ``show servers state`` prints them: forced by an operator."""
INHERITED_MAINTENANCE, INHERITED_DRAIN = 2, 16
"""And had from the server that is tracked."""
RESOLUTION: Final = 32
"""And had while its name has no address.  It follows from the address and is not kept."""
MAINTENANCE_BITS: Final = MAINTENANCE | INHERITED_MAINTENANCE | RESOLUTION
DRAIN_BITS: Final = DRAIN | INHERITED_DRAIN
HEALTH_CHECK, AGENT_CHECK = 1, 2
"""Bits of ``paused``: checks that an operator has disabled."""

_HEALTH, _ADMIN, _WEIGHT, _STOPPING, _PAUSED, _MAXCONN, _PORT, _HIGH, _LOW, _NAMED = range(10)
_AGENT, _CHANGED, _THROTTLE, _PLAIN, _SIZE = range(10, 15)
_UNSET: Final = 0
_LOW_BITS: Final = (1 << 64) - 1
_NO_HOST: Final = 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How one server stands.  ``health`` is the count of rises and falls, None when no check has told;
    ``weight``, ``maxconn`` and ``address`` None are the configuration's.  ``stopping``: it gets what
    persistence sends, and nothing else (HAProxy's NOLB).  ``agent`` is the count of its agent's; ``changed``
    when it last went up or down, in seconds of the monotonic clock, which all processes share (0: it has
    not); ``throttle`` the per cent of its weight and maxconn that it has while it starts slowly (0: all);
    ``plain``: it is spoken to without the TLS that its line configures."""

    health: int | None = None
    admin: int = 0
    weight: int | None = None
    stopping: bool = False
    paused: int = 0
    maxconn: int | None = None
    address: Address | None = None
    agent: int | None = None
    changed: int = 0
    throttle: int = 0
    plain: bool = False

    def healthy(self, server: Server) -> bool:
        """Whether its checks, its agent and the server that it tracks let it be used, whatever operators
        say."""
        if server.agent is not None and self.agent == 0:
            return False
        if server.track:
            return self.health != 0
        return server.check is None or self.health is None or self.health >= server.check.rise

    def up(self, server: Server) -> bool:
        """Whether it may be used at all."""
        return not self.admin & MAINTENANCE_BITS and self.healthy(server)

    def user_weight(self, server: Server) -> int:
        """The weight that is set, be it used or not."""
        return server.weight if self.weight is None else self.weight

    def effective_weight(self, server: Server, scale: int = 1) -> int:
        """Its weight now, in units of which ``scale`` make one of the configuration's.  0: it gets what
        persistence sends, and nothing else."""
        if self.admin & DRAIN_BITS or self.stopping:
            return 0
        weight = self.user_weight(server) * scale
        return -(-weight * self.throttle // 100) if self.throttle else weight


class Standings:
    """The standings of a configuration's servers; control alone may ``write``, or the one process that
    does everything."""

    def __init__(self, config: Config, board: Board, row: int = 0) -> None:
        self._cells = board.row(row)
        self._places = {
            id(server): board.place(f"standing {_SIZE}:{backend.name}/{server.name}", _SIZE)
            for backend in config.backends
            for server in backend.servers
        }
        self._names = {
            id(server): _named(server) for backend in config.backends for server in backend.servers
        }
        self._config = config

    @staticmethod
    def width(config: Config) -> int:
        """How many cells a row needs for them."""
        return sum(len(backend.servers) for backend in config.backends) * _SIZE

    @property
    def generation(self) -> int:
        return self._cells[GENERATION]

    def servers(self) -> Iterator[tuple[Backend, Server]]:
        for backend in self._config.backends:
            for server in backend.servers:
                yield backend, server

    def read(self, server: Server) -> Standing:
        cells, place = self._cells, self._places[id(server)]
        # A cell that nobody has written is 0, so what is there is one more than what it says.
        health, weight, maxconn = cells[place + _HEALTH], cells[place + _WEIGHT], cells[place + _MAXCONN]
        admin = cells[place + _ADMIN]
        address = None
        if cells[place + _NAMED] == self._names[id(server)]:
            address = _address(server, cells[place + _PORT], cells[place + _HIGH], cells[place + _LOW])
        return Standing(
            None if health == _UNSET else health - 1,
            (_configured(server) if admin == _UNSET else admin - 1) | _unresolved(server, address),
            None if weight == _UNSET else weight - 1,
            bool(cells[place + _STOPPING]),
            cells[place + _PAUSED],
            None if maxconn == _UNSET else maxconn - 1,
            address,
            None if cells[place + _AGENT] == _UNSET else cells[place + _AGENT] - 1,
            cells[place + _CHANGED],
            cells[place + _THROTTLE],
            bool(cells[place + _PLAIN]),
        )

    def write(self, server: Server, standing: Standing) -> None:
        cells, place = self._cells, self._places[id(server)]
        cells[place + _HEALTH] = _UNSET if standing.health is None else standing.health + 1
        # What the configuration says anyhow is not kept, so that another configuration may say otherwise.
        admin = standing.admin & ~RESOLUTION
        cells[place + _ADMIN] = _UNSET if admin == _configured(server) else admin + 1
        cells[place + _WEIGHT] = _UNSET if standing.weight is None else standing.weight + 1
        cells[place + _STOPPING] = int(standing.stopping)
        cells[place + _PAUSED] = standing.paused
        cells[place + _MAXCONN] = _UNSET if standing.maxconn is None else standing.maxconn + 1
        cells[place + _AGENT] = _UNSET if standing.agent is None else standing.agent + 1
        cells[place + _CHANGED] = standing.changed
        cells[place + _THROTTLE] = standing.throttle
        cells[place + _PLAIN] = int(standing.plain)
        for cell, number in zip((_PORT, _HIGH, _LOW), _numbers(standing.address), strict=True):
            cells[place + cell] = number
        cells[place + _NAMED] = self._names[id(server)]
        cells[GENERATION] += 1


def _configured(server: Server) -> int:
    """``admin`` as the configuration has it."""
    return MAINTENANCE if server.disabled else 0


def _named(server: Server) -> int:
    """What the configuration says of where it is, in one cell: while that stays as it is, a reload leaves
    the server at the address that it was given since.  Without ``init-addr last`` what the name was resolved
    to when the configuration was read is a part of that."""
    said = f"{server.address.name} {server.address.host if server.forget else ''}"
    return xxhash.xxh64_intdigest(said) >> 1


def _unresolved(server: Server, address: Address | None) -> int:
    """RESOLUTION, if it is at no address."""
    where = address or server.address
    return 0 if where.host or where.unix or server.app is not None else RESOLUTION


def _numbers(address: Address | None) -> tuple[int, int, int]:
    """An address in three cells: its version (1: it has no host) and port, its number's upper and lower
    half."""
    if address is None:
        return _UNSET, 0, 0
    if not address.host:
        return _NO_HOST << 16 | address.port, 0, 0
    number = ipaddress.ip_address(address.host)
    halves = (int(number) >> 64, int(number) & _LOW_BITS)
    high, low = (half - (1 << 64) if half >> 63 else half for half in halves)
    return number.version << 16 | address.port, high, low


def _address(server: Server, port: int, high: int, low: int) -> Address | None:
    if port == _UNSET:
        return None
    if port >> 16 == _NO_HOST:
        return Address("", port & 0xFFFF, name=server.address.name)
    number = (high & _LOW_BITS) << 64 | (low & _LOW_BITS)
    kind = ipaddress.IPv4Address if port >> 16 == 4 else ipaddress.IPv6Address
    return Address(str(kind(number)), port & 0xFFFF, name=server.address.name)
