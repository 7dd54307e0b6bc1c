"""The words of a rule, taken one after another, and the row that says what takes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenlb.exchange import Exchange
from greenlb.model import Condition, Rule
from greenlb.policy.conditions import compile_condition
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets

REQUEST, RESPONSE = "http-request", "http-response"
AFTER = "http-after-response"
CONNECTION, SESSION = "tcp-request connection", "tcp-request session"
CONTENT, TCP_RESPONSE = "tcp-request content", "tcp-response content"
"""The rule lists."""
BOTH = (REQUEST, RESPONSE)
HTTP = (*BOTH, AFTER)
TCP = (CONNECTION, SESSION, CONTENT, TCP_RESPONSE)

_TIME = re.compile(r"(\d+)(us|ms|s|m|h|d)?")
_SECONDS = {"us": 1e-6, "ms": 1e-3, None: 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

Value = Callable[[Exchange], bytes]
"""A rendered format."""


class Words:
    """``action`` is the first word, for messages; ``scope`` what the rest is compiled in; ``last`` the word
    that was taken last."""

    def __init__(self, action: str, rest: Sequence[str], scope: Scope) -> None:
        self.action = action
        self.scope = scope
        self._rest = list(rest)
        self.last = action

    def next_is(self, *words: str) -> bool:
        """Whether one of ``words`` comes next."""
        return bool(self._rest) and self._rest[0] in words

    @property
    def ended(self) -> bool:
        """Nothing is left but a condition."""
        return not self._rest or self._rest[0] in ("if", "unless")

    def take(self, what: str) -> str:
        """The next word, which is ``what``.  Raises ValueError when there is none."""
        if not self._rest:
            raise ValueError(f"'{self.action}' expects {what}")
        self.last = self._rest.pop(0)
        return self.last

    def accept(self, word: str) -> bool:
        """Take ``word`` when it comes next."""
        if self.next_is(word):
            del self._rest[0]
            return True
        return False

    def integer(self, what: str, low: int, high: int) -> int:
        text = self.take(what)
        if not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"'{self.action}' expects {what}, an integer from {low} to {high}, got '{text}'")
        return int(text)

    def condition(self) -> Condition | None:
        """The ``if`` or ``unless`` that ends the rule, None without one.  Raises ValueError when
        anything else is left."""
        if not self._rest:
            return None
        word = self.last = self._rest.pop(0)
        if word not in ("if", "unless"):
            raise ValueError(f"'{self.action}': 'if', 'unless' or nothing is expected, got '{word}'")
        test = compile_condition(self._rest, self.scope)
        self._rest = []
        return test if word == "if" else (lambda x: not test(x))


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does.  ``stages`` are the rule lists it may stand in, ``arguments`` what follows its
    name; ``compile`` takes these words off the rule and gives the function that does it."""

    name: str
    stages: tuple[str, ...]
    arguments: str
    doc: str
    compile: Callable[[Words], Rule]


def seconds(text: str) -> float:
    """A time as HAProxy writes it, a bare number being milliseconds.  Raises ValueError."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a time such as 500ms or 1s, got '{text}'")
    return int(found[1]) * _SECONDS[found[2]]


def guarded(rule: Rule, condition: Condition | None) -> Rule:
    """The rule for those exchanges that the condition holds for.  ``condition_of`` and ``action_of`` find the
    two in it again."""
    if condition is None:
        return rule
    made: Rule = lambda x: rule(x) if condition(x) else None  # noqa: E731
    made.__dict__.update(condition=condition, action=rule)
    return made


def condition_of(rule: Rule) -> Condition | None:
    """The condition of a guarded rule; None of one that has none."""
    found: Condition | None = getattr(rule, "condition", None)
    return found


def action_of(rule: Rule) -> Rule:
    """A guarded rule without its condition."""
    found: Rule = getattr(rule, "action", rule)
    return found


def constant(text: str) -> bytes | None:
    """What a format without any variable renders; None when it has one."""
    return octets(text) if "%" not in text else None


def expression(words: Words) -> str:
    """A sample expression; converters may follow as words of their own."""
    text = words.take("a sample expression")
    while not words.ended and not words.next_is("id", "len"):
        text += "," + words.take("a converter")
    return text
