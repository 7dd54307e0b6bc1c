"""How the farm's servers stand: cells that control writes and every worker reads.

They lie in control's row of the board, so they outlive the control process, and a reload: a server is
found there by its name.  Whatever is changed, GENERATION is raised after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from greenlb.board import GENERATION, Board
from greenlb.model import Backend, Config, Server

MAINTENANCE, DRAIN = 1, 8
"""Bits of ``admin``, as ``show servers state`` prints them: forced by an operator."""

_HEALTH, _ADMIN, _WEIGHT, _SIZE = range(4)
_UNSET: Final = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """How one server stands.  ``health`` is the count of rises and falls, None when no check has told;
    ``weight`` None is the configuration's."""

    health: int | None = None
    admin: int = 0
    weight: int | None = None

    def up(self, server: Server) -> bool:
        """Whether it may be used at all."""
        if self.admin & MAINTENANCE or server.disabled:
            return False
        return server.check is None or self.health is None or self.health >= server.check.rise

    def effective_weight(self, server: Server) -> int:
        """0: it gets what persistence sends, and nothing else."""
        if self.admin & DRAIN:
            return 0
        return server.weight if self.weight is None else self.weight


class Standings:
    """The standings of a configuration's servers, in row ``row``; control alone may ``write``."""

    def __init__(self, config: Config, board: Board, row: int = 0) -> None:
        self._cells = board.row(row)
        self._places = {
            id(server): board.place(f"standing:{backend.name}/{server.name}", _SIZE)
            for backend in config.backends
            for server in backend.servers
        }
        self._config = config

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
        health, weight = cells[place + _HEALTH], cells[place + _WEIGHT]
        return Standing(
            None if health == _UNSET else health - 1,
            cells[place + _ADMIN],
            None if weight == _UNSET else weight - 1,
        )

    def write(self, server: Server, standing: Standing) -> None:
        cells, place = self._cells, self._places[id(server)]
        cells[place + _HEALTH] = _UNSET if standing.health is None else standing.health + 1
        cells[place + _ADMIN] = standing.admin
        cells[place + _WEIGHT] = _UNSET if standing.weight is None else standing.weight + 1
        cells[GENERATION] += 1
