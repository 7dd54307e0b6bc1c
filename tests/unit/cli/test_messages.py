"""Messages have HAProxy's layout."""

import io
import os

from greenlb import __version__
from greenlb.cli.messages import Messages
from greenlb.config.problems import Problem
from greenlb.model import NOWHERE, Where

PID = os.getpid()


def printed(*, quiet=False, say):
    stream = io.StringIO()
    say(Messages(quiet=quiet, stream=stream))
    return stream.getvalue().splitlines()


def test_an_error_names_its_place_after_two_notices():
    lines = printed(say=lambda m: m.error_in(Problem(Where("site.ini", 12), "unknown option 'blance'")))
    assert lines[0] == f"[NOTICE]   ({PID}) : greenlb version is {__version__}"
    assert lines[1].startswith(f"[NOTICE]   ({PID}) : path to executable is /")
    assert lines[2:] == [f"[ALERT]    ({PID}) : config : parsing [site.ini:12] : unknown option 'blance'"]


def test_the_notices_come_once():
    def both(messages):
        messages.warning("one")
        messages.warning("two")

    assert printed(say=both)[2:] == [f"[WARNING]  ({PID}) : one", f"[WARNING]  ({PID}) : two"]


def test_what_was_built_in_has_no_place():
    lines = printed(say=lambda m: m.warning_in(Problem(NOWHERE, "no timeout")))
    assert lines[2] == f"[WARNING]  ({PID}) : config : no timeout"


def test_a_long_message_goes_on_under_a_bar():
    assert printed(say=lambda m: m.alert("first\nsecond"))[3] == "   | second"


def test_quiet_says_nothing():
    assert printed(quiet=True, say=lambda m: m.alert("x")) == []
