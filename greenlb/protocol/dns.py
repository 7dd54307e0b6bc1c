"""Questions to name servers and their answers, as bytes (RFC 1035, RFC 2782, RFC 6891)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME  # dnspython looks for these when a record comes: too late in a jail
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.SOA
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.rdtypes.IN.SRV
import dns.rrset

A: Final = "A"
AAAA: Final = "AAAA"
SRV: Final = "SRV"

VALID: Final = "valid"
EMPTY: Final = "empty"
NX: Final = "nx"
REFUSED: Final = "refused"
OTHER: Final = "other"
TIMEOUT: Final = "timeout"

_KINDS: Final = {dns.rcode.NOERROR: VALID, dns.rcode.NXDOMAIN: NX, dns.rcode.REFUSED: REFUSED}
_PLAIN_SIZE: Final = 512
"""The longest answer by UDP that needs no word from who asks (RFC 1035 section 2.3.4)."""
_LONGEST_CHAIN: Final = 16
"""Names that lead to others (CNAME) before the one with the address."""


class Invalid(Exception):
    """Bytes that are no answer to the question."""


class Truncated(Exception):
    """An answer that is not whole: the rest is to be had by TCP (RFC 2181 section 9)."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a SRV record names."""

    target: str
    port: int
    weight: int
    priority: int


@dataclass(frozen=True, slots=True)
class Answer:
    """``kind`` is VALID with ``addresses`` or ``services``, EMPTY without, else an error.  ``known``: the
    addresses of services' targets that came along; ``aliased``: the name led to another."""

    kind: str
    addresses: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)
    aliased: bool = False


def check_name(name: str) -> None:
    """Raises ValueError: nobody can be asked for that."""
    try:
        dns.name.from_text(name)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(f"'{name}' is not a name that can be looked up: {error}") from None


def question(name: str, kind: str, number: int, payload_size: int) -> bytes:
    """A question of id ``number``."""
    message = dns.message.make_query(name, kind, id=number)
    if payload_size > _PLAIN_SIZE:
        message.use_edns(0, payload=payload_size)
    return message.to_wire()


def read(data: bytes, name: str, kind: str, number: int) -> Answer:
    """The answer to the question that had these.  Raises Invalid, Truncated."""
    try:
        message = dns.message.from_wire(data, raise_on_truncation=False, ignore_trailing=False)
    except (dns.exception.DNSException, ValueError, IndexError) as error:
        raise Invalid(str(error)) from None
    asked = dns.name.from_text(name)
    if message.id != number or not message.flags & dns.flags.QR or len(message.question) != 1:
        raise Invalid("it answers another question")
    (entry,) = message.question
    if entry.name != asked or entry.rdtype != dns.rdatatype.from_text(kind):
        raise Invalid("it answers another question")
    if message.flags & dns.flags.TC:
        raise Truncated
    outcome = _KINDS.get(message.rcode(), OTHER)
    return _records(message, asked, kind) if outcome == VALID else Answer(outcome)


def _records(message: dns.message.Message, asked: dns.name.Name, kind: str) -> Answer:
    sets = {
        (found.name, found.rdtype): found for found in message.answer if found.rdclass == dns.rdataclass.IN
    }
    owner, steps = asked, 0
    while (alias := sets.get((owner, dns.rdatatype.CNAME))) is not None:
        owner, steps = alias[0].target, steps + 1
        if steps > _LONGEST_CHAIN:
            return Answer(OTHER)
    found = sets.get((owner, dns.rdatatype.from_text(kind)))
    if found is None:
        return Answer(EMPTY, aliased=steps > 0)
    if kind != SRV:
        return Answer(VALID, _addresses(found), aliased=steps > 0)
    # A target of "." says that there is no such service (RFC 2782).
    services = tuple(
        Service(_text(each.target), each.port, each.weight, each.priority)
        for each in found
        if each.target != dns.name.root
    )
    if not services:
        return Answer(EMPTY, aliased=steps > 0)
    targets = {service.target for service in services}
    known: dict[str, tuple[str, ...]] = {}
    for extra in message.additional:
        target = _text(extra.name)
        if target in targets and extra.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
            known[target] = known.get(target, ()) + _addresses(extra)
    return Answer(VALID, services=services, known=known, aliased=steps > 0)


def _addresses(records: dns.rrset.RRset) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_address(each.address)) for each in records)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
