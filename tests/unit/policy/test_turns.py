"""The order of turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.policy.turns import map_cycle, smooth_cycle


@pytest.mark.parametrize(
    ("weights", "cycle"),
    [
        ((1, 1, 1), "123"),
        ((10, 10), "12"),
        ((2, 1), "112"),
        ((2, 1, 1), "1213"),
        ((5, 1, 1), "1112113"),
        ((5, 3, 2), "1213121213"),
        ((1, 2), "221"),
        ((3, 2, 3), "23132131"),
        ((7,), "1"),
    ],
)
def test_the_order_of_roundrobin(weights: Sequence[int], cycle: str) -> None:
    """As HAProxy's requests went, once every server had had a turn."""
    assert "".join(str(index + 1) for index in smooth_cycle(weights)) == cycle


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_roundrobin_gives_each_server_its_weight(weights: list[int]) -> None:
    cycle = smooth_cycle(weights)
    scale = sum(weights) // len(cycle)
    assert Counter(cycle) == {index: weight // scale for index, weight in enumerate(weights)}


@pytest.mark.parametrize(
    ("weights", "cycle"),
    [
        ((1, 1, 1), "123"),
        ((10, 10), "12"),
        ((2, 1), "112"),
        ((5, 1, 1), "1112113"),
        ((1, 5), "122222"),
        ((3, 2), "11212"),
        ((5, 3, 2), "1121312123"),
        ((7,), "1"),
    ],
)
def test_the_order_of_the_map(weights: Sequence[int], cycle: str) -> None:
    assert "".join(str(index + 1) for index in map_cycle(weights)) == cycle


def cycle_by_scores(weights: Sequence[int]) -> list[int]:
    """The same law said otherwise: everybody earns its weight each slot, the winner pays the total."""
    total = sum(weights)
    scores = [0] * len(weights)
    cycle = []
    for _ in range(total):
        scores = [score + weight for score, weight in zip(scores, weights, strict=True)]
        turns = [score // total for score in scores]
        winner = turns.index(max(turns))
        scores[winner] -= total
        cycle.append(winner)
    return cycle


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_the_map_gives_each_server_its_weight_evenly(weights: list[int]) -> None:
    cycle = map_cycle(weights)
    scale = sum(weights) // len(cycle)
    assert cycle * scale == cycle_by_scores(weights)
    assert Counter(cycle) == {index: weight // scale for index, weight in enumerate(weights)}
