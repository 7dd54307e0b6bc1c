"""THE option table: everything a configuration may say, each option once.

Messages, the reference configuration and the manual are made from it (``config.reference``), the model's
plain fields are filled by it (``config.proxies``).  Names and meanings are HAProxy's; where greenlb adds
an option or differs, the sentence says so.

A module holds what belongs together: ``settings`` is the global section, ``proxies`` puts those of proxies
together from ``connections``, ``timeouts``, ``rules``, ``logs`` and ``farm``, other kinds of section have one
each (``resolvers``), and ``kinds`` lists them all; ``binds``, ``servers`` and ``lines`` are the words of one
line.
"""

from __future__ import annotations

from greenlb.config.schema.binds import BIND, BIND_DEFAULTS, CRT_LIST
from greenlb.config.schema.kinds import KINDS, UNSUPPORTED_KINDS, SectionKind, known
from greenlb.config.schema.lines import COOKIE, FACILITIES, FORWARDFOR, LEVELS, LOG, STICK_TABLE
from greenlb.config.schema.names import RESOLVE_OPTS
from greenlb.config.schema.proxies import PROXY
from greenlb.config.schema.resolvers import RESOLVERS
from greenlb.config.schema.runtime import STATS_SOCKET
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
    "PROXY",
    "PROXY_V2_OPTIONS",
    "RESOLVERS",
    "RESOLVE_OPTS",
    "SERVER",
    "SERVER_DEFAULTS",
    "STATS_SOCKET",
    "STICK_TABLE",
    "UNSUPPORTED_KINDS",
    "VERSIONS",
    "SectionKind",
    "known",
]
