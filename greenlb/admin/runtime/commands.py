"""THE table of runtime commands.  A module that has some joins its ``COMMANDS`` here."""

from __future__ import annotations

from typing import Final

from greenlb.admin.runtime import basics, names
from greenlb.admin.runtime.command import Command

TABLE: Final[tuple[Command, ...]] = tuple(
    sorted(
        (
            *basics.COMMANDS,
            *names.COMMANDS,
        ),
        key=lambda command: command.words,
    )
)
"""In the order of their words, as ``help`` lists them."""
