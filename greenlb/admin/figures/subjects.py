"""Every object of the farm, as the columns need it: what is counted, joined with how it stands."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

import gevent

from greenlb.admin.figures.standing import Stand, Value, told_of_checks
from greenlb.admin.runtime.operations import Operations
from greenlb.model import Address, Backend, Bind, Config, Frontend, Server
from greenlb.observe.columns import Subject
from greenlb.observe.stats import Row
from greenlb.observe.vitals import processes
from greenlb.proxy.backend import ServerState
from greenlb.proxy.frontend_state import OPEN, PAUSED, STOPPED

_AT_ONCE: Final = 20
"""Objects after which others may run."""
_WORDS: Final = {OPEN: "OPEN", PAUSED: "PAUSED", STOPPED: "STOP"}
_SPARE: Final = 64
"""Descriptors of a process that no connection gets."""


class Subjects:
    """All objects, in the order of the statistics.  To go through them takes 20 us each; others run
    meanwhile."""

    def __init__(self, farm: Operations) -> None:
        self._farm = farm
        self._checked = {id(each.state.server): each for each in farm.checks.checked}
        self._tracked = {
            id(server): found
            for backend in farm.config.backends
            for server in backend.servers
            if server.track and (found := _named(farm.config, server.track)) is not None
        }
        self._now = int(time.monotonic() * 1000)

    def __iter__(self) -> Iterator[Subject]:
        farm = self._farm
        farm.sampler.sample()
        stands: list[tuple[Stand, Row]] = []
        for count, row in enumerate(farm.books.read()):
            if count % _AT_ONCE == _AT_ONCE - 1:
                gevent.sleep(0)
            if isinstance(row.part, Server):
                stand = self.stand(farm.backends[row.pxname].state_of(row.part))
                stands.append((stand, row))
                yield Subject(row, self._of_server(row, stand))
            elif isinstance(row.part, Bind):
                if isinstance(row.proxy, Frontend) and row.proxy.socket_stats:
                    yield Subject(row, self._of_listener(row, row.part))
            elif isinstance(row.proxy, Frontend):
                yield Subject(row, self._of_frontend(row, row.proxy))
            else:
                yield Subject(row, self._of_backend(row, row.proxy, stands))
                stands = []

    # -- servers -----------------------------------------------------------------------------------

    def stand(self, state: ServerState) -> Stand:
        """How a server stands."""
        server = state.server
        decisive = self._decisive(server)
        healthy = self._farm.read(decisive).healthy(decisive)
        return Stand(server, self._farm.read(server), healthy, self._checked.get(id(decisive)))

    def _decisive(self, server: Server) -> Server:
        """The server whose checks decide: itself, or whom it tracks."""
        for _ in range(len(self._tracked)):
            server = self._tracked.get(id(server), server)
        return server

    def _of_server(self, row: Row, stand: Stand) -> dict[str, Value]:
        server, standing, values = stand.server, stand.standing, row.values
        state = self._farm.backends[row.pxname].state_of(server)
        limit = server.maxconn if standing.maxconn is None else standing.maxconn
        told = told_of_checks(stand)
        told |= {
            "slim": limit or None,
            "status": stand.status,
            "weight": stand.effective_weight,
            "uweight": stand.weight,
            "act": int(not server.backup),
            "bck": int(server.backup),
            "qlimit": server.maxqueue or None,
            "tracked": server.track or None,
            "sid": server.number,
            "rate": self._farm.sampler.rates(row.block).sessions,
            "addr": shown(state.address),
            "cookie": server.cookie or None,
            "throttle": standing.throttle or None,
            "lastchg": (unchanged := self.since(standing.changed)),
            "lastsess": self._since_session(values),
            "hanafail": values.get("hanafail", 0) if server.observe is not None else None,
        }
        if server.check is not None:
            told["chkfail"] = values.get("chkfail", 0)
            told["chkdown"] = values.get("chkdown", 0)
            told["downtime"] = values.get("downtime", 0) + (0 if stand.running else unchanged)
        return told

    def _since_session(self, values: dict[str, int]) -> int:
        last = values["lastsess"]
        return max(0, self._now - last) // 1000 if last else -1

    def since(self, changed: int) -> int:
        """Seconds since then, on the monotonic clock; 0: nothing has changed since the start."""
        return max(0, self._now // 1000 - (changed or int(self._farm.started)))

    # -- the others --------------------------------------------------------------------------------

    def _of_listener(self, row: Row, bind: Bind) -> dict[str, Value]:
        binds = row.proxy.binds if isinstance(row.proxy, Frontend) else ()
        number = next((n for n, each in enumerate(binds, 1) if each is bind), 0)
        return {"slim": 0, "status": "OPEN", "sid": number, "addr": shown(bind.address)}

    def _of_frontend(self, row: Row, model: Frontend) -> dict[str, Value]:
        rates = self._farm.sampler.rates(row.block)
        return {
            "slim": _of(model, self._farm),
            "status": "STOP" if model.disabled else _WORDS[self._farm.fronts.read(model.name).state],
            "sid": 0,
            "rate": rates.sessions,
            "rate_lim": model.rate_limit,
            "req_rate": rates.requests if model.mode == "http" else 0,
            "conn_rate": rates.connections,
        }

    def _of_backend(self, row: Row, model: Backend, stands: list[tuple[Stand, Row]]) -> dict[str, Value]:
        values = row.values
        active = [stand for stand, _ in stands if stand.balanced and not stand.server.backup]
        backup = [stand for stand, _ in stands if stand.balanced and stand.server.backup]
        used = active or (backup if model.allbackups else backup[:1])
        up = bool(used) or not model.servers
        told: dict[str, Value] = {
            "slim": model.fullconn or self._full(model),
            "status": "UP" if up else "DOWN",
            "weight": sum(stand.effective_weight for stand in used),
            "uweight": sum(stand.weight for stand in used),
            "act": len(active),
            "bck": len(backup),
            "chkdown": values.get("chkdown", 0),
            "lastchg": (unchanged := self.since(values.get("changed", 0))),
            "sid": 0,
            "rate": self._farm.sampler.rates(row.block).sessions,
            "lastsess": self._since_session(values),
            "cookie": model.cookie.name.decode("latin-1") if model.cookie is not None else None,
            "algo": model.balance.algorithm,
        }
        if model.servers:
            told["downtime"] = values.get("downtime", 0) + (0 if up else unchanged)
        return told

    def _full(self, model: Backend) -> int:
        """HAProxy's default of fullconn: a tenth of what its frontends may have."""
        fronts = [front for front in self._farm.config.frontends if front.default_backend == model.name]
        return max(1, (sum(_of(front, self._farm) for front in fronts) + 9) // 10)


def _of(model: Frontend, farm: Operations) -> int:
    return farm.fronts.read(model.name).maxconn or model.maxconn or maxconn(farm)


def _named(config: Config, name: str) -> Server | None:
    """The server that ``backend/server`` names."""
    section, _, wanted = name.partition("/")
    backend = config.backend(section)
    return None if backend is None else next((s for s in backend.servers if s.name == wanted), None)


def maxconn(farm: Operations) -> int:
    """The limit of all connections: the configuration's, or what descriptors allow."""
    limits = [
        max(1, (each.figures["descriptor_limit"] - _SPARE) // 2)
        for each in processes(farm.books.board)
        if each.role != "control"
    ]
    return farm.fronts.read("").maxconn or farm.config.settings.maxconn or sum(limits)


def shown(address: Address) -> str:
    """An address as HAProxy shows it."""
    if address.unix:
        return "unix"
    host = address.host or "0.0.0.0"
    return f"[{host}]:{address.port}" if address.ipv6 else f"{host}:{address.port}"
