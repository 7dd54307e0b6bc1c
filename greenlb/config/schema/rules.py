"""Rules, conditions and where requests go."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Keywords, Option
from greenlb.config.schema.forwarded import OPTION_FORWARDED
from greenlb.config.schema.lines import FORWARDFOR, ORIGINALTO
from greenlb.config.schema.where import BACK, EVERY, FRONT, RULES
from greenlb.config.values import NAME, Choice, Flag, Line, Matching, Switch, Token
from greenlb.policy.linerules import EDITS

_RULE: Final = "ACTION [ARGUMENTS] [if|unless CONDITION]"

_EDIT_DOCS: Final = {
    "replace": r"A line of the {} that the expression matches becomes LINE, where \1 is its first group.",
    "delete": "Each header line of the {} that the expression matches is dropped.",
    "deny": "The {} is refused when the expression matches one of its lines.",
    "tarpit": "The {} is refused after timeout tarpit when the expression matches one of its lines.",
    "allow": "No further rule is asked when the expression matches a line of the {}.",
}
_EDIT_EXAMPLES: Final = {
    "replace": r"^Host:\ www\.(.*) Host:\ \1",
    "delete": "^X-Powered-By:",
    "deny": "^User-Agent:.*badbot",
    "tarpit": "^User-Agent:.*badbot",
    "allow": "^X-Ok:",
}

RULES_AND_ROUTES: Final = (
    Option(
        name="acl",
        where=RULES,
        kind=Line("NAME = SAMPLE [FLAGS] [PATTERNS]", "a sample and patterns, such as path_beg /api"),
        many=True,
        doc="A named condition, written acl NAME = SAMPLE PATTERN...; of several lines one must be true.",
        example="path_beg /api",
    ),
    Option(
        name="tcp-request",
        where=RULES,
        kind=Line(
            "inspect-delay TIME | connection|session|content ACTION [if|unless CONDITION]",
            "inspect-delay, connection, session or content",
        ),
        field="content_rules",
        many=True,
        doc="What is done with a connection: at accept (connection), after the handshakes (session), and "
        "when its first bytes have come (content), for which inspect-delay says how long they may take.",
        example="inspect-delay 5s",
    ),
    Option(
        name="tcp-response",
        where=("named defaults", "listen", "backend"),
        kind=Line("inspect-delay TIME | content ACTION [if|unless CONDITION]", "inspect-delay or content"),
        field="tcp_response_rules",
        many=True,
        doc="The same for the server's first bytes, in mode tcp.",
        example="inspect-delay 5s",
    ),
    Option(
        name="http-request",
        where=RULES,
        kind=Line(_RULE, "an action"),
        field="request_rules",
        http=True,
        warns=True,
        many=True,
        doc="What is done with a request: set-header, add-header, del-header, replace-header, "
        "replace-path, set-path, set-uri, deny, return, redirect and so on, in this order.",
        example="set-header X-Forwarded-Proto https if { ssl_fc }",
    ),
    Option(
        name="reqadd",
        where=("frontend", "listen", "backend"),
        kind=Line(r"NAME:\ VALUE [if|unless CONDITION]", r"a header line, such as X-Forwarded-Proto:\ https"),
        field="request_rules",
        http=True,
        warns=True,
        many=True,
        doc="A header field is added to requests: the old spelling of http-request add-header.  It comes "
        "after the http-request rules.",
        example=r"X-Forwarded-Proto:\ https",
    ),
    *(
        Option(
            name=name,
            where=("frontend", "listen", "backend"),
            kind=Line(
                "REGEX LINE [if|unless CONDITION]"
                if row.effect == "replace"
                else "REGEX [if|unless CONDITION]",
                "a regular expression",
            ),
            field="response_rules" if row.response else "request_rules",
            http=True,
            warns=True,
            many=True,
            doc=_EDIT_DOCS[row.effect].format("response" if row.response else "request")
            + (" Case does not matter." if row.ignore_case else "")
            + f"  It comes after the http-{'response' if row.response else 'request'} rules.",
            example=_EDIT_EXAMPLES[row.effect],
        )
        for name, row in EDITS.items()
    ),
    Option(
        name="block",
        where=("frontend", "listen", "backend"),
        kind=Line("if|unless CONDITION", "if or unless"),
        field="request_rules",
        http=True,
        warns=True,
        many=True,
        doc="Requests are refused with 403: the old spelling of http-request deny, which comes before all "
        "http-request rules.",
        example="if { path_beg /private }",
    ),
    Option(
        name="redirect",
        where=("frontend", "listen", "backend"),
        kind=Line(
            "scheme|location|prefix TO [code N] [drop-query] [append-slash] [if|unless CONDITION]",
            "scheme, location or prefix",
        ),
        field="request_rules",
        http=True,
        warns=True,
        many=True,
        doc="The client is sent elsewhere; after the http-request rules.",
        example="scheme https if !{ ssl_fc }",
    ),
    Option(
        name="http-response",
        where=RULES,
        kind=Line(_RULE, "an action"),
        field="response_rules",
        http=True,
        warns=True,
        many=True,
        doc="What is done with a server's answer, in this order.",
        example="del-header Server",
    ),
    Option(
        name="http-after-response",
        where=RULES,
        kind=Line(_RULE, "an action"),
        field="after_rules",
        http=True,
        warns=True,
        many=True,
        doc="What is done with every answer that goes to a client, greenlb's own among them: errors, "
        "redirects, the statistics page.  It comes last, a backend's rules before a frontend's.",
        example="set-header Strict-Transport-Security max-age=31536000",
    ),
    Option(
        name="rspadd",
        where=("frontend", "listen", "backend"),
        kind=Line(r"NAME:\ VALUE [if|unless CONDITION]", r"a header line, such as X-Frame-Options:\ DENY"),
        field="response_rules",
        http=True,
        warns=True,
        many=True,
        doc="A header field is added to responses: the old spelling of http-response add-header.",
        example=r"X-Frame-Options:\ DENY",
    ),
    Option(
        name="option forwardfor",
        where=EVERY,
        kind=Switch(Keywords(FORWARDFOR, "[except NETWORK] [header NAME] [if-none]"), on={}, direct=False),
        field="forwardfor",
        default="no",
        http=True,
        warns=True,
        doc="The client's address is added to requests in X-Forwarded-For.",
        example="except 127.0.0.0/8",
    ),
    Option(
        name="option originalto",
        where=EVERY,
        kind=Switch(Keywords(ORIGINALTO, "[except NETWORK] [header NAME]"), on={}, direct=False),
        field="originalto",
        default="no",
        http=True,
        doc="The address that the client connected to is added to requests in X-Original-To.",
        example="yes",
    ),
    OPTION_FORWARDED,
    Option(
        name="option http-restrict-req-hdr-names",
        where=EVERY,
        kind=Choice("preserve", "delete", "reject"),
        http=True,
        doc="What becomes, behind the http-request rules, of header fields whose names have other characters "
        "than letters, digits and hyphens: they are deleted, or such a request gets a 403.  Without it "
        "those with an underscore are deleted, and others kept.",
        example="reject",
    ),
    Option(
        name="option checkcache",
        where=BACK,
        kind=Flag(),
        default="no",
        http=True,
        doc="An answer that sets a cookie and that a cache may keep for others is not passed on: 502.",
        example="yes",
    ),
    Option(
        name="http-send-name-header",
        where=BACK,
        kind=Token("NAME", "the name of a header field"),
        field="name_header",
        default="none",
        http=True,
        doc="Requests tell the server its own name, as the configuration has it, in this field.",
        example="X-Server",
    ),
    Option(
        name="option http-buffer-request",
        where=EVERY,
        kind=Flag(),
        default="no",
        http=True,
        doc="A request's body is waited for, up to the size of the buffer and for timeout http-request at "
        "most, before its first rule: so rules can read it, and a slow sender holds no server.",
        example="yes",
    ),
    Option(
        name="errorfile",
        where=EVERY,
        kind=Line("CODE FILE", "a status code and a file"),
        field="errorfiles",
        http=True,
        many=True,
        doc="The file, a whole HTTP response, is sent in place of our own answer of that status; an "
        "empty one is silence.",
        example="503 /etc/greenlb/errors/503.http",
    ),
    Option(
        name="errorfiles",
        where=EVERY,
        kind=Line("NAME [CODE...]", "the name of an http-errors section"),
        field="errorfiles",
        http=True,
        many=True,
        doc="The pages of an http-errors section, or those of these statuses, as errorfile lines.",
        example="site 503",
    ),
    *(
        Option(
            name=name,
            where=EVERY,
            kind=Line("CODE URL", "a status code and where to go"),
            field="errorfiles",
            http=True,
            many=True,
            doc=f"The client is sent to a page of another server with {status} in place of our own answer of "
            "that status.",
            example="503 http://sorry.example.com/",
        )
        for name, status in (("errorloc", 302), ("errorloc302", 302), ("errorloc303", 303))
    ),
    Option(
        name="http-error",
        where=EVERY,
        kind=Line("status CODE [PAGE]", "'status' and a status code"),
        field="errorfiles",
        http=True,
        many=True,
        doc="What is sent in place of our own answer of that status, said as http-request return does: with "
        "string, lf-string, file, lf-file, hdr, errorfile, errorfiles; default-errorfiles is our own again.",
        example="status 503 content-type text/plain string Sorry.",
    ),
    # routing
    Option(
        name="use_backend",
        where=("frontend", "listen"),
        kind=Line("NAME [if|unless CONDITION]", "the name of a backend"),
        field="routes",
        many=True,
        doc="The backend for requests that meet the condition; the first that fits is taken.",
        example="api if { path_beg /api }",
    ),
    Option(
        name="default_backend",
        where=FRONT,
        kind=Matching("NAME", "the name of a backend", NAME.pattern),
        field="default_backend",
        doc="The backend when no use_backend fits.",
        example="web",
    ),
    # logging
)
