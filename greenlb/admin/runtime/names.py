"""Commands about servers' names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session


def show_resolvers(session: Session, words: Sequence[str]) -> str:
    names = session.farm.names
    try:
        return names.show(*words[:1]) if names is not None else ""
    except KeyError:
        return "Can't find that resolvers section\n"


COMMANDS: Final[tuple[Command, ...]] = (
    command(
        "show resolvers",
        "user",
        "[id]",
        "dumps counters from all resolvers section and associated name servers",
        show_resolvers,
    ),
)
