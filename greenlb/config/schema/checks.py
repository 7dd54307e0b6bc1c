"""How servers are checked: what a backend says, and what a server's line does."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.schema.where import BACK
from greenlb.config.values import Choice, Duration, Flag, Integer, Line, Listed, Switch, Text

_EXPECT: Final = (
    "expect [min-recv N] [comment TEXT] [ok-status|error-status|tout-status STATUS] [on-success|on-error"
    " FORMAT] [status-code SAMPLE] [!]PATTERN"
)

CHECKS: Final = (
    Option(
        name="option httpchk",
        where=BACK,
        kind=Switch(Line("[METHOD] [URI [VERSION]]", "a method, a path and a version"), on=(), direct=False),
        field="health_check",
        default="no",
        doc="Checks send an HTTP request, in mode tcp too: OPTIONS / HTTP/1.0 unless another is given.  A "
        r"status of 2xx or 3xx is good, or what http-check says.  Fields after the version, as in "
        r"HTTP/1.1\r\n"
        "Host:localhost, are HAProxy's old spelling of http-check send hdr.",
        example="GET /health",
    ),
    Option(
        name="http-check",
        where=BACK,
        kind=Line(
            "send [meth METHOD] [uri|uri-lf URI] [ver VERSION] [hdr NAME FORMAT]... [body|body-lf TEXT] | "
            f"{_EXPECT} | connect [KEYWORDS] | disable-on-404 | send-state | set-var(check.NAME) SAMPLE | "
            "unset-var(check.NAME) | comment TEXT",
            "send, expect, connect, disable-on-404, send-state, set-var, unset-var or comment",
        ),
        many=True,
        doc="What option httpchk sends and expects, step by step: status 200-299, rstatus REGEX, string "
        "TEXT, "
        "rstring REGEX, hdr or fhdr name NAME value VALUE.  disable-on-404: a server that answers 404 keeps "
        "the clients that it has and gets no new ones.  send-state tells the server how it stands.",
        example="expect status 200",
    ),
    Option(
        name="option tcp-check",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="Checks do what the tcp-check lines say; without any they connect.",
        example="yes",
    ),
    Option(
        name="tcp-check",
        where=BACK,
        kind=Line(
            f"connect [KEYWORDS] | send|send-lf|send-binary|send-binary-lf DATA [comment TEXT] | {_EXPECT} | "
            "set-var(check.NAME) SAMPLE | unset-var(check.NAME) | comment TEXT",
            "connect, send, send-lf, send-binary, send-binary-lf, expect, set-var, unset-var or comment",
        ),
        many=True,
        doc="One step of option tcp-check; they are done in this order.  connect takes default, port PORT, "
        "addr "
        "ADDRESS, ssl, sni NAME, alpn PROTOCOLS, send-proxy and linger; expect takes string, rstring, "
        "binary, "
        "rbinary, string-lf and binary-lf.",
        example="expect string +PONG",
    ),
    Option(
        name="option ssl-hello-chk",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="Checks send an SSLv3 hello and take any TLS answer, an alert included, for a good one.  "
        "check-ssl "
        "shakes hands in earnest.",
        example="yes",
    ),
    Option(
        name="option redis-check",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="Checks ask a Redis server PING.",
        example="yes",
    ),
    Option(
        name="option smtpchk",
        where=BACK,
        kind=Switch(Line("[EHLO|HELO NAME]", "EHLO or HELO, and a name"), on=(), direct=False),
        default="no",
        doc="Checks greet an SMTP server with HELO localhost, or as said.",
        example="EHLO example.com",
    ),
    Option(
        name="option mysql-check",
        where=BACK,
        kind=Switch(Line("user NAME [post-41|pre-41]", "user NAME"), on=(), direct=False),
        default="no",
        doc="Checks read a MySQL server's greeting, and log in as a user without a password if one is named.",
        example="user greenlb",
    ),
    Option(
        name="option pgsql-check",
        where=BACK,
        kind=Switch(Line("user NAME", "user NAME"), on=(), direct=False),
        default="no",
        doc="Checks begin a session with a PostgreSQL server as that user.",
        example="user greenlb",
    ),
    Option(
        name="option ldap-check",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="Checks bind to an LDAP server without a name.",
        example="yes",
    ),
    Option(
        name="option external-check",
        where=BACK,
        kind=Flag(),
        default="no",
        doc="Checks run the program of external-check command: its exit status 0 is good.  The global "
        "section "
        "must allow it by external-check = yes.",
        example="yes",
    ),
    Option(
        name="option python-check",
        where=BACK,
        kind=Text("MODULE:FUNCTION", "a Python function, such as package.module:function"),
        doc="Checks call a Python function with a greenlb.ServerCheck, in a process that serves.  It returns "
        "True or None for a server that is well, else False or a text that says what is wrong.",
        example="shop.checks:database",
    ),
    Option(
        name="external-check",
        where=BACK,
        kind=Line("command PATH | path FOLDERS", "command or path"),
        many=True,
        doc="The program of option external-check, and its PATH.  Its arguments are the proxy's address and "
        "port (NOT_USED in a backend) and the server's; its environment is that PATH, HAPROXY_SERVER_NAME "
        "and its like.",
        example="command /usr/lib/greenlb/check",
    ),
    Option(
        name="option log-health-checks",
        where=BACK,
        kind=Flag(),
        field="log_health_checks",
        default="no",
        doc="Each check that changes a server's status, or how near it is to be turned, is logged.",
        example="yes",
    ),
)
"""What a backend says."""

SERVER_CHECKS: Final = (
    Option(
        name="check-ssl",
        kind=Flag(),
        field="check_ssl",
        doc="Its checks speak TLS, with verify, ca-file and so on of this line; with ssl they do so anyhow "
        "where "
        "they go where its connections go.",
    ),
    Option(
        name="no-check-ssl",
        kind=Flag(False),
        field="check_ssl",
        doc="Its checks speak no TLS, though its connections do.",
    ),
    Option(
        name="check-sni",
        kind=Text("NAME", "a host name"),
        field="check_sni",
        doc="The name that its checks ask for by SNI.",
        example="app.example.com",
    ),
    Option(
        name="check-alpn",
        kind=Listed("PROTOCOL[,PROTOCOL]", "protocols separated by commas"),
        field="check_alpn",
        default="alpn",
        doc="The protocols that its checks offer by ALPN.",
        example="http/1.1",
    ),
    Option(
        name="agent-check",
        kind=Flag(),
        field="agent_check",
        doc="A program beside it says how it is, in a line of text: up, down, fail, stopped, ready, drain, "
        "maint, "
        "75%, maxconn:30, and after # why.",
    ),
    Option(
        name="no-agent-check",
        kind=Flag(False),
        field="agent_check",
        doc="Undoes an agent-check of default-server.",
    ),
    Option(
        name="agent-port",
        kind=Integer(1, 65535),
        field="agent_port",
        doc="Where that program listens.",
        example="9999",
    ),
    Option(
        name="agent-addr",
        kind=Text("ADDRESS", "an address or a host name"),
        field="agent_addr",
        default="the server's",
        doc="The address of that program.",
        example="10.0.0.11",
    ),
    Option(
        name="agent-inter",
        kind=Duration(positive=True),
        field="agent_inter",
        default="inter",
        doc="The time from one question to the next.",
        example="5s",
    ),
    Option(
        name="agent-send",
        kind=Text(),
        field="agent_send",
        doc="What is sent to that program first, as it is: end it with \\n if it reads lines.",
        example=r"state\n",
    ),
    Option(
        name="observe",
        kind=Choice("layer4", "layer7"),
        field="observe",
        doc="Traffic tells of it too: connections that fail (layer4), or bad answers (layer7, in mode http).",
        example="layer7",
    ),
    Option(
        name="error-limit",
        kind=Integer(1),
        field="error_limit",
        default="10",
        doc="How many errors in a row observe lets pass.",
        example="10",
    ),
    Option(
        name="on-error",
        kind=Choice("fastinter", "fail-check", "sudden-death", "mark-down"),
        field="on_error",
        default="fail-check",
        doc="What then happens: the next check comes after fastinter; that is a failed check; one more "
        "failed "
        "check takes it down; it is down.",
        example="mark-down",
    ),
    Option(
        name="on-marked-down",
        kind=Choice("shutdown-sessions"),
        field="on_marked_down",
        doc="When it goes down its sessions are ended, flag D in the log.",
        example="shutdown-sessions",
    ),
    Option(
        name="on-marked-up",
        kind=Choice("shutdown-backup-sessions"),
        field="on_marked_up",
        doc="When it comes back the sessions on backup servers are ended, flag U in the log.",
        example="shutdown-backup-sessions",
    ),
    Option(
        name="track",
        kind=Text("[BACKEND/]SERVER", "a server that is checked"),
        field="track",
        doc="It is up and down with that server, and is not checked itself.",
        example="web/s1",
    ),
    Option(
        name="slowstart",
        kind=Duration(),
        field="slowstart",
        default="0",
        doc="After it came back its weight and its maxconn grow to their full values in this time.",
        example="30s",
    ),
)
"""What a server's line says."""
