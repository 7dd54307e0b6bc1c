"""``set-var`` and ``set-var-fmt`` of the global section: variables that are there from the start."""

from __future__ import annotations

from typing import Any, NoReturn

from greenlb.config.context import Context
from greenlb.config.sections import Given
from greenlb.config.values import ConfigError
from greenlb.policy import samples, variables
from greenlb.policy.logformat import compile_format
from greenlb.policy.scope import Scope


class _Nobody:
    """An exchange in which nothing can be asked."""

    def __getattr__(self, name: str) -> NoReturn:
        raise ConfigError("only what needs no connection has a value here: str(), int(), variables of proc")


def process_variables(context: Context) -> tuple[tuple[str, object], ...]:
    """Names and values, in their order: a later one may be made of those before it."""
    found: list[tuple[str, object]] = []
    with variables.undone():
        for line in context.settings.given("set-var", "set-var-fmt"):
            with context.problems.at(line.where, f"'{line.option.name}': "):
                name, value = _evaluated(line)
                variables.begin([(name, value)])
                found.append((name, value))
    return tuple(found)


def _evaluated(line: Given) -> tuple[str, object]:
    name, *rest = line.words
    if not variables.is_name(name) or not name.startswith("proc."):
        raise ConfigError(f"expected a variable of the process, such as proc.name, not '{name}'")
    if not rest:
        raise ConfigError(f"expected a value for '{name}'")
    nobody: Any = _Nobody()
    if line.option.name == "set-var-fmt":
        if len(rest) > 1:
            raise ConfigError(f"expected one format, '{rest[1]}' is too much: quote it")
        return name, compile_format(rest[0], Scope())(nobody)
    fetch, _ = samples.compile_sample(",".join(rest), Scope())
    value = fetch(nobody)
    if value is None:
        raise ConfigError(f"'{' '.join(rest)}' has no value")
    return name, value
