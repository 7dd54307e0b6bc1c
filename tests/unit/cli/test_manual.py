"""greenlb.1 is the table of flags, printed."""

from pathlib import Path

from greenlb.cli import flags, manual

PAGE = Path(__file__).parents[3] / "conf" / "man" / "greenlb.1"


def test_the_page_in_the_tree_is_fresh():
    assert PAGE.read_text() == manual.page(), "run: python -m greenlb.cli.manual > conf/man/greenlb.1"


def test_every_flag_has_an_entry():
    entries = [line for line in manual.page().splitlines() if line.startswith("\\fB\\-")]
    assert len(entries) == len(flags.FLAGS)


def test_dashes_are_not_turned_into_hyphens():
    options = manual.page().split(".SH OPTIONS", 1)[1].split(".SH EXIT", 1)[0]
    assert "-" not in options.replace("\\-", "")
