"""The action ``python``: a function of somebody's decides."""

from __future__ import annotations

from greenlb.exchange import Exchange
from greenlb.message import Reply
from greenlb.model import Rule
from greenlb.policy.actions.words import BOTH, CONTENT, Action, Words
from greenlb.policy.hooks import phase_of
from greenlb.policy.logformat import compile_format
from greenlb.policy.transaction import Transaction, text_of, verdict_of


def python(words: Words) -> Rule:
    scope = words.scope
    hook = scope.hook(words.take("a function, module:function"), "python")
    formats = []
    while not words.ended:
        formats.append(compile_format(words.take("an argument"), scope))
    if not scope.response:
        scope.steers.add(scope.proxy)

    def call(x: Exchange) -> Reply | None:
        transaction = Transaction(x, scope)
        arguments = [text_of(render(x)) for render in formats]
        return verdict_of(transaction, hook.function(transaction, *arguments))

    def rule(x: Exchange) -> Reply | None:
        answer: Reply | None = hook.ask(x, phase_of(x), call)
        return answer

    return rule


ROWS = (
    Action(
        "python",
        (*BOTH, CONTENT),
        "<module:function> [<fmt>]*",
        "Calls a function with a greenlb.Transaction and the rendered arguments.  It may change heads and "
        "variables, answer, or choose the backend or the server.",
        python,
    ),
)
