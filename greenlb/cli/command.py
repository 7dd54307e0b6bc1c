"""The command: flags in, exit status out."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from greenlb.cli import check, flags, run, versions


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a command line says (``sys.argv`` when none is given) and return the exit status."""
    try:
        options = flags.parse(sys.argv[1:] if arguments is None else arguments)
    except flags.UsageError as error:
        sys.stdout.write(versions.version())
        sys.stderr.write(f"greenlb: {error}\n{flags.usage()}")
        return 1
    match options.action:
        case "check":
            return check.check(options)
        case "run":
            return run.run(options)
        case "version":
            sys.stdout.write(versions.version())
        case "versions":
            sys.stdout.write(versions.versions())
        case "help":
            sys.stdout.write(versions.version() + flags.usage())
    return 0
