"""``greenlb.testing`` as people use it, and the pytest plugin."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from greenlb.testing import LoadBalancer, answering

FARM = """
[frontend web]
bind = 127.0.0.1:{web}
default_backend = farm
[backend farm]
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""
CFG = """
defaults
  mode http
  log global
  option httplog
  timeout connect 5s
  timeout client 5s
  timeout server 5s
frontend web
  bind 127.0.0.1:{web}
  http-request return status 200 content-type text/plain lf-string "%[src]" if { path /me }
  default_backend farm
backend farm
  server s1 127.0.0.1:{s1}
  server s2 127.0.0.1:{s2}
"""


@pytest.mark.parametrize("text", [FARM, CFG], ids=["ini", "cfg"])
def test_a_farm_is_asked_switched_and_read(text: str) -> None:
    with LoadBalancer(text, origins={"s1": "one", "s2": answering("two")}) as lb:
        assert {lb.get("/").text for _ in range(4)} == {"one", "two"}
        line = lb.log()
        assert (line.status, line.backend, line.request) == (200, "farm", "GET / HTTP/1.1")
        lb.down("farm/s1")
        stats = lb.stats()
        assert stats["farm/s1"].status == "MAINT" and stats["farm/s2"].status == "no check"
        assert {lb.get("/").text for _ in range(4)} == {"two"}
        lb.up("farm/s1")
        lb.drain("farm/s2")
        with urllib.request.urlopen(lb.url("/"), timeout=10) as answer:
            assert answer.read() == b"one"
        assert lb.wait_for(lambda lb: lb.stats()["web/FRONTEND"].number("req_tot") >= 9)
        with pytest.raises(ValueError, match="No such server"):
            lb.down("farm/s9")
        with pytest.raises(AssertionError, match="no log line came"):
            while lb.log(0.3):
                pass
        pid = lb.pid
    assert not os.path.exists(f"/proc/{pid}")


def test_what_does_not_start_says_why() -> None:
    with (
        pytest.raises(AssertionError, match="unknown action 'denny'"),
        LoadBalancer("[frontend f]\nbind = 127.0.0.1:{f}\nhttp-request = denny\n"),
    ):
        pass


def test_who_ends_by_himself_is_told_of() -> None:
    with (
        pytest.raises(AssertionError, match="it ended by itself"),
        LoadBalancer(FARM, {"s1": 1, "s2": 1}) as lb,
    ):
        os.kill(lb.pid, 9)
        os.waitid(os.P_PID, lb.pid, os.WEXITED | os.WNOWAIT)


PLUGIN_CASE = '''
from greenlb import Stat


def test_it(greenlb):
    lb = greenlb("""
        [listen web]
        bind = 127.0.0.1:{web}
        server s1 = 127.0.0.1:{s1}
    """.replace("        ", ""), origins={"s1": "hello"})
    assert lb.get("/").text == "hello"
    assert isinstance(lb.stats()["web/s1"], Stat)
    assert lb.log().server == "s1"
'''


def test_the_plugin(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(PLUGIN_CASE)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "greenlb.testing.plugin",
            "-p",
            "no:cacheprovider",
            tmp_path,
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr


def test_the_entry_point_is_declared(pytestconfig: pytest.Config) -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"greenlb": "greenlb.testing.plugin"}
