"""The option table as documents: ``python -m greenlb.config.reference ini|man``.

``ini`` is conf/reference.ini, a configuration that says nothing and shows everything; ``man`` is
conf/man/greenlb.ini.5.  Neither is edited by hand.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from typing import Final

from greenlb.config.manual import CRT_LIST_INTRO, LINES, man
from greenlb.config.options import Option
from greenlb.config.schema import CRT_LIST, KINDS, SectionKind

WIDTH: Final = 100

_INI_HEAD: Final = (
    "Every option of greenlb, with its unit, its default and the sections it may stand in.  All of it is "
    "commented out: take out a '#' and change the value.",
    "",
    "This file is made from the option table by 'python -m greenlb.config.reference ini'.",
    "",
    "A time is a number with us, ms, s, m, h or d, such as 30s; a size a number with k, m or g, such as "
    "16k.  What may be given many times takes one item a line, the further lines indented.  A blank "
    "inside a word is written '\\ ' or quoted, ${NAME} is the environment's NAME, and '#' begins a comment.",
)


def ini() -> str:
    """conf/reference.ini."""
    return "\n".join(line.rstrip() for line in _ini_lines()) + "\n"


def _ini_lines() -> Iterator[str]:
    for paragraph in _INI_HEAD:
        yield from _comment(paragraph)
    for name, kind in KINDS.items():
        yield ""
        yield from _comment(kind.doc)
        yield kind.heading
        for option in _shown(name, kind):
            yield ""
            yield from _ini_option(option, kind)


def _shown(name: str, kind: SectionKind) -> list[Option]:
    """The options that a kind of section shows: each option once, where one looks for it first."""
    return [option for option in kind.table if next(k for k in KINDS if k in option.where) == name]


def _ini_option(option: Option, kind: SectionKind) -> Iterator[str]:
    yield from _comment(option.doc)
    yield from _comment(_facts(option))
    if option.name in LINES:
        table, intro = LINES[option.name]
        yield from _comment(f"{intro}:")
        for keyword in table:
            yield from _comment(f"{_spelled(keyword)}: {_sentence(keyword)}", "  ")
    if option.name == "bind":
        yield from _comment(f"{CRT_LIST_INTRO}: {', '.join(keyword.name for keyword in CRT_LIST)}.")
    name = f"{option.name} NAME" if option.name in kind.named else option.name
    yield f"#{name} = {option.example}"


def _facts(option: Option) -> str:
    """What else there is to know of an option, in one line."""
    facts = [f"Value: {option.kind.syntax}"]
    if option.kind.unit:
        facts.append(f"unit: {option.kind.unit}")
    if option.default:
        facts.append(f"default: {option.default}")
    if option.many:
        facts.append("one item a line")
    if option.http:
        facts.append("mode http")
    if option.where:
        facts.append(f"in {', '.join(option.where)}")
    return "; ".join(facts) + "."


def _spelled(keyword: Option) -> str:
    """A keyword as it is written on its line."""
    return keyword.name if keyword.kind.length == 0 else f"{keyword.name} {keyword.kind.syntax}"


def _sentence(keyword: Option) -> str:
    unit = f"  Unit: {keyword.kind.unit}." if keyword.kind.unit else ""
    default = f"  Default: {keyword.default}." if keyword.default else ""
    return f"{keyword.doc}{unit}{default}"


def _comment(text: str, indent: str = "") -> Iterator[str]:
    lines = textwrap.wrap(text, WIDTH - 2 - len(indent), subsequent_indent="    " if indent else "")
    yield from (f"# {indent}{line}" for line in lines or [""])


if __name__ == "__main__":
    sys.stdout.write({"ini": ini, "man": man}[sys.argv[1]]())
