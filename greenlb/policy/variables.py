"""Variables that rules set and read: ``txn.user``, ``req.x``, ``res.x``, ``sess.x``, ``proc.x``, ``check.x``.

``txn``, ``req`` and ``res`` live on the exchange, ``check`` on the one that a health check is, ``sess`` on
the client's connection, ``proc`` in the worker process.  A ``req`` variable is gone once there is a
response, as in HAProxy.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

from greenlb.exchange import Exchange
from greenlb.policy.vocabulary import Fetch, nearest

SCOPES = ("proc", "sess", "txn", "req", "res", "check")
_NAME = re.compile(r"(proc|sess|txn|req|res|check)\.[A-Za-z0-9_.]+")

LAST_RULE = "last rule"
"""What is kept beside the variables: where the rule stands that ended its list (a model.Where)."""

_PROCESS: dict[str, object] = {}

Variables = dict[str, object]
Setter = Callable[[Exchange, object], None]


def check_name(name: str) -> str:
    """``name`` when it is a variable's.  Raises ValueError."""
    if _NAME.fullmatch(name) is None:
        scopes = ", ".join(f"'{scope}.'" for scope in SCOPES)
        raise ValueError(
            f"'{name}' is not a variable: expected one of {scopes} and letters, digits, '_' or '.'"
        )
    return name


def getter(name: str) -> Fetch:
    """The variable's value, None when it is not set."""
    scope = check_name(name).partition(".")[0]
    if scope == "proc":
        return lambda x: _PROCESS.get(name)
    if scope == "sess":
        return lambda x: None if x.client.variables is None else x.client.variables.get(name)
    if scope == "req":
        return lambda x: None if x.variables is None or x.response is not None else x.variables.get(name)
    return lambda x: None if x.variables is None else x.variables.get(name)


def setter(name: str) -> Setter:
    """A function that gives the variable a value; None takes it away."""
    scope = check_name(name).partition(".")[0]

    def set_on_exchange(x: Exchange, value: object) -> None:
        if x.variables is None:
            x.variables = {}
        _put(x.variables, name, value)

    def set_on_client(x: Exchange, value: object) -> None:
        if x.client.variables is None:
            x.client.variables = {}
        _put(x.client.variables, name, value)

    if scope == "proc":
        return lambda x, value: _put(_PROCESS, name, value)
    return set_on_client if scope == "sess" else set_on_exchange


CONDITIONS: dict[str, Callable[[Variables, str, object], bool]] = {
    "ifexists": lambda held, name, value: name in held or name.startswith("proc."),
    "ifnotexists": lambda held, name, value: not (name in held or name.startswith("proc.")),
    "ifset": lambda held, name, value: held.get(name) is not None,
    "ifnotset": lambda held, name, value: held.get(name) is None,
    "ifempty": lambda held, name, value: value == b"",
    "ifnotempty": lambda held, name, value: value != b"",
    "ifgt": lambda held, name, value: _compare(held.get(name), value, operator.gt),
    "iflt": lambda held, name, value: _compare(held.get(name), value, operator.lt),
}
"""What may stand behind a variable's name in ``set-var``."""


def _compare(held: object, value: object, test: Callable[[int, int], bool]) -> bool:
    """Of two integers; true of anything else."""
    if type(held) is int and type(value) is int:
        return test(held, value)
    return True


def conditional(name: str, conditions: Sequence[str]) -> Callable[[Exchange, object], bool]:
    """A function that gives the variable a value where all of ``conditions`` hold, and says whether they did.
    Raises ValueError."""
    put = setter(name)
    for condition in conditions:
        if condition not in CONDITIONS:
            known = ", ".join(CONDITIONS)
            raise ValueError(
                f"'{condition}' is no condition of a variable{nearest(condition, CONDITIONS)}: one of {known}"
            )
    tests = [CONDITIONS[condition] for condition in conditions]
    scope = name.partition(".")[0]

    def put_if(x: Exchange, value: object) -> bool:
        held = _PROCESS if scope == "proc" else (x.client if scope == "sess" else x).variables or {}
        if all(test(held, name, value) for test in tests):
            put(x, value)
            return True
        return False

    return put_if


def begin(values: Iterable[tuple[str, object]]) -> None:
    """Variables of the process that the configuration sets."""
    _PROCESS.update(values)


@contextmanager
def undone() -> Iterator[None]:
    """What is set meanwhile is forgotten."""
    before = dict(_PROCESS)
    try:
        yield
    finally:
        _PROCESS.clear()
        _PROCESS.update(before)


def is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


def _put(variables: dict[str, object], name: str, value: object) -> None:
    if value is None:
        variables.pop(name, None)
    else:
        variables[name] = value
