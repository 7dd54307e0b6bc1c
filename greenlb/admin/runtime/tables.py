"""Commands about stick tables; what they show is made where the tables are (``policy.stick.show``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session
from greenlb.policy.stick.registry import Tables
from greenlb.policy.stick.show import clear_table, set_table, show_table

_NONE: Final = Tables()


def _tables(session: Session) -> Tables:
    found = session.farm.config.tables
    return found if isinstance(found, Tables) else _NONE


def _show(session: Session, words: Sequence[str]) -> str:
    return _text(show_table(_tables(session), words, admin=session.may("operator")))


def _clear(session: Session, words: Sequence[str]) -> str:
    return _text(clear_table(_tables(session), words))


def _set(session: Session, words: Sequence[str]) -> str:
    return _text(set_table(_tables(session), words))


def _text(lines: Sequence[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


COMMANDS: Final[tuple[Command, ...]] = (
    command(
        "clear table",
        "operator",
        "<table> [<filter>]*",
        "remove an entry from a table (filter: data/key)",
        _clear,
    ),
    command(
        "set table",
        "admin",
        "<table> key <k> [data.* <v>]*",
        "update or create a table entry's data",
        _set,
    ),
    command(
        "show table",
        "user",
        "<table> [<filter>]*",
        "report table usage stats or dump this table's contents (filter: data/key)",
        _show,
    ),
)
