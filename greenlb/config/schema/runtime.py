"""The runtime socket: where the section global opens it, and what may follow its address."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option, Table
from greenlb.config.values import Account, Choice, Flag, Integer, Line, Matching, Timeout
from greenlb.runtime import LEVELS as ACCESS

_G: Final = ("global",)

STATS_SOCKET: Final = Table(
    "keyword",
    (
        Option(
            name="mode",
            kind=Matching("MODE", "permissions in octal, such as 660", "0?[0-7]{3}"),
            field="mode",
            doc="The permissions of a unix socket, in octal.",
            example="660",
        ),
        Option(
            name="user",
            kind=Account("user"),
            field="uid",
            doc="The owner of a unix socket.",
            example="root",
        ),
        Option(
            name="uid",
            kind=Integer(0),
            field="uid",
            doc="As user, by number.",
            example="65534",
        ),
        Option(
            name="group",
            kind=Account("group"),
            field="gid",
            doc="The group of a unix socket.",
            example="root",
        ),
        Option(
            name="gid",
            kind=Integer(0),
            field="gid",
            doc="As group, by number.",
            example="65534",
        ),
        Option(
            name="master",
            kind=Flag(),
            field="master",
            doc="greenlb's own: the commands are those of HAProxy's master socket, as with the flag -S: show "
            "proc, reload, and @1 COMMAND for one to the processes that serve.",
        ),
        Option(
            name="level",
            kind=Choice(*ACCESS),
            field="level",
            default="operator",
            doc="What may be asked here: a user sees figures, an operator sees everything and clears "
            "counters, an admin changes things.",
            example="admin",
        ),
    ),
    dict.fromkeys(
        ("accept-proxy", "severity-output", "interface", "maxconn", "name", "backlog", "process", "ssl"), ""
    )
    | {"expose-fd": "a reload keeps the listening sockets without it"},
)

RUNTIME: Final = (
    Option(
        name="stats socket",
        where=_G,
        kind=Line("ADDRESS [KEYWORD...]", "the path of a unix socket or an address with a port"),
        field="runtime_sockets",
        many=True,
        doc="Where the runtime commands are answered: the path of a unix socket, ADDRESS:PORT, abns@NAME for "
        "an abstract unix socket, or fd@N for one that was opened before.  Keep it to those who may: there "
        "is no password.",
        example="/run/greenlb.sock mode 660 level admin",
    ),
    Option(
        name="stats timeout",
        where=_G,
        kind=Timeout(),
        field="runtime_timeout",
        default="10s",
        doc="How long a client of the runtime socket may say or take nothing.",
        example="2m",
    ),
    Option(
        name="stats maxconn",
        where=_G,
        kind=Integer(1, 10_000, "connections"),
        field="runtime_maxconn",
        default="10",
        doc="How many clients the runtime sockets serve at a time; the rest wait.",
        example="20",
    ),
)
"""Options of the section global."""
