"""greenlb reference: the tables of the rule language as text."""

from __future__ import annotations

import pytest

from greenlb.cli import reference
from greenlb.policy import actions, converters, samples
from greenlb.policy.reference import WHERE, chapters


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert reference.run(words) == 0
    return capsys.readouterr().out


def test_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """Every sample, converter and action stands there."""
    text = printed(capsys)
    for name in (*samples.TABLE, *converters.TABLE, *actions.TABLE):
        assert name in text


def test_one_chapter_one_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Takes ip, gives ip." in printed(capsys, "converters", "ipmask")
    assert "ipmask" not in printed(capsys, "samples")
    entry = printed(capsys, "urlp")
    assert "url_param([name[,delim]])\n      Gives str." in entry
    assert len(entry.splitlines()) == 7


def test_words_that_are_not_there() -> None:
    with pytest.raises(ValueError, match=r"nothing about 'url_parm' \(did you mean 'url_param'\?\)"):
        reference.run(["url_parm"])
    with pytest.raises(ValueError, match="expected"):
        reference.run(["samples", "path", "query"])


def test_entries_are_whole() -> None:
    """No chapter is empty, no word stands twice in one, and each need says where."""
    for chapter in chapters():
        terms = [entry.term for entry in chapter.entries]
        assert terms
        assert len(set(terms)) == len(terms)
    assert {row.needs for row in samples.TABLE.values()} <= set(WHERE)
