"""Every tests/config/*.case: INI text, a line ``----``, then what loading says and the resolved dump.

Errors and warnings come first, in the order of the lines; the dump follows when there is no error.
``python -m tests.unit.config.test_cases`` writes the second halves anew: read the difference.
"""

import os
from pathlib import Path

import pytest

from greenlb.config.dump import dump
from greenlb.config.load import load_text

FOLDER = Path(__file__).parents[2] / "config"
CASES = sorted(FOLDER.glob("*.case"))
MARK = "\n----\n"


def outcome(text: str) -> str:
    loaded = load_text(text, "case")
    told = [f"error {problem}\n" for problem in loaded.errors]
    told += [f"warning {problem}\n" for problem in loaded.warnings]
    return "".join(told) + ("" if loaded.errors else dump(loaded))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_case(case, monkeypatch):
    monkeypatch.chdir(FOLDER)
    text, mark, expected = case.read_text().partition(MARK)
    assert mark, "a case needs a line ----"
    assert outcome(text) == expected


def test_there_are_cases():
    assert len(CASES) > 20


if __name__ == "__main__":
    os.chdir(FOLDER)
    for path in CASES:
        text = path.read_text().partition(MARK)[0]
        path.write_text(text + MARK + outcome(text))
