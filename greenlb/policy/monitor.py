"""``monitor-uri``: whether we are alive, for whoever routes to us."""

from __future__ import annotations

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Reply
from greenlb.model import Condition, Rule
from greenlb.policy.actions.state import SILENT
from greenlb.policy.samples.request import path_and_query


def rule(uri: bytes, fails: tuple[Condition, ...]) -> Rule:
    """Answers requests for ``uri``: 503 when one of ``fails`` holds, else 200; they are not logged."""
    by_path = uri.startswith(b"/")

    def answer(x: Exchange) -> Reply | None:
        assert x.request is not None
        target = x.request.target
        if (path_and_query(target) if by_path else target) != uri:
            return None
        x.level = SILENT
        return replies.make(503 if any(condition(x) for condition in fails) else 200)

    return answer
