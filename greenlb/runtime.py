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
    """Where runtime commands are answered, for clients of ``level`` (one of LEVELS).  ``master``: those of
    the master's socket (-S)."""

    address: Address
    where: Where
    level: str = "operator"
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    master: bool = False

    def __str__(self) -> str:
        return str(self.address)
