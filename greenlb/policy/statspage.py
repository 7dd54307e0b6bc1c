"""The rule that a statistics page is: whose requests get it, and which of them may change servers.

The order is HAProxy's: the target's beginning, then ``stats http-request`` (which ``stats auth`` is a short
form of), then ``stats admin``.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import Final

from greenlb import replies
from greenlb.exchange import Exchange
from greenlb.message import Reply, Request
from greenlb.model import ALLOW, Allow, Condition, Rule, StatsPage
from greenlb.policy.actions.answers import demand
from greenlb.policy.actions.words import Words, guarded
from greenlb.policy.scope import Scope
from greenlb.policy.services import PAGE_LABEL, Services
from greenlb.policy.users import credentials
from greenlb.policy.vocabulary import nearest, octets

REALM: Final = "HAProxy Statistics"
_ACTIONS: Final = ("allow", "deny", "auth")
_METHODS: Final = frozenset((b"GET", b"HEAD", b"POST"))

Access = Callable[[Exchange], "Reply | Allow | None"]


def compile_access(words: Sequence[str], scope: Scope) -> Rule:
    """One ``stats http-request`` line.  Raises ValueError."""
    if words[0] not in _ACTIONS:
        raise ValueError(f"expected allow, deny or auth, not '{words[0]}'{nearest(words[0], _ACTIONS)}")
    taken = Words(words[0], words[1:], scope)
    if words[0] == "auth":
        rule = demand(taken.take("a realm") if taken.accept("realm") else REALM)
    elif words[0] == "deny":
        rule = _deny
    else:
        rule = _allow
    return guarded(rule, taken.condition())


def compile_admin(words: Sequence[str], scope: Scope) -> Condition:
    """One ``stats admin`` line.  Raises ValueError."""
    taken = Words("stats admin", words, scope)
    condition = taken.condition() if taken.next_is("if", "unless") else None
    if condition is None:
        raise ValueError("expected 'if' or 'unless' and a condition")
    return condition


def accounts(users: Sequence[str], realm: str) -> Rule:
    """``stats auth``: who has one of these ``user:password`` passes, all others are asked for it."""
    passes = [octets(user) for user in users]
    ask = demand(realm)

    def rule(x: Exchange) -> Reply | Allow | None:
        named = credentials(x)
        given = None if named is None else b":".join(named)
        # All are compared, in constant time: how long it takes tells nothing.
        known = given is not None and sum(hmac.compare_digest(given, one) for one in passes) > 0
        return ALLOW if known else ask(x)

    return rule


def page_rule(
    page: StatsPage, access: Sequence[Rule], admin: Sequence[Condition], services: Services
) -> Rule:
    """The request rule: None for requests that are not for the page."""
    prefix = octets(page.uri)
    reader = services.page(page, admin=False)
    administrator = services.page(page, admin=True) if admin else reader

    def rule(x: Exchange) -> Reply | None:
        request = x.request
        if request is None or request.method not in _METHODS or not _origin(request).startswith(prefix):
            return None
        for check in access:
            verdict = check(x)
            if isinstance(verdict, Reply):
                x.service = PAGE_LABEL
                return verdict
            if verdict is not None:
                break
        if any(condition(x) for condition in admin):
            return administrator()
        return reader()

    return rule


def _origin(request: Request) -> bytes:
    """Path and query of the target."""
    target = request.target
    return target if target.startswith(b"/") else target[target.find(request.path) :]


def _allow(x: Exchange) -> Allow:
    return ALLOW


def _deny(x: Exchange) -> Reply:
    return replies.make(403, "P", "R")
