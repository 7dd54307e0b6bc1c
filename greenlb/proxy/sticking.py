"""A process's part in the stick tables: opened when it begins, kept in step with the other processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import gevent

from greenlb.model import Config, LogTarget
from greenlb.policy.stick.folder import default_folder

PERIOD: Final = 0.2
"""Seconds from one exchange with the other processes to the next."""


class TableKeeper:
    """``start`` in the process that is to use the tables: what LMDB has open must not pass a fork."""

    def __init__(self, config: Config, log: Callable[[int, str, Sequence[LogTarget]], None]) -> None:
        self._tables = config.tables if config.tables else None
        self._folder = config.settings.state_dir or default_folder(config.files)
        self._targets = config.settings.log_targets
        self._log = log
        self._runner: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        if self._tables is not None:
            self._tables.open(self._folder, lambda severity, text: self._log(severity, text, self._targets))
            self._runner = gevent.spawn(self._run)

    def stop(self) -> None:
        """Write what is left."""
        if self._runner is not None and self._tables is not None:
            self._runner.kill()
            self._runner = None
            self._tables.close()

    def _run(self) -> None:
        tables = self._tables
        while tables is not None:
            gevent.sleep(0.0 if tables.flush() else PERIOD)
