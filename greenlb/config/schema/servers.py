"""What may follow the address of ``server``."""

from __future__ import annotations

from typing import Final

from greenlb.config import inert, refused
from greenlb.config.options import Option, Table
from greenlb.config.schema.checks import SERVER_CHECKS
from greenlb.config.schema.names import NAMES
from greenlb.config.schema.tls import FILE, TLS_RANGE, TLS_SUITES
from greenlb.config.schema.upstreams import UPSTREAM
from greenlb.config.values import Choice, Duration, Flag, Integer, Listed, Matching, Text

PROXY_V2_OPTIONS: Final = ("ssl", "cert-cn", "ssl-cipher", "authority", "crc32c")
"""What ``proxy-v2-options`` may ask for."""

SERVER: Final = Table(
    "keyword",
    (
        Option(
            name="weight",
            kind=Integer(0, 256),
            field="weight",
            default="1",
            doc="Its share of the load beside the others'.  0: nothing but what persistence sends.",
            example="100",
        ),
        Option(
            name="non-stick",
            kind=Flag(),
            field="non_stick",
            doc="Who comes to it is not remembered in stick tables: the next time it may be another server.",
        ),
        Option(
            name="stick",
            kind=Flag(False),
            field="non_stick",
            doc="Takes non-stick back that default-server has said.",
        ),
        Option(
            name="backup",
            kind=Flag(),
            field="backup",
            doc="It is used when no server without this word is up.",
        ),
        Option(
            name="no-backup",
            kind=Flag(False),
            field="backup",
            doc="Undoes a backup of default-server.",
        ),
        Option(
            name="disabled",
            kind=Flag(),
            field="disabled",
            doc="It starts in maintenance: not checked, not used.",
        ),
        Option(
            name="enabled",
            kind=Flag(False),
            field="disabled",
            doc="Undoes a disabled of default-server.",
        ),
        Option(
            name="cookie",
            # No blank, comma or semicolon: a browser must send it back whole (RFC 6265 section 4.1.1).
            kind=Matching("VALUE", "a value without blanks, commas and semicolons", r"[!-+\--:<-~]+"),
            field="cookie",
            http=True,
            doc="Its value in the backend's cookie.",
            example="s1",
        ),
        Option(
            name="maxconn",
            kind=Integer(0),
            field="maxconn",
            default="0 (no limit)",
            doc="How many connections it gets at a time; the rest wait in the queue, for timeout queue.",
            example="100",
        ),
        Option(
            name="minconn",
            kind=Integer(0),
            field="minconn",
            default="maxconn",
            doc="How many it gets at a time while there is little load: the limit grows with the load, "
            "up to maxconn when that is fullconn.",
            example="10",
        ),
        Option(
            name="maxqueue",
            kind=Integer(0),
            field="maxqueue",
            default="0 (no limit)",
            doc="How many may wait for it alone, bound by a cookie, a stick table or a hash; more go to "
            "another server with option redispatch, and else get 503.",
            example="50",
        ),
        Option(
            name="check",
            kind=Flag(),
            field="check",
            doc="It is checked as the backend says, by a TCP connection unless it says otherwise; without "
            "this word it "
            "always counts as up.",
        ),
        Option(
            name="no-check",
            kind=Flag(False),
            field="check",
            doc="Undoes a check of default-server.",
        ),
        Option(
            name="inter",
            kind=Duration(positive=True),
            field="inter",
            default="2s",
            doc="The time from one check to the next.",
            example="2s",
        ),
        Option(
            name="fastinter",
            kind=Duration(positive=True),
            field="fastinter",
            default="inter",
            doc="The same while it is neither fully up nor fully down.",
            example="500ms",
        ),
        Option(
            name="downinter",
            kind=Duration(positive=True),
            field="downinter",
            default="inter",
            doc="The same while it is down.",
            example="5s",
        ),
        Option(
            name="rise",
            kind=Integer(1),
            field="rise",
            default="2",
            doc="How many good checks in a row bring it up.",
            example="2",
        ),
        Option(
            name="fall",
            kind=Integer(1),
            field="fall",
            default="3",
            doc="How many bad checks in a row take it down.",
            example="3",
        ),
        Option(
            name="port",
            kind=Integer(1, 65535),
            field="port",
            default="the server's",
            doc="Where the check connects to, when not to the server's own port.",
            example="8081",
        ),
        Option(
            name="addr",
            kind=Text("ADDRESS", "an address or a host name, with or without a port"),
            field="addr",
            default="the server's",
            doc="Where the check connects to, when not to the server's own address.",
            example="10.0.0.11",
        ),
        *(
            Option(name=f"send-proxy{suffix}", kind=Flag(f"send-proxy{suffix}"), field="send_proxy", doc=doc)
            for suffix, doc in (
                ("", "Its connections begin with a PROXY protocol line that says who the client is."),
                ("-v2", "The same in version 2 of the protocol."),
                ("-v2-ssl", "The same, with what the client's TLS is."),
                ("-v2-ssl-cn", "The same, and with the common name of the client's certificate."),
            )
        ),
        *(
            Option(
                name=f"no-send-proxy{suffix}",
                kind=Flag(""),
                field="send_proxy",
                doc=f"Undoes a send-proxy{suffix} of default-server.",
            )
            for suffix in ("", "-v2", "-v2-ssl", "-v2-ssl-cn")
        ),
        Option(
            name="proxy-v2-options",
            kind=Listed("OPTION[,OPTION]", f"options separated by commas, of {', '.join(PROXY_V2_OPTIONS)}"),
            field="proxy_v2_options",
            doc=f"What send-proxy-v2 tells beside addresses: {', '.join(PROXY_V2_OPTIONS)}.",
            example="ssl,authority,crc32c",
        ),
        Option(
            name="check-send-proxy",
            kind=Flag(),
            field="check_send_proxy",
            doc="Its checks begin with a PROXY protocol header too, as they do by themselves when they go "
            "where its connections go.",
        ),
        Option(
            name="no-check-send-proxy",
            kind=Flag(False),
            field="check_send_proxy",
            doc="Undoes a check-send-proxy of default-server.",
        ),
        *SERVER_CHECKS,
        *UPSTREAM,
        Option(
            name="source",
            kind=Text("ADDRESS", "an address of this machine"),
            field="source",
            default="the backend's",
            doc="The address that connections to it come from.",
            example="10.0.0.1",
        ),
        Option(
            name="ssl",
            kind=Flag(),
            field="ssl",
            doc="We speak TLS to it.",
        ),
        Option(
            name="no-ssl",
            kind=Flag(False),
            field="ssl",
            doc="Undoes an ssl of default-server.",
        ),
        Option(
            name="verify",
            kind=Choice("none", "required"),
            field="verify",
            default="required",
            doc="Whether its certificate must be good: signed by an authority of ca-file, valid today.",
            example="required",
        ),
        Option(
            name="ca-file",
            kind=Text("FILE|@system-ca", "the path of a file, or @system-ca"),
            field="ca_file",
            doc="The authorities that may have signed its certificate, in PEM; @system-ca are the system's.",
            example="/etc/greenlb/servers-ca.pem",
        ),
        Option(
            name="crl-file",
            kind=FILE,
            field="crl_file",
            doc="Revoked server certificates, in PEM.",
            example="/etc/greenlb/servers.crl",
        ),
        Option(
            name="verifyhost",
            kind=Text("NAME", "a host name"),
            field="verifyhost",
            default="the name sent by sni",
            doc="The name that must stand in its certificate.",
            example="app.example.com",
        ),
        Option(
            name="no-verifyhost",
            kind=Flag(""),
            field="verifyhost",
            doc="Undoes a verifyhost of default-server.",
        ),
        Option(
            name="sni",
            kind=Text("SAMPLE", "a sample expression, such as str(app.example.com) or req.hdr(host)"),
            field="sni",
            doc="The name asked for by SNI, a sample expression.",
            example="str(app.example.com)",
        ),
        Option(
            name="crt",
            kind=FILE,
            field="crt",
            doc="Our certificate and key for a server that asks for them, in one PEM file.",
            example="/etc/greenlb/client.pem",
        ),
        *TLS_RANGE,
        Option(
            name="tls-tickets",
            kind=Flag(True),
            field="tickets",
            doc="Undoes a no-tls-tickets of default-server.",
        ),
        *TLS_SUITES,
        *NAMES,
    ),
    refused.reasons(refused.SERVER, inert.SERVER),
)
"""What may follow the address of ``server``, and what ``default-server`` may hold."""

SERVER_DEFAULTS: Final = Table(
    "keyword",
    (*TLS_RANGE, SERVER["tls-tickets"]),
    refused.SERVER,
)
