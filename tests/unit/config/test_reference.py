"""conf/reference.ini and greenlb.ini.5 are what the tables say, and what they show is valid."""

import re
from pathlib import Path

import pytest

from greenlb.config import schema
from greenlb.config.manual import man, roff
from greenlb.config.problems import Problems
from greenlb.config.reference import ini
from tests.unit.config.test_schema import SECTION_OPTIONS

CONF = Path(__file__).parents[3] / "conf"


@pytest.mark.parametrize(
    ("path", "make", "word"), [("reference.ini", ini, "ini"), ("man/greenlb.ini.5", man, "man")]
)
def test_the_file_is_fresh(path, make, word):
    stale = f"stale: python -m greenlb.config.reference {word} > conf/{path}"
    assert (CONF / path).read_text() == make(), stale


def test_every_option_is_shown_once():
    shown = re.findall(r"(?m)^#([a-z][\w. -]*?)(?: NAME)? = ", ini())
    assert sorted(shown) == sorted(option.name for option in SECTION_OPTIONS)


def uncommented(text):
    return re.sub(r"(?m)^#(?=[a-z])", "", text)


def test_taking_out_the_marks_leaves_a_configuration_of_known_options():
    from greenlb.config.ini import parse
    from greenlb.config.sections import arrange

    problems = Problems()
    arrange(parse(uncommented(ini()), "reference", problems), problems)
    # What may not stand in an unnamed defaults section is shown under it nowhere.
    assert [str(problem) for problem in problems.errors + problems.warnings] == []


def test_every_word_is_in_the_manual():
    page = man()
    for table in (schema.GLOBAL, schema.PROXY, schema.BIND, schema.SERVER, schema.COOKIE, schema.LOG):
        for option in table:
            assert f"\\fB{roff(option.name)}\\fR" in page, option.name


def test_roff_means_what_it_says():
    assert roff("a-b \\ c") == "a\\-b \\e c"
    assert roff(".start\n'quote") == "\\&.start\n\\&'quote"
    assert roff("One.  Two.") == "One.\nTwo."
