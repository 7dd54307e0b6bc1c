"""``option httpchk``, ``http-check``, ``option tcp-check`` and ``tcp-check`` to scripts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from greenlb.config import checkprotocols
from greenlb.config.addresses import parse_endpoint, server_address
from greenlb.config.checkwords import Cursor, compile_text, expect, hexadecimal
from greenlb.config.context import Context
from greenlb.config.sections import Given, Settings
from greenlb.config.values import TOKEN, ConfigError, one_of
from greenlb.model import Address
from greenlb.policy.actions import state
from greenlb.policy.actions.words import Words
from greenlb.policy.samples import compile_sample
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets
from greenlb.script import (
    Act,
    Connect,
    Expect,
    External,
    HealthCheck,
    PythonCheck,
    Script,
    Send,
    SendHttp,
    Step,
)

KINDS: Final = (
    "option httpchk",
    "option tcp-check",
    "option ssl-hello-chk",
    "option redis-check",
    "option smtpchk",
    "option mysql-check",
    "option pgsql-check",
    "option ldap-check",
    "option external-check",
    "option python-check",
)
"""Options that exclude each other; the last one counts."""
_ACTIONS: Final = {"set-var": state.set_var, "set-var-fmt": state.set_var_fmt, "unset-var": state.unset_var}
_HTTP: Final = ("send", "expect", "connect", "disable-on-404", "send-state", "comment", *_ACTIONS)
_TCP: Final = (
    *("connect", "send", "send-lf", "send-binary", "send-binary-lf", "expect", "comment"),
    *_ACTIONS,
)
_NEEDS: Final = {
    "http-check": "option httpchk",
    "tcp-check": "option tcp-check",
    "external-check": "option external-check",
}
_FLAGS: Final = ("disable-on-404", "send-state")
_VERSION: Final = re.compile(r"HTTP/[0-9]\.[0-9]")


def health_check(context: Context, proxy: Settings, scope: Scope) -> HealthCheck | None:
    """How the servers of a backend are checked; None: by a connection."""
    scope = replace(scope, response=True, early=False, log=False, acls={}, check=True)
    chosen: Given | None = None
    for item in proxy.given(*KINDS):
        if item.value not in (False, None):
            chosen = item
        elif chosen is not None and chosen.option is item.option:
            chosen = None
    _warn_of_unused(context, proxy, "" if chosen is None else chosen.option.name)
    if chosen is None:
        return None
    with context.problems.at(chosen.where, f"'{chosen.option.name}': "):
        match chosen.option.name:
            case "option httpchk":
                return _http(context, proxy, scope, chosen)
            case "option tcp-check":
                return _tcp(context, proxy, replace(scope, mode="tcp"))
            case "option external-check":
                return _external(context, proxy)
            case "option python-check":
                return PythonCheck(context.hooks.add(chosen.value, chosen.where, "python-check"))
            case name:
                words = chosen.value if isinstance(chosen.value, tuple) else ()
                return checkprotocols.script(name.split()[1], words, replace(scope, mode="tcp"))
    return None


def _warn_of_unused(context: Context, proxy: Settings, chosen: str) -> None:
    """HAProxy's warnings of lines that another kind of check, or none, makes idle."""
    for name, needed in _NEEDS.items():
        lines = [line for line in proxy.given(name) if line.home is proxy]
        if chosen == needed or not lines:
            continue
        told = set()
        for line in lines:
            word = line.words[0] if name != "external-check" else f"{name} {line.words[0]}"
            if word in _FLAGS or name == "external-check":
                text = f"'{word}' will be ignored for {proxy.title} (requires '{needed}')."
            else:
                text = f"{proxy.title} uses {name} rules without '{needed}', so the rules are ignored."
            if text not in told:
                told.add(text)
                context.problems.warning(line.where, text)


def _lines(proxy: Settings, name: str) -> list[Given]:
    """The steps; those of a defaults count only where the proxy has none of its own."""
    lines = proxy.given(name)
    own = [line for line in lines if line.home is proxy]
    return own or lines


def _external(context: Context, proxy: Settings) -> External | None:
    if not context.settings.value("external-check"):
        raise ConfigError("running programs must be allowed: 'external-check = yes' in [global]")
    said = {}
    for line in proxy.given("external-check"):
        with context.problems.at(line.where, "'external-check': "):
            if line.words[0] not in ("command", "path") or len(line.words) != 2:
                raise ConfigError("expected 'command PATH' or 'path FOLDERS'")
            said[line.words[0]] = line.words[1]
    if "command" not in said:
        raise ConfigError("it needs 'external-check = command PATH'")
    return External(said["command"], said.get("path", ""))


# --- steps -------------------------------------------------------------------------------------------


class _Steps:
    """The steps of one script, gathered line by line."""

    def __init__(self, context: Context, scope: Scope, allowed: Sequence[str]) -> None:
        self.context = context
        self.scope = scope
        self.allowed = allowed
        self.steps: list[Step] = []
        self.number = 0
        self._comment = ""
        self._commented: type | None = None

    def read(self, lines: Iterable[Given]) -> None:
        for line in lines:
            with self.context.problems.at(line.where, f"'{line.option.name}': "):
                self._line(line)

    def _line(self, line: Given) -> None:
        word, *rest = line.words
        name = word.partition("(")[0]
        if name not in self.allowed:
            raise ConfigError(f"expected {one_of(self.allowed)}, not '{word}'")
        cursor = Cursor(name, rest)
        if name in _ACTIONS:
            words = Words(word, rest, self.scope)
            rule = _ACTIONS[name](words)
            words.condition()
            self.steps.append(Act(rule))
            self._comment = ""
            return
        self.number += 1
        if name == "comment":
            self._comment, self._commented = cursor.take("a text"), None
            cursor.end()
        elif name == "connect":
            self.add(_connect(self.number, cursor, self.scope))
        elif name == "expect":
            self.add(expect(self.number, cursor, self.scope))
        elif self.scope.mode == "tcp" or self.allowed is _TCP:
            self.add(_send(self.number, name, cursor, self.scope))

    def add(self, step: Connect | Send | SendHttp | Expect) -> None:
        """A comment holds for the steps of one kind that follow it."""
        if self._commented not in (None, type(step)):
            self._comment = ""
        self._commented = type(step)
        if self._comment and not step.comment:
            step = replace(step, comment=self._comment)
        if isinstance(step, Connect):
            self._comment = ""
        self.steps.append(step)


def _connected(steps: list[Step]) -> tuple[Step, ...]:
    """The steps, with the connection before them that goes without saying."""
    first = next((step for step in steps if not isinstance(step, Act)), None)
    if isinstance(first, Connect):
        return tuple(steps)
    return (Connect(default=True, implicit=True), *steps)


def _tcp(context: Context, proxy: Settings, scope: Scope) -> Script:
    steps = _Steps(context, scope, _TCP)
    steps.read(_lines(proxy, "tcp-check"))
    first = next((step for step in steps.steps if not isinstance(step, Act)), None)
    if any(isinstance(step, Connect) for step in steps.steps) and not isinstance(first, Connect):
        raise ConfigError("the first step must be a 'connect' when there is one")
    return Script("tcp", _connected(steps.steps))


def _send(number: int, name: str, cursor: Cursor, scope: Scope) -> Send:
    data = cursor.take("what to send")
    comment = cursor.take("a text") if cursor.accept("comment") else ""
    cursor.end()
    if name == "send":
        return Send(number, octets(data), comment)
    if name == "send-binary":
        return Send(number, hexadecimal(data), comment)
    return Send(number, compile_text(data, scope), comment, hexadecimal=name == "send-binary-lf")


def _connect(number: int, cursor: Cursor, scope: Scope) -> Connect:
    fields: dict[str, Any] = {}
    while not cursor.ended:
        word = cursor.take("a keyword")
        match word:
            case "default" | "linger":
                fields[word] = True
            case "ssl":
                fields["tls"] = True
            case "send-proxy":
                fields["send_proxy"] = True
            case "comment" | "sni":
                fields[word] = cursor.take("a text")
            case "alpn":
                fields["alpn"] = tuple(cursor.take("protocols").split(","))
            case "port":
                text = cursor.take("a port or a sample")
                if text.isdigit():
                    if not 0 < int(text) < 65536:
                        raise ConfigError(f"'port': expected a number from 1 to 65535, not '{text}'")
                    fields["port"] = int(text)
                else:
                    fields["port_of"] = compile_sample(text, scope)[0]
            case "addr":
                fields["address"] = _address(cursor.take("an address"))
            case _:
                raise ConfigError(
                    "'connect': expected 'default', 'port', 'addr', 'ssl', 'sni', 'alpn', 'send-proxy',"
                    f" 'linger' or 'comment', not '{word}'"
                )
    return Connect(number, **fields)


def _address(text: str) -> Address:
    """An address, with a port behind it or without."""
    if parse_endpoint(text).ports:
        return server_address(text)
    return replace(server_address(text, port=1), port=0)


# --- HTTP --------------------------------------------------------------------------------------------


def _http(context: Context, proxy: Settings, scope: Scope, option: Given) -> Script:
    scope = replace(scope, mode="http")
    flags = dict.fromkeys(_FLAGS, False)
    lines = []
    for line in proxy.given("http-check"):
        if line.words[0] in flags:
            flags[line.words[0]] = True
    for line in _lines(proxy, "http-check"):
        if line.words[0] not in flags:
            lines.append(line)
        elif len(line.words) > 1:
            raise ConfigError(f"'http-check {line.words[0]}' takes no arguments")
    steps = _Steps(context, scope, _HTTP)
    asked = _option_fields(option.value, context, option)
    steps_of = _HttpSteps(steps, asked)
    for line in lines:
        with context.problems.at(line.where, "'http-check': "):
            steps_of.line(line)
    return Script("http", steps_of.finish(), flags["disable-on-404"], flags["send-state"])


class _HttpSteps:
    """HAProxy's grammar of http-check: send, expect, and a connection before the next send.  What the option
    says is sent first; an ``http-check send`` says more of it."""

    def __init__(self, steps: _Steps, asked: dict[str, Any]) -> None:
        self._steps = steps
        self._asked: dict[str, Any] | None = asked
        self._last: type | None = None

    def line(self, line: Given) -> None:
        word = line.words[0]
        if word == "send":
            if self._last not in (None, Connect):
                raise ConfigError("a 'send' after another needs a 'connect' between them")
            self._send(Cursor(word, line.words[1:]))
            self._last = SendHttp
            return
        if word == "expect" and self._last in (None, Connect):
            self._send(None)
        elif word == "connect" and self._last is SendHttp:
            raise ConfigError("a 'connect' after a 'send' needs an 'expect' between them")
        self._steps.read([line])
        self._last = {"expect": Expect, "connect": Connect}.get(word, self._last)

    def finish(self) -> tuple[Step, ...]:
        if self._asked is not None:
            self._send(None)
            self._last = SendHttp
        if self._last is SendHttp:
            self._steps.number += 1
            self._steps.add(Expect(self._steps.number, "status", codes=((200, 399),)))
        return _connected(self._steps.steps)

    def _send(self, cursor: Cursor | None) -> None:
        self._steps.number += 1
        said = {} if cursor is None else _send_fields(cursor, self._steps.scope)
        asked, self._asked = self._asked, None
        if asked is None and cursor is None:
            raise ConfigError("an 'expect' after a 'connect' needs a 'send' before it")
        self._steps.add(SendHttp(self._steps.number, **((asked or {}) | said)))


def _option_fields(words: Sequence[str], context: Context, option: Given) -> dict[str, Any]:
    """What ``option httpchk`` says of the request."""
    if not words:
        return {}
    fields: dict[str, Any] = {}
    if len(words) == 1:
        fields["uri"] = octets(words[0])
        return fields
    fields["method"], fields["uri"] = _method(words[0]), octets(words[1])
    if len(words) > 2:
        rest = " ".join(words[2:])
        version, _, tail = rest.partition("\r\n")
        fields["version"] = _version(version.strip())
        if tail:
            context.problems.warning(
                option.where,
                "'option httpchk' : hiding headers or body at the end of the version string is deprecated."
                " Please, consider to use 'http-check send' directive instead.",
            )
            head, _, body = tail.partition("\r\n\r\n")
            fields["headers"] = tuple(_old_header(line) for line in head.split("\r\n") if line)
            fields["body"] = octets(body)
    return fields


def _old_header(line: str) -> tuple[bytes, Any]:
    name, colon, value = line.partition(":")
    if not colon or not TOKEN.fullmatch(name):
        raise ConfigError(f"'{line}' is not a header field: expected NAME:VALUE")
    content = octets(value.strip())
    return octets(name), lambda x: content


def _method(text: str) -> bytes:
    if not TOKEN.fullmatch(text):
        raise ConfigError(f"'{text}' is not a method")
    return octets(text)


def _version(text: str) -> bytes:
    if not _VERSION.fullmatch(text):
        raise ConfigError(f"expected a version such as HTTP/1.1, not '{text}'")
    if text[5:] not in ("1.0", "1.1"):
        raise ConfigError(
            f"'{text}' is not supported by this version of greenlb: expected HTTP/1.0 or HTTP/1.1"
        )
    return octets(text)


def _send_fields(cursor: Cursor, scope: Scope) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    headers = []
    while not cursor.ended:
        word = cursor.take("a keyword")
        match word:
            case "meth":
                fields["method"] = _method(cursor.take("a method"))
            case "uri":
                fields["uri"] = octets(cursor.take("a URI"))
            case "uri-lf":
                fields["uri"] = compile_text(cursor.take("a format"), scope)
            case "ver":
                fields["version"] = _version(cursor.take("a version"))
            case "hdr":
                name = cursor.take("the name of a header field")
                if not TOKEN.fullmatch(name):
                    raise ConfigError(f"'{name}' is not the name of a header field")
                if name.lower() in ("content-length", "transfer-encoding"):
                    raise ConfigError(f"'{name}' is ours to send: it follows from the body")
                headers.append((octets(name), compile_text(cursor.take("its value"), scope)))
            case "body":
                fields["body"] = octets(cursor.take("a body"))
            case "body-lf":
                fields["body"] = compile_text(cursor.take("a format"), scope)
            case "comment":
                fields["comment"] = cursor.take("a text")
            case _:
                raise ConfigError(
                    "'send': expected 'meth', 'uri', 'uri-lf', 'ver', 'hdr', 'body', 'body-lf' or 'comment',"
                    f" not '{word}'"
                )
    if headers:
        fields["headers"] = tuple(headers)
    return fields
