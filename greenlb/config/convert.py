"""A haproxy.cfg as the INI file that says the same.

Comments and order are kept.  An INI file says a thing once in a section, so what stands at several places
there comes together at the first; among rules of one kind the order is the same.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

from greenlb.config import haproxy
from greenlb.config.haproxy import Line, Part, Script
from greenlb.config.ini import Statement
from greenlb.config.options import Option
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems
from greenlb.config.schema import KINDS
from greenlb.config.words import quote, split_words

_DECIDED = "# The conditional blocks were decided when this was converted from a haproxy.cfg."


@dataclass(slots=True)
class _Item:
    """One line of a value, with the comments above it and behind it."""

    text: str
    comment: str = ""
    above: Sequence[str] = ()


@dataclass(slots=True)
class _Entry:
    """A name and its lines."""

    name: str
    items: list[_Item] = field(default_factory=list)


def convert(
    text: str, file: str, problems: Problems, environment: MutableMapping[str, str], facts: Facts
) -> str:
    """The INI text for a haproxy.cfg.  What cannot be read is told to ``problems``, and what can be has
    been converted nevertheless."""
    return _Writer(problems).write(haproxy.read(text, file, problems, environment, facts))


class _Writer:
    def __init__(self, problems: Problems) -> None:
        self.problems = problems
        self.lines: list[str] = []

    def write(self, script: Script) -> str:
        if script.conditional:
            self.lines += [_DECIDED, ""]
        for part in script.parts:
            self._part(part)
        self._comments(script.rest)
        return "\n".join(self.lines).rstrip("\n") + "\n"

    def _comments(self, comments: Sequence[str], indent: str = "") -> None:
        self.lines += [f"{indent}{comment}".rstrip() for comment in comments]

    def _part(self, part: Part) -> None:
        above = list(part.line.above)
        while above and not above[0]:
            del above[0]
        if self.lines:
            self.lines.append("")
        self._comments(above)
        words = part.line.words[1:]
        addresses = words[1:] if part.kind in ("frontend", "listen") and "from" not in words[1:2] else []
        kept = words[: len(words) - len(addresses)]
        self.lines.append(f"[{' '.join([part.kind, *kept])}]{_behind(part.line.comment)}")
        entries: dict[str, _Entry] = {}
        for address in addresses:
            _add(entries, "bind", _Item(quote(address)))
        defaults = _scattered_defaults(part)
        for said in part.said:
            if said.statement is None:
                self._without_effect(entries, said.line)
            elif defaults is None:
                self._statement(entries, part.kind, said.statement, said.line)
            elif said.statement.keyword == "default-server":
                defaults += split_words(said.statement.arguments)
            else:
                self._statement(entries, part.kind, _with_defaults(said.statement, defaults), said.line)
        for entry in entries.values():
            self._entry(entry)

    @staticmethod
    def _without_effect(entries: dict[str, _Entry], line: Line) -> None:
        """A line that has no effect becomes a comment."""
        comment = f"# {line.text}{_behind(line.comment)}"
        _add(entries, f"#{line.where.line}", _Item(comment, above=line.above))

    def _statement(self, entries: dict[str, _Entry], kind: str, statement: Statement, line: Line) -> None:
        name, text = statement.keyword, statement.arguments
        if kind in KINDS and name in KINDS[kind].named:
            own, _, text = text.partition(" ")
            text = text.strip()
            name = f"{name} {self._named(own, line)}"
        if text[:1] == ";" or any(character in text for character in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
            text = " ".join(map(quote, split_words(text)))
        option = KINDS[kind].table.options.get(statement.keyword) if kind in KINDS else None
        if name in entries and not _many(option):
            entries[name].items.clear()  # what was said last counts
        _add(entries, name, _Item(text, line.comment, line.above))

    def _named(self, name: str, line: Line) -> str:
        """A name of the user's, which an INI file cannot write with every character."""
        plain = re.sub("[:=]", "_", name)
        if plain != name:
            self.problems.warning(
                line.where, f"an INI file cannot have the name '{name}': it is '{plain}' now"
            )
        return plain

    def _entry(self, entry: _Entry) -> None:
        if entry.name.startswith("#"):
            self._comments([*entry.items[0].above, entry.items[0].text])
            return
        start = f"{entry.name} = "
        for number, item in enumerate(entry.items):
            indent = " " * len(start) if number else ""
            self._comments([line for line in item.above if line or not number], indent)
            self.lines.append(f"{indent or start}{item.text}{_behind(item.comment)}".rstrip())


def _many(option: Option | None) -> bool:
    return option is None or option.many


def _add(entries: dict[str, _Entry], name: str, item: _Item) -> None:
    entries.setdefault(name, _Entry(name)).items.append(item)


def _behind(comment: str) -> str:
    return f" {comment}" if comment else ""


def _scattered_defaults(part: Part) -> list[str] | None:
    """An empty list when a ``default-server`` stands between servers: an INI file has one place for all of
    them, so the words go to the servers that they are for.  None when nothing is to be done."""
    keywords = [said.statement.keyword for said in part.said if said.statement is not None]
    if "server" not in keywords or "default-server" not in keywords:
        return None
    last = len(keywords) - keywords[::-1].index("default-server")
    return [] if keywords.index("server") < last else None


def _with_defaults(statement: Statement, defaults: Sequence[str]) -> Statement:
    if statement.keyword != "server" or not defaults:
        return statement
    name, address, *words = split_words(statement.arguments)
    return Statement(
        "server", " ".join(map(quote, [name, address, *defaults, *words])), statement.where, repeats=True
    )
