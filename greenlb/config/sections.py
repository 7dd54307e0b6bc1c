"""Sections with their options looked up, read and held to where they may stand, and what they inherit.

Inheritance is HAProxy's: a ``defaults`` starts from nothing unless it says ``from``; a proxy inherits
from the one it names with ``from``, else from the last one before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from greenlb.config.ini import Section, Statement
from greenlb.config.options import Option, Table
from greenlb.config.problems import Problems
from greenlb.config.schema import GLOBAL, KINDS, PROXY, UNSUPPORTED_KINDS, known
from greenlb.config.values import NAME, ConfigError, one_of
from greenlb.config.words import split_words
from greenlb.model import Where
from greenlb.policy.vocabulary import nearest


@dataclass(frozen=True, slots=True)
class Given:
    """One item as given: its option, what its words mean, the words, and which section says so."""

    option: Option
    value: Any
    words: tuple[str, ...]
    where: Where
    home: Settings
    order: int

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclass(eq=False, slots=True)
class Settings:
    """What one section says, and through ``parent`` what it inherits.  ``named`` are the options that it
    gives, rightly or wrongly; ``ignored`` are those that count for nothing."""

    kind: str
    name: str
    where: Where
    parent: Settings | None = None
    own: dict[str, list[Given]] = field(default_factory=dict)
    named: set[str] = field(default_factory=set)
    ignored: set[str] = field(default_factory=set)
    count: int = 0

    @property
    def title(self) -> str:
        """As HAProxy's messages call it: a listen is a proxy."""
        return f"{'proxy' if self.kind == 'listen' else self.kind} '{self.name}'"

    @property
    def label(self) -> str:
        return f"[{self.kind} {self.name}]" if self.name else f"[{self.kind}]"

    def add(self, option: Option, value: Any, words: Sequence[str], where: Where) -> None:
        self.count += 1
        self.named.add(option.name)
        self.own.setdefault(option.name, []).append(
            Given(option, value, tuple(words), where, self, self.count)
        )

    def given(self, *names: str) -> list[Given]:
        """The items of these options: inherited ones first, then in the order of the file."""
        wanted = [name for name in names if name not in self.ignored]
        own = [item for name in wanted for item in self.own.get(name, ())]
        if len(wanted) > 1:
            own.sort(key=lambda item: item.order)
        return (self.parent.given(*wanted) if self.parent else []) + own

    def last(self, *names: str) -> Given | None:
        """The item that counts among options that exclude each other."""
        items = self.given(*names)
        return items[-1] if items else None

    def value(self, name: str, default: Any = None) -> Any:
        item = self.last(name)
        return default if item is None else item.value

    def says(self, name: str) -> bool:
        """Whether the section itself gives the option, be it wrongly, not only what it inherits from."""
        return name in self.named

    def failed(self, name: str) -> bool:
        """Whether the section gives the option wrongly: what it would be is not known."""
        return name in self.named and name not in self.own

    def __iter__(self) -> Iterator[Given]:
        """Its own items in the order of the file."""
        return iter(sorted((item for items in self.own.values() for item in items), key=lambda i: i.order))


@dataclass(slots=True)
class Sections:
    """All of a configuration's sections, ready to build from."""

    settings: Settings
    proxies: list[Settings] = field(default_factory=list)
    others: dict[str, dict[str, Settings]] = field(default_factory=dict)

    def of(self, kind: str) -> dict[str, Settings]:
        """The sections of a kind of their own (``resolvers``), by name, in the order of the files."""
        return self.others.get(kind, {})


def arrange(sections: Sequence[Section], problems: Problems, first: Sequence[Statement] = ()) -> Sections:
    """Give each section its name, its inheritance and its options; errors go to ``problems``.  ``first`` is
    what every proxy begins with."""
    return _Arranger(problems, first).arrange(sections)


class _Arranger:
    def __init__(self, problems: Problems, first: Sequence[Statement]) -> None:
        self.problems = problems
        self.first: Settings | None = None
        if first:
            self.first = Settings("defaults", "", first[0].where)
            for statement in first:
                _Reading(self.first, statement, problems).read()
        self.defaults = self.first
        self.named: dict[str, list[Settings]] = {}
        self.found = Sections(Settings("global", "", Where("", 0)))
        self.fronts: dict[str, Settings] = {}
        self.backs: dict[str, Settings] = {}

    def arrange(self, sections: Sequence[Section]) -> Sections:
        for section in sections:
            settings = None
            with self.problems.at(section.where):
                settings = self._open(section)
            if settings is not None:
                for statement in section.statements:
                    _Reading(settings, statement, self.problems).read()
        return self.found

    def _open(self, section: Section) -> Settings:
        kind = section.kind
        if kind in UNSUPPORTED_KINDS:
            raise ConfigError(f"a [{kind}] section is not supported by this version of greenlb")
        if kind not in KINDS:
            near = nearest(kind, KINDS) or f": expected {one_of(tuple(KINDS))}"
            raise ConfigError(f"unknown section '{kind}'{near}")
        if kind == "global":
            if section.words:
                raise ConfigError(f"[global] takes no name, not '{section.words[0]}'")
            self.found.settings.where = (
                self.found.settings.where if self.found.settings.own else section.where
            )
            return self.found.settings
        if KINDS[kind].plain:
            return self._open_plain(section)
        words, origin = self._split_from(section.words)
        if kind == "defaults":
            return self._open_defaults(section, words, origin)
        return self._open_proxy(section, words, origin)

    def _open_plain(self, section: Section) -> Settings:
        kind = section.kind
        if len(section.words) != 1:
            raise ConfigError(f"expected {KINDS[kind].heading}, not '{' '.join([kind, *section.words])}'")
        name = section.words[0]
        _check_name(name, kind)
        settings = Settings(kind, name, section.where)
        with self.problems.at(section.where):
            other = self.found.others.setdefault(kind, {}).setdefault(name, settings)
            if other is not settings:
                raise ConfigError(f"{settings.title} stands at {other.where} already")
        return settings

    @staticmethod
    def _split_from(words: list[str]) -> tuple[list[str], str | None]:
        """The words before ``from NAME``, and that name."""
        if "from" not in words[1 if len(words) > 2 else 0 :]:
            return words, None
        at = words.index("from", 1 if len(words) > 2 else 0)
        if len(words) != at + 2:
            raise ConfigError(
                f"expected 'from' and the name of a defaults section, not '{' '.join(words[at:])}'"
            )
        return words[:at], words[at + 1]

    def _origin(self, name: str, who: str) -> Settings:
        known = self.named.get(name, [])
        if not known:
            raise ConfigError(
                f"defaults section '{name}' not found for {who}{nearest(name, self.named)};"
                " it must stand before"
            )
        if len(known) > 1:
            places = " and ".join(str(settings.where) for settings in known)
            raise ConfigError(
                f"ambiguous defaults section name '{name}' referenced by {who}: it stands at {places}"
            )
        return known[0]

    def _open_defaults(self, section: Section, words: list[str], origin: str | None) -> Settings:
        if len(words) > 1:
            raise ConfigError(
                f"expected [defaults], [defaults NAME] or [defaults NAME from NAME], not '{words[1]}'"
            )
        name = words[0] if words else ""
        _check_name(name or "x", "defaults")
        settings = Settings("defaults", name, section.where, self.first)
        if origin is not None:
            with self.problems.at(section.where):
                settings.parent = self._origin(origin, f"defaults '{name}'")
        self.defaults = settings
        if name:
            self.named.setdefault(name, []).append(settings)
        return settings

    def _open_proxy(self, section: Section, words: list[str], origin: str | None) -> Settings:
        kind = section.kind
        if not words:
            raise ConfigError(f"'{kind}' expects a name: [{kind} NAME]")
        name, *addresses = words
        _check_name(name, kind)
        if addresses and kind == "backend":
            raise ConfigError(f"expected [backend NAME], not '{addresses[0]}' after it")
        settings = Settings(kind, name, section.where, self.defaults)
        if origin is not None:
            with self.problems.at(section.where):
                settings.parent = self._origin(origin, settings.title)
        for address in addresses:
            settings.add(PROXY["bind"], (address,), (address,), section.where)
        with self.problems.at(section.where):
            self._claim(settings)
            self.found.proxies.append(settings)
        return settings

    def _claim(self, settings: Settings) -> None:
        """A name stands for one frontend and one backend.  Raises ConfigError when it is taken."""
        sides = [self.fronts] * (settings.kind != "backend") + [self.backs] * (settings.kind != "frontend")
        for side in sides:
            other = side.setdefault(settings.name, settings)
            if other is not settings:
                raise ConfigError(
                    f"{settings.title} has the same name as {other.title} declared at {other.where}"
                )


def _check_name(name: str, kind: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot be the name of a {kind}: expected letters, digits, '_', '-', '.' and ':'"
        )


@dataclass(slots=True)
class _Reading:
    """One statement on its way into its section."""

    settings: Settings
    statement: Statement
    problems: Problems

    @property
    def table(self) -> Table:
        return KINDS[self.settings.kind].table

    def read(self) -> None:
        statement = self.statement
        with self.problems.at(statement.where):
            self._refuse_margin()
            option = self._find(statement.keyword)
            if not self._may_stand(option):
                return
            self.settings.named.add(option.name)
            earlier = self.settings.own.get(option.name)
            if (
                earlier
                and not option.many
                and not statement.repeats
                and (statement.continues or self.settings.kind != "global")
            ):
                raise ConfigError(f"'{option.name}' takes one line, and {earlier[0].where} gives it already")
            try:
                words = split_words(statement.arguments)
                value = option.kind.read(words)
            except ValueError as error:
                raise ConfigError(f"'{option.name}': {error}") from None
            self.settings.add(option, value, words, statement.where)

    def _refuse_margin(self) -> None:
        """A further line that looks like an option of its own is one that was indented by mistake."""
        if not self.statement.continues:
            return
        name, equals, _ = self.statement.arguments.partition("=")
        name = " ".join(name.split())
        if equals and name in self.table:
            raise ConfigError(
                f"this line is indented, so it continues '{self.statement.keyword}':"
                f" begin '{name}' at the margin of the line above"
            )

    def _find(self, name: str) -> Option:
        if name in self.table:
            return self.table[name]
        first, *_ = name.split() or [name]
        refusal = self.table.refusal(name) or self.table.refusal(first)
        if refusal:
            raise ConfigError(refusal)
        if name in GLOBAL or GLOBAL.refusal(name):
            raise ConfigError(f"'{name}' belongs into [global], not into {self.settings.label}")
        if name in PROXY or PROXY.refusal(name):
            raise ConfigError(f"'{name}' is not an option of {self.settings.label} but of proxies")
        if known(name):
            where = " or ".join(kind.heading for kind in KINDS.values() if name in kind.table)
            raise ConfigError(f"'{name}' belongs into {where}, not into {self.settings.label}")
        near = (
            nearest(name, self.table.options) or ": greenlb.ini(5) and conf/reference.ini list what there is"
        )
        raise ConfigError(f"unknown option '{name}' in {self.settings.label}{near}")

    def _may_stand(self, option: Option) -> bool:
        """Whether the option has a meaning here.  One that has none is ignored with HAProxy's warning; a
        server in a frontend and what can never be a default are errors."""
        settings = self.settings
        if settings.kind in option.where:
            return True
        if settings.kind == "defaults":
            if "named defaults" not in option.where:
                raise ConfigError(f"'{option.name}' not allowed in 'defaults' section")
            if not settings.name:
                raise ConfigError(f"'{option.name}' not allowed in anonymous 'defaults' section: name it")
            return True
        lacks = (
            f"{settings.title} has no {'backend' if settings.kind == 'frontend' else 'frontend'} capability"
        )
        if option.name == "server":
            raise ConfigError(f"'server' not allowed because {lacks}")
        self.problems.warning(self.statement.where, f"'{option.name}' ignored because {lacks}.")
        return False
