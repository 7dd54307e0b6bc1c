"""``greenlb reference``: the rule language, from its tables."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from greenlb.policy.reference import Chapter, Entry, chapters
from greenlb.policy.vocabulary import nearest

USAGE: Final = "[CHAPTER] [WORD]"
_WIDTH: Final = 100


def run(words: Sequence[str]) -> int:
    """Print all chapters, one, or what they say of a word.  Raises ValueError: there is no such thing."""
    known = {chapter.name: chapter for chapter in chapters()}
    chosen = list(known.values())
    rest = list(words)
    if rest and rest[0] in known:
        chosen = [known[rest.pop(0)]]
    if len(rest) > 1:
        raise ValueError(f"expected {USAGE}, not '{' '.join(words)}'")
    if rest:
        chosen = [chapter._replace(entries=_about(rest[0], chapter)) for chapter in chosen]
        chosen = [chapter for chapter in chosen if chapter.entries]
        if not chosen:
            names = [*known, *(_name(entry) for chapter in known.values() for entry in chapter.entries)]
            raise ValueError(
                f"there is nothing about '{rest[0]}'{nearest(rest[0], names)};"
                f" the chapters are {', '.join(known)}"
            )
    print("\n".join(line for chapter in chosen for line in _lines(chapter)))
    return 0


def _name(entry: Entry) -> str:
    return entry.term.partition("(")[0].partition(" ")[0]


def _about(word: str, chapter: Chapter) -> tuple[Entry, ...]:
    """The entries that bear that name, or one of whose other names it is."""
    return tuple(
        entry
        for entry in chapter.entries
        if word in (_name(entry), entry.term, *entry.term.split())
        or word in entry.doc.partition("Also ")[2].rstrip(".").split(", ")
    )


def _lines(chapter: Chapter) -> Iterator[str]:
    yield f"{chapter.heading} ({chapter.name})"
    if chapter.intro:
        yield from textwrap.wrap(chapter.intro, _WIDTH)
    yield ""
    for entry in chapter.entries:
        yield f"  {entry.term}"
        for text in filter(None, (entry.facts, entry.doc)):
            yield from textwrap.wrap(text, _WIDTH, initial_indent="      ", subsequent_indent="      ")
    yield ""
