"""Names that are looked up while greenlb runs, as a configuration has them.

A leaf beside ``model``, whose Config and Server hold these.  Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from greenlb.model import Address, Network, Where


@dataclass(frozen=True, slots=True)
class Nameserver:
    """Whom to ask; ``tcp``: never by UDP."""

    name: str
    address: Address
    tcp: bool = False


@dataclass(frozen=True, slots=True)
class Resolvers:
    """A ``resolvers`` section.  ``resolve`` is the time between two looks at a name, ``retry`` how long an
    answer may take; ``nx`` ... ``other`` how long the last good answer counts after one of that kind,
    ``obsolete`` how long a record counts that good answers no longer have."""

    name: str
    where: Where
    nameservers: tuple[Nameserver, ...] = ()
    retries: int = 3
    payload_size: int = 512
    resolve: float = 1.0
    retry: float = 1.0
    valid: float = 10.0
    nx: float = 30.0
    refused: float = 30.0
    timeout: float = 30.0
    other: float = 30.0
    obsolete: float = 0.0


@dataclass(frozen=True, slots=True)
class Resolution:
    """How one server is looked up: ``name`` at the ``resolvers`` of that name.  Servers of a backend with
    one name share its addresses, one each; with ``duplicates`` it may have one that another has already.
    ``prefer`` is the family that is taken where there are both, ``networks`` those that are liked best."""

    name: str
    resolvers: str
    prefer: str = "ipv6"
    networks: tuple[Network, ...] = ()
    duplicates: bool = False
    ignore_weight: bool = False

    @property
    def srv(self) -> bool:
        """Whether the name is one of SRV records (RFC 2782), as its underscore says."""
        return self.name.startswith("_")
