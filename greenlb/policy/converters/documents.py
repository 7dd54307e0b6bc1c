"""Converters that read a small format: JSON, Accept-Language, Host."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from greenlb.exchange import Exchange
from greenlb.policy.kinds import integer
from greenlb.policy.vocabulary import Argument, Convert, Converter, octets

_STEP = re.compile(r"\.((?:[^.\[\\]|\\.)+)|\[(\d+)\]")
_QUALITY = re.compile(rb"\s*q=([01](?:\.\d{0,3})?)\s*")
_PORT = re.compile(rb":(\d*)\Z")

Query = Callable[[bytes], Any]


class _Number(str):
    """A number as the text has it."""

    __slots__ = ()


def json_path(path: str) -> Query:
    r"""What a path such as ``$.user.names[0]`` finds in a JSON text: a value of ``json.loads``, numbers as
    they are written, None when it finds nothing or the text is no JSON.  ``\.`` is a dot in a name.
    Raises ValueError."""
    if not path.startswith("$"):
        raise ValueError(f"a JSON path begins with '$', got '{path}'")
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            raise ValueError(f"'{path}': '.name' or '[number]' is expected at '{path[position:]}'")
        steps.append(re.sub(r"\\(.)", r"\1", step[1]) if step[1] is not None else int(step[2]))
        position = step.end()

    def find(text: bytes) -> Any:
        try:
            value = json.loads(text, parse_int=_Number, parse_float=_Number)
        except (ValueError, RecursionError):
            return None
        for step in steps:
            if isinstance(step, int):
                value = value[step] if isinstance(value, list) and step < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    return find


def as_query(kind: str | None) -> Callable[[Query, bytes], bytes | None]:
    """How a query's result reads: a string, a number, 1 or 0; with the kind ``int`` numbers without their
    fraction.  Raises ValueError."""
    if kind not in (None, "", "int"):
        raise ValueError(f"the output type is 'int' or nothing, got '{kind}'")
    whole = kind == "int"

    def read(query: Query, text: bytes) -> bytes | None:
        value = query(text)
        if isinstance(value, bool):
            return b"1" if value else b"0"
        if isinstance(value, _Number) and whole:
            return b"%d" % integer(value.encode())
        return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else None

    return read


def _json_query(path: str, kind: str | None) -> Convert:
    query, read = json_path(path), as_query(kind)
    return lambda x, value: read(query, value)


def _language(wanted: str, default: str | None) -> Convert:
    """The first of the languages with the highest quality (RFC 9110 section 12.5.4); ``fr-CA`` is ``fr``
    where the list has no variant."""
    known = {octets(name) for name in wanted.split(";") if name}
    fallback = None if default is None else octets(default)

    def convert(x: Exchange, value: bytes) -> bytes | None:
        best, found = 0.0, fallback
        for item in value.split(b","):
            name, _, parameter = item.strip().partition(b";")
            name = name.strip()
            if name not in known:
                name = name.partition(b"-")[0]
            quality = _QUALITY.fullmatch(parameter)
            weight = (float(quality[1]) if quality else 0.0) if parameter else 1.0
            if name in known and weight > best:
                best, found = weight, name
        return found

    return convert


def _host_only(x: Exchange, value: bytes) -> bytes:
    return _PORT.sub(b"", value).lower()


def _port_only(x: Exchange, value: bytes) -> int:
    found = _PORT.search(value)
    return integer(found[1]) if found else 0


def _captured(response: bool) -> Callable[[int], Convert]:
    """Fills a slot of ``declare capture`` or ``capture`` on the way."""

    def make(slot: int) -> Convert:
        def convert(x: Exchange, value: bytes) -> bytes | None:
            slots = x.response_captures if response else x.request_captures
            limits = x.frontend.response_captures if response else x.frontend.request_captures
            if slots is None or not 0 <= slot < len(limits):
                return None
            slots[slot] = value[: limits[slot][1]]
            return value

        return convert

    return make


_SLOT = (Argument("id", "int"),)

ROWS = (
    Converter(
        "json_query",
        "str",
        "str",
        "What a JSON path finds: a string, a number (with the type 'int' a whole one), 1 or 0 for a boolean.",
        _json_query,
        (Argument("json_path"), Argument("output_type", "str", True)),
    ),
    Converter(
        "language",
        "str",
        "str",
        "The best language of an Accept-Language value among some, separated by semicolons.",
        _language,
        (Argument("value"), Argument("default", "str", True)),
    ),
    Converter(
        "host_only", "str", "str", "The host of a Host field's value, in lower case.", lambda: _host_only
    ),
    Converter(
        "port_only", "str", "int", "The port of a Host field's value; 0 without one.", lambda: _port_only
    ),
    Converter("capture-req", "str", "str", "Fills a request's capture slot too.", _captured(False), _SLOT),
    Converter("capture-res", "str", "str", "Fills a response's capture slot too.", _captured(True), _SLOT),
)
