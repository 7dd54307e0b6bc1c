"""What is wrong with a configuration, gathered so that everything is told at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from greenlb.model import Where
from greenlb.policy.vocabulary import Misplaced


@dataclass(frozen=True, slots=True)
class Problem:
    """One sentence about one place; ``str()`` is ``file:line: message``."""

    where: Where
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(slots=True)
class Problems:
    """Errors (the configuration may not run), warnings and notices (nothing is wrong), in the order they
    were met.  What several proxies inherit from one line is told once.  ``sources`` are the lines of each
    file, to find the columns of words."""

    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    notices: list[Problem] = field(default_factory=list)
    sources: dict[str, list[str]] = field(default_factory=dict)
    _known: set[Problem] = field(default_factory=set)

    def error(self, where: Where, message: str) -> None:
        self._tell(self.errors, Problem(where, message))

    def warning(self, where: Where, message: str) -> None:
        self._tell(self.warnings, Problem(where, message))

    def notice(self, where: Where, message: str) -> None:
        self._tell(self.notices, Problem(where, message))

    def column(self, where: Where, fragment: str) -> int:
        """Where in its line a piece begins, counted from 1; 0: it does not stand there as it is meant, for
        it was quoted, escaped or made of variables."""
        lines = self.sources.get(where.file, ())
        line = lines[where.line - 1] if 0 < where.line <= len(lines) else ""
        found = re.search(rf"(?<![\w.-]){re.escape(fragment)}(?![\w-])", line) if fragment else None
        return found.start() + 1 if found else line.find(fragment) + 1 if fragment else 0

    def _tell(self, told: list[Problem], problem: Problem) -> None:
        if problem not in self._known:
            self._known.add(problem)
            told.append(problem)

    def at(self, where: Where, prefix: str = "") -> _Place:
        """A block in which a ValueError becomes an error at ``where``, its text after ``prefix``, and ends
        the block."""
        return _Place(self, where, prefix)


@dataclass(frozen=True, slots=True)
class _Place:
    problems: Problems
    where: Where
    prefix: str

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ValueError):
            return False
        text = str(error)
        if isinstance(error, Misplaced):
            column = self.problems.column(self.where, error.fragment)
            text += f" (column {column})" if column else ""
        known = text.startswith(self.prefix.rstrip(": "))  # some messages name their option themselves
        self.problems.error(self.where, text if known else f"{self.prefix}{text}")
        return True
