"""A fresh process that reads the new configuration before anybody depends on it.  Standard library only."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from greenlb.process.handover import VERSION
from greenlb.process.timers import Timers

VARIABLE: Final = "GREENLB_RELOAD"
PATIENCE: Final = 60.0
"""Seconds that reading a configuration (its names are resolved) may take."""
_MOST_LINES: Final = 100
_WARNING, _NOTICE = 4, 5
_SEVERITIES: Final = {"ALERT": 1, "WARNING": _WARNING, "NOTICE": _NOTICE}
_MESSAGE: Final = re.compile(r"\[(ALERT|WARNING|NOTICE)\] +\(\d+\) : (.*)")

Said = tuple[int, str]
"""A severity (RFC 5424 section 6.2.1) and a line."""


class Checker:
    """Runs ``command``, which tells what is wrong on its standard error and by its exit status.

    It is told by its environment which sockets are held already, and that it is to try whether the
    others can be had, which ``-c`` alone does not do.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], held: Iterable[str], timers: Timers
    ) -> None:
        self._said = open(os.memfd_create("greenlb-check"), "r+b")  # noqa: SIM115  # lives as long as we do
        asked = json.dumps({"version": VERSION, "held": list(held)})
        self._failure = ""
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                list(command),
                env={**environment, VARIABLE: asked},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._said,
            )
        except OSError as error:
            self._process = None
            self._failure = f"{command[0]}: {error.strerror}"
        self._late = timers.after(PATIENCE, self.kill)

    def ended(self) -> tuple[int, list[Said]] | None:
        """(exit status, what it said), or None while it runs."""
        if self._process is None:
            return 127, [(1, self._failure)]
        code = self._process.poll()
        if code is None:
            return None
        self._late.cancel()
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        self._said.close()
        return code, [said for line in lines[:_MOST_LINES] if (said := _understand(line))[0] < _NOTICE]

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()


def _understand(line: str) -> Said:
    """``[ALERT]    (4711) : config : ...`` as its severity and its text; any other line is a warning."""
    found = _MESSAGE.fullmatch(line)
    return (_SEVERITIES[found[1]], found[2]) if found else (_WARNING, line)


def asked(environment: Mapping[str, str]) -> set[str] | None:
    """In the fresh process: the sockets that are held already; None where nobody reloads.  Raises
    RuntimeError when this program cannot go on where that one ends."""
    text = environment.get(VARIABLE)
    if text is None:
        return None
    found = json.loads(text)
    if found["version"] != VERSION:
        raise RuntimeError("this version of greenlb cannot take over from the one that runs: restart it")
    return set(found["held"])
