"""What the builders of the model's parts share while one configuration is loaded."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from greenlb.config.problems import Problems
from greenlb.config.sections import Settings
from greenlb.config.values import ConfigError
from greenlb.model import LogTarget, Where
from greenlb.policy.farm import Farm
from greenlb.policy.hooks import Hooks
from greenlb.policy.patterns import Patterns
from greenlb.policy.services import Services
from greenlb.policy.stick.registry import Tables
from greenlb.policy.transaction import sample
from greenlb.policy.users import UserLists

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


Watch = Callable[[Any, str, Where], Any]
"""Puts something round a rule that tells when it is asked: the rule, its text, its place."""


@dataclass(slots=True)
class Context:
    """``settings`` is the global section's, ``log_targets`` its targets, which ``log = global`` stands
    for.  ``texts`` remembers what each compiled callable was written as, by its ``id``: the model keeps
    the callable alive, and ``dump`` prints the text.  ``tables`` are the stick tables of all sections,
    ``farm`` their names and those of their servers, ``services`` what rules answer with,
    ``reads`` what of connections they read, ``remembers`` what log lines ask of TLS,
    ``patterns`` the files that they look into,
    ``hooks`` where they call somebody's Python, ``steers`` the sections where it may choose the way,
    ``used_acls`` what of a section's acls is used, by the ``id`` of its Settings,
    ``notes`` whether rules leave a note that they ran."""

    problems: Problems
    settings: Settings
    log_targets: tuple[LogTarget, ...] = ()
    texts: dict[int, str] = field(default_factory=dict)
    tables: Tables = field(default_factory=Tables)
    resolvers: Mapping[str, Settings] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    farm: Farm = field(default_factory=Farm)
    services: Services = field(default_factory=Services)
    reads: set[str] = field(default_factory=set)
    remembers: set[str] = field(default_factory=set)
    patterns: Patterns = field(default_factory=Patterns)
    used_acls: dict[int, set[str]] = field(default_factory=dict)
    users: UserLists = field(default_factory=UserLists)
    errors: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=lambda: Hooks(sample))
    steers: set[str] = field(default_factory=set)
    notes: bool = False
    watch: Watch | None = None

    def written(self, compiled: Compiled, text: str, where: Where | None = None) -> Compiled:
        """``compiled`` itself, its text noted; with a place it is a rule or a route, which ``watch`` may put
        another one round."""
        if self.watch is not None and where is not None:
            compiled = self.watch(compiled, text, where)
        self.texts[id(compiled)] = text
        return compiled

    def certificate_path(self, path: str) -> str:
        """The path of a crt: a relative one lies in crt-base."""
        return os.path.join(self.settings.value("crt-base", ""), path)

    def authority_path(self, path: str) -> str:
        """The path of a ca-file or crl-file: a relative one lies in ca-base.  Names that begin with ``@``
        are no paths."""
        if not path or path.startswith("@"):
            return path
        return os.path.join(self.settings.value("ca-base", ""), path)


def must_read(path: str) -> None:
    """Raises ConfigError when a file cannot be read."""
    if path.startswith("@"):
        return
    try:
        with open(path, "rb") as file:
            file.read(1)
    except OSError as error:
        raise ConfigError(f"cannot read '{path}': {error.strerror}") from None
