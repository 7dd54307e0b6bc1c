"""What an agent's line says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.proxy.checks import agent
from greenlb.proxy.checks.agent import Report
from greenlb.proxy.health import STATUSES


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\n", Report()),
        (b"up\n", Report(health="up")),
        (b"UP,Ready\t75%\n", Report(health="UP", admin="ready", weight=75)),
        (b"down up maint drain\n", Report(health="up", admin="drain")),
        (b"stopped # too hot \n", Report(health="stopped", text="too hot")),
        (b"maxconn:30 fail\n", Report(health="fail", maxconn=30)),
        (b"down#hot\n", Report(odd="down#hot")),
        (b"what is this\n", Report(odd="what")),
        (b"99999% maxconn:x\n", Report(odd="99999%")),
        (b"up", Report(whole=False)),
    ],
)
def test_lines(line: bytes, expected: Report) -> None:
    assert agent.read(line) == expected


@pytest.mark.parametrize(
    ("line", "status", "info"),
    [
        (b"up # fine\n", "L7OK", "via agent : up (fine)"),
        (b"up foo # fine\n", "L7OK", "via agent : up (foo)"),
        (b"down foo # bad\n", "L7STS", "via agent : down (bad)"),
        (b"foo\n", "CHECKED", "agent reports an error : foo"),
        (b"50%\n", "CHECKED", ""),
        (b"up", "CHECKED", "Ignoring incomplete line from agent"),
    ],
)
def test_results(line: bytes, status: str, info: str) -> None:
    result = agent.read(line).result(0)
    assert (result.status, result.info) == (status, info)


@given(st.binary(max_size=300))
def test_garbage_is_a_result_too(line: bytes) -> None:
    result = agent.read(line).result(0)
    assert result.status in STATUSES
    assert len(result.info) < 128
