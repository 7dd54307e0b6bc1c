"""Where runtime commands are answered: a part of the model that is about the process alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greenlb.model import Address, Where

LEVELS: Final = ("user", "operator", "admin")
"""Who may do what on a runtime socket, the least first."""


@dataclass(frozen=True, slots=True)
class RuntimeSocket:
    """Where runtime commands are answered, for clients of ``level`` (one of LEVELS).  A descriptor that
    is open already has its number as the port of an address whose name begins with ``fd@``."""

    address: Address
    where: Where
    level: str = "operator"
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None

    @property
    def inherited(self) -> bool:
        return self.address.name.startswith("fd@")

    def __str__(self) -> str:
        return self.address.name if self.inherited else str(self.address)
