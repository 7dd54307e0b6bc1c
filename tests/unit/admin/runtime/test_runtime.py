"""Which command was meant, who may use it, and what goes wrong in one."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.commands import TABLE
from greenlb.admin.runtime.runtime import Runtime
from greenlb.admin.runtime.session import Session
from greenlb.model import Global
from greenlb.runtime import LEVELS


def say(text: str) -> Any:
    return lambda session, words: text + "".join(f" {word}" for word in words) + session.payload


def fail(session: Session, words: Sequence[str]) -> str:
    raise RuntimeError("a bug")


FAILURES: list[str] = []
OURS = (
    command("show stat", "user", "[what]", "say one", say("one")),
    command("show stat all", "user", "", "say two", say("two")),
    command("set it", "admin", "", "say three", say("three")),
    command("break", "user", "", "fail", fail),
    command("quit", "user", "", "disconnect", say("")),
)


@pytest.fixture
def runtime() -> Runtime:
    log = SimpleNamespace(failure=lambda text, error: FAILURES.append(text))
    farm: Any = SimpleNamespace(log=log, config=SimpleNamespace(settings=Global()))
    return Runtime(farm, OURS)


def test_the_longest_command_counts(runtime: Runtime) -> None:
    assert runtime.execute("show stat", "user") == "one\n\n"
    assert runtime.execute("show stat x y", "user") == "one x y\n\n"
    assert runtime.execute("show stat all x", "user") == "two x\n\n"


def test_several_on_a_line_and_a_payload(runtime: Runtime) -> None:
    assert runtime.execute("show stat;set it <<\nwith this\n", "admin") == "one\n\nthreewith this\n\n"


def test_levels(runtime: Runtime) -> None:
    assert runtime.execute("set it", "operator") == "Permission denied\n\n"
    assert runtime.execute("set it", "admin") == "three\n\n"


def test_a_bug_costs_one_answer(runtime: Runtime) -> None:
    assert runtime.execute("break;show stat", "user") == "Internal error, see the log.\n\none\n\n"
    assert FAILURES == ["unexpected error in 'break'"]


def test_the_nearest_commands_are_offered(runtime: Runtime) -> None:
    better = "Unknown command, but maybe one of the following ones is a better match:\n"
    rest = "  quit                                    : disconnect\n\n"
    answer = runtime.execute("sett it", "user")
    assert answer.startswith(better) and answer.endswith(rest)
    assert "  set it                                  : say three\n" in answer
    assert "break" not in answer
    assert runtime.execute("show stats", "user").startswith(better + "  show stat [what] ")
    assert runtime.execute("help show", "user").count("show stat") == 2


@pytest.mark.parametrize("entry", TABLE, ids=lambda entry: " ".join(entry.words))
def test_each_command_is_whole(entry: Command) -> None:
    assert entry.level in LEVELS
    assert entry.usage.startswith(" ".join(entry.words))
    assert entry.help and not entry.help.endswith(".")
    assert [other for other in TABLE if other.words == entry.words] == [entry]


def test_no_terminal_obeys_an_answer(runtime: Runtime) -> None:
    assert runtime.execute("show stat \x1b[2J\x9b\r\x07\x7f\tx", "user") == (
        "one \\x1B[2J\\x9B\\x0D\\x07\\x7F x\n\n"
    )
