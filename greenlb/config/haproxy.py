r"""haproxy.cfg text to sections of statements, the same ones that INI text makes.

A line is words: the first names a section or an option, ``#`` begins a comment.  What HAProxy does before
it looks at a line is done here: conditional blocks (its manual, section 2.4), ``setenv`` and its like,
``no option``.  Options that HAProxy renamed have their new names; quotes, backslashes and variables stay
as written where they mean the same in an INI file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from greenlb.config import inert
from greenlb.config.ini import Section, Statement
from greenlb.config.predicates import Facts, holds
from greenlb.config.problems import Problems
from greenlb.config.schema import KINDS, UNSUPPORTED_KINDS
from greenlb.config.values import ConfigError, Flag, Switch
from greenlb.config.words import quote, split_words
from greenlb.model import Where
from greenlb.policy.vocabulary import nearest

RENAMED: Final = {
    "clitimeout": "timeout client",
    "contimeout": "timeout connect",
    "srvtimeout": "timeout server",
    "timeout clitimeout": "timeout client",
    "timeout contimeout": "timeout connect",
    "timeout srvtimeout": "timeout server",
    "redispatch": "option redispatch",
    "option forceclose": "option httpclose",
    "option tcpsplice": "option splice-auto",
}
"""Old names of options -> the ones they have now."""

_ADDRESSED: Final = frozenset(
    ("bind", "default-server", "frontend", "listen", "log", "nameserver", "peer", "server",
     "server-template", "source", "stats")
)  # fmt: skip
"""First words of lines in which HAProxy expands ``${NAME}`` outside of quotes too: those with addresses."""

_ENVIRONMENT: Final = ("setenv", "presetenv", "unsetenv", "resetenv")
_SAYING: Final = (".notice", ".warning", ".alert", ".diag")
_COMMENT: Final = re.compile(r"\s*#\s?(.*)")


class Lenient(dict[str, str]):
    """An environment in which every variable is set, as HAProxy sees it: those that are not are empty."""

    def get(self, name: str, default: str | None = None) -> str:  # type: ignore[override]
        return super().get(name, default if default is not None else "")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that says something: its words as HAProxy reads them, its text without the comment, the
    comment behind it and the comments and empty lines above it."""

    words: list[str]
    text: str
    where: Where
    comment: str = ""
    above: tuple[str, ...] = ()


@dataclass(slots=True)
class Said:
    """A statement and the line it comes from; None where the line has no effect."""

    statement: Statement | None
    line: Line


@dataclass(slots=True)
class Part:
    """A section of the file as it stands there."""

    kind: str
    line: Line
    said: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Script:
    """A whole file.  ``rest`` are the comments behind its last line; ``conditional``: it has conditional
    blocks, and this is what they came to."""

    parts: list[Part] = field(default_factory=list)
    rest: tuple[str, ...] = ()
    conditional: bool = False


def is_haproxy(text: str) -> bool:
    """Whether a text is a haproxy.cfg rather than INI, whose first line is ``[section]``."""
    lines = [line.strip() for line in text.splitlines()]
    said = [line for line in lines if line and line[0] not in "#;"]
    if not said or said[0][0] == "[":
        return False
    first = said[0].split()[0]
    if first in KINDS or first in UNSUPPORTED_KINDS or first[0] == ".":
        return True
    return not any(line[0] == "[" for line in said)


def parse(
    text: str, file: str, problems: Problems, environment: MutableMapping[str, str], facts: Facts
) -> list[Section]:
    """The sections of a file, in order.  What cannot be read is told to ``problems`` and left out;
    ``setenv`` and its like change ``environment``."""
    return [
        Section(
            part.kind,
            part.line.words[1:],
            part.line.where,
            [said.statement for said in part.said if said.statement is not None],
        )
        for part in read(text, file, problems, environment, facts).parts
    ]


def read(
    text: str, file: str, problems: Problems, environment: MutableMapping[str, str], facts: Facts
) -> Script:
    """The file with its comments, as ``convert`` needs it."""
    return _Reader(file, problems, environment, facts).read(text)


@dataclass(slots=True)
class _Branch:
    """One open ``.if``.  ``taken``: one of its blocks was read; ``open``: this one is; ``outer``: it
    stands in a block that is read."""

    where: Where
    outer: bool
    open: bool
    taken: bool
    ended: bool = False  # .else came


class _Reader:
    def __init__(
        self, file: str, problems: Problems, environment: MutableMapping[str, str], facts: Facts
    ) -> None:
        self.file = file
        self.problems = problems
        self.environment = environment
        self.facts = facts
        self.script = Script()
        self.branches: list[_Branch] = []
        self.comments: list[str] = []
        self.changed = False  # the environment is not the one that the process began with

    def read(self, text: str) -> Script:
        for number, raw in enumerate(text.split("\n"), 1):
            where = Where(self.file, number)
            stripped = raw.strip()
            if not stripped:
                if not self.comments or self.comments[-1]:
                    self.comments.append("")
                continue
            if stripped[0] == "#":
                self.comments.append(stripped)
                continue
            with self.problems.at(where):
                self._line(raw.rstrip("\r"), where)
        if self.branches:
            self.problems.error(self.branches[-1].where, "this '.if' has no '.endif'")
        self.script.rest = tuple(self.comments)
        return self.script

    @property
    def reading(self) -> bool:
        return not self.branches or self.branches[-1].open

    def _line(self, raw: str, where: Where) -> None:
        first = raw.split(None, 1)[0]
        if first in (".if", ".elif", ".else", ".endif"):
            self._branch(first, raw.split(None, 1)[1:], where)
            return
        if not self.reading:
            return
        words = split_words(raw, Lenient(self.environment), unquoted=first in _ADDRESSED)
        if not words:
            return
        if first in _SAYING:
            self._say(first, " ".join(words[1:]), where)
            return
        body, comment = _cut_comment(raw)
        line = Line(words, body.strip(), where, comment, tuple(self.comments))
        self.comments = []
        if words[0] in _ENVIRONMENT and self._in_global():
            self._set_environment(words)
        elif words[0] in KINDS or words[0] in UNSUPPORTED_KINDS:
            self.script.parts.append(Part(words[0], line))
        elif not self.script.parts:
            raise ConfigError(
                f"unknown keyword '{words[0]}' out of section{nearest(words[0], KINDS)}: a line such as"
                " 'global' or 'frontend NAME' has to come before"
            )
        else:
            part = self.script.parts[-1]
            part.said.append(Said(self._statement(part.kind, line), line))

    def _in_global(self) -> bool:
        return bool(self.script.parts) and self.script.parts[-1].kind == "global"

    # -- conditional blocks ----------------------------------------------------------------------

    def _branch(self, word: str, rest: list[str], where: Where) -> None:
        self.script.conditional = True
        if word == ".if":
            holding = self.reading and self._holds(rest)
            self.branches.append(_Branch(where, self.reading, holding, holding))
            return
        if not self.branches:
            raise ConfigError(f"'{word}' without an '.if' before it")
        branch = self.branches[-1]
        if word == ".endif":
            self.branches.pop()
        elif branch.ended:
            raise ConfigError(f"'{word}' after the '.else' of the '.if' at {branch.where}")
        else:
            branch.ended = word == ".else"
            branch.open = branch.outer and not branch.taken and (word == ".else" or self._holds(rest))
            branch.taken |= branch.open

    def _holds(self, rest: list[str]) -> bool:
        text = " ".join(split_words(rest[0], Lenient(self.environment))) if rest else ""
        return holds(text, self.facts)

    def _say(self, word: str, text: str, where: Where) -> None:
        tell: dict[str, Callable[[Where, str], None]] = {
            ".notice": self.problems.notice,
            ".warning": self.problems.warning,
            ".alert": self.problems.error,
            ".diag": lambda where, text: None,  # for -dD alone
        }
        tell[word](where, f"'{text}'")

    # -- the environment -------------------------------------------------------------------------

    def _set_environment(self, words: list[str]) -> None:
        word, *rest = words
        self.changed = True
        if word == "resetenv":
            for name in set(self.environment) - set(rest):
                del self.environment[name]
            return
        if not rest:
            raise ConfigError(f"'{word}' expects the name of a variable")
        if word == "unsetenv":
            for name in rest:
                self.environment.pop(name, None)
            return
        if len(rest) != 2:
            raise ConfigError(f"'{word}' expects a name and a value")
        if word == "setenv" or rest[0] not in self.environment:
            self.environment[rest[0]] = rest[1]

    # -- statements ------------------------------------------------------------------------------

    def _statement(self, kind: str, line: Line) -> Statement | None:
        """The line as the statement that an INI file would make of it; None when it has no effect."""
        words, text = line.words, line.text
        switched = ""
        if words[0] in ("no", "default") and len(words) > 1:
            switched, words, text = words[0], words[1:], _without_first(text)
        two_words = KINDS[kind].two_words if kind in KINDS else ()
        count = 2 if words[0] in two_words and len(words) > 1 else 1
        keyword = " ".join(words[:count])
        keyword = RENAMED.get(keyword, keyword)
        rest = words[count:]
        nothing = inert.of_section(kind, keyword)
        if nothing is not None:
            self.problems.notice(line.where, f"'{keyword}' has no effect: {nothing.why}")
            return None
        if switched:
            return Statement(*self._switched_off(switched, keyword, rest), line.where, repeats=True)
        kept = self._without_inert(keyword, rest, line.where)
        for _ in range(count):
            text = _without_first(text)
        if kept != rest:
            text = " ".join(map(quote, kept))
        elif "$" in text:
            text = self._expanded(rest, text)
        if not rest and kind in KINDS and self._is_flag(kind, keyword):
            text = "yes"
        return Statement(keyword, text, line.where, repeats=True)

    def _without_inert(self, keyword: str, words: list[str], where: Where) -> list[str]:
        """The words of a line without those that have no effect; each is told."""
        table = inert.LINES.get(keyword)
        if table is None:
            return words
        kept: list[str] = []
        rest = iter(words)
        for word in rest:
            nothing = table.get(word) if len(kept) > (keyword == "server") else None
            if nothing is not None:
                for _ in range(nothing.arguments):
                    next(rest, None)
                self.problems.notice(where, f"'{word}' of '{keyword}' has no effect: {nothing.why}")
            elif word == "alpn" or (word == "proto" and words[words.index(word) + 1 :][:1] == ["h1"]):
                kept += self._without_h2(word, next(rest, ""), where)
            else:
                kept.append(word)
        return kept

    def _without_h2(self, word: str, protocols: str, where: Where) -> list[str]:
        """``alpn`` without h2, which clients and servers do without; ``proto h1`` is what is spoken."""
        if word == "proto":
            return []
        left = [protocol for protocol in protocols.split(",") if protocol != "h2"]
        if len(left) != len(protocols.split(",")):
            self.problems.notice(where, "'h2' of 'alpn' has no effect: HTTP/2 is not spoken")
        return [word, ",".join(left)] if left else []

    def _expanded(self, words: list[str], text: str) -> str:
        """The text of a line with variables: as it stands, unless an INI file would read it otherwise."""
        try:
            same = not self.changed and split_words(text, self.environment) == words
        except ValueError:  # a variable that is not set
            same = False
        return text if same else " ".join(map(quote, words))

    @staticmethod
    def _switched_off(how: str, keyword: str, rest: list[str]) -> tuple[str, str]:
        if not keyword.startswith("option ") and keyword != "log":
            raise ConfigError(f"'{how}' stands before 'option' and 'log' alone, not before '{keyword}'")
        if rest:
            raise ConfigError(f"nothing may follow '{how} {keyword}', not '{rest[0]}'")
        return keyword, "no"

    @staticmethod
    def _is_flag(kind: str, keyword: str) -> bool:
        option = KINDS[kind].table.options.get(keyword)
        return option is not None and isinstance(option.kind, Flag | Switch)


def _without_first(text: str) -> str:
    """The text behind its first word, which is plain."""
    pieces = text.split(None, 1)
    return pieces[1] if len(pieces) > 1 else ""


def _cut_comment(raw: str) -> tuple[str, str]:
    """A line without the comment that ends it, and that comment."""
    at, quoted = 0, ""
    while at < len(raw):
        character = raw[at]
        if character == "\\" and quoted != "'":
            at += 1
        elif quoted:
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
        elif character == "#":
            return raw[:at], raw[at:].rstrip()
        at += 1
    return raw, ""
