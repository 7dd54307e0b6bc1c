"""Every word of HAProxy 2.6's manual works here, has no effect and says so, or is refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenlb.config import haproxy, inert
from greenlb.config.options import Table
from greenlb.config.schema import BIND, GLOBAL, PROXY, SERVER
from greenlb.policy import actions
from tests.support import haproxy_manual

NAMES = [
    tuple(line.split(": ", 1))
    for line in Path(__file__).with_name("haproxy_keywords.txt").read_text().splitlines()
]
TABLES: dict[str, tuple[Table, dict[str, inert.Inert]]] = {
    "global": (GLOBAL, inert.GLOBAL),
    "proxy": (PROXY, inert.PROXY),
    "bind": (BIND, inert.BIND),
    "server": (SERVER, inert.SERVER),
}
READ_BEFORE = ("setenv", "presetenv", "unsetenv", "resetenv")
"""What the reader of a haproxy.cfg does itself."""


def fate(group: str, name: str) -> str:
    """What becomes of a word: works, inert, or refused."""
    if group not in TABLES:
        return action_fate(group, name)
    table, nothing = TABLES[group]
    name = haproxy.RENAMED.get(name, name)
    first = name.split()[0]
    known = {option.split()[0] for option in table.options} | set(table.options)
    if name in known or first in table or (group == "global" and name in READ_BEFORE):
        return "works"
    if name in nothing:
        return "inert"
    assert table.refusal(name) or table.refusal(first), f"nobody knows '{name}'"
    assert table.unsupported.get(name) or table.unsupported.get(first), (
        f"'{name}' is refused without a reason"
    )
    return "refused"


def action_fate(group: str, name: str) -> str:
    if name in actions.REFUSED:
        return "refused"
    assert name in actions.TABLE, f"nobody knows the action '{name}'"
    if group not in actions.TABLE[name].stages:
        assert (group, name) in actions.MISPLACED, f"'{name}' has no reason not to be an action of {group}"
        return "refused"
    return "works"


@pytest.mark.parametrize(("group", "name"), NAMES)
def test_every_word_has_its_place(group: str, name: str) -> None:
    assert fate(group, name) in ("works", "inert", "refused")


def test_what_works_is_not_called_inert() -> None:
    for table, nothing in TABLES.values():
        assert not set(table.options) & set(nothing)


@pytest.mark.skipif(not haproxy_manual.MANUAL.exists(), reason="Debian's haproxy-doc is not installed")
def test_the_names_are_those_of_the_manual() -> None:
    found = [(group, name) for group, names in haproxy_manual.read().items() for name in names]
    assert found == NAMES, (
        "run: python -m tests.support.haproxy_manual > tests/unit/config/haproxy_keywords.txt"
    )
