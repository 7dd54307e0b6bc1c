"""The runtime socket's client, without a socket: what it makes of answers."""

from __future__ import annotations

import pytest

from greenlb.client import RuntimeClient, Stat, Unreachable

TABLE = """# pxname,svname,qcur,status,
web,FRONTEND,,OPEN,
farm,s1,0,UP,
farm,"s,2",3,DOWN 1/2,

"""


class Told(RuntimeClient):
    def execute(self, command: str, payload: str = "") -> str:
        return TABLE if command == "show stat" else "Name: greenlb\nCurrConns: 1\nnode: a:b\n"


def test_rows_are_by_name() -> None:
    stats = Told("nowhere").stats()
    assert list(stats) == ["web/FRONTEND", "farm/s1", "farm/s,2"]
    row = stats["farm/s,2"]
    assert isinstance(row, Stat) and dict(row) == {
        "pxname": "farm",
        "svname": "s,2",
        "qcur": "3",
        "status": "DOWN 1/2",
    }
    assert row.number("qcur") == 3 and stats["web/FRONTEND"].number("qcur") == 0
    with pytest.raises(KeyError):
        row.number("nothing")
    assert repr(row) == "<Stat farm/s,2 DOWN 1/2>"


def test_info_is_by_name() -> None:
    assert Told("nowhere").info() == {"Name": "greenlb", "CurrConns": "1", "node": "a:b"}


@pytest.mark.parametrize("command", ["show info\nshow stat", "show info; show stat"])
def test_one_command_at_a_time(command: str) -> None:
    with pytest.raises(ValueError, match="one command"):
        RuntimeClient("nowhere").execute(command)


@pytest.mark.parametrize("address", ["/nowhere/at/all", "unix@/nowhere/at/all", "127.0.0.1:1"])
def test_nobody_there(address: str) -> None:
    with pytest.raises(Unreachable, match=r"/nowhere|:1"):
        RuntimeClient(address).execute("show info")
