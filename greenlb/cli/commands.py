"""THE table of what greenlb does besides running: ``greenlb COMMAND ...``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from greenlb.cli import converting, difference, expectations, explain, reference, route


@dataclass(frozen=True, slots=True)
class Command:
    """``arguments`` as the manual prints them, ``short`` the line of the usage text, ``long`` the manual's
    paragraph.  ``run`` takes the words behind the name and gives the exit status; a ValueError or an OSError
    of it is told to the user."""

    name: str
    arguments: str
    short: str
    long: str
    run: Callable[[Sequence[str]], int]


COMMANDS: Final = {
    command.name: command
    for command in (
        Command(
            "convert",
            "[--report] FILE...",
            "prints a haproxy.cfg as INI",
            "Print the INI file that says what a haproxy.cfg says, comments and order kept.  With --report "
            "print for each of its lines whether it works here, has no effect, or is refused, and why.",
            converting.run,
        ),
        Command(
            "diff",
            "FILE|SOCKET FILE|SOCKET",
            "shows what differs between two configurations",
            "Show what would change from one configuration to another: their sections with inheritance "
            "worked out, as a unified diff.  A runtime socket (unix@PATH, PATH or ADDRESS:PORT) stands for "
            "the configuration of the process that serves it.  The exit status is 0 when nothing differs, 1 "
            "when something does, 2 when one of them cannot be read.",
            difference.run,
        ),
        Command(
            "explain",
            "LINE...",
            "puts a log line into words",
            "Tell what a log line says: each timer, each flag, who ended it.  Without a line, or with -, "
            "lines are read from standard input.",
            explain.run,
        ),
        Command(
            "reference",
            reference.USAGE,
            "prints what rules, conditions and formats are made of",
            "Print the tables of the rule language: actions, match methods, samples, converters and log "
            "variables, with their types and where they may stand; with the name of a chapter (samples, "
            "converters, http-request ...) that alone, with a word what is said of it.",
            reference.run,
        ),
        Command(
            "route",
            route.USAGE,
            "tells what would become of a request",
            "Lead a request through a configuration without opening a socket, and print which rules it "
            "meets (+ for those whose condition holds), our own answer, or the head that a server would get "
            "and the servers in the order in which they would be tried.  All servers count as up, and "
            "nothing has been counted yet.  The exit status is 1 when nothing would serve it.",
            route.run,
        ),
        Command(
            "test",
            "FILE... CASES",
            "tests where requests go",
            "Lead the requests of an INI file of cases through a configuration, and print those that do not "
            "go where they should.  A section is a case: request = GET https://host/path, and maybe src, "
            "frontend and with (header fields); of backend, server, status, header NAME and no header NAME "
            "it says what is expected.  The exit status is 1 when a case fails.",
            expectations.run,
        ),
    )
}
"""By name."""


def run(name: str, words: Sequence[str]) -> int:
    """Run the command called ``name``; what is wrong is said on standard error."""
    command = COMMANDS[name]
    if words[:1] == ["-h"] or words[:1] == ["--help"]:
        print(f"Usage : greenlb {name} {command.arguments}\n\n{command.long}")
        return 0
    try:
        return command.run(words)
    except BrokenPipeError:
        return 1
    except (ValueError, OSError) as error:
        print(f"greenlb {name}: {error}", file=sys.stderr)
        return 1


def usage() -> str:
    """The commands, as the usage text ends."""
    width = max(len(command.name) for command in COMMANDS.values())
    lines = [f"        {command.name:<{width}} {command.short}" for command in COMMANDS.values()]
    return "\n".join(["Or    : greenlb <command> [-h] ...", *lines]) + "\n"
