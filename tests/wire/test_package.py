"""What ``pip install .`` puts on a machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from greenlb import __version__

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a copy of this tree was installed: building leaves files in the tree it builds from."""
    source = tmp_path_factory.mktemp("source") / "greenlb"
    kept_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(PROJECT, source, ignore=kept_out)
    target = tmp_path_factory.mktemp("prefix")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    install += ["--disable-pip-version-check", "--ignore-installed", "--prefix", str(target), str(source)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_the_command(prefix: Path, tmp_path: Path) -> None:
    [library] = prefix.glob("lib*/python*/site-packages")
    done = subprocess.run(
        [prefix / "bin" / "greenlb", "-v"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith(f"greenlb version {__version__}\n")


@pytest.mark.parametrize(
    "path",
    [
        "share/man/man1/greenlb.1",
        "share/man/man5/greenlb.ini.5",
        "share/doc/greenlb/README.md",
    ],
)
def test_manuals(prefix: Path, path: str) -> None:
    assert (prefix / path).stat().st_size > 0


def test_all_examples_as_they_are(prefix: Path) -> None:
    """Configurations, and what systemd, logrotate, rsyslog, keepalived and the shell are given."""
    conf, examples = PROJECT / "conf", prefix / "share/doc/greenlb/examples"
    wanted = {path.relative_to(conf): path.read_bytes() for path in conf.rglob("*") if path.is_file()}
    wanted = {path: text for path, text in wanted.items() if not {"man", "__pycache__"} & {*path.parts}}
    assert {path.parts[0] for path in wanted} >= {"systemd", "logrotate", "default", "keepalived", "rsyslog"}
    found = {path.relative_to(examples): path.read_bytes() for path in examples.rglob("*") if path.is_file()}
    found = {path: text for path, text in found.items() if "__pycache__" not in path.parts}  # pip compiles
    assert found == wanted


def test_every_module_and_the_mark_of_its_types(prefix: Path) -> None:
    [package] = prefix.glob("lib*/python*/site-packages/greenlb")
    wanted = {path.relative_to(PROJECT / "greenlb") for path in (PROJECT / "greenlb").rglob("*.py")}
    assert {path.relative_to(package) for path in package.rglob("*.py")} == wanted
    assert (package / "py.typed").exists()
