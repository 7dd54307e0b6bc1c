"""The kinds of section there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from greenlb.config.options import Table
from greenlb.config.schema.errors import HTTP_ERRORS
from greenlb.config.schema.proxies import PROXY
from greenlb.config.schema.resolvers import RESOLVERS
from greenlb.config.schema.settings import GLOBAL
from greenlb.config.schema.userlists import USERLIST


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionKind:
    """One kind of section: what it is for, and the table of its options.

    ``named`` are the options whose name ends with a name of the user's (``server s1 = ADDRESS``),
    ``two_words`` the first words that belong together with the second (``timeout client``).  ``heading``
    is how its header is written.  A section of its own kind (not ``global`` and not a proxy) has one name
    that no other of that kind may have; what is built of it is found by ``Sections.of``.
    """

    heading: str
    doc: str
    table: Table
    named: tuple[str, ...] = ()
    two_words: tuple[str, ...] = ()
    plain: bool = True  # neither global nor a proxy: a name, no inheritance


_TWO_WORDS: Final = ("timeout", "option", "stats", "monitor", "rate-limit", "compression")
_NAMED: Final = ("server", "server-template", "acl")


def _proxy(heading: str, doc: str) -> SectionKind:
    return SectionKind(heading=heading, doc=doc, table=PROXY, named=_NAMED, two_words=_TWO_WORDS, plain=False)


KINDS: Final = {
    "global": SectionKind(
        heading="[global]", doc="The process.", table=GLOBAL, two_words=_TWO_WORDS, plain=False
    ),
    "defaults": _proxy(
        "[defaults]",
        "What the frontends, backends and listens after it inherit, unless one names another defaults "
        "section: [frontend NAME from DEFAULTS].",
    ),
    "frontend": _proxy("[frontend NAME]", "Where clients connect."),
    "backend": _proxy("[backend NAME]", "A farm of servers."),
    "listen": _proxy(
        "[listen BOTH]", "A frontend and a backend in one section; it takes the options of both."
    ),
    "resolvers": SectionKind(
        heading="[resolvers NAME]",
        doc="The name servers that servers with 'resolvers NAME' are looked up at while greenlb runs.",
        table=RESOLVERS,
        named=("nameserver",),
        two_words=("timeout", "hold"),
    ),
    "http-errors": SectionKind(
        heading="[http-errors NAME]",
        doc="Pages for errors, for sections and rules to import with 'errorfiles'.",
        table=HTTP_ERRORS,
    ),
    "userlist": SectionKind(
        heading="[userlist NAME]",
        doc="Who may be asked for by http_auth(NAME): users, their passwords and their groups.",
        table=USERLIST,
        named=("user", "group"),
    ),
}
"""By the first word of a section's header."""

UNSUPPORTED_KINDS: Final = (
    "peers", "mailers", "cache", "program", "ring", "fcgi-app",
    "log-forward",
)  # fmt: skip


def known(name: str) -> bool:
    """Whether an option of that name exists, in whatever kind of section."""
    return any(name in kind.table for kind in KINDS.values())
