"""Actions on the request line: method, path, query, the whole target."""

from __future__ import annotations

import re
from collections.abc import Callable

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Reply, Request
from greenlb.model import Rule
from greenlb.policy.actions.words import REQUEST, Action, Value, Words, constant
from greenlb.policy.heads import as_path, encode_unsafe, put_method, put_path, put_query, put_target
from greenlb.policy.logformat import compile_format
from greenlb.policy.regex import compile_regex, expand
from greenlb.policy.samples.request import path_and_query
from greenlb.policy.scope import Scope

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

Put = Callable[[Request, bytes], None]
Part = Callable[[bytes], bytes]


def _put_path_and_query(request: Request, path: bytes) -> None:
    target = request.target
    old = path_and_query(target)
    before = b"" if old is None else target[: len(target) - len(old)]
    request.target = before + as_path(path) or b"/"


def _path(target: bytes) -> bytes:
    return (path_and_query(target) or b"").partition(b"?")[0]


def _path_with_query(target: bytes) -> bytes:
    return path_and_query(target) or b""


def _format(text: str, scope: Scope) -> Value:
    fixed = constant(text)
    return compile_format(text, scope) if fixed is None else lambda x: fixed


def _set(put: Put) -> Callable[[Words], Rule]:
    def compile_action(words: Words) -> Rule:
        value = _format(words.take("a format"), words.scope)

        def rule(x: Exchange) -> None:
            if x.request is not None:
                put(x.request, encode_unsafe(value(x)))

        return rule

    return compile_action


def _replace(part: Part, put: Put) -> Callable[[Words], Rule]:
    def compile_action(words: Words) -> Rule:
        search = compile_regex(words.take("a regular expression")).search
        template = _format(words.take("a replacement"), words.scope)

        def rule(x: Exchange) -> None:
            request = x.request
            if request is None:
                return
            old = part(request.target)
            match = search(old) if old else None
            if match is not None:
                put(request, encode_unsafe(expand(template(x), match)))

        return rule

    return compile_action


def set_method(words: Words) -> Rule:
    text = words.take("a method")
    fixed = constant(text)
    if fixed is not None and _TOKEN.fullmatch(fixed) is None:
        raise ValueError(f"'{text}' is not a method")
    value = _format(text, words.scope)

    def rule(x: Exchange) -> Reply | None:
        if x.request is not None and not put_method(x.request, value(x)):
            return replies.make(500, "P", "R")  # a rewrite that fails is an internal error, as in HAProxy
        return None

    return rule


def _row(name: str, arguments: str, doc: str, compile_action: Callable[[Words], Rule]) -> Action:
    return Action(name, (REQUEST,), arguments, doc, compile_action)


_MATCH = "<regex> <fmt>"

ROWS = (
    _row("set-method", "<fmt>", "Changes the method.", set_method),
    _row("set-path", "<fmt>", "Changes the path; the query stays.", _set(put_path)),
    _row("set-pathq", "<fmt>", "Changes path and query.", _set(_put_path_and_query)),
    _row("set-query", "<fmt>", "Changes the query.", _set(put_query)),
    _row("set-uri", "<fmt>", "Changes the whole request target.", _set(put_target)),
    _row("replace-path", _MATCH, "Replaces the path when the expression matches.", _replace(_path, put_path)),
    _row(
        "replace-pathq",
        _MATCH,
        "Replaces path and query when the expression matches.",
        _replace(_path_with_query, _put_path_and_query),
    ),
    _row(
        "replace-uri",
        _MATCH,
        "Replaces the request target when the expression matches.",
        _replace(lambda target: target, put_target),
    ),
)
