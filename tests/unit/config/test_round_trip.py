"""Every option's example, as INI, as haproxy.cfg, and converted back: one configuration."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenlb.config.convert import convert
from greenlb.config.load import load_text
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems
from greenlb.config.schema import KINDS
from tests.support.oracle import as_cfg

NAMES = {"defaults": "", "frontend": " f", "backend": " b", "listen": " l", "global": ""}


def examples(kind: str) -> list[tuple[str, str]]:
    """What a section of that kind can say, by the table's examples; some have a name of the user's."""
    return [
        (f"{option.name} x1" if option.name in KINDS[kind].named else option.name, option.example)
        for option in KINDS[kind].table
        if kind in option.where and option.example
    ]


def sections(kinds: list[str]) -> st.SearchStrategy[str]:
    def one(kind: str) -> st.SearchStrategy[str]:
        return st.lists(st.sampled_from(examples(kind)), unique_by=lambda item: item[0], max_size=12).map(
            lambda said: "\n".join(
                [f"[{kind}{NAMES[kind]}]", *(f"{name} = {text}" for name, text in said), ""]
            )
        )

    return st.tuples(*map(one, kinds)).map("\n".join)


def said(text: str) -> tuple[str, list[str]]:
    """The configuration's own text, and what is wrong with it, without places."""
    loaded = load_text(text)
    assert loaded.config is not None
    return loaded.config.text, sorted(re.sub(r"\(text\):\d+", "there", p.message) for p in loaded.errors)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sections(["global", "defaults", "frontend", "backend", "listen"]))
def test_three_spellings(ini: str) -> None:
    cfg = as_cfg(ini).replace("  nbthread 1\n", "")
    assert said(cfg) == said(ini)
    problems = Problems()
    assert said(convert(cfg, "x.cfg", problems, {}, Facts({}))) == said(ini)
    assert not problems.errors
