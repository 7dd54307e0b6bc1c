"""An INI file and the haproxy.cfg that says the same come to one configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenlb.config.convert import convert
from greenlb.config.load import load_text
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems
from tests.support.oracle import as_cfg

CONF = Path(__file__).parents[3] / "conf"
EXAMPLES = sorted(
    path for path in CONF.glob("*.ini") if path.name != "reference.ini" and "${" not in path.read_text()
)
"""All but the reference, which is comments, and those with variables: in a haproxy.cfg there are none outside
of addresses and double quotes."""


def said(text: str) -> tuple[str, list[str]]:
    """The configuration's own text, and what is wrong with it, without places."""
    loaded = load_text(text)
    assert loaded.config is not None
    return loaded.config.text, sorted(problem.message for problem in loaded.errors)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    """Written as INI, as haproxy.cfg, and converted back."""
    ini = path.read_text()
    cfg = as_cfg(ini).replace("  nbthread 1\n", "")
    assert said(cfg) == said(ini)
    problems = Problems()
    assert said(convert(cfg, "x.cfg", problems, {}, Facts({}))) == said(ini)
    assert not problems.errors


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 15
