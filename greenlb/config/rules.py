"""acls, rules and routes of a proxy, compiled in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from typing import Any, Final

from greenlb.config.context import Context
from greenlb.config.sections import Given, Settings
from greenlb.config.values import NAME, ConfigError, Duration
from greenlb.exchange import Exchange
from greenlb.model import Condition, Router, Rule
from greenlb.policy import linerules, rules, strictness
from greenlb.policy.actions import packets
from greenlb.policy.actions.bodies import waiting
from greenlb.policy.conditions import any_of
from greenlb.policy.scope import Scope, Slots

_Compile = Callable[[Sequence[str], Scope], Any]


def _line_rules(response: bool) -> dict[str, _Compile]:
    return {
        name: partial(rules.compile_line_rule, name)
        for name, row in linerules.EDITS.items()
        if row.response is response
    }


REQUEST: Final[Sequence[Mapping[str, _Compile]]] = (
    {"block": rules.compile_block},
    {"http-request": rules.compile_http_request},
    _line_rules(False),
    {"reqadd": rules.compile_header_add},
    {"redirect": rules.compile_redirect},
)
"""Options that become request rules: groups, in the order in which they run; those of one group run in
the order of the file."""

RESPONSE: Final[Sequence[Mapping[str, _Compile]]] = (
    {"http-response": rules.compile_http_response},
    _line_rules(True),
    {"rspadd": rules.compile_header_add},
)

AFTER: Final[Sequence[Mapping[str, _Compile]]] = ({"http-after-response": rules.compile_after_response},)

_FIRST: Final = 2
"""How many of these groups end before the statistics page; ``http-request allow`` ends those alone."""

_ORDER: Final[Sequence[Collection[str]]] = (("tcp-request",), *REQUEST, ("use_backend",))
"""The groups of rules by when they run."""


@dataclass(slots=True)
class TcpRules:
    """What the tcp-request and tcp-response lines of a proxy say.  Delays are seconds."""

    inspect_delay: float = 0.0
    response_delay: float = 0.0
    lists: dict[str, list[Rule]] = field(
        default_factory=lambda: {"connection": [], "session": [], "content": [], "response": []}
    )


def _waits(proxy: Settings) -> bool:
    """Whether something in the section waits for the bodies of requests."""
    return bool(proxy.value("option http-buffer-request")) or any(
        line.words[0] == "wait-for-body" for line in proxy.given("http-request")
    )


def _place(line: Given) -> str:
    return f" at file '{line.where.file}' line {line.where.line}"


def _delay(line: Given) -> float:
    if len(line.words) != 2:
        raise ConfigError("'inspect-delay' expects a time, such as 5s")
    delay: float = Duration().word(line.words[1])
    return delay


def _chosen(x: Exchange) -> str | None:
    """A route before all others: where Python sends the exchange."""
    return None if x.wishes is None else x.wishes.backend or None


class Compiler:
    """Compiles what one proxy says.  A rule sees the acls of the section that it stands in, so the rules
    of a named defaults see that section's."""

    def __init__(self, context: Context, proxy: Settings, mode: str, slots: Slots) -> None:
        self.context = context
        self.proxy = proxy
        self.scope = Scope(
            proxy.name,
            mode,
            frontend=proxy.kind != "backend",
            backend=proxy.kind != "frontend",
            acls={},
            tables=context.tables,
            farm=context.farm,
            services=context.services,
            users=context.users,
            errors=context.errors,
            hooks=context.hooks,
            steers=context.steers,
            reads=context.reads,
            remembers=context.remembers,
            notes=context.notes,
            patterns=context.patterns,
            slots=slots,
            tls=proxy.kind == "backend" or any("ssl" in line.words for line in proxy.given("bind")),
            waits=proxy.kind == "backend" or _waits(proxy),
        )
        self._acls: dict[int, Mapping[str, Condition]] = {}

    def acls(self, home: Settings) -> Mapping[str, Condition]:
        """The conditions that a section names, compiled once."""
        known = self._acls.get(id(home))
        if known is None:
            lines: dict[str, list[Condition]] = {}
            for line in home.own.get("acl", ()):
                with self.context.problems.at(line.where, f"acl '{line.words[0]}': "):
                    name = line.words[0]
                    if not NAME.fullmatch(name):
                        raise ConfigError("a name is made of letters, digits, '_', '-', '.' and ':'")
                    if name == "or":
                        raise ConfigError("'or' stands between conditions and cannot name one")
                    if len(line.words) == 1:
                        raise ConfigError(f"expected {line.option.kind.expected}")
                    scope = replace(
                        self.scope, warn=self._warning(line), place=_place(line), where=line.where
                    )
                    lines.setdefault(name, []).append(rules.compile_acl(line.words[1:], scope))
            known = self._acls[id(home)] = {name: any_of(conditions) for name, conditions in lines.items()}
        return known

    def request_rules(self, page: Rule | None = None) -> tuple[Rule, ...]:
        """``page`` is the statistics page's, which runs after http-request."""
        first = self._rules(REQUEST[:_FIRST], response=False)
        if self.scope.mode == "http" and self.proxy.value("option http-buffer-request"):
            first = (self._buffering(), *first)
        then = self._rules(REQUEST[_FIRST:], response=False)
        if page is not None:
            then = (page, *then)
        restricts = self._option_rule("option http-restrict-req-hdr-names")
        if (then or restricts) and any(line.words[0] == "allow" for line in self.proxy.given("http-request")):
            text = "; ".join(self.context.texts[id(rule)] for rule in first)
            first = (self.context.written(rules.apart(first), text),)
        return first + restricts + then

    def _buffering(self) -> Rule:
        """option http-buffer-request: a rule before all others."""
        self.context.reads.add("body")
        return self.context.written(
            waiting(self.proxy.value("timeout http-request")), "option http-buffer-request"
        )

    def _option_rule(self, name: str) -> tuple[Rule, ...]:
        """The rule that an option makes, behind those of its list: ``allow`` does not skip it."""
        value = self.proxy.value(name) if self.scope.mode == "http" else None
        if not value:
            return ()
        rule = strictness.check_cache if value is True else strictness.restrict(value)
        return () if rule is None else (self.context.written(rule, name),)

    def response_rules(self) -> tuple[Rule, ...]:
        made = self._rules(RESPONSE, response=True)
        checks = self._option_rule("option checkcache") if self.scope.backend else ()
        if checks and made:
            text = "; ".join(self.context.texts[id(rule)] for rule in made)
            made = (self.context.written(rules.apart(made), text),)
        return made + checks

    def after_rules(self) -> tuple[Rule, ...]:
        return self._rules(AFTER, response=True)

    def routes(self) -> tuple[Router, ...]:
        """With a warning of what comes behind a route that everything takes."""
        lines = self.proxy.given("use_backend")
        final: dict[str, Given] = {}
        made = tuple(self._all(lines, {"use_backend": rules.compile_use_backend}, self.scope, final))
        default, taken = self.proxy.last("default_backend"), final.get("use_backend")
        if default is not None and taken is not None and default.home is taken.home:
            self.context.problems.warning(
                default.where,
                f"'default_backend' is never used: the 'use_backend' rule at {taken.where} has no condition",
            )
        return (_chosen, *made) if self.proxy.name in self.context.steers else made

    def tcp_rules(self) -> TcpRules:
        """The tcp-request and tcp-response rules, each list in its order."""
        made = TcpRules()
        final: dict[str, Given] = {}
        for line in self.proxy.given("tcp-request"):
            with self.context.problems.at(line.where, "'tcp-request': "):
                if line.words[0] == "inspect-delay":
                    made.inspect_delay = _delay(line)
                    continue
                name, rule = rules.compile_tcp_request(line.words, self.scope_of(line))
                self._after(line, f"tcp-request {name}", rule, final)
                made.lists[name].append(self.context.written(rule, f"tcp-request {line.text}", line.where))
        for line in self.proxy.given("tcp-response"):
            with self.context.problems.at(line.where, "'tcp-response': "):
                if line.words[0] == "inspect-delay":
                    made.response_delay = _delay(line)
                    continue
                rule = rules.compile_tcp_response(line.words, self.scope_of(line))
                self._after(line, "tcp-response content", rule, final)
                made.lists["response"].append(
                    self.context.written(rule, f"tcp-response {line.text}", line.where)
                )
        return made

    def scope_of(self, line: Given, scope: Scope | None = None) -> Scope:
        """What a line sees: the acls of the section that it stands in.  Its warnings bear its place."""
        return replace(
            self.scope if scope is None else scope,
            acls=self.acls(line.home),
            used=self.context.used_acls.setdefault(id(line.home), set()),
            warn=self._warning(line),
            place=_place(line),
            where=line.where,
        )

    def _warning(self, line: Given) -> Callable[[str], None]:
        """Warns at the place of a line."""
        warning, option = self.context.problems.warning, line.option.name
        return lambda text: warning(line.where, f"'{option}': {text}")

    def _rules(self, groups: Sequence[Mapping[str, _Compile]], response: bool) -> tuple[Rule, ...]:
        scope = replace(self.scope, response=response)
        made = [rule for group in groups for rule in self._all(self.proxy.given(*group), group, scope)]
        return tuple(self._together(made))

    def _together(self, made: list[Rule]) -> Iterator[Rule]:
        """The rules, early-hint rules that follow each other as one."""
        for hinting, rules_of_kind in groupby(made, packets.is_hint):
            found = list(rules_of_kind)
            if not hinting or len(found) == 1:
                yield from found
            else:
                text = "; ".join(self.context.texts[id(rule)] for rule in found)
                yield self.context.written(packets.hints(found), text)

    def _all(
        self,
        lines: Sequence[Given],
        compile: Mapping[str, _Compile],
        scope: Scope,
        final: dict[str, Given] | None = None,
    ) -> list[Any]:
        compiled: list[Any] = []
        final = {} if final is None else final
        for line in lines:
            with self.context.problems.at(line.where, f"'{line.option.name}': "):
                rule = compile[line.option.name](line.words, self.scope_of(line, scope))
                self._after(line, line.option.name, rule, final)
                compiled.append(self.context.written(rule, f"{line.option.name} {line.text}", line.where))
        return compiled

    def _after(self, line: Given, name: str, rule: Any, final: dict[str, Given]) -> None:
        """Warn of a rule that is never asked, because one above it in its list (``name``) ends that for
        everybody.  ``final`` remembers which."""
        ended = final.get(name)
        if ended is not None:
            self.context.problems.warning(
                line.where,
                f"'{name}' rule is never reached: the one at {ended.where} is final and has no condition",
            )
        elif rules.ends(rule):
            final[name] = line

    def unused_acls(self) -> None:
        """Compile the acls that no rule asked for, so that what is wrong in them is told too, and warn of
        them."""
        home: Settings | None = self.proxy
        while home is not None:
            self.acls(home)
            home = home.parent
        problems, used = self.context.problems, self.context.used_acls.get(id(self.proxy), set())
        if problems.errors or self.proxy.ignored:  # what is left out may use them
            return
        for line in self.proxy.own.get("acl", ()):
            if line.words[0] not in used:
                used.add(line.words[0])
                problems.warning(line.where, f"acl '{line.words[0]}' is used by nothing")


def check_order(context: Context, proxy: Settings) -> None:
    """Warn, as HAProxy does, of a rule that runs before one written above it."""
    ranks = {name: rank for rank, group in enumerate(_ORDER) for name in group}
    latest, last = 0, ""
    for name in dict.fromkeys(item.option.name for item in proxy):
        rank = ranks.get(name)
        if rank is None or name in proxy.ignored:
            continue
        if rank < latest:
            context.problems.warning(
                proxy.own[name][0].where,
                f"a '{name}' rule placed after a '{last}' rule will still be processed before.",
            )
        elif rank > latest:
            latest, last = rank, name
