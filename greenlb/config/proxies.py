"""Sections to the model's frontends and backends."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from greenlb.config.binds import binds
from greenlb.config.checks import health_check
from greenlb.config.compression import compression
from greenlb.config.context import Context
from greenlb.config.errorfiles import errorfiles
from greenlb.config.forwarded import forwarded
from greenlb.config.keepalive import keepalive
from greenlb.config.logs import FORMATS, captures, compiled_format, log_format, targets
from greenlb.config.options import Option
from greenlb.config.queues import backend_fields, balance_factor, monitor_rules
from greenlb.config.rules import Compiler, check_order
from greenlb.config.schema import COOKIE, PROXY
from greenlb.config.sections import Settings
from greenlb.config.servers import servers
from greenlb.config.stats import stats
from greenlb.config.sticks import affinity
from greenlb.config.values import TOKEN, ConfigError
from greenlb.model import Backend, Balance, Cookie, Format, ForwardFor, Frontend, Timeouts
from greenlb.policy import balancewords
from greenlb.policy.linerules import EDITS
from greenlb.policy.logformat import compile_json
from greenlb.policy.samples import compile_sample
from greenlb.policy.scope import Scope

CONNECTION: Final = ("option http-keep-alive", "option http-server-close", "option httpclose")
"""Options that exclude each other; the last one counts."""

_HASHED: Final = ("uri", "url_param", "hdr")
"""Algorithms that read a request."""
_FALLBACKS: Final = (
    ("http_request", "client"),
    ("http_keep_alive", "http_request"),
    ("queue", "connect"),
)
"""A timeout that is not set, and the one it then is."""
_DEFAULTS: Final[dict[str, Any]] = {field.name: field.default for field in dataclasses.fields(Backend)}
_PLURAL: Final = (
    "http-request",
    "http-response",
    "http-after-response",
    "redirect",
    "block",
    "reqadd",
    "rspadd",
    *EDITS,
)


def build(context: Context, proxy: Settings, number: int) -> tuple[Frontend | None, Backend | None]:
    """The frontend and the backend that a section is, a listen both; ``number`` is their iid."""
    builder = _Builder(context, proxy, number)
    front = builder.frontend() if proxy.kind != "backend" else None
    back = builder.backend() if proxy.kind != "frontend" else None
    builder.compiler.unused_acls()
    return front, back


class _Builder:
    def __init__(self, context: Context, proxy: Settings, number: int) -> None:
        self.context = context
        self.proxy = proxy
        self.mode: str = "http" if proxy.failed("mode") else proxy.value("mode", "tcp")
        if self.mode != "http":
            ignore_http(context, proxy)
        check_order(context, proxy)
        self.slots, self.cookie_capture = captures(context, proxy)
        self.compiler = Compiler(context, proxy, self.mode, self.slots)
        self.tcp = self.compiler.tcp_rules()
        page, page_rule = stats(context, proxy, self.compiler)
        self.shared: dict[str, Any] = {
            "name": proxy.name,
            "number": number,
            "where": proxy.where,
            "disabled": _disabled(proxy),
            "stats": page,
            "request_rules": self.compiler.request_rules(page_rule),
            "response_rules": self.compiler.response_rules(),
            "content_rules": tuple(self.tcp.lists["content"]),
            "inspect_delay": self.tcp.inspect_delay,
            **_splices(context, proxy),
            "forwardfor": _forwardfor(proxy, "option forwardfor"),
            "originalto": _forwardfor(proxy, "option originalto"),
            "connection": _connection(proxy),
            "log_targets": targets(context, proxy),
            "errorfiles": errorfiles(context, proxy, self.compiler.scope),
            "compression": compression(context, proxy),
            "after_rules": self.compiler.after_rules(),
        }

    def frontend(self) -> Frontend:
        context, proxy = self.context, self.proxy
        log_scope = dataclasses.replace(self.compiler.scope, log=True)
        wants_json = any(target.format == "json" for target in self.shared["log_targets"])
        fields = self._plain(Frontend, "frontend")
        if proxy.kind == "listen":
            fields.setdefault("default_backend", proxy.name)
        fields |= {
            "binds": binds(context, proxy, self.mode),
            "request_rules": monitor_rules(context, proxy, self.compiler) + self.shared["request_rules"],
            "routes": self.compiler.routes(),
            "connection_rules": tuple(self.tcp.lists["connection"]),
            "session_rules": tuple(self.tcp.lists["session"]),
            "keepalive": keepalive(proxy, "clitcpka"),
            "trusted_proxies": tuple(net for line in proxy.given("trusted-proxies") for net in line.value),
            "log_format": log_format(context, proxy, log_scope),
            "log_error_format": self._format("error-log-format", log_scope),
            "log_fields": compile_json(log_scope) if wants_json else None,
            "log_structured": self._format("log-format-sd", log_scope),
            "unique_id": self._format("unique-id-format", self.compiler.scope),
            "request_captures": tuple(self.slots.request),
            "response_captures": tuple(self.slots.response),
            "cookie_capture": self.cookie_capture,
            "accept_underscores": self._accepts_underscores(),
        }
        frontend = Frontend(**fields)
        self._warn_of_silence(frontend)
        return frontend

    def backend(self) -> Backend:
        context, proxy = self.context, self.proxy
        fields = self._plain(Backend, "backend")
        self._check_redispatch(fields)
        script = health_check(context, proxy, self.compiler.scope)
        farm = servers(context, proxy, self.compiler.scope, script)
        fields |= {
            "servers": farm,
            "health_check": script,
            "stick": affinity(context, proxy, self.compiler, farm, fields.get("persist", False)),
            "balance": self._balance(),
            "cookie": _cookie(context, proxy),
            "tcp_response_rules": tuple(self.tcp.lists["response"]),
            "response_delay": self.tcp.response_delay,
            "forwarded": forwarded(context, proxy, self.compiler.scope),
            "keepalive": keepalive(proxy, "srvtcpka"),
        }
        fields |= backend_fields(context, proxy, self.compiler)
        return Backend(**fields)

    def _accepts_underscores(self) -> bool:
        """Whoever says what becomes of odd names says it of these too."""
        said = self.proxy.value("option http-restrict-req-hdr-names")
        return bool(said) or bool(self.proxy.value("option accept-underscore-headers"))

    def _format(self, name: str, scope: Scope) -> Format | None:
        """The option's value compiled; None when there is none."""
        line = self.proxy.last(name)
        return None if line is None else compiled_format(self.context, line, line.value, scope)

    def _plain(self, made: type[Frontend] | type[Backend], kind: str) -> dict[str, Any]:
        """What both have, the timeouts, and the fields that one option each fills as it is read."""
        known = {field.name for field in dataclasses.fields(made)}
        plain: dict[str, Any] = {}
        timeouts: dict[str, float | None] = {}
        for option in PROXY:
            item = self.proxy.last(option.name) if option.kind.direct and kind in option.where else None
            if item is None:
                continue
            if option.field.startswith("timeouts."):
                timeouts[option.field.removeprefix("timeouts.")] = item.value
            elif option.field in known:
                plain[option.field] = item.value
        # A frontend has no timeout connect, and its tarpit takes the time of the one it inherits.
        if timeouts.get("tarpit") is None:
            timeouts["tarpit"] = self.proxy.value("timeout connect")
        return plain | self.shared | {"timeouts": _with_fallbacks(timeouts)}

    def _check_redispatch(self, fields: dict[str, Any]) -> None:
        """0, or without a retry, it is off; -N is the Nth retry before the end, so there must be as many."""
        line = self.proxy.last("option redispatch")
        every, retries = fields.get("redispatch"), fields.get("retries", _DEFAULTS["retries"])
        if every == 0 or not retries:
            fields["redispatch"] = None
        elif line is not None and every is not None and every < -retries:
            self.context.problems.error(
                line.where, f"'option redispatch': {every} is before the first of {retries} retries"
            )

    def _balance(self) -> Balance:
        context, proxy = self.context, self.proxy
        hash_type = balancewords.HashType()
        line = proxy.last("hash-type")
        if line is not None:
            with context.problems.at(line.where):
                hash_type = balancewords.parse_hash_type(line.words)
        line = proxy.last("balance")
        words = line.words if line is not None else ("roundrobin",)
        if line is not None and self.mode != "http" and words[0].partition("(")[0] in _HASHED:
            context.problems.warning(
                line.where,
                f"Layer 7 hash not possible for {proxy.title} (needs 'mode http')."
                " Falling back to round robin.",
            )
            words = ("roundrobin",)
        scope = self.compiler.scope
        with context.problems.at(line.where if line is not None else proxy.where):
            scope = dataclasses.replace(scope, where=proxy.where if line is None else line.where)
            made = balancewords.parse(
                words,
                hash_type,
                lambda text: compile_sample(text, scope)[0],
                lambda text: scope.hook(text, "balance python"),
            )
            if made.key is not None:
                context.written(made.key, " ".join(words[1:]) or words[0])
            return dataclasses.replace(made, factor=balance_factor(context, proxy))
        return Balance()

    def _warn_of_silence(self, frontend: Frontend) -> None:
        """HAProxy's warnings of a frontend that nobody reaches, and of a format that goes nowhere."""
        proxy, problems = self.proxy, self.context.problems
        if not frontend.binds and not proxy.says("bind") and not frontend.disabled:
            problems.warning(
                proxy.where,
                f"{proxy.title} has no 'bind' directive."
                " Please declare it as a backend if this was intended.",
            )
        if frontend.log_format is not None and not proxy.given("log"):
            line = proxy.last(*FORMATS)
            where = line.where if line is not None and line.home is proxy else proxy.where
            problems.warning(where, f"log format ignored for {proxy.title} since it has no log address.")


def ignore_http(context: Context, proxy: Settings) -> None:
    """Leave out what needs mode http, with HAProxy's warnings: of what the proxy says itself, and of what
    it inherits where HAProxy warns too."""
    for option in PROXY:
        item = proxy.last(option.name) if option.http else None
        if item is None:
            continue
        proxy.ignored.add(option.name)
        if item.value in (False, None) or not (option.warns or proxy.says(option.name)):
            continue
        where = proxy.where if option.field == "stats" else item.where  # those of a page are told of once
        context.problems.warning(where, _needs_http(option, proxy))


def _needs_http(option: Option, proxy: Settings) -> str:
    if option.field == "stats":
        return f"'stats' statement ignored for {proxy.title} as it requires HTTP mode."
    if option.name == "cookie":
        return f"cookie will be ignored for {proxy.title} (needs 'mode http')."
    if option.name in _PLURAL:
        return f"'{option.name}' rules ignored for {proxy.title} as they require HTTP mode."
    return f"'{option.name}' ignored for {proxy.title} as it requires HTTP mode."


def _splices(context: Context, proxy: Settings) -> dict[str, bool | None]:
    """What the section asks for; nothing where nosplice rules it out."""
    if context.settings.value("nosplice"):
        return {"splice_auto": False, "splice_request": False, "splice_response": False}
    return {f"splice_{way}": proxy.value(f"option splice-{way}") for way in ("request", "response")}


def _with_fallbacks(given: dict[str, float | None]) -> Timeouts:
    """HAProxy's: a timeout that is not set is another one (its manual, section 4.2, under each)."""
    for name, fallback in _FALLBACKS:
        if given.get(name) is None:
            given[name] = given.get(fallback)
    return Timeouts(**given)


def _disabled(proxy: Settings) -> bool:
    item = proxy.last("disabled", "enabled")
    return item is not None and item.value == (item.option.name == "disabled")


def _connection(proxy: Settings) -> str:
    chosen = "keep-alive"
    for item in proxy.given(*CONNECTION):
        meaning = getattr(item.option.kind, "meaning", chosen)
        if item.value:
            chosen = meaning
        elif chosen == meaning:
            chosen = "keep-alive"
    return chosen


def _forwardfor(proxy: Settings, name: str) -> ForwardFor | None:
    fields = proxy.value(name)
    if fields is None:
        return None
    if name == "option originalto":
        fields = {"header": b"X-Original-To", **fields}
    return ForwardFor(**{**fields, "excepted": tuple(fields.get("excepted", ()))})


def _cookie(context: Context, proxy: Settings) -> Cookie | None:
    line = proxy.last("cookie")
    if line is None:
        return None
    with context.problems.at(line.where, f"'cookie {line.words[0]}': "):
        if not TOKEN.fullmatch(line.words[0]):
            raise ConfigError("that cannot be the name of a cookie (RFC 6265 section 4.1.1)")
        fields = COOKIE.read(line.words[1:])
        methods = fields.pop("method", [])
        if len(set(methods)) > 1:
            raise ConfigError(f"'{methods[0]}' and '{methods[1]}' exclude each other")
        method = methods[0] if methods else ""
        if method == "rewrite" and fields.get("indirect"):
            raise ConfigError("'rewrite' and 'indirect' exclude each other")
        if fields.get("preserve") and method != "insert" and not fields.get("indirect"):
            raise ConfigError("'preserve' needs 'insert' or 'indirect'")
        key = proxy.value("dynamic-cookie-key", "")
        if fields.get("dynamic") and not key:
            raise ConfigError("'dynamic' needs 'dynamic-cookie-key = SECRET' beside it")
        return Cookie(
            **{
                **fields,
                "domains": tuple(fields.get("domains", ())),
                "attributes": tuple(fields.get("attributes", ())),
            },
            name=line.words[0].encode("ascii"),
            method=method,
            dynamic_key=key,
        )
    return None
