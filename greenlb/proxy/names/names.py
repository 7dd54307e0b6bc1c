"""The servers that are looked up while we run.  Control does it, or the one process that does everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from greenlb.model import Address, Config, LogTarget, Server
from greenlb.names import Resolution
from greenlb.protocol import dns
from greenlb.protocol.dns import Service
from greenlb.proxy import health
from greenlb.proxy.health import ALERT, EMERGENCY, NOTICE
from greenlb.proxy.names import lines
from greenlb.proxy.names.asking import COUNTERS, Asker, Found
from greenlb.proxy.names.share import Memory, Place, pick, places, weight
from greenlb.proxy.standing import MAINTENANCE_BITS, RESOLUTION

if TYPE_CHECKING:
    from greenlb.proxy.backend import LiveBackend, ServerState
    from greenlb.proxy.farm_state import FarmState

Log = Callable[[int, str, Sequence[LogTarget]], None]
Failure = Callable[[str, BaseException], None]

_FAMILIES = {"ipv4": (dns.A, dns.AAAA), "ipv6": (dns.AAAA, dns.A)}


class Followed:
    """One server that is looked up.  ``name`` is that of its address: for a SRV name it is what the records
    say, ``place`` what it has of them."""

    def __init__(
        self, names: Names, backend: LiveBackend, state: ServerState, resolution: Resolution
    ) -> None:
        self._names = names
        self.backend = backend
        self.state = state
        self.resolution = resolution
        self.name = "" if resolution.srv else resolution.name
        self.place: Place | None = None

    @property
    def server(self) -> Server:
        return self.state.server

    @property
    def address(self) -> Address:
        return self._names.farm.read(self.server).address or self.server.address

    def follow(self, name: str) -> None:
        """Look another name up from now on; empty: none."""
        self._names.leave(self)
        self.name = name
        if name:
            self._names.join(self)

    def taken(self) -> set[str]:
        """Where the others of its backend are that share its name.  Of several at one address the first
        keeps it.  Those of SRV records differ by their ports."""
        found: set[str] = set()
        if self.place is not None:
            return found
        later, host = False, self.address.host
        for peer in self._names.followed:
            if peer is self:
                later = True
            elif peer.shares(self) and not (later and peer.address.host == host):
                found.add(peer.address.host)
        return found - {""}

    def shares(self, other: Followed) -> bool:
        """Whether the two have to share what one name gives."""
        return (self.backend, self.name, self.resolution.resolvers) == (
            other.backend,
            other.name,
            other.resolution.resolvers,
        )

    def settle(self, host: str, by: str, why: str, also: Sequence[str] = ()) -> None:
        """It is at ``host`` now, as ``by`` said; or nowhere, and ``why``.  ``also`` is said of it too."""
        address = self.address
        if host == address.host:
            return
        port = self.place.port if self.place is not None else address.port
        moved = Address(host, port, name=self.server.address.name)
        if host:
            self._found(address, moved, by, also)
        else:
            self._lost(moved, why)

    def occupy(self, place: Place | None, known: Mapping[str, Sequence[str]]) -> None:
        """It has another place of its SRV name; ``known``: addresses of targets that came along."""
        address = self.address
        stays = self.place is None and place is not None and address.port == place.port
        if address.host and not stays:
            self.settle("", "", lines.REMOVED)
        self.follow("")
        self.place = place
        if place is None:
            return
        line = lines.renamed(self.backend.model, self.server, self.name, place.target, "SRV record")
        self.name = place.target
        host = pick(known.get(place.target, ()), address.host if stays else "", self.resolution, ())
        if host and host != self.address.host:
            self.settle(host, lines.ALONG, "", (line,))
        elif not stays:
            self.say(NOTICE, line)
        self.follow(place.target)

    def weigh(self, units: int) -> None:
        """Its weight, as a SRV record says."""
        if self._names.farm.read(self.server).user_weight(self.server) != units:
            self._names.farm.change([self.server], weight=units)

    def _found(self, before: Address, address: Address, by: str, also: Sequence[str]) -> None:
        model, server = self.backend.model, self.server
        standing = self._names.farm.read(server)
        for line in (lines.moved(model, server, before.host, address.host, by), *also):
            self.say(NOTICE, line)
        changes: dict[str, Any] = {"address": address}
        if standing.admin & RESOLUTION and server.check is not None:
            changes["health"] = server.check.rise  # as after any maintenance: up, one failure from down
        self._names.farm.change([server], **changes)
        if standing.admin & RESOLUTION:
            for line in lines.found(model, server, self.name, standing, by != lines.ALONG):
                self.say(NOTICE, line)

    def _lost(self, address: Address, why: str) -> None:
        backend, server = self.backend, self.server
        standing = self._names.farm.read(server)
        was_up, weighed, before = self.state.up, self.state.weight > 0, _usable(backend)
        (turn,) = self._names.farm.change([server], address=address)
        if standing.admin & MAINTENANCE_BITS:
            return
        if not was_up:
            self.say(NOTICE, lines.lost_down(backend.model, server, why))
            return
        farm = _usable(backend)
        line = lines.lost(backend.model, server, why, farm, turn.active, turn.moved, turn.queued)
        self.say(ALERT if weighed else NOTICE, line)
        if any(before) and not any(farm):
            self.say(EMERGENCY, health.empty_line(backend.model, backend.model.name in self._names.listens))

    def say(self, severity: int, line: str) -> None:
        self._names.log(severity, line, self.backend.model.log_targets)


def _usable(backend: LiveBackend) -> health.Farm:
    usable = [state.server.backup for state in backend.states if state.up and state.weight > 0]
    return health.Farm(usable.count(False), usable.count(True))


class Lookup:
    """One name that is looked up again and again, for all ``followed`` servers.  ``turn`` is had by one at a
    time: to move a server takes until all workers know.  ``failure`` logs what should not be."""

    def __init__(
        self, asker: Asker, name: str, kinds: tuple[str, ...], turn: BoundedSemaphore, failure: Failure
    ) -> None:
        self.asker = asker
        self._turn = turn
        self._failure = failure
        self.name = name
        self.kinds = kinds
        self.followed: list[Followed] = []
        self._memory: Memory[str] = Memory(asker.section, time.monotonic())
        self._services: Memory[Place] = Memory(asker.section, time.monotonic())
        self._good = 0.0
        self._wake = Event()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            if self._greenlet is not gevent.getcurrent():
                self._greenlet.kill(block=False)
            self._greenlet = None

    def hurry(self) -> None:
        """Ask now, unless the last good answer is from within ``hold valid``."""
        if time.monotonic() - self._good >= self.asker.section.valid:
            self._wake.set()

    def _run(self) -> None:
        while self._greenlet is not None and self.followed:
            began = time.monotonic()
            self._wake.clear()
            try:
                found = self.asker.resolve(self.name, self.kinds)
                with self._turn:
                    self.apply(found, time.monotonic())
            except Exception as error:  # a bug must cost one look, not all that follow
                self._failure(f"unexpected error when '{self.name}' was looked up", error)
            self._wake.wait(max(0.0, began + self.asker.section.resolve - time.monotonic()))

    def apply(self, found: Found, now: float) -> None:
        """Let the servers be where ``found`` says."""
        if found.answer.kind == dns.VALID:
            self._good = now
        if self.kinds == (dns.SRV,):
            self._apply_services(found, now)
        else:
            self._apply_addresses(found, now)

    def _apply_addresses(self, found: Found, now: float) -> None:
        if found.answer.kind == dns.VALID:
            records = self._memory.take(found.answer.addresses, now)
            why = lines.NO_ADDRESS
        elif self._memory.lost(found.answer.kind, now):
            records, why = [], lines.reason(found.answer.kind)
        else:
            return
        by = f"{self.asker.section.name}/{found.by.name}" if found.by is not None else lines.CACHE
        for followed in list(self.followed):
            host = followed.address.host
            chosen = pick(records, host, followed.resolution, followed.taken())
            if chosen != host:
                self._count_update(found)
            followed.settle(chosen, by, why)
            by = lines.CACHE

    def _count_update(self, found: Found) -> None:
        if found.by is not None:
            self.asker.counts[found.by]["update"] += 1

    def _apply_services(self, found: Found, now: float) -> None:
        answer = found.answer
        by_place = {Place(service.target, service.port): service for service in answer.services}
        if answer.kind == dns.VALID:
            kept = self._services.take(list(by_place), now)
        elif self._services.lost(answer.kind, now):
            kept = []
        else:
            return
        services = [by_place.get(place) or Service(*place, 0, 0) for place in kept]
        addresses = [followed.address for followed in self.followed]
        chosen = places(
            services,
            [followed.place for followed in self.followed],
            [(address.host, address.port) for address in addresses],
            answer.known,
        )
        for followed, place in zip(list(self.followed), chosen, strict=True):
            if place != followed.place or (place is None and followed.address.host):
                self._count_update(found)
                followed.occupy(place, answer.known)
            if place is not None and place in by_place and not followed.resolution.ignore_weight:
                followed.weigh(weight(by_place[place]))


_COLUMNS: Final = {"snd_error": "send_error"}
"""Counters that have another name as columns."""


class Names:
    """All servers of ``backends`` that have resolvers."""

    def __init__(
        self, config: Config, backends: Iterable[LiveBackend], farm: FarmState, log: Log, failure: Failure
    ) -> None:
        self.farm = farm
        self.log = log
        self._failure = failure
        self.listens = {frontend.name for frontend in config.frontends}
        self.askers = {section.name: Asker(section) for section in config.resolvers}
        self.running = False
        self._turn = BoundedSemaphore(1)
        self._lookups: dict[tuple[str, str, tuple[str, ...]], Lookup] = {}
        self.followed = [
            Followed(self, backend, state, state.server.resolution)
            for backend in backends
            for state in backend.states
            if state.server.resolution is not None
        ]
        for followed in self.followed:
            if followed.resolution.srv:
                self._lookup(followed, followed.resolution.name, (dns.SRV,)).followed.append(followed)
            elif followed.name:
                self.join(followed)

    def _lookup(self, followed: Followed, name: str, kinds: tuple[str, ...]) -> Lookup:
        section = followed.resolution.resolvers
        key = (section, name, kinds)
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = Lookup(self.askers[section], name, kinds, self._turn, self._failure)
            if self.running:
                lookup.start()
        return lookup

    def join(self, followed: Followed) -> None:
        """Look its name up."""
        kinds = _FAMILIES[followed.resolution.prefer]
        self._lookup(followed, followed.name, kinds).followed.append(followed)

    def leave(self, followed: Followed) -> None:
        """Look its name up no more for it, and not at all when it was the last one."""
        for key, lookup in list(self._lookups.items()):
            if lookup.kinds != (dns.SRV,) and followed in lookup.followed:
                lookup.followed.remove(followed)
                if not lookup.followed:
                    del self._lookups[key]
                    lookup.stop()

    def start(self) -> None:
        """Look names up from now on."""
        self.running = True
        for lookup in list(self._lookups.values()):
            lookup.start()

    def stop(self) -> None:
        self.running = False
        for lookup in self._lookups.values():
            lookup.stop()

    # -- for operators and checks ----------------------------------------------------------------

    def of(self, server: Server) -> Followed | None:
        """A server that has resolvers, or None."""
        return next((followed for followed in self.followed if followed.server is server), None)

    def hurry(self, server: Server) -> None:
        """A check of the server ended in a timeout: it may have moved (HAProxy's rule)."""
        followed = self.of(server)
        if followed is not None:
            for lookup in self._lookups.values():
                if followed in lookup.followed:
                    lookup.hurry()

    def rename(self, server: Server, name: str) -> str:
        """``set server fqdn``: another name from now on; what is said of it.  Raises ValueError: the server
        has no resolvers, is one of SRV records, or the name cannot be looked up."""
        followed = self.of(server)
        if followed is None:
            raise ValueError("set server <b>/<s> fqdn failed because no resolution is configured.")
        if followed.resolution.srv:
            raise ValueError("set server <b>/<s> fqdn failed because SRV resolution is configured.")
        model, before, name = followed.backend.model, followed.name, name.rstrip(".").lower()
        if name == before:
            return f"no need to change the FDQN by '{lines.OPERATOR}'"
        try:
            dns.check_name(name)
        except ValueError:
            raise ValueError(
                f"could not update {model.name}/{server.name} FQDN by '{lines.OPERATOR}'"
            ) from None
        with self._turn:
            followed.follow(name)
        return lines.renamed(model, server, before, name, lines.OPERATOR)

    def show(self, section: str = "") -> str:
        """``show resolvers``: the counters of all sections, or of one.  Raises KeyError: there is none of
        that name."""
        return "".join(_shown(self.askers[name]) for name in ([section] if section else self.askers))

    def figures(self) -> str:
        """``show stat domain resolvers``: the same as CSV, in HAProxy's order and by its names."""
        counted = [
            (asker.section.name, server.name, counts)
            for asker in self.askers.values()
            for server, counts in asker.counts.items()
        ]
        names = [_COLUMNS.get(name, name) for name in COUNTERS]
        rows = [["# id", "pid", *names]]
        rows += [[server, section, *map(str, counts.values())] for section, server, counts in counted]
        return "".join(",".join(row) + ",\n" for row in rows)


def _shown(asker: Asker) -> str:
    text = f"Resolvers section {asker.section.name}\n"
    for server, counts in asker.counts.items():
        text += f" nameserver {server.name}:\n"
        text += "".join(f"  {counter + ':':<12} {count}\n" for counter, count in counts.items())
    return text
