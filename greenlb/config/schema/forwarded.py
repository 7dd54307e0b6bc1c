"""``option forwarded``."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Keywords, Option, Table
from greenlb.config.schema.where import BACK
from greenlb.config.values import Flag, Switch, Text

_EXPRESSION: Final = Text("EXPRESSION", "a sample expression such as src,xxh32,hex")

FORWARDED: Final = Table(
    "keyword",
    (
        Option(name="proto", kind=Flag(), field="proto", doc="http or https."),
        *(
            option
            for name, doc, example in (
                ("host", "The host that the client asked for", "str(www.example.com)"),
                ("by", "The address that it asked", "str(_edge)"),
                ("by_port", "The port that it asked, beside by", "dst_port"),
                ("for", "The client's address", "src,xxh32,hex"),
                ("for_port", "The client's port, beside for", "src_port"),
            )
            for option in (
                Option(name=name, kind=Flag(), field=name, doc=f"{doc}."),
                Option(
                    name=f"{name}-expr",
                    kind=_EXPRESSION,
                    field=f"{name}_expr",
                    doc=f"{doc}, as an expression gives it.",
                    example=example,
                ),
            )
        ),
    ),
)
"""What may follow ``option forwarded``."""

OPTION_FORWARDED: Final = Option(
    name="option forwarded",
    where=BACK,
    kind=Switch(
        Keywords(FORWARDED, "[proto] [host] [by] [by_port] [for] [for_port] [NAME-expr EXPRESSION]"),
        on={},
        direct=False,
    ),
    field="forwarded",
    default="no",
    http=True,
    warns=True,
    doc="Requests get a Forwarded field (RFC 7239), after any that came with them; without words it tells "
    "proto and for.  It is left out when an expression has no value.",
    example="proto for",
)
