"""The Python that the README shows does what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from werkzeug.test import Client

from greenlb.testing import LoadBalancer

PROJECT = Path(__file__).parents[2]


def blocks(heading: str, language: str) -> list[str]:
    """The examples of a section in a language."""
    section = (PROJECT / "README.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found


def told(environ, start_response):
    """What rules have added."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(environ.get(f"HTTP_X_{name}", "-") for name in ("USER", "PLAN")).encode()]


def test_python_in_the_rules(tmp_path: Path) -> None:
    [ini], [code] = blocks("Python in the rules", "ini"), blocks("Python in the rules", "python")
    (tmp_path / "shop_rules.py").write_text(code)
    ini = ini.replace("/etc/greenlb/python", str(tmp_path))
    rest = "bind = 127.0.0.1:{web}\ndefault_backend = farm\n[backend farm]\nserver s1 = 127.0.0.1:{s1}\n"
    with LoadBalancer(ini + rest, {"s1": told}) as lb:
        assert lb.get("/").text == "- free"
        assert lb.get("/account", {"Cookie": "key=k3y"}).text == "anna anna"
        refused = lb.get("/account", {"Cookie": "key=key"})
        assert (refused.status, refused.text) == (403, "127.0.0.1 is not known here.\n")


def test_in_your_tests(tmp_path: Path) -> None:
    [code] = blocks("In your tests", "python")
    (tmp_path / "test_farm.py").write_text(code)
    plugin = ["-p", "greenlb.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


def test_in_your_programs(tmp_path: Path, capsys) -> None:
    farm = (
        f"[global]\nstats socket = {tmp_path}/lb.sock level admin\n"
        "[frontend web]\nbind = 127.0.0.1:{web}\ndefault_backend = farm\n"
        "[backend farm]\nserver s1 = 127.0.0.1:{s1} check inter 100ms\n"
    )
    (tmp_path / "greenlb.ini").write_text("[frontend web]\nmode = http\nhttp-request = denny\n")
    program, mounting = (
        text.replace("/run/greenlb.sock", f"{tmp_path}/lb.sock")
        .replace("/etc/greenlb/", f"{tmp_path}/")
        .replace("/var/log/", f"{tmp_path}/")
        for text in blocks("In your programs", "python")
    )
    with LoadBalancer(farm, {"s1": "one"}) as lb:
        lb.get("/")
        lb.log()
        (tmp_path / "greenlb.log").write_text(f"{lb.messages[-1]}\n")
        with (tmp_path / "greenlb.log").open() as log:
            exec(program, {"open": lambda path: log})
        said = capsys.readouterr().out
        assert "greenlb.ini:3: " in said and "did you mean 'deny'" in said and "\ns1 200 {" in said
        assert lb.stats()["farm/s1"].status == "DRAIN"
        names: dict = {}
        exec(mounting, names)
        client = Client(names["site"])
        assert "farm" in client.get("/lb/stats/").text
        assert "haproxy_server_status" in client.get("/lb/metrics").text
