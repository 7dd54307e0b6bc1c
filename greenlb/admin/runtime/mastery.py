"""The master's runtime socket (``-S``): commands about the processes, and a way to those that serve.

HAProxy's master answers there itself.  Here the process that answers runtime commands does, for the master
reads nothing from anybody; what it has to do it is asked to do.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Final

from greenlb.admin.figures.info import VERSION
from greenlb.admin.runtime.command import Command, command
from greenlb.admin.runtime.commands import TABLE
from greenlb.admin.runtime.lines import Line
from greenlb.admin.runtime.operations import Operations
from greenlb.admin.runtime.runtime import Runtime
from greenlb.admin.runtime.session import Session
from greenlb.observe.vitals import Process, processes

_ROW: Final = "{:<15} {:<15} {:<15} {:<15} {:<15}\n"
_HELD_BACK: Final = (
    "@<relative pid>                         : send a command to the <relative pid> process",
    "@!<pid>                                 : send a command to the <pid> process",
    "@master                                 : send a command to the master process",
)
_COMMON: Final = frozenset(
    ("show cli level", "show cli sockets", "show version", "operator", "user", "help", "prompt", "quit")
)


def show_proc(session: Session, words: Sequence[str]) -> str:
    """The master and the workers.  A worker of a configuration that is no longer is an old one."""
    farm = session.farm
    alone = not farm.workers
    master = os.getpid() if alone else os.getppid()
    age = max(0.0, time.monotonic() - farm.started)
    workers = [each for each in processes(farm.books.board) if each.role in ("worker", "all")]
    lines = [
        _ROW.format("#<PID>", "<type>", "<reloads>", "<uptime>", "<version>"),
        _ROW.format(master, "master", f"{farm.reloads} [failed: 0]", _span(age), VERSION),
        "# workers\n",
        *(_worker(each, 0) for each in workers if not each.stopping),
    ]
    old = [each for each in workers if each.stopping]
    if old:
        lines += ["# old workers\n", *(_worker(each, 1) for each in old)]
    return "".join([*lines, "# programs\n"])


def _worker(process: Process, reloads: int) -> str:
    age = max(0.0, time.time() - process.figures["started"] / 1000)
    return _ROW.format(process.pid, "worker", reloads, _span(age), VERSION)


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02}h{minutes:02}m{rest:02}s"


def reload(session: Session, words: Sequence[str]) -> str:
    """Ends the session, as a reload of HAProxy's master does."""
    if not session.farm.workers:
        return "There is no master: a new configuration takes a restart.\n"
    session.farm.reload()
    session.ended = True
    return ""


COMMANDS: Final = tuple(
    sorted(
        (
            *(each for each in TABLE if " ".join(each.words) in _COMMON),
            command("reload", "operator", "", "reload haproxy", reload),
            command("show proc", "user", "", "show processes status", show_proc),
        ),
        key=lambda each: each.words,
    )
)


class Mastery(Runtime):
    """The commands of the master's socket; those after ``@1`` or ``@!PID`` are ``serving``'s."""

    prompt = "master> "

    def __init__(self, farm: Operations, serving: Runtime, table: Sequence[Command] = COMMANDS) -> None:
        super().__init__(farm, table)
        self._serving = serving

    def answer(self, session: Session, line: Line) -> str:
        target, _, rest = line.text.strip().partition(" ")
        if not target.startswith("@"):
            return super().answer(session, line)
        if target == "@master":
            return super().answer(session, Line(rest, line.payload))
        if not self._serves(target):
            return f"Can't find the target PID matching the prefix '{target}'\n"
        return self._serving.answer(session, Line(rest, line.payload))

    def _serves(self, target: str) -> bool:
        """Whether the one that is meant is among those that serve: they answer as one."""
        if target == "@1":
            return True
        pids = (str(each.pid) for each in processes(self.farm.books.board))
        return target.startswith("@!") and target[2:] in pids

    def _help(self, words: Sequence[str]) -> str:
        first, _, rest = super()._help(words).partition("\n")
        own = "" if words else "".join(f"  {line}\n" for line in _HELD_BACK)
        return f"{first}\n{own}{rest}"
