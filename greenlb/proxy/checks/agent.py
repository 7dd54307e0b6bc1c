"""What an agent says of its server, in one line: ``75% up maxconn:30 # all is well``."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from greenlb.proxy.health import LONGEST_INFO, Result

_HEALTH: Final = {"up": "L7OK", "down": "L7STS", "stopped": "L7STS", "fail": "L7STS"}
_ADMIN: Final = ("ready", "drain", "maint")
_WORD: Final = re.compile(r"[^ \t,]+")
_COMMENT: Final = re.compile(r"(?:^|(?<=[ \t,]))#([^\n]*)")
_WEIGHT: Final = re.compile(r"([0-9]+)%")


class Report(NamedTuple):
    """``health`` and ``admin`` are its last words on either, ``weight`` per cent, ``maxconn`` a number; None:
    nothing was said.  ``odd`` is the first word that it should not have said."""

    health: str = ""
    admin: str = ""
    weight: int | None = None
    maxconn: int | None = None
    text: str = ""
    odd: str = ""
    whole: bool = True

    def result(self, duration: int) -> Result:
        """As the statistics and the log have it."""
        if not self.whole:
            return Result("CHECKED", "Ignoring incomplete line from agent", duration)
        if self.health:
            status = _HEALTH[self.health.lower()]
            text = self.text if self.text and status != "L7OK" else self.odd or self.text
            info = f"via agent : {self.health}{f' ({text})' if text else ''}"
            return Result(status, info[:LONGEST_INFO], duration)
        info = f"agent reports an error : {self.odd}" if self.odd else ""
        return Result("CHECKED", info[:LONGEST_INFO], duration)


def read(line: bytes) -> Report:
    """Understand a line; it ends with LF when it is whole."""
    text = line.decode("latin-1")
    if not text.endswith("\n"):
        return Report(whole=False)
    comment = _COMMENT.search(text)
    report = Report(text=comment[1].strip(" \t\n") if comment else "")
    for word in _WORD.findall(text[: comment.start() if comment else -1]):
        weight = _WEIGHT.fullmatch(word)
        maxconn = word[len("maxconn:") :] if word.lower().startswith("maxconn:") else ""
        if word.lower() in _HEALTH:
            report = report._replace(health=word)
        elif word.lower() in _ADMIN:
            report = report._replace(admin=word.lower())
        elif weight and int(weight[1]) <= 25600:
            report = report._replace(weight=int(weight[1]))
        elif maxconn.isdigit() and len(maxconn) < 10:
            report = report._replace(maxconn=int(maxconn))
        elif not report.odd:
            report = report._replace(odd=word)
    return report
