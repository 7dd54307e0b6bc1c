"""The section userlist."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option, Table
from greenlb.config.values import Line, Listed, Text

_HERE: Final = ("userlist",)

USER: Final = Table(
    "keyword",
    (
        Option(
            name="password",
            kind=Text("HASH", "a hash of crypt(3), such as mkpasswd prints"),
            field="password",
            doc="His password as a hash of crypt(3), as mkpasswd prints it.",
        ),
        Option(
            name="insecure-password",
            kind=Text("PASSWORD", "a password"),
            field="insecure_password",
            doc="His password as it is.",
        ),
        Option(
            name="groups",
            kind=Listed("GROUP[,GROUP]", "names of groups, separated by commas"),
            field="groups",
            doc="The groups that he is in.",
        ),
    ),
)
"""What may follow the name of ``user``."""

GROUP: Final = Table(
    "keyword",
    (
        Option(
            name="users",
            kind=Listed("USER[,USER]", "names of users, separated by commas"),
            field="users",
            doc="The users that are in it.",
        ),
    ),
)
"""What may follow the name of ``group``."""

USERLIST: Final = Table(
    "option",
    (
        Option(
            name="group",
            where=_HERE,
            kind=Line("[users USER[,USER]]", "nothing, or users and their names"),
            many=True,
            doc="A group, written group NAME = users USER,USER; users may name their groups instead.",
            example="users ann,bob",
        ),
        Option(
            name="user",
            where=_HERE,
            kind=Line(
                "password HASH | insecure-password PASSWORD [groups GROUP[,GROUP]]",
                "password or insecure-password",
            ),
            many=True,
            doc="A user, written user NAME = password HASH, a hash of crypt(3) such as mkpasswd prints.",
            example="insecure-password secret",
        ),
    ),
)
