"""What may follow the address of ``bind``."""

from __future__ import annotations

from typing import Final

from greenlb.config import inert, refused
from greenlb.config.options import Option, Table
from greenlb.config.schema.tls import FILE, TLS_RANGE, TLS_SUITES
from greenlb.config.values import Account, Choice, Flag, Integer, Matching, Text

BIND: Final = Table(
    "keyword",
    (
        Option(
            name="ssl",
            kind=Flag(),
            field="ssl",
            doc="Clients speak TLS here; needs at least one crt or crt-list.",
        ),
        Option(
            name="crt",
            kind=Text("FILE|FOLDER", "the path of a PEM file or of a folder of them"),
            field="crt",
            many=True,
            doc="A PEM file with the certificate, its chain and its key, or a folder of such files.  The key "
            "may lie beside it as FILE.key and an OCSP answer to staple as FILE.ocsp.  SNI chooses among "
            "them; the first one is the default.",
            example="/etc/greenlb/certs/site.pem",
        ),
        Option(
            name="crt-list",
            kind=FILE,
            field="crt_list",
            many=True,
            doc="A file with a certificate a line: FILE [SETTINGS] NAMES, each part after FILE optional.",
            example="/etc/greenlb/crt-list.txt",
        ),
        Option(
            name="strict-sni",
            kind=Flag(),
            field="strict_sni",
            doc="A client whose SNI names no certificate is refused, instead of given the default one.",
        ),
        Option(
            name="ca-file",
            kind=FILE,
            field="ca_file",
            doc="The authorities that may have signed a client's certificate, in PEM.",
            example="/etc/greenlb/clients-ca.pem",
        ),
        Option(
            name="verify",
            kind=Choice("none", "optional", "required"),
            field="verify",
            default="none",
            doc="Whether a client is asked for a certificate, and refused without a good one.",
            example="required",
        ),
        Option(
            name="crl-file",
            kind=FILE,
            field="crl_file",
            doc="Revoked client certificates, in PEM.",
            example="/etc/greenlb/clients.crl",
        ),
        *TLS_RANGE,
        Option(
            name="prefer-client-ciphers",
            kind=Flag(),
            field="prefer_client_ciphers",
            doc="The client's order of ciphers counts, not ours.",
        ),
        *TLS_SUITES,
        Option(
            name="name",
            kind=Text("NAME", "a name"),
            field="name",
            default="its number in the frontend",
            doc="What error lines in the log call this address.",
            example="https",
        ),
        Option(
            name="accept-proxy",
            kind=Flag(),
            field="accept_proxy",
            doc="Every connection begins with a PROXY protocol header, version 1 or 2, that says whose it "
            "is; one without is closed.",
        ),
        Option(
            name="backlog",
            kind=Integer(1),
            field="backlog",
            doc="How many connections the kernel may hold for us until we accept them.",
            example="1024",
        ),
        Option(
            name="v6only",
            kind=Flag(),
            field="v6only",
            doc="An IPv6 address takes no IPv4 clients.",
        ),
        Option(
            name="v4v6",
            kind=Flag(False),
            field="v6only",
            doc="An IPv6 address takes IPv4 clients too.  It is so without it.",
        ),
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
            name="interface",
            kind=Text("NAME", "the name of a network interface"),
            field="interface",
            doc="Only clients that come by this interface are taken.  It needs CAP_NET_RAW.",
            example="eth0",
        ),
        Option(
            name="transparent",
            kind=Flag(),
            field="transparent",
            doc="The address is bound even where this machine does not have it (yet): on the standby of a "
            "pair that shares it, or to take what iptables' TPROXY hands over, which needs CAP_NET_ADMIN.",
        ),
    ),
    refused.reasons(refused.BIND, inert.BIND),
)
"""What may follow the address of ``bind``."""

CRT_LIST: Final = Table(
    "setting",
    (
        *TLS_RANGE[:2],
        *TLS_SUITES,
        BIND["verify"],
        BIND["ca-file"],
    ),
    refused.reasons(refused.BIND, inert.BIND) | {"crl-file": "it is set for a whole bind"},
)
"""What may stand between brackets in a line of a crt-list."""

UNIX_BIND: Final = Table(
    "keyword",
    (
        Option(
            name="prefix",
            kind=Text("PREFIX", "the beginning of a path"),
            field="prefix",
            doc="What every path begins with that a bind names.",
            example="/run/greenlb/",
        ),
        *(BIND[name] for name in ("mode", "user", "uid", "group", "gid")),
    ),
)
"""What may follow ``unix-bind``."""

BIND_DEFAULTS: Final = Table(
    "keyword",
    (*TLS_RANGE, BIND["prefer-client-ciphers"], BIND["strict-sni"]),
    refused.BIND,
)
