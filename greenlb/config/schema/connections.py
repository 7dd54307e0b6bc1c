"""Addresses, connections and how long they are kept."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.schema.where import BACK, EVERY, FRONT
from greenlb.config.values import Choice, Duration, Flag, Integer, Line, Networks, Sentence, Text

CONNECTIONS: Final = (
    Option(
        name="mode",
        where=EVERY,
        kind=Choice("http", "tcp", refused=("health",)),
        field="mode",
        default="tcp",
        doc="http reads requests and answers; tcp passes bytes through as they come.",
        example="http",
    ),
    Option(
        name="description",
        where=("frontend", "listen", "backend"),
        kind=Sentence("a description"),
        field="description",
        doc="What it is for; statistics pages show it.",
        example="The web shop",
    ),
    Option(
        name="disabled",
        where=EVERY,
        kind=Flag(),
        field="disabled",
        default="no",
        doc="It is read and checked, and not started.",
        example="yes",
    ),
    Option(
        name="enabled",
        where=EVERY,
        kind=Flag(),
        doc="Undoes an inherited disabled.",
        default="yes",
        example="yes",
    ),
    # listening
    Option(
        name="bind",
        where=("frontend", "listen"),
        kind=Line("ADDRESS:PORT[-PORT][,...] [KEYWORDS]", "an address with a port, such as *:80"),
        field="binds",
        many=True,
        doc="An address that clients connect to: *:80, 10.0.0.1:80, [::1]:80, name:80, :8000-8010, "
        "unix@/path; several separated by commas share what follows.",
        example="*:80",
    ),
    Option(
        name="maxconn",
        where=FRONT,
        kind=Integer(0, unit="connections"),
        field="maxconn",
        default="0 (the process's)",
        doc="How many connections it serves at a time; the rest wait in the kernel, none is dropped.",
        example="2000",
    ),
    Option(
        name="backlog",
        where=FRONT,
        kind=Integer(1, unit="connections"),
        doc="The backlog of every bind that has none of its own.",
        example="1024",
    ),
    Option(
        name="trusted-proxies",
        where=FRONT,
        kind=Networks(),
        field="trusted_proxies",
        http=True,
        warns=True,
        many=True,
        doc="greenlb's own: from these, the client's address is the rightmost of X-Forwarded-For that is "
        "none of them; from anyone else X-Forwarded-* and Forwarded are removed before ours are added.",
        example="10.0.0.0/8 2001:db8::/32",
    ),
    Option(
        name="option accept-underscore-headers",
        where=FRONT,
        kind=Flag(),
        field="accept_underscores",
        default="no",
        http=True,
        warns=True,
        doc="greenlb's own: a header field with an underscore in its name is kept.  Without it such a "
        "field is dropped, as a WSGI or CGI application takes X_Forwarded_For for X-Forwarded-For.",
        example="yes",
    ),
    Option(
        name="option http-ignore-probes",
        where=FRONT,
        kind=Flag(),
        field="ignore_probes",
        default="no",
        http=True,
        warns=True,
        doc="A connection that ends without a byte is closed without an answer, a log line or a count.",
        example="yes",
    ),
    # timeouts
    Option(
        name="option http-keep-alive",
        where=EVERY,
        kind=Flag("keep-alive"),
        field="connection",
        default="yes",
        http=True,
        doc="Connections are kept for further requests on both sides.",
        example="yes",
    ),
    Option(
        name="option http-server-close",
        where=EVERY,
        kind=Flag("server-close"),
        field="connection",
        default="no",
        http=True,
        doc="The client's connection is kept, the server's is closed after each answer.",
        example="yes",
    ),
    Option(
        name="option httpclose",
        where=EVERY,
        kind=Flag("close"),
        field="connection",
        default="no",
        http=True,
        doc="Both connections are closed after each answer.",
        example="yes",
    ),
    *(
        Option(
            name=f"option splice-{word}",
            where=EVERY,
            kind=Flag(),
            field=f"splice_{word}" if word == "auto" else "",
            default=default,
            doc=doc,
            example="yes",
        )
        for word, default, doc in (
            (
                "auto",
                "yes",
                "Bulk goes from socket to socket inside the kernel once there is much of it; no: never.",
            ),
            ("request", "auto", "From the client to the server: from the first byte on; no: never."),
            ("response", "auto", "From the server to the client: from the first byte on; no: never."),
        )
    ),
    Option(
        name="option clitcpka",
        where=FRONT,
        kind=Flag(),
        default="no",
        doc="The kernel sends keepalive packets to clients, so that dead ones are found and firewalls "
        "keep their state.",
        example="yes",
    ),
    Option(
        name="option srvtcpka",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="The same to servers.",
        example="yes",
    ),
    *(
        Option(
            name=f"{side}-{end}",
            where=where,
            kind=kind,
            default="the kernel's",
            doc=f"With option {side}: {doc}",
            example=example,
        )
        for side, where in (("clitcpka", FRONT), ("srvtcpka", BACK))
        for end, kind, doc, example in (
            ("cnt", Integer(1, 127), "how many packets go unanswered before the connection is ended.", "5"),
            ("idle", Duration("s"), "how long nothing has come before the first packet is sent.", "1m"),
            (
                "intvl",
                Duration("s"),
                "how long after a packet without an answer the next one is sent.",
                "10s",
            ),
        )
    ),
    Option(
        name="option tcpka",
        where=EVERY,
        kind=Flag(),
        default="no",
        doc="Both option clitcpka and option srvtcpka.",
        example="yes",
    ),
    Option(
        name="option tcp-smart-accept",
        where=FRONT,
        kind=Flag(),
        field="smart_accept",
        default="no",
        doc="The kernel does not acknowledge a client's first bytes at once: the answer will.",
        example="yes",
    ),
    Option(
        name="option tcp-smart-connect",
        where=BACK,
        kind=Flag(),
        field="smart_connect",
        default="no",
        doc="The last acknowledgement of a connection to a server goes with its first bytes, when they "
        "are there.",
        example="yes",
    ),
    Option(
        name="source",
        where=BACK,
        kind=Text("ADDRESS", "an address of this machine"),
        default="the kernel's choice",
        doc="The address that connections to servers come from.",
        example="10.0.0.1",
    ),
    Option(
        name="http-reuse",
        where=BACK,
        kind=Choice("never", "safe", "aggressive", "always"),
        field="reuse",
        default="safe",
        http=True,
        doc="Whether a request may go over an idle server connection that another client used: never, "
        "for requests that may be repeated (safe), for connections that proved themselves (aggressive), "
        "always.",
        example="safe",
    ),
    # rules
)
