"""The words of lines: cookie, stick-table, option forwardfor, log."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option, Table
from greenlb.config.values import Choice, Duration, Flag, Integer, Listed, Matching, Networks, Size, Token
from greenlb.observe.targets import FORMATS

COOKIE: Final = Table(
    "keyword",
    (
        *(
            Option(name=word, kind=Flag(word), field="method", many=True, doc=doc)
            for word, doc in (
                ("insert", "We add the cookie to responses, unless the client sent the right one."),
                ("rewrite", "The application's own cookie of that name gets the server's value."),
                (
                    "prefix",
                    "The server's value and '~' are put before the value of the application's cookie.",
                ),
            )
        ),
        Option(name="indirect", kind=Flag(), field="indirect", doc="The server never sees the cookie."),
        Option(
            name="nocache",
            kind=Flag(),
            field="nocache",
            doc="A cacheable response that gets the cookie gets Cache-control: private too.",
        ),
        Option(
            name="postonly", kind=Flag(), field="postonly", doc="The cookie is added to answers to POST only."
        ),
        Option(
            name="preserve", kind=Flag(), field="preserve", doc="A cookie that the server set itself is kept."
        ),
        Option(name="httponly", kind=Flag(), field="httponly", doc="The cookie is not shown to scripts."),
        Option(name="secure", kind=Flag(), field="secure", doc="The cookie is sent over TLS only."),
        Option(
            name="domain",
            kind=Matching("DOMAIN", "a domain, such as .example.com", r"[0-9A-Za-z.-]+"),
            field="domains",
            many=True,
            doc="The cookie's domain; may be given several times.",
            example=".example.com",
        ),
        Option(
            name="maxidle",
            kind=Duration("s", positive=True, whole_seconds=True),
            field="maxidle",
            doc="A cookie that was not used for longer is ignored.",
            example="30m",
        ),
        Option(
            name="maxlife",
            kind=Duration("s", positive=True, whole_seconds=True),
            field="maxlife",
            doc="A cookie that was given longer ago is ignored.",
            example="8h",
        ),
        Option(
            name="attr",
            kind=Matching(
                "TEXT", "an attribute without semicolons, such as SameSite=Lax", r"[^\x00-\x1f\x7f;]+"
            ),
            field="attributes",
            many=True,
            doc="A further attribute, written as it is; may be given several times.",
            example="SameSite=Lax",
        ),
        Option(
            name="dynamic",
            kind=Flag(),
            field="dynamic",
            doc="A server's value is worked out from its address, its port and dynamic-cookie-key.",
        ),
    ),
)
"""What may follow the name of ``cookie``."""

STICK_TABLE: Final = Table(
    "keyword",
    (
        Option(
            name="type",
            kind=Choice("ip", "ipv6", "integer", "string", "binary"),
            field="type",
            doc="What keys are.  A table of type ipv6 takes IPv4 addresses too, as ::ffff:a.b.c.d.",
            example="ip",
        ),
        Option(
            name="len",
            kind=Integer(1, 1 << 16, "bytes"),
            field="length",
            default="31 for string, 32 for binary",
            doc="How long a key of type string or binary is; what is longer is cut, and a binary that is "
            "shorter filled up with zeroes.",
            example="32",
        ),
        Option(
            name="size",
            kind=Size(1, 1 << 31),
            field="size",
            doc="How many entries there may be; k, m and g are powers of 1024.  When it is full the oldest "
            "ones go.",
            example="100k",
        ),
        Option(
            name="expire",
            kind=Duration(positive=True),
            field="expire",
            default="never",
            doc="How long an entry lives after it was used.",
            example="30m",
        ),
        Option(
            name="nopurge",
            kind=Flag(),
            field="nopurge",
            doc="A full table takes no new entries, instead of forgetting the oldest.",
        ),
        Option(
            name="store",
            kind=Listed("TYPE[,TYPE]", "data types separated by commas, such as conn_cur,http_req_rate(10s)"),
            field="store",
            many=True,
            doc="What is kept of a key: conn_cnt, conn_cur, conn_rate(TIME), sess_cnt, sess_rate(TIME), "
            "http_req_cnt, http_req_rate(TIME), http_err_cnt, http_err_rate(TIME), bytes_in_cnt, "
            "http_fail_cnt, http_fail_rate(TIME), "
            "bytes_in_rate(TIME), bytes_out_cnt, bytes_out_rate(TIME), gpc0, gpc0_rate(TIME), gpc1, "
            "gpc1_rate(TIME), gpt0, server_id, and the arrays gpc(LENGTH), gpc_rate(LENGTH,TIME) and "
            "gpt(LENGTH).",
            example="conn_cur,http_req_rate(10s)",
        ),
    ),
    dict.fromkeys(("peers", "write-to", "srvkey"), ""),
)
"""What may follow ``stick-table``."""

FORWARDFOR: Final = Table(
    "keyword",
    (
        Option(
            name="except",
            kind=Networks(),
            field="excepted",
            many=True,
            doc="Not for clients of this network.",
            example="127.0.0.0/8",
        ),
        Option(
            name="header",
            kind=Token("NAME", "the name of a header field"),
            field="header",
            default="X-Forwarded-For",
            doc="The field's name.",
            example="X-Client",
        ),
        Option(name="if-none", kind=Flag(), field="if_none", doc="Not when the request has such a field."),
    ),
)

ORIGINALTO: Final = Table(
    "keyword",
    (
        Option(
            name="except",
            kind=Networks(),
            field="excepted",
            many=True,
            doc="Not for addresses of ours in this network.",
            example="127.0.0.0/8",
        ),
        Option(
            name="header",
            kind=Token("NAME", "the name of a header field"),
            field="header",
            default="X-Original-To",
            doc="The field's name.",
            example="X-Dst",
        ),
    ),
)

FACILITIES: Final = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2", "ftp", "ntp",
    "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
"""syslog's facilities in the order of their numbers."""
LEVELS: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""syslog's severities in the order of their numbers."""

LOG: Final = Table(
    "keyword",
    (
        Option(
            name="len",
            kind=Integer(80, 65535, "bytes"),
            field="length",
            default="1024",
            doc="Longer lines are cut.",
            example="4096",
        ),
        Option(
            name="format",
            kind=Choice(*FORMATS),
            field="format",
            default="local",
            doc="How a line is dressed; in a file, rfc3164 is the default.  "
            + ".  ".join(f"{name}: {meaning}" for name, meaning in FORMATS.items())
            + ".",
            example="rfc5424",
        ),
    ),
    {"sample": ""},
)
"""What may stand between the address and the facility of ``log``."""

# --- the global section --------------------------------------------------------------------------------


LOG_SYNTAX: Final = "ADDRESS [len SIZE] [format FORMAT] [FACILITY [LEVEL [MINLEVEL]]]"
