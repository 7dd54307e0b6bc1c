"""The command: flags in, exit status out."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from greenlb.cli import check, commands, flags, run, versions
from greenlb.cli.messages import Messages


def prepare(options: flags.Options) -> None:
    """Make the surroundings that the flags ask for.  Raises OSError."""
    if options.folder:
        os.chdir(options.folder)
    if options.peer:
        os.environ["HAPROXY_LOCALPEER"] = options.peer


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says (``sys.argv`` when none is given) and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in commands.COMMANDS:
        return commands.run(words[0], words[1:])
    try:
        options = flags.parse(words)
    except flags.UsageError as error:
        sys.stdout.write(versions.version())
        sys.stderr.write(f"greenlb: {error}\n{flags.usage()}{commands.usage()}")
        return 1
    try:
        prepare(options)
    except OSError as error:
        Messages(quiet=options.quiet).alert(
            f"Could not change to directory {options.folder} : {error.strerror}"
        )
        return 1
    match options.action:
        case "check":
            return check.check(options)
        case "condition":
            return check.condition(options)
        case "print":
            return check.print_effective(options)
        case "run":
            return run.run(options)
        case "version":
            sys.stdout.write(versions.version())
        case "versions":
            sys.stdout.write(versions.versions())
        case "help":
            sys.stdout.write(versions.version() + flags.usage() + commands.usage())
    return 0
