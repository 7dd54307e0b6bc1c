"""``server`` and ``default-server`` lines to the model's servers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from greenlb.config import serverchecks
from greenlb.config.addresses import source_address
from greenlb.config.context import Context, must_read
from greenlb.config.names import Located, expanded, locate
from greenlb.config.schema import PROXY, PROXY_V2_OPTIONS, SERVER
from greenlb.config.sections import Given, Settings
from greenlb.config.tls import check_protocols, merged, version_range, without_ssl
from greenlb.config.upstreams import application, place
from greenlb.config.values import NAME, ConfigError
from greenlb.model import Address, Check, SendProxy, Server, ServerTls, Where
from greenlb.policy.farm import Farm
from greenlb.policy.samples import compile_bytes
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import nearest
from greenlb.script import HealthCheck


def declare_farm(farm: Farm, proxies: Iterable[Settings]) -> None:
    """The names of all sections and servers, before the rules that name them are compiled."""
    for proxy in proxies:
        names = [name for line in proxy.given("server", "server-template") for name in _names(line)]
        names += ["dispatch"] * bool(proxy.given("dispatch"))
        farm.declare(
            proxy.name, frontend=proxy.kind != "backend", servers=None if proxy.kind == "frontend" else names
        )


def _names(line: Given) -> list[str]:
    """What the servers of a line are called; a wrong line is told of where it is built."""
    try:
        return [words[0] for words in expanded(line)]
    except ConfigError:
        return []


def servers(
    context: Context, backend: Settings, scope: Scope, script: HealthCheck | None = None
) -> tuple[Server, ...]:
    """A backend's servers, numbered from 1, each with the default-server keywords that stand before it."""
    defaults: dict[str, Any] = {}
    found: list[Server] = []
    places: dict[str, Where] = {}
    for line in backend.given("default-server", "dispatch", "server", "server-template"):
        if line.option.name == "dispatch":
            line = replace(line, option=PROXY["server"], words=("dispatch", *line.words))
        if line.option.name == "default-server":
            defaults = merged(defaults, line.value)
            continue
        with context.problems.at(line.where, f"'{line.option.name} {backend.name}/{line.words[0]}': "):
            for words in expanded(line):
                each = replace(line, words=words)
                server = _Line(context, backend, scope, each, defaults, script).server(len(found) + 1)
                earlier = places.setdefault(server.name, server.where)
                if earlier != server.where:
                    raise ConfigError(
                        f"another server named '{server.name}' was already defined at {earlier},"
                        " please use distinct names"
                    )
                found.append(server)
    return tuple(found)


def _limits(fields: Mapping[str, Any]) -> dict[str, Any]:
    """HAProxy's: without a maxconn, or above it, minconn is the limit."""
    low, high = fields.get("minconn", 0), fields.get("maxconn", 0)
    high = max(low, high)
    return {"maxconn": high, "minconn": low if low < high else 0, "maxqueue": fields.get("maxqueue", 0)}


class _Line:
    """One server line, over the keywords of default-server."""

    def __init__(
        self,
        context: Context,
        backend: Settings,
        scope: Scope,
        line: Given,
        defaults: dict[str, Any],
        script: HealthCheck | None,
    ) -> None:
        self.context = context
        self.backend = backend
        self.scope = scope
        self.line = line
        self.own: dict[str, Any] = {}
        self.defaults = defaults
        self.script = script
        self.fields: dict[str, Any] = defaults

    def server(self, number: int) -> Server:
        words = self.line.words
        if not NAME.fullmatch(words[0]):
            raise ConfigError("a name is made of letters, digits, '_', '-', '.' and ':'")
        if len(words) < 2:
            raise ConfigError("expected an address with a port, such as 10.0.0.11:80")
        self.own = SERVER.read(words[2:])
        fields = self.fields = merged(self.defaults, self.own)
        app = application(words[1], self.own, fields, self.scope.mode)
        located = self._locate() if app is None else Located(place())
        address = located.address
        if not fields.get("ssl") and not serverchecks.encrypts(fields, self.script):
            self._warn_of_no_ssl()
        return Server(
            name=words[0],
            number=number,
            address=address,
            where=self.line.where,
            weight=fields.get("weight", 1),
            backup=fields.get("backup", False),
            disabled=fields.get("disabled", False),
            cookie=self._cookie(),
            **_limits(fields),
            check=self._check(address),
            agent=serverchecks.agent(fields, address),
            observe=serverchecks.observe(fields, self.scope.mode),
            track=serverchecks.track(fields, self.backend.name),
            slowstart=fields.get("slowstart", 0.0),
            down_shuts_sessions="on_marked_down" in fields,
            up_shuts_backups="on_marked_up" in fields,
            tls=self._tls if fields.get("ssl") else None,
            send_proxy=self._send_proxy(),
            source=self._source(address) if app is None else None,
            resolution=located.resolution,
            forget=located.forget,
            app=app,
            proto=fields.get("proto", "h1") if app is None else "h1",
            non_stick=fields.get("non_stick", False),
        )

    def _locate(self) -> Located:
        name, text, *_ = self.line.words
        last = self.context.addresses.get(f"{self.backend.name}/{name} {text}", "")
        located = locate(text, self.fields, self.context.resolvers, last)
        if located.warning:
            self.context.problems.warning(
                self.line.where, f"'server {self.backend.name}/{name}' : {located.warning}"
            )
        return located

    def _send_proxy(self) -> SendProxy | None:
        word: str = self.fields.get("send_proxy", "")
        options = self.fields.get("proxy_v2_options", ())
        for option in options:
            if option not in PROXY_V2_OPTIONS:
                raise ConfigError(
                    f"'proxy-v2-options': expected some of {', '.join(PROXY_V2_OPTIONS)}, not '{option}'"
                    + nearest(option, PROXY_V2_OPTIONS)
                )
        if not word:
            return None
        if word == "send-proxy":
            return SendProxy()
        return SendProxy(
            version=2,
            ssl="-ssl" in word or not {"ssl", "cert-cn", "ssl-cipher"}.isdisjoint(options),
            cert_cn=word.endswith("-cn") or "cert-cn" in options,
            ssl_cipher="ssl-cipher" in options,
            authority="authority" in options,
            crc32c="crc32c" in options,
        )

    def _source(self, address: Address) -> Address | None:
        """The local address for connections to it, its own or the backend's."""
        text: str | None = self.fields.get("source", self.backend.value("source"))
        if not text:
            return None
        source = source_address(text)
        if address.unix or (address.host and source.ipv6 != address.ipv6):
            raise ConfigError(f"'source': '{text}' cannot reach {address}")
        return source

    def _cookie(self) -> str:
        value: str = self.fields.get("cookie", "")
        if value and self.scope.mode != "http":
            self.context.problems.warning(
                self.line.where,
                f"{self.backend.title} : ignoring cookie for server '{self.line.words[0]}'"
                " as HTTP mode is disabled.",
            )
            return ""
        return value

    def _check(self, address: Address) -> Check | None:
        if not self.fields.get("check"):
            return None
        source = None if address.unix else self._source(address)
        return serverchecks.check(
            self.fields, self.script, address, self._send_proxy(), source, lambda: self._tls
        )

    def _warn_of_no_ssl(self) -> None:
        for keyword in without_ssl(self.own):
            self.context.problems.warning(
                self.line.where,
                f"'server {self.backend.name}/{self.line.words[0]}': '{keyword}' has no effect without 'ssl'",
            )

    @cached_property
    def _tls(self) -> ServerTls:
        context, defaults = self.context, self.context.settings
        fields = merged(defaults.value("ssl-default-server-options", {}), self.fields)
        low, high = version_range(fields, "")
        check_protocols(fields.get("alpn", ()), self.scope.mode)
        ca_file = context.authority_path(fields.get("ca_file", ""))
        crl_file = context.authority_path(fields.get("crl_file", ""))
        crt = context.certificate_path(fields["crt"]) if fields.get("crt") else ""
        verify = fields.get("verify", defaults.value("ssl-server-verify", "required"))
        if verify == "required" and not ca_file:
            raise ConfigError(
                "verify is enabled by default but no CA file specified: expected 'ca-file FILE'"
                " (or @system-ca), or 'verify none' where the network is to be trusted"
            )
        for path in (ca_file, crl_file, crt):
            if path:
                must_read(path)
        return ServerTls(
            where=self.line.where,
            verify=verify,
            ca_file=ca_file,
            crl_file=crl_file,
            sni=context.written(compile_bytes(fields["sni"], self.scope), fields["sni"])
            if fields.get("sni")
            else None,
            verifyhost=fields.get("verifyhost", ""),
            crt=crt,
            min_version=low,
            max_version=high,
            ciphers=fields.get("ciphers", defaults.value("ssl-default-server-ciphers", "")),
            ciphersuites=fields.get("ciphersuites", defaults.value("ssl-default-server-ciphersuites", "")),
            curves=fields.get("curves", defaults.value("ssl-default-server-curves", "")),
            alpn=fields.get("alpn", ()),
            tickets=fields.get("tickets", True),
        )
