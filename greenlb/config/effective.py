"""A configuration with its inheritance worked out, as an INI file that says the same without ``defaults``."""

from __future__ import annotations

from collections.abc import Iterator

from greenlb.config.schema import KINDS
from greenlb.config.sections import Given, Sections, Settings
from greenlb.config.words import quote


def effective(sections: Sections) -> str:
    """The INI text."""
    return "\n".join(_sections(sections))


def _sections(sections: Sections) -> Iterator[str]:
    others = [settings for kind in sections.others.values() for settings in kind.values()]
    for settings in (sections.settings, *others, *sections.proxies):
        lines = list(_options(settings))
        if lines or settings.kind != "global":
            yield "\n".join([f"[{settings.kind} {settings.name}".rstrip() + "]", *lines, ""])


def _options(settings: Settings) -> Iterator[str]:
    """Each option once, in the order of the table."""
    kind = KINDS[settings.kind]
    for option in kind.table:
        items = settings.given(option.name)
        if not items or option.name == "default-server":
            continue
        if option.name in kind.named:
            yield from _named(option.name, _with_defaults(settings, items))
            continue
        kept = items if option.many else items[-1:]
        yield from _lines(option.name, [_text(item.words) for item in kept])


def _with_defaults(settings: Settings, items: list[Given]) -> list[tuple[str, ...]]:
    """The words of the items; a server's with those of every ``default-server`` before it."""
    defaults = settings.given("default-server")
    found = []
    for item in items:
        words = item.words
        if item.option.name == "server":
            before = [d for d in defaults if d.home is not item.home or d.order < item.order]
            words = (*words[:2], *(word for d in before for word in d.words), *words[2:])
        found.append(words)
    return found


def _named(keyword: str, items: list[tuple[str, ...]]) -> Iterator[str]:
    """``server s1`` and ``acl x``: a name of the user's each; the lines of one acl come together."""
    lines: dict[str, list[str]] = {}
    for words in items:
        lines.setdefault(words[0], []).append(_text(words[1:]))
    for name, texts in lines.items():
        yield from _lines(f"{keyword} {name}", texts)


def _text(words: tuple[str, ...]) -> str:
    return " ".join(map(quote, words))


def _lines(name: str, texts: list[str]) -> Iterator[str]:
    start = f"{name} = "
    for number, text in enumerate(texts):
        yield (f"{' ' * len(start)}{text}" if number else f"{start}{text}").rstrip()
