"""The command as a farm of processes: this process becomes their master."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Final

from greenlb.board import Board
from greenlb.cli.configuration import NoConfiguration, Ready, read
from greenlb.cli.flags import Options
from greenlb.cli.messages import Messages
from greenlb.config import names
from greenlb.model import Global, LogTarget
from greenlb.observe import log as logging
from greenlb.process import checker, farm, handover, privileges, runtime
from greenlb.process.background import Background, send, write_pidfile
from greenlb.process.handover import Handover
from greenlb.process.listening import CannotStart, passed, try_all
from greenlb.process.master import Master
from greenlb.process.notify import Notifier
from greenlb.process.plan import Launch

_OURS: Final = (handover.VARIABLE, names.VARIABLE)
"""What one program tells the next in its environment."""


def serve(options: Options, ready: Ready, messages: Messages) -> int:
    """Bind, fork, and keep them serving; the exit status.  Raises CannotStart."""
    settings = ready.config.settings
    warning = privileges.remaining(settings)
    if warning:
        messages.warning(warning)
    board = farm.make_board(ready.config)
    given, strangers = passed(ready.config, os.environ)
    background = Background()
    made = farm.Farm(ready.config, ready.prepared, board, None, given, background.detach)
    if (options.daemon or settings.daemon) and not options.foreground:
        background.enter()
    pidfile = options.pidfile or settings.pidfile
    if pidfile:
        try:
            write_pidfile(pidfile)
        except OSError as error:
            raise CannotStart([f"Cannot create pidfile {pidfile}: {error.strerror}"]) from None

    def serving() -> None:
        send(signal.SIGUSR1, options.finish)
        send(signal.SIGTERM, options.terminate)
        background.serving()

    master = _Mastery(messages, made).master(board, None, serving)
    for descriptor in strangers:
        master.log(4, f"the service manager passed a socket (descriptor {descriptor}) that no bind is for")
    return master.run()


def resume(options: Options, left: Handover) -> int:
    """Go on as the program that another has become, with what it has left: the configuration is new.  When
    it cannot be used after all, what was served is served on."""
    messages = Messages(quiet=options.quiet)
    board = farm.take_board(left)
    try:
        ready = read(options, messages)
        made = farm.Farm(ready.config, ready.prepared, board, left)
    except Exception as problem:  # whatever it is, it must not end those who serve
        reasons = [] if isinstance(problem, NoConfiguration) else getattr(problem, "reasons", [repr(problem)])
        for reason in reasons:
            messages.alert(reason)
        messages.warning("Loading failure!  What was served before is served on.")
        return _Mastery(messages, None).master(board, left).run()
    return _Mastery(messages, made).master(board, left).run()


def reload_problems(ready: Ready) -> list[str]:
    """What only matters to a master that asks whether it may take up this configuration: a sentence each;
    nothing where nobody asks."""
    try:
        held = checker.asked(os.environ)
    except RuntimeError as problem:
        return [str(problem)]
    if held is None:
        return []
    if not ready.listens:
        return ["No enabled listener found (check for 'bind' options)"]
    if not farm.workers_of(ready.config):
        return ["'workers = 0' takes a restart: where there is a master, there are workers"]
    return try_all(ready.config, held) + runtime.try_all(ready.config.settings, held)


class _Mastery:
    """What the master of a farm says and how it is started again."""

    def __init__(self, messages: Messages, made: farm.Farm | None) -> None:
        self._messages = messages
        self._farm = made
        self._log = made.log if made is not None else None
        self._targets: tuple[LogTarget, ...] = made.config.settings.log_targets if made is not None else ()

    def master(
        self, board: Board, left: Handover | None, serving: Callable[[], None] = lambda: None
    ) -> Master:
        farm.name_process("master")
        return Master(
            self._farm.plan() if self._farm is not None else None,
            board,
            self._say,
            launch(self._farm.addresses if self._farm is not None else dict),
            left,
            Notifier(),
            serving,
            failed=self._failed,
        )

    def _say(self, severity: int, text: str) -> None:
        if not any(target.kind in ("stdout", "stderr") for target in self._targets):  # else it is said twice
            self._messages.event(severity, text)
        if self._log is not None:
            self._log.event(severity, text, self._targets)

    def _failed(self, error: BaseException) -> None:
        log = self._log or logging.setup(Global())
        log.failure(f"process {os.getpid()} failed", error)


def launch(remembered: Callable[[], Mapping[str, str]]) -> Launch:
    """How this very command is started again, knowing what is ``remembered``."""
    words = sys.argv[1:]
    folder = os.getcwd()  # where -C has led: from there it would lead somewhere else
    words = [folder if before == "-C" else word for before, word in zip(sys.argv, words, strict=False)]
    program = [sys.executable, *sys.orig_argv[1 : len(sys.orig_argv) - len(words)]]
    environment = {name: value for name, value in os.environ.items() if name not in _OURS}
    return Launch([*program, "-c", *words], [*program, *words], environment, remembered)
