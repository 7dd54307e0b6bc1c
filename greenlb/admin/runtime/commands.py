"""THE table of runtime commands.  A module that has some joins its ``COMMANDS`` here."""

from __future__ import annotations

from typing import Final

from greenlb.admin.figures import commands as figures
from greenlb.admin.runtime import (
    basics,
    certificates,
    errors,
    frontends,
    names,
    patterns,
    servers,
    sessions,
    tables,
)
from greenlb.admin.runtime.command import Command

TABLE: Final[tuple[Command, ...]] = tuple(
    sorted(
        (
            *basics.COMMANDS,
            *certificates.COMMANDS,
            *errors.COMMANDS,
            *frontends.COMMANDS,
            *figures.COMMANDS,
            *patterns.COMMANDS,
            *servers.COMMANDS,
            *sessions.COMMANDS,
            *tables.COMMANDS,
            *names.COMMANDS,
        ),
        key=lambda command: command.words,
    )
)
"""In the order of their words, as ``help`` lists them."""
