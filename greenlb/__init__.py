"""greenlb: a TCP and HTTP load balancer that speaks HAProxy's vocabulary.

What a Python program needs of it is here, and stays as it is.  Names are imported when they are first asked
for, so ``import greenlb`` is light and pulls in no gevent.

Configurations: ``load`` and ``load_text`` (a ``Loaded``: the frozen ``config``, ``errors`` and ``warnings``,
each a ``Problem``), ``check`` (certificates and somebody's Python too), ``run``.
A process that runs: ``RuntimeClient`` (commands, ``Stat`` rows), ``Unreachable``; ``greenlb.admin.apps`` has
the statistics page, the metrics and the runtime commands as WSGI applications.
Logs: ``parse_log_line``, ``LogLine``.
Rules in Python: ``Transaction`` with its ``Request``, ``Response``, ``Headers``, ``Connection`` and
``Variables``; ``Choice``, ``ServerCheck``.
Tests: ``greenlb.testing``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from greenlb.client import RuntimeClient, Stat, Unreachable
    from greenlb.config.load import Loaded, load_text
    from greenlb.config.load import load_files as load
    from greenlb.config.problems import Problem
    from greenlb.library import check, run
    from greenlb.observe.logline import LogLine
    from greenlb.observe.logline import parse as parse_log_line
    from greenlb.policy.transaction import (
        Choice,
        Connection,
        Headers,
        Request,
        Response,
        ServerCheck,
        Transaction,
        Variables,
    )

__version__ = "0.1.0"

_HOMES: Final = {
    "Choice": "policy.transaction",
    "Connection": "policy.transaction",
    "Headers": "policy.transaction",
    "Loaded": "config.load",
    "LogLine": "observe.logline",
    "Problem": "config.problems",
    "Request": "policy.transaction",
    "Response": "policy.transaction",
    "RuntimeClient": "client",
    "ServerCheck": "policy.transaction",
    "Stat": "client",
    "Transaction": "policy.transaction",
    "Unreachable": "client",
    "Variables": "policy.transaction",
    "check": "library",
    "load": "config.load:load_files",
    "load_text": "config.load",
    "parse_log_line": "observe.logline:parse",
    "run": "library",
}
"""Each name, and the module that has it, under another name maybe."""

__all__ = [
    "Choice",
    "Connection",
    "Headers",
    "Loaded",
    "LogLine",
    "Problem",
    "Request",
    "Response",
    "RuntimeClient",
    "ServerCheck",
    "Stat",
    "Transaction",
    "Unreachable",
    "Variables",
    "check",
    "load",
    "load_text",
    "parse_log_line",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'greenlb' has no attribute '{name}'")
    home, _, other = _HOMES[name].partition(":")
    return getattr(importlib.import_module(f"greenlb.{home}"), other or name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
