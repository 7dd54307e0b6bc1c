"""What good answers say, how long that counts, and which server gets which part of it.  No sockets here."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from greenlb.names import Resolution, Resolvers
from greenlb.protocol import dns
from greenlb.protocol.dns import Service

Record = TypeVar("Record")

WEIGHT_STEP: Final = 256
"""The weights of SRV records that are one weight of ours (65536 of them, and 256 of ours)."""


class Memory(Generic[Record]):
    """The records of one name.  A good answer's count until another good answer has been without them for
    ``hold obsolete``; all of them until the last good answer is older than the hold of what came since."""

    def __init__(self, section: Resolvers, now: float) -> None:
        self._section = section
        self._valid = now
        self._seen: dict[Record, float] = {}

    def take(self, records: Sequence[Record], now: float) -> list[Record]:
        """A good answer: the records that count now, those that were there longest first."""
        self._valid = now
        self._seen |= dict.fromkeys(records, now)
        oldest = now - self._section.obsolete
        self._seen = {record: seen for record, seen in self._seen.items() if seen == now or seen > oldest}
        return list(self._seen)

    def lost(self, kind: str, now: float) -> bool:
        """An error: whether nothing counts any more."""
        holds = {
            dns.NX: self._section.nx,
            dns.REFUSED: self._section.refused,
            dns.TIMEOUT: self._section.timeout,
        }
        if now < self._valid + holds.get(kind, self._section.other):
            return False
        self._seen.clear()
        return True


def pick(records: Sequence[str], host: str, resolution: Resolution, taken: Collection[str]) -> str:
    """The address for a server that is at ``host`` (empty: nowhere), while servers of the same name are at
    ``taken``; empty: there is none for it.  The family counts for more than the network, that for more than
    being the only one there, and that for more than staying."""
    best, most = "", -1
    for record in records:
        address = ipaddress.ip_address(record)
        if record in taken and not resolution.duplicates:
            continue
        score = 8 * (address.version == (4 if resolution.prefer == "ipv4" else 6))
        score += 4 * any(address.version == net.version and address in net for net in resolution.networks)
        score += 2 * (record not in taken) + (record == host)
        if score > most:
            best, most = record, score
    return best


class Place(NamedTuple):
    """What a server of a SRV name has: the target's name and the port."""

    target: str
    port: int


def places(
    services: Sequence[Service],
    held: Sequence[Place | None],
    near: Sequence[tuple[str, int]] = (),
    known: Mapping[str, Sequence[str]] | None = None,
) -> list[Place | None]:
    """For each server what it has from now on, ``held`` being what it had: that, if it is still there, else
    one that no other has, else None.  ``near``: the address and the port at which each is (after a restart
    nothing is held, and who is at a place already is to have it); ``known``: addresses of targets."""
    offered = dict.fromkeys(Place(service.target, service.port) for service in services)
    result: list[Place | None] = [None] * len(held)
    for number, place in enumerate(held):
        if place is not None and place in offered:
            del offered[place]
            result[number] = place
    for number, (host, port) in enumerate(near):
        if result[number] is None and host:
            for place in offered:
                if place.port == port and host in (known or {}).get(place.target, (host,)):
                    del offered[place]
                    result[number] = place
                    break
    for number, place in enumerate(result):
        if place is None and offered:
            result[number] = next(iter(offered))
            del offered[next(iter(offered))]
    return result


def weight(service: Service) -> int:
    """The weight of a server (0 to 256) for that of a SRV record (0 to 65535)."""
    return service.weight // WEIGHT_STEP + 1 if service.weight else 0
