"""What is logged."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.schema.lines import LOG_SYNTAX
from greenlb.config.schema.where import EVERY, FRONT
from greenlb.config.values import Choice, Flag, Line, Switch, Text, Token

LOGS: Final = (
    Option(
        name="log",
        where=EVERY,
        kind=Line(f"global|no|{LOG_SYNTAX}", "global, or an address and a facility"),
        field="log_targets",
        many=True,
        doc="Where its lines go; global is every target of [global], no forgets what is inherited.",
        example="global",
    ),
    Option(
        name="log-tag",
        where=EVERY,
        kind=Text("TAG", "a tag for syslog"),
        field="log_tag",
        default="the global one",
        doc="The name that its log lines bear.",
        example="shop",
    ),
    Option(
        name="option httplog",
        where=FRONT,
        kind=Switch(Choice("clf"), on="httplog", direct=False),
        field="log_format",
        default="no",
        doc="One line a request, in HAProxy's HTTP format; clf: in the format of web servers.",
        example="yes",
    ),
    Option(
        name="option httpslog",
        where=FRONT,
        kind=Flag("httpslog"),
        field="log_format",
        default="no",
        doc="The HTTP format with what TLS settled at the end.",
        example="yes",
    ),
    Option(
        name="option tcplog",
        where=FRONT,
        kind=Flag("tcplog"),
        field="log_format",
        default="no",
        doc="One line a connection, in HAProxy's TCP format.",
        example="yes",
    ),
    Option(
        name="log-format",
        where=FRONT,
        kind=Text("FORMAT", "a format as one word: quote it or write its blanks as '\\ '"),
        field="log_format",
        doc="The line of a request or connection, from %variables and %[samples].",
        example='"%ci:%cp %HM %HP %ST %B"',
    ),
    Option(
        name="error-log-format",
        where=FRONT,
        kind=Text("FORMAT", "a format as one word: quote it or write its blanks as '\\ '"),
        field="log_error_format",
        doc="The line of a connection that failed before there was a request, such as a bad handshake.",
        example='"%ci:%cp [%t] %ft"',
    ),
    Option(
        name="log-format-sd",
        where=FRONT,
        kind=Text("FORMAT", "a format as one word: quote it or write its blanks as '\\ '"),
        field="log_structured",
        doc="The structured data of the line (RFC 5424 section 6.3), for targets of format rfc5424; +E in "
        "the flags of its variables escapes what has a meaning there.",
        example="""'[example@1234 bytes="%B" status="%ST"]'""",
    ),
    Option(
        name="unique-id-format",
        where=FRONT,
        kind=Text("FORMAT", "a format as one word: quote it or write its blanks as '\\ '"),
        field="unique_id",
        doc="The id that each request gets, for the log (%ID), the sample unique-id and unique-id-header.",
        example="%{+X}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid",
    ),
    Option(
        name="unique-id-header",
        where=FRONT,
        kind=Token("NAME", "the name of a header field"),
        field="unique_id_header",
        http=True,
        doc="The header field in which servers get that id.",
        example="X-Unique-ID",
    ),
    Option(
        name="option logasap",
        where=FRONT,
        kind=Flag(),
        field="logasap",
        default="no",
        doc="The line is sent at the response's head, its time and size marked with a plus sign.",
        example="yes",
    ),
    Option(
        name="option dontlognull",
        where=FRONT,
        kind=Flag(),
        field="dontlognull",
        default="no",
        doc="No line for a connection on which nothing came.",
        example="yes",
    ),
    Option(
        name="option dontlog-normal",
        where=FRONT,
        kind=Flag(),
        field="dontlog_normal",
        default="no",
        doc="No line for what went well.",
        example="yes",
    ),
    Option(
        name="option log-separate-errors",
        where=FRONT,
        kind=Flag(),
        field="log_separate_errors",
        default="no",
        doc="What did not go well (an error, a timeout, a retry, a status of 500 or more) is logged as err.",
        example="yes",
    ),
    Option(
        name="option socket-stats",
        where=FRONT,
        kind=Flag(),
        field="socket_stats",
        default="no",
        doc="Statistics show each bind by itself too.",
        example="yes",
    ),
    Option(
        name="capture",
        where=("frontend", "listen"),
        kind=Line(
            "request header|response header|cookie NAME len NUMBER",
            "request header, response header or cookie",
        ),
        field="captures",
        http=True,
        many=True,
        doc="A header field or a cookie that stands in the log line, cut to NUMBER bytes.",
        example="request header Host len 32",
    ),
    Option(
        name="declare",
        where=("frontend", "listen"),
        kind=Line("capture request|response len NUMBER", "capture request or capture response"),
        field="captures",
        http=True,
        many=True,
        doc="A capture slot for rules to fill (http-request capture SAMPLE id N); slots count from 0, "
        "together with those of capture lines.",
        example="capture request len 40",
    ),
    # servers
)
