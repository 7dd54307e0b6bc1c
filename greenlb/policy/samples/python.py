"""The sample ``py``: what a function of somebody's returns."""

from __future__ import annotations

from typing import Any

from greenlb.exchange import Cut, Exchange
from greenlb.policy.hooks import Hook, phase_of
from greenlb.policy.vocabulary import Argument, Fetch, Sample


def _python(hook: Hook, arguments: tuple[str, ...]) -> Fetch:
    value = hook.value

    def call(x: Exchange) -> Any:
        return value(x, hook.function, arguments)

    def fetch(x: Exchange) -> Any:
        return hook.ask(x, phase_of(x), call)

    def quiet(x: Exchange) -> Any:
        """In a log line, which is written whatever happens."""
        try:
            return fetch(x)
        except Cut:
            return None

    return quiet if hook.late else fetch


ROWS = (
    Sample(
        "py",
        "any",
        "",
        "What a Python function returns for a greenlb.Transaction and the arguments: text, bytes, a number, "
        "a truth value, an ipaddress, or None.",
        _python,
        (Argument("module:function", "hook"), Argument("argument...", "rest", True)),
    ),
)
