"""THE option table: everything a configuration may say, each option once.

Messages, the reference configuration and the manual are made from it (``config.reference``), the model's
plain fields are filled by it (``config.proxies``).  Names and meanings are HAProxy's; where greenlb adds
an option or differs, the sentence says so.

A module holds what belongs together: ``settings`` is the global section, ``proxies`` puts the others together
from ``connections``, ``timeouts``, ``rules``, ``logs`` and ``farm``; ``binds``, ``servers`` and ``lines`` are
the words of one line.
"""

from __future__ import annotations

from typing import Final

from greenlb.config.schema.binds import BIND, BIND_DEFAULTS, CRT_LIST
from greenlb.config.schema.lines import COOKIE, FACILITIES, FORWARDFOR, LEVELS, LOG, STICK_TABLE
from greenlb.config.schema.proxies import PROXY
from greenlb.config.schema.servers import PROXY_V2_OPTIONS, SERVER, SERVER_DEFAULTS
from greenlb.config.schema.settings import GLOBAL
from greenlb.config.schema.tls import VERSIONS

__all__ = [
    "BIND",
    "BIND_DEFAULTS",
    "COOKIE",
    "CRT_LIST",
    "FACILITIES",
    "FORWARDFOR",
    "GLOBAL",
    "KINDS",
    "LEVELS",
    "LOG",
    "NAMED",
    "PROXY",
    "PROXY_V2_OPTIONS",
    "SERVER",
    "SERVER_DEFAULTS",
    "STICK_TABLE",
    "TWO_WORDS",
    "UNSUPPORTED_KINDS",
    "VERSIONS",
]

KINDS: Final = ("global", "defaults", "frontend", "backend", "listen")
"""The kinds of section."""

UNSUPPORTED_KINDS: Final = (
    "resolvers", "peers", "mailers", "userlist", "cache", "program", "ring", "http-errors", "fcgi-app",
    "log-forward",
)  # fmt: skip

TWO_WORDS: Final = ("timeout", "option", "stats")
"""First words that belong together with the second: ``timeout client = 5s``."""
NAMED: Final = ("server", "acl")
"""First words whose second is a name of the user's: ``server s1 = 10.0.0.1:80``."""
