"""Commands about the session itself, and about the process."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from greenlb.admin.figures.info import VERSION
from greenlb.admin.runtime.command import DENIED, Command, command
from greenlb.admin.runtime.session import Session
from greenlb.config.values import ConfigError, Duration

_SECONDS: Final = Duration("s")


def help_(session: Session, words: Sequence[str]) -> str:
    """Done where the table is known (``runtime``)."""
    return ""


def prompt(session: Session, words: Sequence[str]) -> str:
    session.interactive = not session.interactive
    return ""


def quit_(session: Session, words: Sequence[str]) -> str:
    session.ended = True
    return ""


def lower_to_operator(session: Session, words: Sequence[str]) -> str:
    session.level = "operator"
    return ""


def lower_to_user(session: Session, words: Sequence[str]) -> str:
    session.level = "user"
    return ""


def show_level(session: Session, words: Sequence[str]) -> str:
    return session.level


def show_sockets(session: Session, words: Sequence[str]) -> str:
    lines = [f"{socket} {socket.level} all\n" for socket in session.farm.sockets]
    return "".join(["# socket lvl processes\n", *lines])


def set_timeout(session: Session, words: Sequence[str]) -> str:
    if words[:1] != ["cli"]:
        return "'set timeout' only supports 'cli'.\n"
    try:
        session.timeout = _SECONDS.word(words[1] if len(words) > 1 else "")
    except ConfigError:
        return "Invalid timeout value.\n"
    return ""


def show_version(session: Session, words: Sequence[str]) -> str:
    return VERSION


def show_env(session: Session, words: Sequence[str]) -> str:
    if not words:
        return "".join(f"{name}={value}\n" for name, value in os.environ.items())
    if words[0] not in os.environ:
        return "Variable not found\n"
    return f"{words[0]}={os.environ[words[0]]}\n"


def show_configuration(session: Session, words: Sequence[str]) -> str:
    """As INI; it has the passwords of the statistics page, so it takes an admin."""
    return session.farm.config.text


def clear_counters(session: Session, words: Sequence[str]) -> str:
    """The maxima, or with ``all`` everything, which takes an admin."""
    if words[:1] != ["all"]:
        session.farm.sampler.clear(False)
    elif session.may("admin"):
        session.farm.sampler.clear(True)
    else:
        return DENIED
    return ""


COMMANDS: Final[tuple[Command, ...]] = (
    command(
        "clear counters",
        "operator",
        "[all]",
        "clear max statistics counters (or all counters)",
        clear_counters,
    ),
    command(
        "operator",
        "operator",
        "",
        "lower the level of the current CLI session to operator",
        lower_to_operator,
    ),
    command("set timeout", "user", "[cli] <delay>", "change a timeout setting", set_timeout),
    command("show cli level", "user", "", "display the level of the current CLI session", show_level),
    command("show cli sockets", "user", "", "dump list of cli sockets", show_sockets),
    command(
        "show configuration",
        "admin",
        "",
        "dump the configuration with its inheritance worked out",
        show_configuration,
    ),
    command("show env", "operator", "[var]", "dump environment variables known to the process", show_env),
    command("show version", "user", "", "show version of the current process", show_version),
    command("user", "user", "", "lower the level of the current CLI session to user", lower_to_user),
    command("help", "user", "[<command>]", "list matching or all commands", help_),
    command("prompt", "user", "", "toggle interactive mode with prompt", prompt),
    command("quit", "user", "", "disconnect", quit_),
)
