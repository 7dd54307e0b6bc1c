"""The configurations in conf/: plain INI, and every option in them is known."""

import configparser
import os
import re
from pathlib import Path

import pytest

from greenlb.config.ini import read
from greenlb.config.load import load_text
from greenlb.config.problems import Problems

CONF = Path(__file__).parents[3] / "conf"
FILES = sorted(CONF.glob("*.ini"))
BESIDE = re.compile(r"cannot read '|could not resolve")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_configparser_reads_the_same_keys_and_values(file):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(file.read_text())
    problems = Problems()
    blocks = read(file.read_text(), file.name, problems)
    assert problems.errors == []
    assert {b.header: {e.name: e.value for e in b.entries} for b in blocks} == {
        name: dict(parser[name]) for name in parser.sections()
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_in_it_is_wrong_but_files_that_are_elsewhere(file, monkeypatch):
    text = file.read_text()
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setitem(os.environ, name, "1234")
    loaded = load_text(text, file.name)
    assert [str(problem) for problem in loaded.errors if not BESIDE.search(problem.message)] == []
    if file.name != "reference.ini":  # whose sections say nothing
        expected = 1 if file.name == "ssl-session-affinity.ini" else 0  # that it ends with TLS 1.2
        assert len([str(problem) for problem in loaded.warnings]) == expected


def test_there_are_files():
    assert CONF / "reference.ini" in FILES and len(FILES) > 5
