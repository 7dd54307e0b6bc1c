"""A resolved configuration as text: every field that is not at its default, always in the same order.

Compiled things (rules, formats, samples) stand as they were written.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from greenlb.config.load import Loaded
from greenlb.config.schema import FACILITIES, LEVELS
from greenlb.model import Address, Bind, Config, LogTarget, Where
from greenlb.runtime import RuntimeSocket

_INDENT = "  "


def dump(loaded: Loaded) -> str:
    """The whole configuration.  Raises ValueError when there is none."""
    if loaded.config is None:
        raise ValueError("there is no configuration to dump")
    return "".join(f"{line}\n" for line in _Dump(loaded.texts).config(loaded.config))


class _Dump:
    def __init__(self, texts: Mapping[int, str]) -> None:
        self.texts = texts

    def config(self, config: Config) -> Iterator[str]:
        yield "global"
        yield from self._fields(config.settings, _INDENT)
        for section in config.resolvers:
            yield f"resolvers {section.name}"
            yield from self._fields(section, _INDENT, skip=("name",))
        for table in config.tables.specs() if config.tables is not None else ():
            yield f"stick-table {table.name}"
            yield from self._fields(table, _INDENT, skip=("name",))
        for kind, proxies in (("frontend", config.frontends), ("backend", config.backends)):
            for proxy in proxies:
                yield f"{kind} {proxy.name}"
                yield from self._fields(proxy, _INDENT, skip=("name",))

    def _fields(self, thing: Any, indent: str, skip: tuple[str, ...] = ()) -> Iterator[str]:
        for field in dataclasses.fields(thing):
            value = getattr(thing, field.name)
            if field.name not in skip and not _is_default(field, value):
                yield from self._field(thing, field.name, value, indent)

    def _field(self, thing: Any, name: str, value: Any, indent: str) -> Iterator[str]:
        if isinstance(value, tuple) and value and all(_is_block(item) for item in value):
            yield f"{indent}{name}:"
            for item in value:
                first, *rest = list(self._fields(item, indent + _INDENT + _INDENT)) or [""]
                yield f"{indent}{_INDENT}- {first.strip()}"
                yield from rest
        elif isinstance(value, tuple) and value and all(callable(item) for item in value):
            yield f"{indent}{name}:"
            yield from (f"{indent}{_INDENT}- {self._text(item)}" for item in value)
        elif _is_block(value):
            yield f"{indent}{name}:"
            yield from self._fields(value, indent + _INDENT)
        elif isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from (f"{indent}{_INDENT}{key} = {self._text(value[key])}" for key in sorted(value))
        else:
            yield f"{indent}{name} = {_named(thing, name) or self._text(value)}"

    def _text(self, value: Any) -> str:
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, float):
            return f"{value:g}s"
        if isinstance(value, bytes):
            return repr(value)[1:]
        if isinstance(value, tuple):
            return " ".join(self._text(item) for item in value)
        if callable(value):
            return self.texts.get(id(value), "(compiled)")
        return str(value) or '""'


def _is_block(value: Any) -> bool:
    """Whether a value is printed as fields of its own."""
    return dataclasses.is_dataclass(value) and not isinstance(value, (Address, Where))


def _is_default(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return field.default is not dataclasses.MISSING and bool(value == field.default)


def _named(thing: Any, name: str) -> str | None:
    """A number as a configuration writes it: syslog's by their names, permissions in octal."""
    if isinstance(thing, LogTarget) and name in ("facility", "level", "minimum"):
        return (FACILITIES if name == "facility" else LEVELS)[getattr(thing, name)]
    if isinstance(thing, Bind | RuntimeSocket) and name == "mode" and thing.mode is not None:
        return f"{thing.mode:o}"
    return None
