"""Queues, retries, and which server an exchange is bound to."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.schema.where import BACK, FRONT
from greenlb.config.values import Flag, Integer, Line, Text

_IF: Final = "if|unless CONDITION"

QUEUES: Final = (
    Option(
        name="monitor-uri",
        where=FRONT,
        kind=Text("URI", "a path, such as /alive"),
        http=True,
        warns=True,
        doc="Requests for this are answered here, before any rule and without a log line: 200, or 503 when "
        "a monitor fail says so.  What begins with / is compared with the path and query, anything else "
        "with the whole target.",
        example="/alive",
    ),
    Option(
        name="monitor fail",
        where=("frontend", "listen"),
        kind=Line(_IF, "if or unless and a condition"),
        http=True,
        many=True,
        doc="When the answer to monitor-uri is 503, such as if { nbsrv(web) lt 2 }.",
        example="if { nbsrv(web) lt 2 }",
    ),
    Option(
        name="rate-limit sessions",
        where=FRONT,
        kind=Integer(0, unit="connections a second"),
        field="rate_limit",
        default="0 (no limit)",
        doc="How many new connections it takes in a second; the rest wait in the kernel.",
        example="200",
    ),
    Option(
        name="fullconn",
        where=BACK,
        kind=Integer(0, unit="connections"),
        field="fullconn",
        default="0 (a tenth of the maxconn of the frontends that lead here)",
        doc="The load of this backend at which a server with minconn gets its whole maxconn.",
        example="1000",
    ),
    Option(
        name="option abortonclose",
        where=BACK,
        kind=Flag(),
        field="abortonclose",
        default="no",
        doc="A request whose client closes, be it only for writing, leaves the queue, and is not waited for.",
        example="yes",
    ),
    Option(
        name="option prefer-last-server",
        where=BACK,
        kind=Flag(),
        field="prefer_last",
        default="no",
        http=True,
        doc="A client whose server connection is its own (http-reuse never, NTLM) stays with that server, "
        "where the algorithm is not a hash.",
        example="yes",
    ),
    Option(
        name="max-keep-alive-queue",
        where=BACK,
        kind=Integer(-1, unit="requests"),
        field="max_keep_alive_queue",
        default="-1 (no limit)",
        http=True,
        doc="With more requests queued for it, option prefer-last-server gives up a server.",
        example="10",
    ),
    Option(
        name="hash-balance-factor",
        where=BACK,
        kind=Integer(0, 1 << 16, unit="per cent"),
        default="0 (no limit)",
        doc="With hash-type consistent, and balance random: no server gets more than this much of its share "
        "of the load, above 100; keys that are too many for it go to the next one.",
        example="150",
    ),
    Option(
        name="use-server",
        where=("listen", "backend"),
        kind=Line(f"NAME {_IF}", "the name of a server"),
        field="use_server",
        many=True,
        doc="The server for what meets the condition, if it is up; the first rule that fits counts, before "
        "cookies and stick tables.  The name may be a format.",
        example="s1 if { path_beg /admin }",
    ),
    *(
        Option(
            name=name,
            where=("listen", "backend"),
            kind=Line(_IF, "if or unless"),
            field="persist_rules",
            many=True,
            doc=doc,
            example="if { src 10.0.0.1 }",
        )
        for name, doc in (
            (
                "force-persist",
                "What meets the condition goes to its cookie's server, or that of use-server, even when it "
                "is down, and to no other.",
            ),
            (
                "ignore-persist",
                "What meets the condition goes where the algorithm says, whatever its cookie.",
            ),
        )
    ),
    Option(
        name="retry-on",
        where=BACK,
        kind=Line("none|EVENT...", "events such as conn-failure empty-response 503"),
        field="retry_on",
        default="conn-failure",
        doc="What is tried again, up to retries times: conn-failure, and in mode http requests that fit into "
        "tune.bufsize with their body: empty-response, junk-response, response-timeout, 0rtt-rejected (which "
        "never happens: no early data is sent), an answer of 401, 403, 404, 408, 425, 500, 501, 502, 503 or "
        "504; all-retryable-errors is all events, 500, 502, 503 and 504.  A request is then sent twice: only "
        "for servers that can bear that.",
        example="conn-failure empty-response 503",
    ),
)
