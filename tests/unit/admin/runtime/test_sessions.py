"""Times as HAProxy tells them."""

from __future__ import annotations

import pytest

from greenlb.admin.runtime.sessions import ago


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0s"), (59, "59s"), (60, "1m0s"), (1655, "27m35s"), (3600, "1h0m"), (90061, "1d1h")],
)
def test_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text
