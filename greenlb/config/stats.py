"""The ``stats`` options of a proxy, made into its page and the rule that serves it."""

from __future__ import annotations

import platform

from greenlb.config.context import Context
from greenlb.config.rules import Compiler
from greenlb.config.schema.stats import STATS
from greenlb.config.sections import Given, Settings
from greenlb.model import Rule, StatsPage
from greenlb.policy import statspage

NAMES = tuple(option.name for option in STATS)


def stats(context: Context, proxy: Settings, compiler: Compiler) -> tuple[StatsPage | None, Rule | None]:
    """The page of a proxy, and the request rule that answers with it.  Any of its options turns it on."""
    enable = proxy.last("stats enable")
    lines = proxy.given(*NAMES)
    if not lines or (enable is not None and not enable.value):
        return None, None
    page = StatsPage(
        proxy=proxy.name,
        uri=proxy.value("stats uri", "/haproxy?stats"),
        refresh=proxy.value("stats refresh", 0),
        hide_version=proxy.value("stats hide-version", False),
        legends=proxy.value("stats show-legends", False),
        modules=proxy.value("stats show-modules", False),
        node=_node(context, proxy),
        description=_description(context, proxy),
        scope=tuple(
            proxy.name if line.value == "." else line.value for line in _nearest(proxy, "stats scope")
        ),
    )
    access = _access(context, proxy, compiler)
    admin = []
    for line in proxy.given("stats admin"):
        with context.problems.at(line.where, "'stats admin': "):
            admin.append(statspage.compile_admin(line.words, compiler.scope_of(line)))
    rule = statspage.page_rule(page, access, admin, context.services)
    return page, context.written(rule, f"stats uri {page.uri}")


def _nearest(proxy: Settings, name: str) -> list[Given]:
    """The items of an option in the section itself, else in the nearest one that it inherits from."""
    home: Settings | None = proxy
    while home is not None:
        if home.own.get(name):
            return home.own[name]
        home = home.parent
    return []


def _node(context: Context, proxy: Settings) -> str | None:
    node: str | None = proxy.value("stats show-node")
    if node == "":
        node = context.settings.value("node", "") or platform.node()
    return node


def _description(context: Context, proxy: Settings) -> str | None:
    line = proxy.last("stats show-desc")
    if line is None or line.value is None:
        return None
    text: str = line.value or context.settings.value("description", "")
    if not text:
        context.problems.warning(
            line.where, "'show-desc' requires a parameter or 'desc' to be set in the global section."
        )
    return text or None


def _access(context: Context, proxy: Settings, compiler: Compiler) -> list[Rule]:
    """Who gets the page.  Lines of ``stats http-request`` stand in place of passwords that are inherited;
    beside the section's own they are HAProxy's error."""
    lines = proxy.given("stats http-request")
    realm = proxy.last("stats realm")
    own = next(
        (item for item in (*proxy.own.get("stats auth", ()), realm) if item and item.home is proxy), None
    )
    if lines and own is not None:
        context.problems.error(
            own.where,
            f"{proxy.title}: stats 'auth'/'realm' and 'http-request' can't be used at the same time.",
        )
    if lines:
        return _lines(context, compiler, lines)
    users = [line.value for line in _nearest(proxy, "stats auth")]
    return [statspage.accounts(users, realm.value if realm else statspage.REALM)] if users else []


def _lines(context: Context, compiler: Compiler, lines: list[Given]) -> list[Rule]:
    access = []
    final = False
    for line in lines:
        if final:
            context.problems.warning(
                line.where, "previous 'stats' action has no condition attached, further entries are NOOP."
            )
        final = not {"if", "unless"} & set(line.words)
        with context.problems.at(line.where, "'stats http-request': "):
            access.append(statspage.compile_access(line.words, compiler.scope_of(line)))
    return access
