"""Rules as a configuration writes them, compiled to functions of the exchange.

A rule is an action and maybe a condition.  Compiled, it edits the exchange's heads itself and gives
None (go on), ALLOW (skip the rest of the list) or a Reply (answer with it).  A list without rules
costs nothing, a rule what it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from weakref import WeakSet

from greenlb.exchange import Exchange
from greenlb.message import Reply
from greenlb.model import ALLOW, Allow, Condition, Router, Rule, Where
from greenlb.policy import actions
from greenlb.policy.actions import redirect
from greenlb.policy.actions.words import AFTER, HTTP, REQUEST, RESPONSE, TCP_RESPONSE, Words, guarded
from greenlb.policy.conditions import any_of, compile_acl, compile_condition, constant
from greenlb.policy.linerules import compile_header_add, compile_line_rule
from greenlb.policy.logformat import compile_format
from greenlb.policy.scope import Scope
from greenlb.policy.variables import LAST_RULE
from greenlb.policy.vocabulary import Misplaced, blaming, nearest

__all__ = [
    "Scope",
    "any_of",
    "apart",
    "compile_acl",
    "compile_after_response",
    "compile_block",
    "compile_condition",
    "compile_header_add",
    "compile_http_request",
    "compile_http_response",
    "compile_line_rule",
    "compile_redirect",
    "compile_tcp_request",
    "compile_tcp_response",
    "compile_use_backend",
    "ends",
]

_FINAL: WeakSet[Rule | Router] = WeakSet()
"""Rules that end their list for everybody."""


def apart(rules: Sequence[Rule]) -> Rule:
    """A list of rules as one rule: ``allow`` ends that list, and not the one that it is a part of."""

    def rule(x: Exchange) -> Reply | Allow | None:
        for part in rules:
            verdict = part(x)
            if verdict is not None:
                return None if verdict is ALLOW else verdict
        return None

    return rule


def noting(rule: Rule, where: Where) -> Rule:
    """``rule``, which leaves its place where ``last_rule_file`` and ``last_rule_line`` find it when it ends
    its list."""

    def noted(x: Exchange) -> Reply | Allow | None:
        verdict = rule(x)
        if verdict is not None:
            if x.variables is None:
                x.variables = {}
            x.variables[LAST_RULE] = where
        return verdict

    return noted


def compile_http_request(words: Sequence[str], scope: Scope) -> Rule:
    """One ``http-request`` rule: its action, arguments and condition.  Raises ValueError."""
    return _compile(words, replace(scope, response=False), REQUEST)


def compile_http_response(words: Sequence[str], scope: Scope) -> Rule:
    """One ``http-response`` rule.  Raises ValueError."""
    return _compile(words, replace(scope, response=True), RESPONSE)


def compile_after_response(words: Sequence[str], scope: Scope) -> Rule:
    """One ``http-after-response`` rule.  Raises ValueError."""
    return _compile(words, replace(scope, response=True), AFTER)


def compile_tcp_request(words: Sequence[str], scope: Scope) -> tuple[str, Rule]:
    """One ``tcp-request`` rule: its list, connection, session or content, and the rule.  Raises
    ValueError."""
    lists = ("connection", "session", "content")
    if not words or words[0] not in lists:
        got = f", got '{words[0]}'{nearest(words[0], lists)}" if words else ""
        raise ValueError(f"'tcp-request' expects connection, session or content{got}")
    if words[0] != "content" and not scope.frontend:
        raise ValueError(f"'tcp-request {words[0]}' has no meaning in a backend")
    scope = replace(scope, response=False, early=words[0] != "content")
    return words[0], _compile(words[1:], scope, f"tcp-request {words[0]}")


def compile_tcp_response(words: Sequence[str], scope: Scope) -> Rule:
    """One ``tcp-response`` rule.  Raises ValueError."""
    if not words or words[0] != "content":
        raise ValueError(f"'tcp-response' expects content{f', got {words[0]!r}' if words else ''}")
    if scope.mode == "http":
        raise ValueError("'tcp-response content' needs 'mode tcp'; in mode http use 'http-response'")
    return _compile(words[1:], replace(scope, response=True), TCP_RESPONSE)


def compile_block(words: Sequence[str], scope: Scope) -> Rule:
    """One ``block`` line, the old spelling of ``http-request deny``: a condition.  Raises ValueError."""
    if not words or words[0] not in ("if", "unless"):
        raise ValueError("'block' expects 'if' or 'unless' and a condition")
    return compile_http_request(["deny", *words], scope)


def compile_redirect(words: Sequence[str], scope: Scope) -> Rule:
    """One ``redirect`` line: its destination is no format.  Raises ValueError."""
    taken = Words("redirect", words, scope)
    rule = redirect.compile_words(taken, formats=False)
    return guarded(rule, taken.condition())


def compile_use_backend(words: Sequence[str], scope: Scope) -> Router:
    """One ``use_backend`` line: a name, or a format that renders one, and maybe a condition.  Raises
    ValueError."""
    taken = Words("use_backend", words, scope)
    text = taken.take("a backend")
    condition = taken.condition()
    _tell_of_constants(condition, scope)
    route = _route(text, condition, scope)
    if constant(condition):
        _FINAL.add(route)
    return route


def _route(text: str, condition: Condition | None, scope: Scope) -> Router:
    if "%[" not in text:
        if condition is None:
            return lambda x: text
        return lambda x: text if condition(x) else None
    render = compile_format(text, scope)

    def route(x: Exchange) -> str | None:
        if condition is not None and not condition(x):
            return None
        return render(x).decode("utf-8", "surrogateescape")

    return route


def _compile(words: Sequence[str], scope: Scope, keyword: str) -> Rule:
    if scope.mode != "http" and keyword in HTTP:
        raise ValueError(f"'{keyword}' needs 'mode http'")
    if not words:
        raise ValueError(f"'{keyword}' expects an action")
    with blaming(words[0]):
        row = actions.find(words[0], keyword)
    taken = Words(words[0], words[1:], scope)
    try:
        rule, condition = row.compile(taken), taken.condition()
    except Misplaced:
        raise
    except ValueError as error:
        raise Misplaced(str(error), taken.last) from None
    _tell_of_constants(condition, scope)
    made = guarded(rule, condition)
    if scope.notes and not scope.early and row.name in actions.FINAL:
        made = noting(made, scope.where)
    if row.name in actions.FINAL and constant(condition):
        _FINAL.add(made)
    return made


def ends(rule: Rule | Router) -> bool:
    """Whether no rule behind it in its list is ever asked."""
    return rule in _FINAL


def _tell_of_constants(condition: Condition | None, scope: Scope) -> None:
    if constant(condition) is False:
        scope.warn("its condition never holds, so it does nothing")
