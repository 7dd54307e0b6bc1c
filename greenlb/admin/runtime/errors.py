"""``show errors``: the last invalid request and response of each proxy, of all workers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.session import Session

_WIDTH: Final = 70
_NAMES: Final = {"\t": "\\t", "\n": "\\n", "\r": "\\r", "\x1b": "\\e", "\\": "\\\\"}
_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")


def _date(when: float) -> str:
    return f"{time.strftime('%d/%b/%Y:%H:%M:%S', time.localtime(when))}.{int(when % 1 * 1000):03d}"


def _show(session: Session, words: Sequence[str]) -> str:
    wanted, kinds = _filter(words)
    if wanted is not None and wanted not in _proxies(session):
        return f"No such proxy '{wanted}'.\n"
    answers = session.farm.ask("errors")
    last: dict[tuple[str, str], Mapping[str, Any]] = {}
    for answer in answers:
        for each in answer.get("errors", ()):
            place = each["proxy"], each["kind"]
            if each["kind"] in kinds and wanted in (None, each["proxy"]):
                last[place] = max(last.get(place, each), each, key=lambda one: float(one["when"]))
    total = sum(answer.get("total", 0) for answer in answers)
    head = f"Total events captured on [{_date(time.time())}] : {total}\n"
    shown = sorted(last.values(), key=lambda each: (each["number"], each["kind"]))
    return head + "".join(map(_capture, shown))


def _filter(words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    kinds = [word for word in words if word in ("request", "response")]
    names = [word for word in words if word not in kinds]
    return names[0] if names else None, kinds or ("request", "response")


def _proxies(session: Session) -> set[str]:
    config = session.farm.config
    return {proxy.name for proxy in (*config.frontends, *config.backends)}


def _capture(each: Mapping[str, Any]) -> str:
    side, other = ("frontend", "backend") if each["kind"] == "request" else ("backend", "frontend")
    return (
        f" \n[{_date(each['when'])}] {side} {each['proxy']} (#{each['number']}): invalid {each['kind']}\n"
        f"  {other} {each['other']} (#{each['other_number']}),"
        f" server {each['server']} (#{each['server_number']}),"
        f" event #{each['event']}, src {each['source']}\n"
        f"  len {each['length']} :\n  \n" + "".join(_dump(each["data"]))
    )


def _dump(data: str) -> Iterator[str]:
    """Each line with its place, and what has no shape by its number; a long one goes on behind a ``+``."""
    for line in _LINES.finditer(data):
        text = ""
        place, mark = line.start(), " "
        for at, letter in enumerate(line[0], line.start()):
            shown = _NAMES.get(letter) or (letter if " " <= letter <= "~" else f"\\x{ord(letter):02X}")
            if len(text) + len(shown) > _WIDTH:
                yield f"  {place:05d}{mark} {text}\n"
                text, place, mark = "", at, "+"
            text += shown
        yield f"  {place:05d}{mark} {text}\n"


COMMANDS: Final[tuple[Command, ...]] = (
    command(
        "show errors",
        "operator",
        "[<px>] [request|response]",
        "report last request and/or response errors for each proxy",
        _show,
    ),
)
