"""The table that the unit tests hold greenlb's rules against is what HAProxy really does."""

from __future__ import annotations

from tests.support import rule_table, wrong_lines
from tests.support.oracle import need_haproxy


def test_table_holds_every_case() -> None:
    assert [row for row, _ in rule_table.load()] == list(rule_table.rows())


def test_haproxy_still_says_so() -> None:
    need_haproxy()
    rows, answers = zip(*rule_table.load(), strict=True)
    now = rule_table.ask(list(rows))
    assert [(row, a, b) for row, a, b in zip(rows, answers, now, strict=True) if a != b] == []


def test_haproxy_still_refuses_what_is_wrong() -> None:
    need_haproxy()
    table = wrong_lines.load()
    assert [row for row in table if wrong_lines.ask(*row[:2]) != row[2]] == []
