"""INI text to sections of statements, each with its file and line.

The grammar is plain INI as ``configparser`` reads it with ``interpolation=None``: ``[section]``,
``name = value``, a deeper indented line continues the value, a line that begins with ``#`` or ``;`` is a
comment.  Beyond that a file is held to one spelling: only ``=`` ends a name, and nothing but a
comment follows ``]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from greenlb.config.problems import Problems
from greenlb.config.schema import KINDS, SectionKind, known
from greenlb.config.values import Flag
from greenlb.model import Where

_HEADER = re.compile(r"\[(?P<header>.+)\]\s*(?P<rest>.*)")  # as configparser: up to the last bracket
_FIRST = re.compile(r"\S")


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing said: an option's name (``timeout client``, ``bind``), the text of its value, and where.

    A value of several lines is as many statements; ``continues`` marks those after the first.  What a
    name adds of the user's stands before the value: ``server s1 = ADDRESS`` says ``s1 ADDRESS``.
    ``repeats``: it may be said again further down, and what was said last counts, as in a haproxy.cfg.
    """

    keyword: str
    arguments: str
    where: Where
    continues: bool = False
    repeats: bool = False


@dataclass(slots=True)
class Section:
    """A section's kind (``frontend``), the words after it, where it begins, and what it says."""

    kind: str
    words: list[str]
    where: Where
    statements: list[Statement] = field(default_factory=list)


@dataclass(slots=True)
class Entry:
    """A name with the lines of its value, as they stand in the file."""

    name: str
    where: Where
    lines: list[tuple[str, Where]]

    @property
    def value(self) -> str:
        """What ``configparser`` reads."""
        return "\n".join(text for text, _ in self.lines).rstrip()


@dataclass(slots=True)
class Block:
    """A section as it stands in the file."""

    header: str
    where: Where
    entries: list[Entry] = field(default_factory=list)


def parse(text: str, file: str, problems: Problems) -> list[Section]:
    """The sections of a file, in order.  What cannot be read is told to ``problems`` and left out."""
    sections = []
    for block in read(text, file, problems):
        words = block.header.split()
        if not words:
            problems.error(block.where, "a section needs a kind, such as [global] or [frontend NAME]")
            continue
        section = Section(words[0], words[1:], block.where)
        kind = kind_of(block.header)
        for entry in block.entries:
            section.statements += _statements(entry, kind, problems)
        sections.append(section)
    return sections


def read(text: str, file: str, problems: Problems) -> list[Block]:
    """The file's blocks as ``configparser`` sees them; duplicate names within one are errors."""
    return _Reader(file, problems).read(text)


class _Reader:
    def __init__(self, file: str, problems: Problems) -> None:
        self.file = file
        self.problems = problems
        self.blocks: list[Block] = []
        self.entry: Entry | None = None
        self.seen: dict[str, Where] = {}
        self.indent = 0

    def read(self, text: str) -> list[Block]:
        for number, line in enumerate(text.split("\n"), 1):
            found = _FIRST.search(line)
            content = line.strip()
            where = Where(self.file, number)
            if not found:
                if self.entry is not None:  # an empty line does not end a value
                    self.entry.lines.append(("", where))
            elif content[0] in "#;":
                continue
            elif self.entry is not None and found.start() > self.indent:
                self.entry.lines.append((content, where))
            else:
                self.indent = found.start()
                self._begin(content, where)
        return self.blocks

    def _begin(self, content: str, where: Where) -> None:
        """A line that begins something: a section or a name."""
        self.entry = None
        header = _HEADER.match(content)
        if header:
            self._section(header["header"], header["rest"], where)
        elif content[0] == "[":
            self.problems.error(where, f"expected ']' at the end of '{content}'")
        elif not self.blocks:
            self.problems.error(where, f"expected a section such as [global] before '{content}'")
        else:
            self._name(content, where)

    def _section(self, header: str, rest: str, where: Where) -> None:
        if rest and rest[0] not in "#;":
            self.problems.error(where, f"nothing but a comment may follow ']', not '{rest}'")
        self.blocks.append(Block(header.strip(), where))
        self.seen = {}

    def _name(self, content: str, where: Where) -> None:
        name, equals, value = content.partition("=")
        name = name.strip()
        if not equals or not name or ":" in name:
            hint = suggestion(content, kind_of(self.blocks[-1].header))
            self.problems.error(where, f"expected NAME = VALUE, not '{content}'{hint}")
            # A line further in than this one belongs to it; it is read and forgotten.
            self.entry = Entry(name, where, [])
            return
        self.entry = Entry(name, where, [(value.strip(), where)])
        first = self.seen.setdefault(name, where)
        if first != where:
            self.problems.error(
                where,
                f"'{name}' stands at {first} already: give it once, with a line for each item of its value",
            )
            return
        self.blocks[-1].entries.append(self.entry)


def kind_of(header: str) -> SectionKind:
    """The kind of section that a header begins; one that is unknown is read as a proxy."""
    return KINDS.get(header.split()[0] if header.split() else "", KINDS["listen"])


def suggestion(content: str, kind: SectionKind) -> str:
    """How a line without ``=`` is probably meant: ``bind *:80`` as ``bind = *:80``."""
    words = content.split()
    for length in (2, 1):
        name = " ".join(words[:length]).rstrip(":")
        if (known(name) or words[0] in kind.named) and length <= len(words):
            value = " ".join(words[length:]) or _placeholder(name)
            return f"; write '{name} = {value}'"
    return ""


def _placeholder(name: str) -> str:
    option = next((kind.table[name] for kind in KINDS.values() if name in kind.table), None)
    if option is None or option.kind.syntax.startswith(Flag.syntax):
        return "yes"
    return option.kind.syntax


def _statements(entry: Entry, kind: SectionKind, problems: Problems) -> Iterator[Statement]:
    first, *rest = entry.name.split()
    prefix = ""
    keyword = " ".join([first, *rest])
    if first in kind.named:
        if len(rest) != 1:
            problems.error(entry.where, f"expected '{first} NAME = VALUE', not '{entry.name}'")
            return
        keyword, prefix = first, f"{rest[0]} "
    elif rest and first not in kind.two_words and known(first):
        problems.error(
            entry.where, f"the name is '{first}': write '{first} = {' '.join(rest)} {entry.lines[0][0]}'"
        )
        return
    lines = [(text, where) for text, where in entry.lines if text]
    if not lines:
        yield Statement(keyword, prefix.strip(), entry.where)
    for number, (text, where) in enumerate(lines):
        yield Statement(keyword, prefix + text, where, continues=number > 0)
