"""Samples of the process, constants, variables and captures."""

from __future__ import annotations

import ipaddress
import os
import random
import socket
import time
import uuid
from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.samples.request import path_and_query
from greenlb.policy.uniqueid import unique_id
from greenlb.policy.variables import LAST_RULE, getter
from greenlb.policy.vocabulary import Argument, Fetch, Sample, octets

_UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000}
_TCHAR = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def _constant(value: object) -> Fetch:
    return lambda x: value


def _bool(text: str) -> Fetch:
    if text.lower() not in ("true", "false", "0", "1"):
        raise ValueError(f"bool() takes 'true', 'false', '1' or '0', got '{text}'")
    return _constant(text.lower() in ("true", "1"))


def _ip(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Fetch:
    return _constant(address)


def _bin(text: str) -> Fetch:
    try:
        return _constant(bytes.fromhex(text))
    except ValueError:
        raise ValueError(f"bin() takes an even number of hexadecimal digits, got '{text}'") from None


def _meth(text: str) -> Fetch:
    if not text or not _TCHAR.issuperset(octets(text)):
        raise ValueError(f"meth() takes a method, got '{text}'")
    return _constant(octets(text))


def _env(name: str) -> Fetch:
    value = os.environ.get(name)
    return _constant(None if value is None else octets(value))


def _date(offset: int | None, unit: str | None) -> Fetch:
    if unit is not None and unit not in _UNITS:
        raise ValueError(f"date() takes the unit 's', 'ms' or 'us', got '{unit}'")
    scale = _UNITS[unit or "s"]
    shift = offset or 0
    return lambda x: int(time.time() * scale) + shift


def _date_us() -> Fetch:
    return lambda x: time.time_ns() // 1000 % 1_000_000


def _rand(limit: int | None) -> Fetch:
    bound = 1 << 32 if limit is None else limit
    if bound < 1:
        raise ValueError(f"rand() takes a range of at least 1, got {limit}")
    return lambda x: random.randrange(bound)


def _uuid(version: int | None) -> Fetch:
    if version not in (None, 4):
        raise ValueError(f"uuid() makes version 4, got {version}")
    return lambda x: str(uuid.uuid4()).encode()


def _variable(name: str, default: str | None) -> Fetch:
    value = getter(name)
    if default is None:
        return value
    fallback = octets(default)

    def with_default(x: Exchange) -> object:
        found = value(x)
        return fallback if found is None else found

    return with_default


def _captured(captures: list[bytes | None] | None, index: int) -> bytes | None:
    return captures[index] if captures is not None and 0 <= index < len(captures) else None


def _line(part: int) -> Fetch:
    """A word of the request line as the client sent it: 0 method, 1 target."""

    def fetch(x: Exchange) -> bytes | None:
        words = x.request_line.split(b" ")
        return words[part] if len(words) == 3 else None

    return fetch


def _captured_uri(x: Exchange) -> bytes | None:
    target = _line(1)(x)
    return None if target is None else path_and_query(target)


def _captured_version(x: Exchange) -> bytes | None:
    return None if x.request is None else b"HTTP/" + x.request.version


def _algorithm(x: Exchange) -> bytes | None:
    recoder = getattr(x.response, "recoder", None)
    return None if recoder is None else recoder.algorithm


def _response_version(x: Exchange) -> bytes | None:
    return None if x.response is None else (b"HTTP/1.1" if x.response.http11 else b"HTTP/1.0")


def _last_rule(x: Exchange) -> Any:
    return None if x.variables is None else x.variables.get(LAST_RULE)


_INDEX = (Argument("idx", "int"),)

ROWS = (
    Sample("always_true", "bool", "", "True.", lambda: _constant(True)),
    Sample("always_false", "bool", "", "False.", lambda: _constant(False)),
    Sample("bool", "bool", "", "A constant boolean.", _bool, (Argument("value"),)),
    Sample("int", "int", "", "A constant integer.", _constant, (Argument("value", "int"),)),
    Sample(
        "str", "str", "", "A constant string.", lambda text: _constant(octets(text)), (Argument("value"),)
    ),
    Sample("bin", "bin", "", "A constant given as hexadecimal digits.", _bin, (Argument("value"),)),
    Sample("meth", "meth", "", "A constant method.", _meth, (Argument("value"),)),
    Sample("ipv4", "ip", "", "A constant IPv4 address.", _ip, (Argument("value", "ipv4"),)),
    Sample("ipv6", "ip", "", "A constant IPv6 address.", _ip, (Argument("value", "ipv6"),)),
    Sample("env", "str", "", "An environment variable as it was at start.", _env, (Argument("name"),)),
    Sample("hostname", "str", "", "This machine's name.", lambda: _constant(octets(socket.gethostname()))),
    Sample(
        "date",
        "int",
        "",
        "The time in seconds (or ms, us) since 1970, plus an offset.",
        _date,
        (Argument("offset", "int", True), Argument("unit", "str", True)),
    ),
    Sample("date_us", "int", "", "The microseconds of the current second.", _date_us),
    Sample(
        "rand",
        "int",
        "",
        "A random number below the range, or of 32 bits.",
        _rand,
        (Argument("range", "int", True),),
    ),
    Sample("uuid", "str", "", "A random UUID.", _uuid, (Argument("version", "int", True),)),
    Sample(
        "var",
        "any",
        "",
        "The value of a variable, or the default.",
        _variable,
        (Argument("name"), Argument("default", "str", True)),
    ),
    Sample(
        "capture.req.hdr",
        "str",
        "",
        "What a capture slot holds of the request, counted from 0.",
        lambda index: lambda x: _captured(x.request_captures, index),
        _INDEX,
    ),
    Sample(
        "capture.res.hdr",
        "str",
        "response",
        "What a capture slot holds of the response, counted from 0.",
        lambda index: lambda x: _captured(x.response_captures, index),
        _INDEX,
    ),
    Sample(
        "last_rule_file",
        "str",
        "",
        "The file of the last rule that ended its list.",
        lambda: lambda x: None if (rule := _last_rule(x)) is None else octets(rule.file),
    ),
    Sample(
        "last_rule_line",
        "int",
        "",
        "The line of the last rule that ended its list.",
        lambda: lambda x: None if (rule := _last_rule(x)) is None else rule.line,
    ),
    Sample("thread", "int", "", "Always 0: a worker has one thread.", lambda: _constant(0)),
    Sample("nbproc", "int", "", "Always 1, as in HAProxy since version 2.5.", lambda: _constant(1)),
    Sample("proc", "int", "", "Always 1, as in HAProxy since version 2.5.", lambda: _constant(1)),
    Sample(
        "stopping",
        "bool",
        "",
        "True while the process finishes what it has begun, before it ends.",
        lambda: lambda x: x.client.reach is not None and x.client.reach.stopping,
        reads="reach",
    ),
    Sample(
        "unique-id",
        "str",
        "",
        "The exchange's id, as unique-id-format makes it.",
        lambda: lambda x: unique_id(x) or None,
    ),
    Sample("capture.req.method", "str", "request", "The method as the client sent it.", lambda: _line(0)),
    Sample(
        "capture.req.uri",
        "str",
        "request",
        "The path and query as the client sent them.",
        lambda: _captured_uri,
    ),
    Sample(
        "capture.req.ver", "str", "request", "The request's version, as HTTP/1.1.", lambda: _captured_version
    ),
    Sample(
        "res.comp",
        "bool",
        "response",
        "Whether greenlb compressed the answer: for the log, it comes behind all rules.",
        lambda: lambda x: _algorithm(x) is not None,
    ),
    Sample(
        "res.comp_algo",
        "str",
        "response",
        "The algorithm that compressed it.",
        lambda: _algorithm,
    ),
    Sample(
        "capture.res.ver",
        "str",
        "response",
        "The response's version, as HTTP/1.1.",
        lambda: _response_version,
    ),
    Sample(
        "status",
        "int",
        "response",
        "The response's status code.",
        lambda: lambda x: None if x.response is None else x.response.status,
    ),
    Sample(
        "res.ver",
        "str",
        "response",
        "The response's HTTP version: 1.0 or 1.1.",
        lambda: lambda x: None if x.response is None else (b"1.1" if x.response.http11 else b"1.0"),
        aliases=("resp_ver",),
    ),
)
