"""HAProxy as the oracle: the same statements in its own spelling, the same dialogue."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lb import Balancer, Launcher

FLAGS = {
    "yes": "{}",
    "on": "{}",
    "true": "{}",
    "1": "{}",
    "no": "no {}",
    "off": "no {}",
    "false": "no {}",
    "0": "no {}",
}

FLAGGED = ("option ", "stats ", "compression offload")


def as_cfg(ini: str) -> str:
    """An INI file in haproxy.cfg's spelling: both write down one list of statements."""
    parser = configparser.ConfigParser(
        interpolation=None, delimiters=("=",), strict=False, default_section="\0"
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(ini)
    lines = []
    for section in parser.sections():
        lines.append(section)
        if section == "global":
            lines.append("  nbthread 1")
        for key, value in parser[section].items():
            for argument in value.strip().splitlines() or [""]:
                flag = FLAGS.get(argument) if key.startswith(FLAGGED) else None
                lines.append("  " + (flag.format(key) if flag else f"{key} {argument}"))
    return "\n".join(lines) + "\n"


class Haproxy(Balancer):
    """A running HAProxy."""

    program = "haproxy"

    def write(self, ini: str) -> Path:
        path = self.directory / "haproxy.cfg"
        path.write_text(as_cfg(ini))
        return path

    def command(self, path: Path) -> list[str]:
        return ["haproxy", "-db", "-f", str(path)]


class Oracle(Launcher):
    """Starts HAProxy where a test starts the balancer."""

    balancer = Haproxy

    def text(self, ini: str, cfg: str | None) -> str:
        return ini if cfg is None else cfg


def need_haproxy() -> None:
    """Skip, in words, where there is no HAProxy; fail where the whole run is meant to have one."""
    if shutil.which("haproxy"):
        return
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail("no haproxy here: install Debian's haproxy package, it is the oracle of the wire tests")
    pytest.skip("NOT COMPARED WITH HAPROXY: it is not installed (apt-get install haproxy)")


def version() -> str:
    """The first line of ``haproxy -v``."""
    return subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout.splitlines()[
        0
    ]
