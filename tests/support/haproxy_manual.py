"""The names in HAProxy's manual, group by group: ``python -m tests.support.haproxy_manual > FILE``.

Debian's haproxy-doc has it as plain text.  Only names are taken, from the lists and headings they stand in.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

MANUAL = Path("/usr/share/doc/haproxy/configuration.txt.gz")

_HEADING = re.compile(r"^(\d(?:\.\d+)*)\. +\S")
_ACTION = re.compile(
    r"^(http-(?:request|response|after-response)|tcp-request (?:connection|content|session)"
    r"|tcp-response content) ([a-z][\w-]*)"
)
_KEYWORD = re.compile(r"^([a-z][a-z0-9_-]*)(?: +[\[<{(].*| \.\.\.)?$")
_LIST = re.compile(r"^ +- ([a-z0-9][a-z0-9._-]+)$")
_MATRIX = re.compile(r"^([a-z][a-z0-9-]*(?: [a-z0-9-]+)*) +(?:\(\*\) +)?[X-] +")


def read(path: Path = MANUAL) -> dict[str, list[str]]:
    """Group -> names, sorted."""
    sections = dict(_sections(gzip.decompress(path.read_bytes()).decode("utf-8", "replace")))
    groups = {
        "global": _found(_LIST, sections["3"]),
        "proxy": _found(_MATRIX, sections["4.1"]),
        "bind": _found(_KEYWORD, sections["5.1"]),
        "server": _found(_KEYWORD, sections["5.2"]),
    }
    for line in sections["4.2"]:
        action = _ACTION.match(line)
        if action:
            groups.setdefault(action[1], []).append(action[2])
    return {group: sorted(set(names)) for group, names in groups.items()}


def _sections(text: str) -> Iterator[tuple[str, list[str]]]:
    """(number, lines) of each section; the table of contents is overwritten by what it lists."""
    number, lines = "", list[str]()
    for line in text.splitlines():
        heading = _HEADING.match(line)
        if heading:
            yield number, lines
            number, lines = heading[1], []
        else:
            lines.append(line)
    yield number, lines


def _found(pattern: re.Pattern[str], lines: list[str]) -> list[str]:
    return [found[1] for found in map(pattern.match, lines) if found]


def main() -> None:
    for group, names in read().items():
        for name in names:
            print(f"{group}: {name}")


if __name__ == "__main__":
    main()
