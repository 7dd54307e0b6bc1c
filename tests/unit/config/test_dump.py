"""The dump's own rules; what it prints is held by every case."""

import pytest

from greenlb.config.dump import dump
from greenlb.config.load import Loaded, load_text


def test_nothing_said_is_nothing_dumped():
    assert dump(load_text("")) == "global\n"


def test_it_is_the_same_each_time():
    text = "[listen l]\nbind = 127.0.0.1:1\nmode = http\nhttp-request = deny if { path / }\n"
    first, second = load_text(text), load_text(text)
    assert first.config.frontends[0].request_rules != second.config.frontends[0].request_rules
    assert dump(first) == dump(second)


def test_there_must_be_a_configuration():
    with pytest.raises(ValueError, match="no configuration"):
        dump(Loaded(None, [], []))
