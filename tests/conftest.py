"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.lb import Launcher, StrictLauncher
from tests.support.oracle import Oracle, need_haproxy
from tests.support.origin import Origins


def launcher_of(program: str, directory: Path) -> Launcher:
    """A launcher of greenlb, greenlb-h11 or haproxy."""
    if program == "haproxy":
        need_haproxy()
        return Oracle(directory)
    return StrictLauncher(directory) if program == "greenlb-h11" else Launcher(directory)


@pytest.fixture(params=["greenlb", "haproxy"])
def proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Launcher]:
    """Starts greenlb in one run of the test and the oracle in another: one dialogue, both must pass it."""
    launcher = launcher_of(request.param, tmp_path)
    yield launcher
    launcher.close()


@pytest.fixture(scope="module", params=["greenlb", "haproxy"])
def module_proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Launcher]:
    """The same for a table of many rows, which share what it starts and bring their own connections."""
    launcher = launcher_of(request.param, tmp_path_factory.mktemp("shared"))
    yield launcher
    launcher.close()


@pytest.fixture(scope="module")
def module_origin() -> Iterator[Origins]:
    """Makes servers that the rows of a table share."""
    origins = Origins()
    yield origins
    origins.close()


@pytest.fixture
def greenlb(tmp_path: Path) -> Iterator[Launcher]:
    """Starts greenlb only: for what HAProxy has not, or does otherwise on purpose."""
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


@pytest.fixture
def origin() -> Iterator[Origins]:
    """Makes servers."""
    origins = Origins()
    yield origins
    origins.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this run, with the certificates that it has signed."""
    return Authority(tmp_path_factory.mktemp("certificates"))
