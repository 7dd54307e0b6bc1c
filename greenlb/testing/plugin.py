"""The pytest plugin: the fixture ``greenlb``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from greenlb.testing.balancer import LoadBalancer


@pytest.fixture
def greenlb() -> Iterator[Callable[..., LoadBalancer]]:
    """Starts load balancers, with the arguments of greenlb.testing.LoadBalancer; they end with the test."""
    from greenlb.testing.balancer import LoadBalancer

    with ExitStack() as stack:
        yield lambda *arguments, **named: stack.enter_context(LoadBalancer(*arguments, **named))
