"""The places of a configuration where somebody's Python is called: ``module:function``.

A rule holds a hook; the process that serves imports its function before anybody is served.  Nothing of theirs
is imported when a configuration is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from greenlb.exchange import Cut, Exchange, Undecided
from greenlb.model import Where

_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")


Value = Callable[[Exchange, Callable[..., Any], tuple[str, ...]], Any]
"""What a function gives for an exchange, as a sample."""


def _absent(*arguments: object) -> Any:
    """What stands in a hook at first."""
    raise RuntimeError("Python is called in processes that serve alone")


def _no_value(x: Exchange, function: Callable[..., Any], arguments: tuple[str, ...]) -> Any:
    return None


def _silent(text: str, error: BaseException) -> None:
    """Nobody to be told."""


class Hook:
    """One place.  ``report`` is told of a failure; both it and ``function`` are put in by the process."""

    __slots__ = ("attribute", "function", "late", "module", "report", "used", "value", "where")

    def __init__(self, text: str, where: Where, used: str) -> None:
        if _NAME.fullmatch(text) is None:
            raise ValueError(f"'{text}' names no Python function: package.module:function is expected")
        self.module, _, self.attribute = text.partition(":")
        self.where = where
        self.late = False  # it is asked for a log line: nothing can be ended any more
        self.value: Value = _no_value
        self.used = used  # the words before its name, for messages
        self.function: Callable[..., Any] = _absent
        self.report: Callable[[str, BaseException], None] = _silent

    def __str__(self) -> str:
        return f"{self.used} {self.module}:{self.attribute}"

    def run(self, call: Callable[..., Any], *arguments: object) -> Any:
        """Call ``call``, which calls the function: whoever looks at the process's frames meanwhile finds it
        here."""
        return call(*arguments)

    def ask(self, x: Exchange, phase: str, call: Callable[[Exchange], Any]) -> Any:
        """Let ``call`` call it for an exchange.  A failure is told, and ends the exchange with 500.  Raises
        Cut, Undecided."""
        try:
            return self.run(call, x)
        except (Cut, Undecided):
            raise
        except BaseException as error:  # sys.exit() too: it would end the process
            self.report(f"{self} failed", error)
            raise Cut("I", phase) from None


def phase_of(x: Exchange) -> str:
    """The log's second flag for what ends an exchange while its rules are asked."""
    return "R" if x.response is None else "H"


class Hooks:
    """All hooks of a configuration.  ``value`` asks for a sample."""

    def __init__(self, value: Value = _no_value) -> None:
        self._value = value
        self._hooks: list[Hook] = []

    def __iter__(self) -> Iterator[Hook]:
        return iter(self._hooks)

    def add(self, text: str, where: Where, used: str) -> Hook:
        """A new one.  Raises ValueError: ``text`` names no function."""
        hook = Hook(text, where, used)
        hook.value = self._value
        self._hooks.append(hook)
        return hook
