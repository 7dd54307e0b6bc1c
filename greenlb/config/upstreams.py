"""Servers that are WSGI applications (``server app = wsgi:package.module:callable``)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from greenlb.config.values import ConfigError
from greenlb.model import Address, Wsgi

PREFIX: Final = "wsgi:"
_NAME = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_TARGET = re.compile(rf"({_NAME}):({_NAME})(\(\))?")
_CONNECTING: Final = frozenset(
    (
        "addr", "agent_addr", "agent_check", "agent_port", "check_proto", "check_send_proxy", "check_sni",
        "check_ssl", "init_addr", "port", "proto", "proxy_v2_options", "resolvers", "send_proxy", "source",
        "ssl", "usesrc",
    )
)  # fmt: skip
"""What is about a connection: an application has none."""
_NOT_OF_UWSGI: Final = ("ssl", "send_proxy")


def application(text: str, own: Iterable[str], fields: Mapping[str, Any], mode: str) -> Wsgi | None:
    """The application that the address ``text`` of a server is; None when it is none.  ``own`` are the fields
    of its line, ``fields`` these and the defaults.  Raises ConfigError."""
    if not text.startswith(PREFIX):
        for word in ("chdir", "mount"):
            if fields.get(word):
                raise ConfigError(f"'{word}' is for WSGI applications: {text} is none")
        if fields.get("proto") == "uwsgi":
            if mode != "http":
                raise ConfigError("'proto uwsgi' needs mode http")
            for word in _NOT_OF_UWSGI:
                if fields.get(word):
                    raise ConfigError(f"'{word.replace('_', '-')}' does not go with 'proto uwsgi'")
        return None
    found = _TARGET.fullmatch(text, len(PREFIX))
    if found is None:
        raise ConfigError(f"'{text}' names no application: expected wsgi:package.module:callable")
    if mode != "http":
        raise ConfigError("a WSGI application needs mode http")
    for word in sorted(_CONNECTING.intersection(own)):
        raise ConfigError(f"'{word.replace('_', '-')}': a WSGI application is not connected to")
    folder = os.path.abspath(fields["chdir"]) if fields.get("chdir") else ""
    if folder and not os.path.isdir(folder):
        raise ConfigError(f"'chdir': cannot read '{folder}': there is no such folder")
    return Wsgi(found[1], found[2], bool(found[3]), folder, fields.get("mount", ""))


def place() -> Address:
    """What an application has in the place of an address."""
    return Address("", 0)
