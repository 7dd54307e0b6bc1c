"""Where a rule stands: what its words may name and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenlb.model import NOWHERE, Condition, Where
from greenlb.policy.farm import Farm
from greenlb.policy.hooks import Hook, Hooks
from greenlb.policy.patterns import Patterns, Reference
from greenlb.policy.services import Services
from greenlb.policy.stick.registry import Tables
from greenlb.policy.users import UserLists
from greenlb.policy.vocabulary import Converter, Sample, read_arguments


@dataclass(slots=True)
class Slots:
    """What a frontend captures: (lower-case name, longest length) each; a slot that rules fill has no
    name."""

    request: list[tuple[bytes, int]] = field(default_factory=list)
    response: list[tuple[bytes, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule, a condition or a format is compiled in.

    ``frontend`` and ``backend`` say what the section is (a ``listen`` is both), ``acls`` holds the
    named conditions it may use.  ``response`` is the stage: response rules see the answer and the
    request that led to it, request rules the request alone.  ``log`` is a line written at the end,
    when everything is known that will be; ``early`` a rule that runs before anything was read,
    ``check`` a health check's step, which sees an answer and has no client.
    ``reads`` gathers what the rules read that the process must keep at hand (vocabulary.READS).
    ``remembers`` gathers what log lines ask OpenSSL for, when its connection may be gone.
    ``place`` is where that is, as `` at file 'x' line 3``.  ``tls``: clients may speak TLS; ``waits``: bodies
    may have been waited for.
    ``used`` gathers the names of the acls that rules ask for; ``warn`` is told what is not wrong and yet
    cannot be meant.  ``patterns`` are the files of patterns and maps, ``slots`` the frontend's captures, to
    which a rule may add.
    ``tables`` are all stick tables, ``farm`` knows the names of all sections and servers,
    ``services`` what rules can answer with, ``users`` are the userlists,
    ``errors`` the pages of http-errors sections.  ``hooks`` are the places where
    somebody's Python is called, ``steers`` gathers the sections where it may choose the way, ``where`` is the
    line, ``notes``: final rules leave a note of it.
    """

    proxy: str = ""
    mode: str = "http"
    frontend: bool = True
    backend: bool = True
    acls: Mapping[str, Condition] = field(default_factory=dict)
    response: bool = False
    log: bool = False
    early: bool = False
    check: bool = False
    tables: Tables = field(default_factory=Tables)
    reads: set[str] = field(default_factory=set)
    remembers: set[str] = field(default_factory=set)
    slots: Slots = field(default_factory=Slots)
    patterns: Patterns = field(default_factory=Patterns)
    used: set[str] = field(default_factory=set)
    place: str = ""
    tls: bool = True
    waits: bool = True
    warn: Callable[[str], None] = lambda text: None
    farm: Farm = field(default_factory=Farm)
    services: Services = field(default_factory=Services)
    users: UserLists = field(default_factory=UserLists)
    errors: Mapping[str, Mapping[int, bytes]] = field(default_factory=dict)
    hooks: Hooks = field(default_factory=Hooks)
    steers: set[str] = field(default_factory=set)
    where: Where = NOWHERE
    notes: bool = False

    def arguments(self, row: Sample | Converter, texts: Sequence[str]) -> list[Any]:
        """The values of what stands between a word's parentheses.  Raises ValueError."""
        return read_arguments(
            row,
            texts,
            self.tables.named,
            self.proxy,
            farm=self.farm.find,
            maps=self._map,
            users=self.users.named,
            hooks=lambda text: self.hook(text, "py"),
        )

    def hook(self, text: str, used: str) -> Hook:
        """The place of a Python function.  Raises ValueError where nobody's Python may run: it may wait, and
        what calls these rules cannot."""
        if self.check:
            raise ValueError("Python is not called in the steps of checks: use 'option python-check'")
        if self.early:
            raise ValueError(
                "Python is not called before a connection is admitted; use 'tcp-request content'"
            )
        if self.mode != "http" and (self.response or self.log):
            raise ValueError("Python is not called once bytes flow in mode tcp: set a variable before")
        self.reads.add("reach")
        hook = self.hooks.add(text, self.where, used)
        hook.late = self.log
        return hook

    def _map(self, path: str) -> Reference:
        reference = self.patterns.map(path)
        reference.note_use(f"map{self.place}")
        return reference
