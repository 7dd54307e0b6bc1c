"""greenlb.ini.5, made from the tables: options here, actions, samples and log variables in ``policy``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from greenlb import __version__
from greenlb.config.options import Option, Table
from greenlb.config.schema import (
    BIND,
    COOKIE,
    CRT_LIST,
    FORWARDFOR,
    GLOBAL,
    KINDS,
    LOG,
    PROXY,
    SERVER,
    STATS_SOCKET,
    STICK_TABLE,
)
from greenlb.policy import reference

LINES: Final[dict[str, tuple[Table, str]]] = {
    "bind": (BIND, "After the address"),
    "server": (SERVER, "After the address, and in default-server"),
    "cookie": (COOKIE, "After the name"),
    "stick-table": (STICK_TABLE, "On its line"),
    "log": (LOG, "After the address"),
    "option forwardfor": (FORWARDFOR, "As its value"),
    "stats socket": (STATS_SOCKET, "After the address"),
}
"""Options whose lines have keywords of their own."""

CRT_LIST_INTRO: Final = "In a line of a crt-list, between brackets"

_HEAD: Final = r""".\" Made by python -m greenlb.config.reference from the option table; do not edit.
.TH GREENLB.INI 5 "" "greenlb {version}" "greenlb"
.SH NAME
greenlb.ini \- the configuration of greenlb
.SH DESCRIPTION
The configuration is one or more INI files of sections, and options as
.I name = value\fR.
Sections and options are HAProxy's; an option's name is HAProxy's first word, and for
.BR timeout ", " option ", " server " and " acl
the second word too.
.PP
.RS
.nf
[global]
log = 127.0.0.1 local0

[defaults]
mode = http
log = global
option httplog = yes
timeout connect = 5s
timeout client = 30s
timeout server = 30s

[frontend www]
bind = *:80
       *:443 ssl crt /etc/greenlb/certs/site.pem
redirect = scheme https if !{ ssl_fc }
default_backend = web

[backend web]
balance = roundrobin
cookie = SERVERID insert indirect nocache
server s1 = 10.0.0.11:80 check cookie s1
server s2 = 10.0.0.12:80 check cookie s2
.fi
.RE
.SS Syntax
A line that is indented deeper than the one above continues its value: what may be given many times takes
one item a line, in the order that counts.
A line that begins with # or ; is a comment, and # begins one within a value.
Blanks separate words; a blank inside a word is written as
.B \e\ \&
or the word is put between single or double quotes.
.B ${NAME}
is the environment's NAME, and an error when there is none;
.B ${NAME\-text}
is text then.
.PP
A time is a number with us, ms, s, m, h or d; a size a number with k, m or g (1024s).
A flag is yes or no (on, off, true, false, 1, 0).
.SS Sections
.TP
.B [global]
The process.
.TP
.B [defaults]\fR, \fB[defaults NAME]
What the proxies after it inherit.
A proxy inherits from the last defaults section before it, or from the one it names:
.B [frontend NAME from DEFAULTS]\fR.
.TP
.B [frontend NAME]
Where clients connect.
An address may follow the name, as a bind.
.TP
.B [backend NAME]
A farm of servers.
.TP
.B [listen NAME]
A frontend and a backend in one.
{others}"""

_TAIL: Final = r""".SH SEE ALSO
.BR greenlb (1),
.BR haproxy (1)
.PP
conf/reference.ini lists the same options as a configuration to copy from.
"""


def man() -> str:
    """conf/man/greenlb.ini.5."""
    others = {kind.heading: kind for kind in KINDS.values() if kind.plain}
    listed = "".join(f".TP\n.B {heading}\n{roff(kind.doc)}\n" for heading, kind in others.items())
    parts = [_HEAD.replace("{version}", __version__).replace("{others}", listed)]
    parts += _options("GLOBAL OPTIONS", GLOBAL)
    parts += _options("OPTIONS OF PROXIES", PROXY)
    for heading, kind in others.items():
        parts += _options(f"OPTIONS OF {heading}", kind.table)
    for name, (table, intro) in LINES.items():
        parts += _options(f"KEYWORDS OF {name.upper()}", table, f"{intro}.")
    parts += _options("SETTINGS OF A CRT-LIST", CRT_LIST, f"{CRT_LIST_INTRO}.")
    parts += _rules()
    return "".join(parts) + _TAIL


def _rules() -> Iterator[str]:
    """What rules, conditions and formats are made of."""
    for chapter in reference.chapters():
        entries = {entry.term: "  ".join(filter(None, (entry.doc, entry.facts))) for entry in chapter.entries}
        yield from _section(chapter.heading, chapter.intro, entries)


def _section(heading: str, intro: str, entries: Mapping[str, str]) -> Iterator[str]:
    yield f".SH {heading}\n"
    if intro:
        yield f"{roff(intro)}\n"
    for term, doc in entries.items():
        yield f".TP\n\\fB{roff(term.strip())}\\fR\n{roff(doc)}\n"


def _options(heading: str, options: Iterable[Option], intro: str = "") -> Iterator[str]:
    yield f".SH {heading}\n"
    if intro:
        yield f"{roff(intro)}\n"
    for option in options:
        syntax = f" \\fI{roff(option.kind.syntax)}\\fR" if option.where or option.kind.length else ""
        equals = " =" if option.where else ""
        yield f".TP\n\\fB{roff(option.name)}\\fR{equals}{syntax}\n{roff(option.doc)}\n"
        facts = roff(_facts(option))
        if facts:
            yield f"{facts}\n"


def _facts(option: Option) -> str:
    facts = []
    if option.default:
        facts.append(f"Default: {option.default}.")
    if option.kind.unit:
        facts.append(f"Unit: {option.kind.unit}.")
    if option.http:
        facts.append("Mode http only.")
    if option.where and option.where != ("global",):
        facts.append(f"In {', '.join(option.where)}.")
    return "  ".join(facts)


def roff(text: str) -> str:
    """Text as troff: a backslash, a dash and a leading dot mean themselves; two blanks end a line."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace(".  ", ".\n")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)
