"""Finds the command that was meant, and runs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Final

from greenlb.admin.runtime.command import DENIED, Command
from greenlb.admin.runtime.lines import Line, Reader, split
from greenlb.admin.runtime.operations import Operations
from greenlb.admin.runtime.session import Session
from greenlb.client import Unreachable as Unreachable

_HELP: Final = "The following commands are valid at this level:\n"
_UNKNOWN: Final = "Unknown command. Please enter one of the following commands only:\n"
_BETTER: Final = "Unknown command, but maybe one of the following ones is a better match:\n"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal would obey: keys of tables, answers to checks and the like are others' bytes."""
_NEAREST: Final = 6
_LIKE: Final = 0.4
"""How much alike two words must be for one to be offered for the other."""


class Runtime:
    """The commands of ``table``, done in ``farm``.  ``prompt`` is what an interactive client is shown."""

    prompt = "> "

    def __init__(self, farm: Operations, table: Sequence[Command]) -> None:
        self.farm = farm
        self.table = tuple(table)

    def session(self, level: str) -> Session:
        """A new client, who may do what ``level`` may."""
        return Session(self.farm, level, timeout=self.farm.config.settings.runtime_timeout)

    def execute(self, text: str, level: str) -> str:
        """The answer to one line, or to several, of a client of ``level``, without a socket.  A command whose
        payload does not end is not done."""
        session = self.session(level)
        lines = Reader().feed(text.encode(errors="surrogateescape") + b"\n")
        return "".join(self.answer(session, line) for line in lines if line.whole)

    def answer(self, session: Session, line: Line) -> str:
        """The answer to one command, with the empty line at its end."""
        words = split(line.text)
        if words[:1] == ["help"]:
            return self._help(words[1:]) + "\n"
        command = self._find(words)
        if command is None:
            return self._unknown(words) + "\n"
        if not session.may(command.level):
            return DENIED + "\n"
        session.payload = line.payload
        try:
            said = command.function(session, words[len(command.words) :])
        except Exception as error:  # a bug must cost one answer, not the process
            self.farm.log.failure(f"unexpected error in '{' '.join(command.words)}'", error)
            said = "Internal error, see the log.\n"
        finally:
            session.payload = ""
        if said and not said.endswith("\n"):
            said += "\n"
        return _CONTROL.sub(_escaped, said) + "\n"

    def _find(self, words: Sequence[str]) -> Command | None:
        """The command with the most words that these begin with."""
        fits = [c for c in self.table if tuple(words[: len(c.words)]) == c.words]
        return max(fits, key=lambda command: len(command.words), default=None)

    # -- help ------------------------------------------------------------------------------------

    def _help(self, words: Sequence[str]) -> str:
        shown = self._matches(words) if words else self.table
        return _HELP + self._lines(shown)

    def _unknown(self, words: Sequence[str]) -> str:
        if not words:
            return _UNKNOWN + self._lines(self.table)
        return _BETTER + self._lines(self._matches(words))

    def _lines(self, shown: Sequence[Command]) -> str:
        basics = [c for c in self.table if c.words[0] in ("help", "prompt", "quit")]
        rest = [c for c in shown if c not in basics]
        return "".join(command.line for command in [*rest, *basics])

    def _matches(self, words: Sequence[str]) -> list[Command]:
        """The commands that share the most first words with these; among many, those whose next word is the
        most alike."""
        shared = {id(c): _shared(c.words, words) for c in self.table}
        most = max(shared.values(), default=0)
        near = [c for c in self.table if shared[id(c)] == most]
        if len(words) == most:
            return near
        likeness = {id(c): _likeness(c.words[most:], words[most]) for c in near}
        best = sorted(near, key=lambda command: -likeness[id(command)])[:_NEAREST]
        chosen = [c for c in near if c in best and likeness[id(c)] >= _LIKE]
        return chosen or (near if most else [])


def _escaped(match: re.Match[str]) -> str:
    return f"\\x{ord(match[0]):02X}"


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count


def _likeness(words: Sequence[str], word: str) -> float:
    return max((SequenceMatcher(None, word, each).ratio() for each in words), default=0.0)
