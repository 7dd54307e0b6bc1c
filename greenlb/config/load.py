"""Configuration files to the frozen model, with everything that is wrong in them told at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from greenlb.config import haproxy, ini
from greenlb.config.context import Context, Watch
from greenlb.config.crosschecks import check
from greenlb.config.effective import effective
from greenlb.config.errorfiles import error_sections
from greenlb.config.logs import hostname, targets
from greenlb.config.names import remembered, resolvers
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problem, Problems
from greenlb.config.proxies import build
from greenlb.config.queues import with_fullconn
from greenlb.config.runtime import sockets
from greenlb.config.schema import GLOBAL
from greenlb.config.sections import arrange
from greenlb.config.servers import declare_farm
from greenlb.config.sticks import declare
from greenlb.config.userlists import userlists
from greenlb.config.variables import process_variables
from greenlb.model import Backend, Config, Frontend, Global, Where

FIRST_NUMBER = 2
"""The iid of the first proxy; HAProxy 2.6 counts from 2, number 1 being its own."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of loading.

    With errors ``config`` holds what could be made nevertheless, so that more can be checked (are the
    certificates good?); it may run only when ``errors`` is empty.  It is None when a file could not be
    read.  ``notices`` tell what is not wrong, but worth knowing.  ``texts``: the ``id`` of a compiled
    callable in ``config`` -> what was written.
    """

    config: Config | None
    errors: list[Problem]
    warnings: list[Problem]
    texts: Mapping[int, str] = field(default_factory=dict)
    notices: list[Problem] = field(default_factory=list)


COMMAND_LINE: Final = Where("(command line)", 0)
"""The place of what no file says."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line says of a configuration, names and values: ``settings`` of the section global,
    which come after the files' own, and ``proxies`` of every proxy, which come before."""

    settings: Sequence[tuple[str, str]] = ()
    proxies: Sequence[tuple[str, str]] = ()

    def section(self) -> list[ini.Section]:
        """The section global of the command line, if there is one."""
        statements = _statements(self.settings)
        return [ini.Section("global", [], COMMAND_LINE, statements)] if statements else []


def _statements(said: Sequence[tuple[str, str]]) -> list[ini.Statement]:
    return [ini.Statement(name, value, COMMAND_LINE, repeats=True) for name, value in said]


def load(
    paths: Sequence[str], facts: Facts | None = None, watch: Watch | None = None, told: Told | None = None
) -> Loaded:
    """Load files, INI or haproxy.cfg, one after the other, as one configuration.  ``facts`` are what the
    conditional blocks of a haproxy.cfg ask about; its ``setenv`` changes this process's environment.
    ``watch`` may put something round each rule; ``told`` is what the command line adds."""
    problems = Problems()
    facts = facts or Facts(os.environ)
    sections: list[ini.Section] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
                text = file.read()
        except OSError as error:
            problems.error(Where(path, 0), f"cannot open the configuration file: {error.strerror}")
            continue
        sections += _parse(text, path, problems, facts)
    if problems.errors and not sections:
        return Loaded(None, problems.errors, problems.warnings, notices=problems.notices)
    return _load(sections, tuple(paths), problems, watch, told)


def load_files(*files: str | os.PathLike[str]) -> Loaded:
    """Load files, INI or haproxy.cfg, one after the other, as one configuration.  Nothing is opened but what
    the files name to be read, and nothing of somebody's Python is imported."""
    return load([os.fspath(file) for file in files])


def load_text(text: str, name: str = "(text)") -> Loaded:
    """Load a configuration from text; ``name`` stands for the file in messages."""
    problems = Problems()
    return _load(_parse(text, name, problems, Facts(os.environ)), (name,), problems)


def _parse(text: str, name: str, problems: Problems, facts: Facts) -> list[ini.Section]:
    """The sections of a text, in whichever of the two spellings it is."""
    problems.sources[name] = text.split("\n")
    if haproxy.is_haproxy(text):
        return haproxy.parse(text, name, problems, os.environ, facts)
    return ini.parse(text, name, problems)


def _load(
    parsed: Iterable[ini.Section],
    files: tuple[str, ...],
    problems: Problems,
    watch: Watch | None = None,
    told: Told | None = None,
) -> Loaded:
    told = told or Told()
    sections = arrange([*parsed, *told.section()], problems, _statements(told.proxies))
    context = Context(problems, sections.settings, watch=watch)
    context.notes = any("last_rule_" in line for lines in problems.sources.values() for line in lines)
    context.log_targets = targets(context, sections.settings)
    context.tables = declare(context, sections.proxies)
    context.resolvers = sections.of("resolvers")
    context.users = userlists(context, sections.of("userlist"))
    context.errors = error_sections(context, sections.of("http-errors"))
    context.addresses = remembered(os.environ)
    declare_farm(context.farm, sections.proxies)
    frontends: list[Frontend] = []
    backends: list[Backend] = []
    for number, proxy in enumerate(sections.proxies, FIRST_NUMBER):
        front, back = build(context, proxy, number)
        frontends += [front] if front is not None else []
        backends += [back] if back is not None else []
    settings = _global(context)
    config = Config(
        settings,
        tuple(frontends),
        with_fullconn(backends, frontends, sections.proxies, settings.maxconn),
        files,
        tables=context.tables,
        farm=context.farm,
        services=context.services,
        hooks=tuple(context.hooks),
        steered=bool(context.steers),
        reads=frozenset(context.reads),
        remembers=frozenset(context.remembers),
        patterns=context.patterns,
        resolvers=resolvers(context, context.resolvers),
        text=effective(sections),
    )
    check(config, sections, problems)
    _sort(problems, files)
    return Loaded(config, problems.errors, problems.warnings, context.texts, problems.notices)


def _global(context: Context) -> Global:
    fields: dict[str, Any] = {}
    for option in GLOBAL:
        item = context.settings.last(option.name)
        if item is not None and option.field and option.kind.direct:
            fields[option.field] = item.value
    fields["runtime_sockets"] = sockets(context)
    fields["variables"] = process_variables(context)
    fields["log_targets"] = context.log_targets
    fields["log_send_hostname"] = hostname(context)
    made = Global(**fields)
    if made.maxrewrite * 2 > made.bufsize:
        item = context.settings.last("tune.maxrewrite", "tune.bufsize")
        context.problems.error(
            item.where if item is not None else context.settings.where,
            f"'tune.maxrewrite' ({made.maxrewrite}) may be half of 'tune.bufsize' ({made.bufsize}) at most",
        )
    return made


def _sort(problems: Problems, files: Sequence[str]) -> None:
    """In the order of the files and their lines, as a reader meets them."""
    ranks = {file: rank for rank, file in enumerate(files)}

    def place(problem: Problem) -> tuple[int, int]:
        return ranks.get(problem.where.file, sys.maxsize), problem.where.line

    problems.errors.sort(key=place)
    problems.warnings.sort(key=place)
    problems.notices.sort(key=place)
