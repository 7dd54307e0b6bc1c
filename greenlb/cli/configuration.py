"""From ``-f`` arguments to a configuration that may run, with everything wrong in it told at once."""

from __future__ import annotations

import os
from dataclasses import dataclass

from greenlb.cli import wsgi
from greenlb.cli.files import expand
from greenlb.cli.flags import Options
from greenlb.cli.messages import Messages
from greenlb.config.load import Loaded, Told, load, load_text
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


def told(options: Options) -> Told:
    """What flags say that a file could say too."""
    settings = [
        *([("maxconn", str(options.maxconn))] if options.maxconn else []),
        *([("ssl-server-verify", "none")] if options.unverified else []),
        *([("nosplice", "yes")] if options.unspliced else []),
        *([("workers", "0")] if options.debug else []),
        *(
            ("stats socket", f"{' '.join(said.split(','))} level admin master")
            for said in options.master_sockets
        ),
    ]
    proxies = [
        *([("maxconn", str(options.proxy_maxconn))] if options.proxy_maxconn else []),
        *([("default-server", "init-addr last,libc,none")] if options.unresolved else []),
    ]
    return Told(settings, proxies)


def examine(loaded: Loaded) -> tuple[list[Problem], list[Problem], Prepared | None]:
    """All errors and warnings of a configuration, those of its certificates and of its Python too; and what
    was prepared of it."""
    errors, warnings = list(loaded.errors), list(loaded.warnings)
    if loaded.config is None:
        return errors, warnings, None
    prepared = prepare(loaded.config)
    warnings += [Problem(where, text) for where, text in prepared.warnings]
    errors += [Problem(failure.where, str(failure)) for failure in prepared.problems]
    if not loaded.errors:
        errors += [Problem(where, text) for where, text in applications.problems(loaded.config)]
    return errors, warnings, prepared


def read(options: Options, messages: Messages) -> Ready:
    """What the command line's files say.

    Rules are compiled, names resolved and certificates loaded; no socket is opened.  Raises
    NoConfiguration after every error has been printed.
    """
    try:
        if options.wsgi:
            loaded = load_text(wsgi.configuration(options), wsgi.NAME)
        else:
            loaded = load(expand(options.files), facts(), told=told(options))
    except ValueError as error:
        messages.alert(f"config : {error}")
        raise NoConfiguration from None
    errors, warnings, prepared = examine(loaded)
    for problem in loaded.notices:
        messages.notice_in(problem)
    for problem in warnings:
        messages.warning_in(problem)
    for problem in errors:
        messages.error_in(problem)
    if errors or loaded.config is None or prepared is None:
        for file in dict.fromkeys(problem.where.file for problem in errors if problem.where.line):
            messages.alert(f"config : Error(s) found in configuration file : {file}")
        messages.alert("config : Fatal errors found in configuration.")
        raise NoConfiguration
    settings = loaded.config.settings
    if settings.quiet and not options.verbose:
        messages.hush()
    if warnings and (options.zero_warning or settings.zero_warning):
        messages.alert("config : Some warnings were found and 'zero-warning' is set. Aborting.")
        raise NoConfiguration
    return Ready(loaded.config, prepared, bool(warnings))
