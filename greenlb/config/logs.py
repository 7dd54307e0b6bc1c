"""Where a proxy's log lines go and how they read."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Sequence
from typing import Any, Final

from greenlb.config.addresses import parse_endpoint, port_range, resolve
from greenlb.config.context import Context
from greenlb.config.schema import FACILITIES, LEVELS, LOG
from greenlb.config.sections import Given, Settings
from greenlb.config.values import TOKEN, ConfigError
from greenlb.model import Format, LogTarget, Where
from greenlb.policy.logformat import NAMED, compile_format
from greenlb.policy.scope import Scope, Slots
from greenlb.policy.vocabulary import nearest

COOKIE_LENGTH: Final = 63
"""Bytes of a captured cookie, at most, without ``tune.http.cookielen``."""
SYSLOG_PORT: Final = 514
FORMATS: Final = ("option httplog", "option httpslog", "option tcplog", "log-format")
"""Options that exclude each other; the last one counts."""

_OWN_STREAMS: Final = {"stdout": "stdout", "stderr": "stderr"}
_DEFAULT_FACILITY: Final = "local0"
_NO_SYSLOG: Final = ("stdout", "stderr", "file", "fd")
"""Kinds of target that need no facility."""


def targets(context: Context, section: Settings) -> tuple[LogTarget, ...]:
    """The targets of a section's ``log`` lines and of those it inherits."""
    found: list[LogTarget] = []
    for line in section.given("log"):
        with context.problems.at(line.where, "'log': "):
            if line.words == ("global",):
                if section is context.settings:
                    raise ConfigError("'global' stands for the targets of [global]; expected an address here")
                found += context.log_targets
            elif line.words == ("no",):
                found.clear()
            else:
                found.append(_target(line.words, line.where))
                _check_folder(context, found[-1])
    return tuple(dict.fromkeys(found))


def _check_folder(context: Context, target: LogTarget) -> None:
    """A file appears with its first line; its folder does not."""
    folder = os.path.dirname(target.address) or "."
    if target.kind == "file" and not os.path.isdir(folder):
        context.problems.warning(
            target.where, f"'log': there is no folder '{folder}': what goes to '{target.address}' is lost"
        )


def _target(words: Sequence[str], where: Where) -> LogTarget:
    rest = list(words[1:])
    fields: dict[str, Any] = {}
    while rest and (rest[0] in LOG or LOG.refusal(rest[0])):
        fields |= LOG.read(rest[:2])
        del rest[:2]
    kind, address, port = _destination(words[0])
    if kind == "file":  # there is no syslogd to add the host's name, without which halog reads no line
        fields.setdefault("format", "rfc3164")
    if not rest and kind in _NO_SYSLOG:
        rest = [_DEFAULT_FACILITY]
    if not rest:
        raise ConfigError(f"expected a facility such as local0 after '{' '.join(words)}'")
    if len(rest) > 3:
        raise ConfigError(f"expected FACILITY [LEVEL [MINLEVEL]] at the end, not '{' '.join(rest)}'")
    facility = _number(FACILITIES, rest[0], "facility")
    for field, word in zip(("level", "minimum"), rest[1:], strict=False):
        fields[field] = _number(LEVELS, word, "level")
    return LogTarget(kind, address, port, facility, where=where, **fields)


def _number(known: Sequence[str], word: str, what: str) -> int:
    if word not in known:
        raise ConfigError(f"unknown {what} '{word}'{nearest(word, known)}")
    return known.index(word)


def _destination(text: str) -> tuple[str, str, int]:
    """(kind, address, port) of a target.

    A path is a unix socket when a socket lies there, or when it is named as syslog's sockets are
    (``/dev/log``); else it is a file.  ``unix@`` and ``file@`` leave no doubt.
    """
    if text in _OWN_STREAMS:
        return _OWN_STREAMS[text], "", 0
    if re.fullmatch(r"fd@\d+", text, re.ASCII):
        return "fd", text[3:], 0
    if text.startswith("file@"):
        if text == "file@":
            raise ConfigError("expected a path after 'file@'")
        return "file", text[5:], 0
    if "/" in text and not text.startswith("unix@"):
        return ("unix" if _is_socket(text) else "file"), text, 0
    endpoint = parse_endpoint(text)
    if endpoint.unix:
        return "unix", endpoint.host, 0
    if text.count(":") > 1 and not text.startswith("["):
        endpoint = parse_endpoint(f"[{text}]")
    if endpoint.host in ("", "*"):
        raise ConfigError(f"expected an address, a path, stdout or stderr, not '{text}'")
    port = port_range(endpoint, "a port")[0] if endpoint.ports else SYSLOG_PORT
    return "udp", resolve(endpoint.host, endpoint.family), port


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        name = os.path.basename(path)
        return name in ("log", "socket") or name.endswith((".sock", ".socket"))


def hostname(context: Context) -> str:
    """The name of ``log-send-hostname``: this host's, the given one, or empty for none."""
    name = context.settings.value("log-send-hostname")
    return socket.gethostname() if name is True else name or ""


def log_format(context: Context, frontend: Settings, scope: Scope) -> Format | None:
    """What renders a frontend's lines, or None for HAProxy's default, the line at accept."""
    chosen = _chosen(frontend)
    if chosen is None:
        return None
    name, line = chosen
    if scope.mode != "http" and name in NAMED and name != "tcplog":
        context.problems.warning(
            line.where,
            f"'{line.option.name}' not usable with {frontend.title} (needs 'mode http')."
            " Falling back to 'option tcplog'.",
        )
        name = "tcplog"
    return compiled_format(context, line, NAMED.get(name, name), scope)


def compiled_format(context: Context, line: Given, text: str, scope: Scope) -> Format | None:
    """A format compiled, or None with an error told."""
    with context.problems.at(line.where, f"'{line.option.name}': "):
        merges = line.option.name == "unique-id-format"
        return context.written(compile_format(text, scope, merges=merges), text)
    return None


def _chosen(frontend: Settings) -> tuple[str, Given] | None:
    """The format that counts, by name or as text, and the line that says so."""
    chosen: tuple[str, Given] | None = None
    for line in frontend.given(*FORMATS):
        name = _format_name(line)
        if name is not None:
            chosen = name, line
        elif chosen is not None and chosen[1].option is line.option:
            chosen = None
    return chosen


def _format_name(line: Given) -> str | None:
    """``httplog`` and its like, ``httplog clf``, the text of a log-format, or None when it says no."""
    if line.option.name == "log-format":
        return str(line.value)
    if line.value is False or line.value is None:
        return None
    name = line.option.name.removeprefix("option ")
    return f"{name} clf" if line.value == "clf" else name


def captures(context: Context, frontend: Settings) -> tuple[Slots, tuple[bytes, int] | None]:
    """What ``capture`` and ``declare capture`` lines ask for, in their order, and the cookie to capture."""
    slots = Slots()
    cookie: tuple[bytes, int] | None = None
    for line in frontend.given("capture", "declare"):
        with context.problems.at(line.where, f"'{line.option.name}': "):
            if line.option.name == "declare":
                direction, length = _declared(line.words)
                (slots.response if direction == "response" else slots.request).append((b"", length))
                continue
            what, name, length = _capture(line.words)
            if what == "cookie":
                if cookie is not None:
                    raise ConfigError("only one cookie can be captured")
                cookie = name, _within(context, frontend, line, length)
            else:
                side = slots.request if what == "request header" else slots.response
                side.append((name.lower(), length))
    return slots, cookie


def _within(context: Context, frontend: Settings, line: Given, length: int) -> int:
    """So much of a cookie as ``tune.http.cookielen`` allows."""
    most: int = context.settings.value("tune.http.cookielen", COOKIE_LENGTH)
    if length > most:
        context.problems.warning(
            line.where, f"truncating capture length to {most} bytes for {frontend.title}."
        )
    return min(length, most)


def _declared(words: Sequence[str]) -> tuple[str, int]:
    """``capture request|response len NUMBER``."""
    expected = "capture request len NUMBER or capture response len NUMBER"
    if len(words) != 4 or words[0] != "capture" or words[1] not in ("request", "response"):
        raise ConfigError(f"expected {expected}, not '{' '.join(words)}'")
    if words[2] != "len":
        raise ConfigError(f"expected {expected}, not '{' '.join(words)}'")
    return words[1], _length(words[3])


def _length(text: str) -> int:
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or not int(text):
        raise ConfigError(f"expected a number of bytes from 1 to 99999 after 'len', not '{text}'")
    return int(text)


def _capture(words: Sequence[str]) -> tuple[str, bytes, int]:
    what = " ".join(words[:-3])
    expected = "request header NAME len NUMBER, response header NAME len NUMBER or cookie NAME len NUMBER"
    if what not in ("request header", "response header", "cookie") or words[-2] != "len":
        raise ConfigError(f"expected {expected}, not '{' '.join(words)}'")
    name, length = words[-3], words[-1]
    # What a cookie's text must begin with: "SID" also means SIDE=1, "SID=" does not.
    if not TOKEN.fullmatch(name.removesuffix("=") if what == "cookie" else name):
        raise ConfigError(f"'{name}' cannot be the name of a header field or a cookie")
    return what, name.encode("ascii"), _length(length)
