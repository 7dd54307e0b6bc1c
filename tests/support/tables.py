"""Stick tables of a running balancer: HAProxy is asked over its stats socket, greenlb's are opened beside it,
as one more of the processes that share them."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Callable
from pathlib import Path

from greenlb.config.load import load
from greenlb.policy.stick.show import clear_table, set_table, show_table
from tests.support.lb import Balancer, HasPort, Launcher
from tests.support.stream import WAIT, eventually

GLOBAL = "[global]\nlog = 127.0.0.1:{syslog} local0\n"
_COMMANDS: dict[str, Callable[..., list[str]]] = {
    "show table": show_table,
    "clear table": clear_table,
    "set table": set_table,
}

Row = dict[str, str]


def start(proxy: Launcher, ini: str, **given: HasPort | str | int | Path) -> Balancer:
    """A balancer whose tables can be seen."""
    return proxy(
        GLOBAL + "state-dir = {dir}/state\n" + ini,
        GLOBAL + "stats socket = {dir}/stats level admin\n" + ini,
        **given,
    )


def command(lb: Balancer, line: str) -> list[str]:
    """The lines of the answer to a runtime command about tables."""
    if lb.program == "haproxy":
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(WAIT)
            client.connect(str(lb.directory / "stats"))
            client.sendall(line.encode() + b"\n")
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        return [text for text in answer.decode().split("\n") if text]
    words = shlex.split(line)
    config = load([str(lb.directory / "greenlb.ini")]).config
    assert config is not None and config.tables is not None
    troubles: list[str] = []
    config.tables.open(config.settings.state_dir, lambda severity, text: troubles.append(text))
    try:
        return _COMMANDS[" ".join(words[:2])](config.tables, words[2:])
    finally:
        config.tables.close()
        assert not troubles, troubles


def rows(lb: Balancer, table: str) -> dict[str, Row]:
    """A table's entries by their keys: what is not 0, without the time they have left."""
    found = {}
    for line in command(lb, f"show table {table}")[1:]:
        words = re.split(r"(?<!\\) ", line)[1:]
        cells = dict(word.partition("=")[::2] for word in words)
        key = cells.pop("key")
        cells.pop("exp")
        found[key] = {name: value for name, value in cells.items() if value != "0"}
    return found


def servers(lb: Balancer, table: str) -> dict[str, str]:
    """Key -> name of its server."""
    return {key: row.get("server_key", "-") for key, row in rows(lb, table).items()}


def expect_rows(lb: Balancer, table: str, expected: dict[str, Row]) -> None:
    """The table comes to hold just that."""
    expect(lambda: rows(lb, table), expected)


def expect_servers(lb: Balancer, table: str, expected: dict[str, str]) -> None:
    expect(lambda: servers(lb, table), expected)


def expect(seen: Callable[[], object], expected: object) -> None:
    """``seen()`` comes to be ``expected``; AssertionError that shows both when it does not."""
    try:
        eventually(lambda: seen() == expected, "the table", wait=5.0)
    except AssertionError:
        assert seen() == expected
