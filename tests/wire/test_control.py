"""The control process, which looks after the others."""

from __future__ import annotations

from tests.support.lb import Launcher
from tests.support.stream import eventually

INI = """[global]
log = 127.0.0.1:{syslog} local0
workers = 1
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = return status 200
"""


def test_it_stays_with_nothing_to_check(greenlb: Launcher) -> None:
    """Without a server there is no check, and nothing else that would wake it."""
    lb = greenlb(INI)
    eventually(lambda: b"Loading success" in lb.stderr.read_bytes(), "all processes are ready")
    assert lb.ask().status == 200
    assert b"control" in lb.stderr.read_bytes()
    assert b"exited" not in lb.stderr.read_bytes()
