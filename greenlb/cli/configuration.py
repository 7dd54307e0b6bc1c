"""From ``-f`` arguments to a configuration that may run, with everything wrong in it told at once."""

from __future__ import annotations

import os
from dataclasses import dataclass

from greenlb.cli import wsgi
from greenlb.cli.files import expand
from greenlb.cli.flags import Options
from greenlb.cli.messages import Messages
from greenlb.config.load import load, load_text
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problem
from greenlb.model import Config
from greenlb.net.versions import libraries
from greenlb.process import applications
from greenlb.process.prepared import Prepared, prepare


class NoConfiguration(Exception):
    """There is nothing to run; why has been said."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A configuration that may run and what was made for it; ``warned``: there was a warning."""

    config: Config
    prepared: Prepared
    warned: bool

    @property
    def listens(self) -> bool:
        """Whether there is anything to listen on."""
        return any(frontend.binds for frontend in self.config.frontends if not frontend.disabled)


def facts() -> Facts:
    """What the conditional blocks of a haproxy.cfg, and ``-cc``, ask about."""
    name, _, version = f"OpenSSL {dict(libraries())['OpenSSL']}".partition(" ")
    return Facts(os.environ, name, version.split()[0])


def read(options: Options, messages: Messages) -> Ready:
    """What the command line's files say.

    Rules are compiled, names resolved and certificates loaded; no socket is opened.  Raises
    NoConfiguration after every error has been printed.
    """
    try:
        if options.wsgi:
            loaded = load_text(wsgi.configuration(options), wsgi.NAME)
        else:
            loaded = load(expand(options.files), facts())
    except ValueError as error:
        messages.alert(f"config : {error}")
        raise NoConfiguration from None
    errors: list[Problem] = list(loaded.errors)
    prepared = prepare(loaded.config) if loaded.config is not None else None
    warnings = list(loaded.warnings)
    for where, text in prepared.warnings if prepared is not None else ():
        warnings.append(Problem(where, text))
    for problem in loaded.notices:
        messages.notice_in(problem)
    for problem in warnings:
        messages.warning_in(problem)
    for failure in prepared.problems if prepared is not None else ():
        errors.append(Problem(failure.where, str(failure)))
    if loaded.config is not None and not loaded.errors:
        errors += [Problem(where, text) for where, text in applications.problems(loaded.config)]
    for problem in errors:
        messages.error_in(problem)
    if errors or loaded.config is None or prepared is None:
        for file in dict.fromkeys(problem.where.file for problem in errors if problem.where.line):
            messages.alert(f"config : Error(s) found in configuration file : {file}")
        messages.alert("config : Fatal errors found in configuration.")
        raise NoConfiguration
    if warnings and options.zero_warning:
        messages.alert("config : Some warnings were found and 'zero-warning' is set. Aborting.")
        raise NoConfiguration
    return Ready(loaded.config, prepared, bool(warnings))
