"""One client of the runtime: what it may do, and what it has set."""

from __future__ import annotations

from dataclasses import dataclass

from greenlb.admin.runtime.operations import Operations
from greenlb.runtime import LEVELS


@dataclass(slots=True)
class Session:
    """``payload`` is what came with the command that runs (``<<``).  ``interactive``: it is shown a prompt;
    ``timeout``: seconds without a word."""

    farm: Operations
    level: str = "user"
    payload: str = ""
    interactive: bool = False
    ended: bool = False
    timeout: float | None = 10.0

    def may(self, level: str) -> bool:
        """Whether it may do what takes ``level``."""
        return LEVELS.index(self.level) >= LEVELS.index(level)
