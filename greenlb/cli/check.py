"""``greenlb -c``: is this configuration good?  Exit statuses are HAProxy's."""

from __future__ import annotations

import sys

from greenlb.cli import serve
from greenlb.cli.configuration import NoConfiguration, facts, read
from greenlb.cli.flags import Options
from greenlb.cli.messages import Messages
from greenlb.config.predicates import holds

VALID = 0
ERRORS = 1
NO_LISTENER = 2


def check(options: Options) -> int:
    """Say what there is to say about a configuration; opens no socket.  Returns the exit status."""
    messages = Messages(quiet=options.quiet)
    try:
        ready = read(options, messages)
    except NoConfiguration:
        return ERRORS
    problems = serve.reload_problems(ready)
    for problem in problems:
        messages.alert(problem)
    if problems:
        return ERRORS
    answers = ["Warnings were found."] if ready.warned else []
    answers.append(
        "Configuration file is valid"
        if ready.listens
        else "Configuration file has no error but will not start (no listener) => exit(2)."
    )
    if not options.quiet:
        print("\n".join(answers))
    return VALID if ready.listens else NO_LISTENER


def condition(options: Options) -> int:
    """Whether the condition of ``-cc`` holds, as HAProxy's exit statuses tell it."""
    try:
        return 0 if holds(options.condition, facts()) else 1
    except ValueError as error:
        Messages(quiet=options.quiet).alert(f"config : Failed to evaluate condition: {error}")
        return 2


def print_effective(options: Options) -> int:
    """Print the configuration with its inheritance worked out; the exit status is that of ``-c``."""
    try:
        ready = read(options, Messages(quiet=options.quiet))
    except NoConfiguration:
        return ERRORS
    sys.stdout.write(ready.config.text)
    return VALID
