"""``greenlb convert``: a haproxy.cfg as INI, or a report of what becomes of each of its lines."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from greenlb.cli.configuration import facts
from greenlb.config import haproxy
from greenlb.config.convert import convert
from greenlb.config.load import load
from greenlb.config.problems import Problem, Problems

WORKS: Final = "works"
CHANGED: Final = "works, but"
NO_EFFECT: Final = "no effect"
REFUSED: Final = "refused"


def run(words: Sequence[str]) -> int:
    """Print the conversion, or with --report the report.  1 when a line is refused."""
    files = [word for word in words if word != "--report"]
    if not files:
        raise ValueError("which file?  Usage : greenlb convert [--report] FILE...")
    if "--report" in words:
        return _report(files)
    failed = False
    for file in files:
        problems = Problems()
        print(convert(_text(file), file, problems, dict(os.environ), facts()), end="")
        for problem in (*problems.errors, *problems.warnings):
            print(problem, file=sys.stderr)
        failed |= bool(problems.errors)
    return int(failed)


def _text(file: str) -> str:
    with open(file, encoding="utf-8-sig", errors="surrogateescape") as opened:
        text = opened.read()
    if not haproxy.is_haproxy(text):
        raise ValueError(f"{file} is no haproxy.cfg: it begins with an INI section, or with nothing")
    return text


def _report(files: Sequence[str]) -> int:
    scripts = [haproxy.read(_text(f), f, Problems(), dict(os.environ), facts()) for f in files]
    loaded = load(files, facts())
    refused = {(p.where.file, p.where.line): p for p in reversed(loaded.errors)}
    warned = {(p.where.file, p.where.line): p for p in reversed(loaded.warnings)}
    noted = {(p.where.file, p.where.line): p for p in reversed(loaded.notices)}
    for script in scripts:
        for line in _lines(script):
            place = (line.where.file, line.where.line)
            for state, table in ((REFUSED, refused), (NO_EFFECT, noted), (CHANGED, warned)):
                if place in table:
                    print(_row(state, line, table.pop(place)))
                    break
            else:
                print(_row(WORKS, line))
    for problem in refused.values():  # of no line: what is missing, or a file that cannot be opened
        print(f"{REFUSED:<10} {problem}")
    return int(bool(loaded.errors))


def _lines(script: haproxy.Script) -> Iterator[haproxy.Line]:
    for part in script.parts:
        yield part.line
        for said in part.said:
            yield said.line


def _row(state: str, line: haproxy.Line, problem: Problem | None = None) -> str:
    first = f"{state:<10} {line.where}: {line.text}"
    return first if problem is None else f"{first}\n{'':<10}   {' '.join(problem.message.split())}"
