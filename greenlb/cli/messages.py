"""What the command says about a configuration, in HAProxy's layout.

``[ALERT]    (4711) : config : parsing [site.ini:12] : unknown option ...``: the severity, the process,
then the message.  The first message is preceded by two notices, the version and where greenlb lives.
Everything goes to standard error, where wrappers written for HAProxy look for it.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from greenlb import __version__
from greenlb.config.problems import Problem


class Messages:
    """Writes messages; ``quiet`` writes none (HAProxy's ``-q``)."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._quiet = quiet
        self._stream = stream or sys.stderr
        self._introduced = False

    def hush(self) -> None:
        """Write nothing from now on."""
        self._quiet = True

    def alert(self, text: str) -> None:
        self._say("[ALERT]", text)

    def warning(self, text: str) -> None:
        self._say("[WARNING]", text)

    def event(self, severity: int, text: str) -> None:
        """Something that happened, of a severity of syslog's.  No notices go before it."""
        self._introduced = True
        self._say("[ALERT]" if severity < 4 else "[WARNING]" if severity == 4 else "[NOTICE]", text)

    def error_in(self, problem: Problem) -> None:
        self.alert(_located(problem))

    def warning_in(self, problem: Problem) -> None:
        self.warning(_located(problem))

    def notice_in(self, problem: Problem) -> None:
        self._say("[NOTICE]", _located(problem))

    def _say(self, severity: str, text: str) -> None:
        if self._quiet:
            return
        if not self._introduced:
            self._introduced = True
            self._line("[NOTICE]", f"greenlb version is {__version__}")
            self._line("[NOTICE]", f"path to executable is {os.path.abspath(sys.argv[0])}")
        self._line(severity, text)

    def _line(self, severity: str, text: str) -> None:
        # A long message continues under a bar, as HAProxy prints it.
        first, *rest = text.splitlines() or [""]
        print(
            f"{severity:<10} ({os.getpid()}) : {first}",
            *[f"   | {line}" for line in rest],
            sep="\n",
            file=self._stream,
            flush=True,
        )


def _located(problem: Problem) -> str:
    if not problem.where.line:
        return f"config : {problem.message}"
    return f"config : parsing [{problem.where.file}:{problem.where.line}] : {problem.message}"
