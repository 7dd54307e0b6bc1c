"""THE option table: everything a configuration may say, each option once.

Messages, the reference configuration and the manual are made from it (``config.reference``), the model's
plain fields are filled by it (``config.proxies``).  Names and meanings are HAProxy's; where greenlb adds
an option or differs, the sentence says so.
"""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Keywords, Option, Table
from greenlb.config.values import (
    NAME,
    Account,
    Automatic,
    Choice,
    Duration,
    Flag,
    Integer,
    Line,
    Listed,
    Matching,
    Networks,
    Size,
    Switch,
    Text,
    Timeout,
    Token,
)
from greenlb.observe.targets import FORMATS

KINDS: Final = ("global", "defaults", "frontend", "backend", "listen")
"""The kinds of section."""

UNSUPPORTED_KINDS: Final = (
    "resolvers", "peers", "mailers", "userlist", "cache", "program", "ring", "http-errors", "fcgi-app",
    "log-forward",
)  # fmt: skip

TWO_WORDS: Final = ("timeout", "option", "stats")
"""First words that belong together with the second: ``timeout client = 5s``."""
NAMED: Final = ("server", "acl")
"""First words whose second is a name of the user's: ``server s1 = 10.0.0.1:80``."""

FRONT: Final = ("defaults", "frontend", "listen")
BACK: Final = ("defaults", "listen", "backend")
EVERY: Final = ("defaults", "frontend", "listen", "backend")
RULES: Final = ("named defaults", "frontend", "listen", "backend")

# --- keywords of lines ---------------------------------------------------------------------------------

VERSIONS: Final = ("TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3")

_FILE = Text("FILE", "the path of a file")
_CIPHERS = Text("LIST", "an OpenSSL cipher list, such as ECDHE+AESGCM:ECDHE+CHACHA20")
_CIPHERSUITES = Text("LIST", "TLS 1.3 cipher suites, such as TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384")
_CURVES = Text("LIST", "names of curves, such as X25519:P-256")
_VERSION = Choice(*VERSIONS, refused=("SSLv3",))
_ALPN = Listed("PROTOCOL[,PROTOCOL]", "protocols separated by commas, such as http/1.1")

_TLS_RANGE = (
    Option(
        name="ssl-min-ver",
        kind=_VERSION,
        field="min_version",
        doc="The oldest TLS version that is spoken.",
        example="TLSv1.2",
    ),
    Option(
        name="ssl-max-ver",
        kind=_VERSION,
        field="max_version",
        doc="The newest TLS version that is spoken.",
        example="TLSv1.3",
    ),
    *(
        Option(
            name=f"no-{word}",
            kind=Flag(version),
            field="without",
            many=True,
            doc=f"{version} is not spoken.  ssl-min-ver and ssl-max-ver say it more clearly.",
        )
        for word, version in zip(
            ("sslv3", "tlsv10", "tlsv11", "tlsv12", "tlsv13"), ("SSLv3", *VERSIONS), strict=True
        )
    ),
    *(
        Option(
            name=f"force-{word}",
            kind=Flag(version),
            field="only",
            doc=f"{version} alone is spoken.",
        )
        for word, version in zip(("tlsv10", "tlsv11", "tlsv12", "tlsv13"), VERSIONS, strict=True)
    ),
    Option(
        name="no-tls-tickets",
        kind=Flag(False),
        field="tickets",
        doc="No session tickets are given or used, so a session is resumed by its ID or not at all.",
    ),
)

_TLS_SUITES = (
    Option(
        name="ciphers",
        kind=_CIPHERS,
        field="ciphers",
        doc="The ciphers of TLS 1.2 and older.",
        default="OpenSSL's",
        example="ECDHE+AESGCM:ECDHE+CHACHA20",
    ),
    Option(
        name="ciphersuites",
        kind=_CIPHERSUITES,
        field="ciphersuites",
        doc="The cipher suites of TLS 1.3.",
        default="OpenSSL's",
        example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
    ),
    Option(
        name="curves",
        kind=_CURVES,
        field="curves",
        doc="The groups for the key exchange, the preferred one first.",
        default="OpenSSL's",
        example="X25519:P-256",
    ),
    Option(
        name="alpn",
        kind=_ALPN,
        field="alpn",
        doc="The protocols offered by ALPN, the preferred one first.  In mode http: http/1.1, http/1.0.",
        example="http/1.1",
    ),
)

_BIND_UNSUPPORTED: Final = (
    "accept-netscaler-cip", "allow-0rtt", "ca-ignore-err", "ca-sign-file",
    "ca-sign-pass", "ca-verify-file", "crt-ignore-err", "defer-accept", "ecdhe", "expose-fd",
    "force-sslv3", "generate-certificates", "gid", "group", "id", "interface", "level", "maxconn", "mss",
    "namespace", "nice", "no-ca-names", "npn", "process", "proto", "quic-cc-algo",
    "quic-force-retry", "severity-output", "shards", "tcp-ut", "tfo", "thread", "tls-ticket-keys",
    "uid", "user",
)  # fmt: skip

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
            kind=_FILE,
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
            kind=_FILE,
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
            kind=_FILE,
            field="crl_file",
            doc="Revoked client certificates, in PEM.",
            example="/etc/greenlb/clients.crl",
        ),
        *_TLS_RANGE,
        Option(
            name="prefer-client-ciphers",
            kind=Flag(),
            field="prefer_client_ciphers",
            doc="The client's order of ciphers counts, not ours.",
        ),
        *_TLS_SUITES,
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
            name="transparent",
            kind=Flag(),
            field="transparent",
            doc="The address is bound even where this machine does not have it (yet): on the standby of a "
            "pair that shares it, or to take what iptables' TPROXY hands over, which needs CAP_NET_ADMIN.",
        ),
    ),
    dict.fromkeys(_BIND_UNSUPPORTED, "")
    | {
        "ecdhe": "use 'curves'",
        "npn": "use 'alpn'",
        "maxconn": "use the frontend's 'maxconn'",
    },
)
"""What may follow the address of ``bind``."""

CRT_LIST: Final = Table(
    "setting",
    (
        *_TLS_RANGE[:2],
        *_TLS_SUITES,
        BIND["verify"],
        BIND["ca-file"],
    ),
    dict.fromkeys(("allow-0rtt", "ca-verify-file", "crl-file", "ecdhe", "no-ca-names", "npn"), ""),
)
"""What may stand between brackets in a line of a crt-list."""

BIND_DEFAULTS: Final = Table(
    "keyword",
    (*_TLS_RANGE, BIND["prefer-client-ciphers"], BIND["strict-sni"]),
    dict.fromkeys(("force-sslv3",), ""),
)

PROXY_V2_OPTIONS: Final = ("ssl", "cert-cn", "ssl-cipher", "authority", "crc32c")
"""What ``proxy-v2-options`` may ask for."""

_SERVER_UNSUPPORTED: Final = (
    "agent-addr", "agent-check", "agent-inter", "agent-port", "agent-send", "allow-0rtt",
    "check-alpn", "check-proto", "check-sni", "check-ssl", "check-via-socks4",
    "error-limit", "force-sslv3", "id", "init-addr", "log-proto", "max-reuse", "maxqueue",
    "minconn", "namespace", "no-agent-check", "no-check-ssl",
    "no-ssl-reuse", "no-tfo", "non-stick", "npn", "observe", "on-error", "on-marked-down",
    "on-marked-up", "pool-low-conn", "pool-max-conn", "pool-purge-delay", "proto",
    "redir", "resolve-net", "resolve-opts", "resolve-prefer", "resolvers",
    "shard",
    "slowstart", "socks4", "ssl-reuse", "stick", "tcp-ut", "tfo", "track", "usesrc", "ws",
)  # fmt: skip

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
            name="check",
            kind=Flag(),
            field="check",
            doc="It is checked by a TCP connection; without this word it always counts as up.",
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
            kind=_FILE,
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
            kind=_FILE,
            field="crt",
            doc="Our certificate and key for a server that asks for them, in one PEM file.",
            example="/etc/greenlb/client.pem",
        ),
        *_TLS_RANGE,
        Option(
            name="tls-tickets",
            kind=Flag(True),
            field="tickets",
            doc="Undoes a no-tls-tickets of default-server.",
        ),
        *_TLS_SUITES,
    ),
    dict.fromkeys(_SERVER_UNSUPPORTED, "") | {"npn": "use 'alpn'"},
)
"""What may follow the address of ``server``, and what ``default-server`` may hold."""

SERVER_DEFAULTS: Final = Table(
    "keyword",
    (*_TLS_RANGE, SERVER["tls-tickets"]),
    dict.fromkeys(("force-sslv3", "no-ssl-reuse"), ""),
)

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
            "bytes_in_rate(TIME), bytes_out_cnt, bytes_out_rate(TIME), gpc0, gpc0_rate(TIME), gpt0, "
            "server_id.",
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

_G: Final = ("global",)

_LOG_SYNTAX: Final = "ADDRESS [len SIZE] [format FORMAT] [FACILITY [LEVEL [MINLEVEL]]]"

_GLOBAL_UNSUPPORTED: Final = (
    "51degrees-data-file", "busy-polling", "close-spread-time", "cluster-secret",
    "cpu-map", "default-path", "description", "deviceatlas-json-file", "external-check",
    "grace", "h1-accept-payload-with-any-method", "h1-case-adjust",
    "h1-case-adjust-file", "insecure-fork-wanted", "insecure-setuid-wanted",
    "issuers-chain-path", "localpeer", "lua-load", "lua-load-per-thread", "lua-prepend-path",
    "master-worker", "max-spread-checks", "maxcompcpuusage", "maxcomprate", "maxconnrate", "maxpipes",
    "maxsessrate", "maxsslconn", "maxsslrate", "maxzlibmem", "mworker-max-reloads", "nbproc",
    "nbthread", "node", "noepoll", "noevports", "nogetaddrinfo", "nokqueue", "nopoll", "noreuseport",
    "nosplice", "numa-cpu-mapping", "pp2-never-send-local", "presetenv", "resetenv",
    "server-state-base", "server-state-file", "set-dumpable", "set-var", "set-var-fmt", "setenv",
    "ssl-dh-param-file", "ssl-engine", "ssl-load-extra-del-ext", "ssl-load-extra-files",
    "ssl-mode-async", "ssl-skip-self-issued-ca", "stats", "strict-limits", "thread-groups",
    "unix-bind", "unsetenv", "wurfl-data-file", "zero-warning",
    "tune.buffers.limit", "tune.buffers.reserve", "tune.comp.maxlevel", "tune.fd.edge-triggered",
    "tune.h2.header-table-size", "tune.h2.initial-window-size", "tune.h2.max-concurrent-streams",
    "tune.h2.max-frame-size", "tune.http.cookielen", "tune.http.logurilen", "tune.idletimer",
    "tune.idle-pool.shared", "tune.listener.multi-queue", "tune.lua.maxmem", "tune.maxaccept",
    "tune.maxpollevents", "tune.pattern.cache-size", "tune.pipesize", "tune.pool-high-fd-ratio",
    "tune.pool-low-fd-ratio", "tune.rcvbuf.client", "tune.rcvbuf.server", "tune.recv_enough",
    "tune.runqueue-depth", "tune.sched.low-latency", "tune.sndbuf.client", "tune.sndbuf.server",
    "tune.ssl.cachesize", "tune.ssl.capture-buffer-size", "tune.ssl.default-dh-param",
    "tune.ssl.force-private-cache", "tune.ssl.hard-maxrecord", "tune.ssl.keylog",
    "tune.ssl.lifetime", "tune.ssl.maxrecord", "tune.ssl.ssl-ctx-cache-size",
    "tune.vars.global-max-size", "tune.vars.proc-max-size", "tune.vars.reqres-max-size",
    "tune.vars.sess-max-size", "tune.vars.txn-max-size", "tune.zlib.memlevel",
    "tune.zlib.windowsize",
)  # fmt: skip

GLOBAL: Final = Table(
    "option",
    (
        Option(
            name="workers",
            where=_G,
            kind=Automatic(0, 64, unit="processes"),
            field="workers",
            default="auto (one a core)",
            doc="greenlb's own: how many processes carry the traffic.  They share listeners, limits and "
            "counters and behave as one.  0: everything in one process, without a master.",
            example="2",
        ),
        Option(
            name="worker-timeout",
            where=_G,
            kind=Timeout(),
            field="worker_timeout",
            default="10s",
            doc="greenlb's own: a worker that did nothing for so long hangs; it is killed and replaced, and "
            "the log shows where it hung.",
            example="30s",
        ),
        Option(
            name="hard-stop-after",
            where=_G,
            kind=Timeout(),
            field="hard_stop_after",
            default="none",
            doc="How long a graceful stop, or a former worker after a reload, may wait for its connections.",
            example="30s",
        ),
        Option(
            name="daemon",
            where=_G,
            kind=Flag(),
            field="daemon",
            default="no",
            doc="Go into the background once everything serves; the exit status tells whether it does.",
            example="yes",
        ),
        Option(
            name="pidfile",
            where=_G,
            kind=_FILE,
            field="pidfile",
            default="none",
            doc="The master's process id is written there.  The flag -p comes before it.",
            example="/run/greenlb.pid",
        ),
        Option(
            name="user",
            where=_G,
            kind=Account("user"),
            field="uid",
            default="none",
            doc="Who workers and control run as.  The master stays who started it: it binds, opens logs and "
            "certificates, and reloads.",
            example="root",
        ),
        Option(
            name="group",
            where=_G,
            kind=Account("group"),
            field="gid",
            default="none",
            doc="The group of workers and control.",
            example="root",
        ),
        Option(
            name="uid",
            where=_G,
            kind=Integer(0),
            field="uid",
            default="none",
            doc="As user, by number.",
            example="65534",
        ),
        Option(
            name="gid",
            where=_G,
            kind=Integer(0),
            field="gid",
            default="none",
            doc="As group, by number.",
            example="65534",
        ),
        Option(
            name="chroot",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            field="chroot",
            default="none",
            doc="Workers and control see this folder, which should be empty, as the whole file system.  What "
            "they need from outside, such as a log socket that was made anew, the master opens for them.",
            example="/var/lib/greenlb",
        ),
        Option(
            name="ulimit-n",
            where=_G,
            kind=Integer(1, unit="descriptors"),
            field="ulimit_n",
            default="none (worked out from maxconn)",
            doc="The limit on open files of each worker.",
            example="20000",
        ),
        Option(
            name="maxconn",
            where=_G,
            kind=Integer(0, unit="connections"),
            field="maxconn",
            default="0 (from the limit on open files)",
            doc="How many client connections the process serves at a time; the rest wait in the kernel.",
            example="4000",
        ),
        Option(
            name="log",
            where=_G,
            kind=Line(_LOG_SYNTAX, "an address and a facility"),
            field="log_targets",
            many=True,
            doc="Where log lines go: an address (UDP, port 514 if none is given), the path of a unix socket, "
            "stdout, stderr, fd@N, or a file (a path where no socket lies, or file@PATH).  A file, stdout "
            "and stderr need no facility.  Only lines of LEVEL or more severe are sent, and none as more "
            "severe than MINLEVEL.",
            example="127.0.0.1 local0",
        ),
        Option(
            name="log-tag",
            where=_G,
            kind=Text("TAG", "a tag for syslog"),
            field="log_tag",
            default="haproxy",
            doc="The name that log lines bear; filters made for HAProxy look for haproxy.",
            example="haproxy",
        ),
        Option(
            name="log-send-hostname",
            where=_G,
            kind=Switch(Text("NAME", "a host name"), on=True),
            field="log_send_hostname",
            default="no",
            doc="Log lines in the local format bear the host's name, or this one.",
            example="yes",
        ),
        Option(
            name="spread-checks",
            where=_G,
            kind=Integer(0, 50, "per cent"),
            field="spread_checks",
            default="0",
            doc="How much the times between health checks vary, so that they do not all come at once.",
            example="5",
        ),
        Option(
            name="state-dir",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            field="state_dir",
            doc="Where stick tables are kept over restarts; it is made, for the process's user alone, if "
            "need be.  Without it they lie in a folder of this configuration's own: as root in "
            "/var/lib/greenlb, else in $XDG_STATE_HOME/greenlb or where temporary files are.",
            example="/var/lib/greenlb",
        ),
        Option(
            name="tune.bufsize",
            where=_G,
            kind=Size(1024, 1 << 24),
            field="bufsize",
            default="16384",
            doc="The room for a head and the pieces of a body; a longer head is answered 414 or 431.",
            example="16384",
        ),
        Option(
            name="tune.maxrewrite",
            where=_G,
            kind=Size(0, 1 << 24),
            field="maxrewrite",
            default="1024",
            doc="How much of tune.bufsize is kept free for what rules add to a head.",
            example="1024",
        ),
        Option(
            name="tune.http.maxhdr",
            where=_G,
            kind=Integer(1, 32767, "fields"),
            field="maxhdr",
            default="101",
            doc="How many header fields a head may have.",
            example="101",
        ),
        Option(
            name="tune.http-parser",
            where=_G,
            kind=Choice("plain", "h11"),
            field="http_parser",
            default="plain",
            doc="greenlb's own: plain reads everyday heads by a fast lane and the others by h11, h11 reads "
            "all of them by h11.  Both accept the same.",
            example="h11",
        ),
        Option(
            name="crt-base",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            doc="Where crt files lie whose path is relative.",
            example="/etc/greenlb/certs",
        ),
        Option(
            name="ca-base",
            where=_G,
            kind=Text("FOLDER", "the path of a folder"),
            doc="Where ca-file and crl-file files lie whose path is relative.",
            example="/etc/greenlb/ca",
        ),
        Option(
            name="ssl-default-bind-ciphers",
            where=_G,
            kind=_CIPHERS,
            doc="The ciphers of every bind that has none of its own.",
            example="ECDHE+AESGCM:ECDHE+CHACHA20",
        ),
        Option(
            name="ssl-default-bind-ciphersuites",
            where=_G,
            kind=_CIPHERSUITES,
            doc="The ciphersuites of every bind that has none of its own.",
            example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        ),
        Option(
            name="ssl-default-bind-curves",
            where=_G,
            kind=_CURVES,
            doc="The curves of every bind that has none of its own.",
            example="X25519:P-256",
        ),
        Option(
            name="ssl-default-bind-options",
            where=_G,
            kind=Keywords(BIND_DEFAULTS, "KEYWORD..."),
            default="ssl-min-ver TLSv1.2",
            doc="Keywords that hold for every bind that does not say otherwise.",
            example="ssl-min-ver TLSv1.2 no-tls-tickets",
        ),
        Option(
            name="ssl-default-server-ciphers",
            where=_G,
            kind=_CIPHERS,
            doc="The ciphers of every server that has none of its own.",
            example="ECDHE+AESGCM:ECDHE+CHACHA20",
        ),
        Option(
            name="ssl-default-server-ciphersuites",
            where=_G,
            kind=_CIPHERSUITES,
            doc="The ciphersuites of every server that has none of its own.",
            example="TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384",
        ),
        Option(
            name="ssl-default-server-curves",
            where=_G,
            kind=_CURVES,
            doc="The curves of every server that has none of its own.",
            example="X25519:P-256",
        ),
        Option(
            name="ssl-default-server-options",
            where=_G,
            kind=Keywords(SERVER_DEFAULTS, "KEYWORD..."),
            doc="Keywords that hold for every server that does not say otherwise.",
            example="ssl-min-ver TLSv1.2",
        ),
        Option(
            name="ssl-server-verify",
            where=_G,
            kind=Choice("none", "required"),
            default="required",
            doc="What verify is for every server that does not say it.",
            example="required",
        ),
    ),
    dict.fromkeys(_GLOBAL_UNSUPPORTED, "")
    | {
        "tune.ssl.default-dh-param": "OpenSSL chooses it, or put DH parameters into the certificate's file",
        "ssl-dh-param-file": "put DH parameters into the certificate's file",
        "nbproc": "use 'workers'",
        "nbthread": "use 'workers'",
        "quiet": "start with -q",
        "zero-warning": "start with -dW",
    },
)

# --- frontends, backends, listens and their defaults -----------------------------------------------------

_RULE: Final = "ACTION [ARGUMENTS] [if|unless CONDITION]"

_PROXY_UNSUPPORTED: Final = (
    "bind-process", "clitcpka-cnt", "clitcpka-idle", "clitcpka-intvl", "compression", "declare",
    "description", "dispatch", "email-alert", "errorfiles", "errorloc", "errorloc302", "errorloc303",
    "external-check", "filter", "force-persist", "fullconn", "grace", "hash-balance-factor",
    "http-after-response", "http-check", "http-error", "http-send-name-header", "id",
    "ignore-persist", "load-server-state-from-file", "log-format-sd", "max-keep-alive-queue",
    "monitor", "monitor-net", "monitor-uri", "option abortonclose",
    "option accept-invalid-http-request", "option accept-invalid-http-response", "option checkcache",
    "option contstats", "option disable-h2-upgrade", "option external-check",
    "option forceclose", "option h1-case-adjust-bogus-client", "option h1-case-adjust-bogus-server",
    "option http-buffer-request", "option http-no-delay", "option http-pretend-keepalive",
    "option http-proxy", "option http-restrict-req-hdr-names", "option http-tunnel",
    "option http-use-htx", "option http-use-proxy-header", "option httpchk",
    "option idle-close-on-response", "option independent-streams", "option ldap-check",
    "option log-health-checks", "option log-separate-errors", "option mysql-check", "option nolinger",
    "option originalto", "option pgsql-check", "option prefer-last-server", "option redis-check",
    "option smtpchk", "option socket-stats",
    "option spop-check", "option ssl-hello-chk", "option tcp-check",
    "option transparent",
    "persist", "rate-limit", "retry-on", "server-state-file-name", "server-template",
    "srvtcpka-cnt", "srvtcpka-idle", "srvtcpka-intvl", "stats", "tcp-check",
    "transparent", "unique-id-format",
    "unique-id-header", "use-fcgi-app", "use-server",
)  # fmt: skip

PROXY: Final = Table(
    "option",
    (
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
            name="timeout client",
            where=FRONT,
            kind=Timeout(),
            field="timeouts.client",
            default="none",
            doc="How long a client may keep us waiting for data or for room to write.",
            example="30s",
        ),
        Option(
            name="timeout server",
            where=BACK,
            kind=Timeout(),
            field="timeouts.server",
            default="none",
            doc="How long a server may keep us waiting.",
            example="30s",
        ),
        Option(
            name="timeout connect",
            where=BACK,
            kind=Timeout(),
            field="timeouts.connect",
            default="none",
            doc="How long a server may take to accept a connection.",
            example="5s",
        ),
        Option(
            name="timeout queue",
            where=BACK,
            kind=Timeout(),
            field="timeouts.queue",
            default="timeout connect",
            doc="How long a request may wait for a server that has room.",
            example="30s",
        ),
        Option(
            name="timeout http-request",
            where=EVERY,
            kind=Timeout(),
            field="timeouts.http_request",
            default="timeout client",
            http=True,
            doc="How long a client may take for a whole request head.",
            example="10s",
        ),
        Option(
            name="timeout http-keep-alive",
            where=EVERY,
            kind=Timeout(),
            field="timeouts.http_keep_alive",
            default="timeout http-request",
            http=True,
            doc="How long an idle client connection is kept for the next request.",
            example="10s",
        ),
        Option(
            name="timeout tunnel",
            where=BACK,
            kind=Timeout(),
            field="timeouts.tunnel",
            default="timeouts client and server",
            doc="How long both sides of a tunnel (an upgraded connection, or tcp once data flowed both ways) "
            "may be silent.",
            example="1h",
        ),
        Option(
            name="timeout client-fin",
            where=FRONT,
            kind=Timeout(),
            field="timeouts.client_fin",
            default="timeout client",
            doc="The same as timeout client once one side has ended its half.",
            example="30s",
        ),
        Option(
            name="timeout server-fin",
            where=BACK,
            kind=Timeout(),
            field="timeouts.server_fin",
            default="timeout server",
            doc="The same as timeout server once one side has ended its half.",
            example="30s",
        ),
        Option(
            name="timeout tarpit",
            where=EVERY,
            kind=Timeout(),
            field="timeouts.tarpit",
            default="timeout connect",
            http=True,
            doc="How long http-request tarpit keeps a client waiting.",
            example="20s",
        ),
        Option(
            name="timeout check",
            where=BACK,
            kind=Timeout(),
            field="timeouts.check",
            default="inter",
            doc="How long a health check may take once it is connected.",
            example="5s",
        ),
        # connections
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
            field="keepalive",
            default="no",
            doc="The kernel sends keepalive packets to clients, so that dead ones are found and firewalls "
            "keep their state.",
            example="yes",
        ),
        Option(
            name="option srvtcpka",
            where=BACK,
            kind=Flag(),
            field="keepalive",
            default="no",
            doc="The same to servers.",
            example="yes",
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
            kind=Line(
                "inspect-delay TIME | content ACTION [if|unless CONDITION]", "inspect-delay or content"
            ),
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
            kind=Line(
                r"NAME:\ VALUE [if|unless CONDITION]", r"a header line, such as X-Forwarded-Proto:\ https"
            ),
            field="request_rules",
            http=True,
            warns=True,
            many=True,
            doc="A header field is added to requests: the old spelling of http-request add-header.  It comes "
            "after the http-request rules.",
            example=r"X-Forwarded-Proto:\ https",
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
            name="rspadd",
            where=("frontend", "listen", "backend"),
            kind=Line(
                r"NAME:\ VALUE [if|unless CONDITION]", r"a header line, such as X-Frame-Options:\ DENY"
            ),
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
            kind=Switch(
                Keywords(FORWARDFOR, "[except NETWORK] [header NAME] [if-none]"), on={}, direct=False
            ),
            field="forwardfor",
            default="no",
            http=True,
            warns=True,
            doc="The client's address is added to requests in X-Forwarded-For.",
            example="except 127.0.0.0/8",
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
        Option(
            name="log",
            where=EVERY,
            kind=Line(f"global|no|{_LOG_SYNTAX}", "global, or an address and a facility"),
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
        # servers
        Option(
            name="balance",
            where=BACK,
            kind=Line("ALGORITHM [ARGUMENTS]", "an algorithm, such as roundrobin or leastconn"),
            field="balance",
            default="roundrobin",
            doc="How a server is chosen: roundrobin, static-rr, leastconn, first, random, or by a hash of "
            "source, uri, url_param NAME, hdr(NAME) or hash SAMPLE.",
            example="leastconn",
        ),
        Option(
            name="hash-type",
            where=BACK,
            kind=Line("map-based|consistent [FUNCTION [avalanche]]", "map-based or consistent"),
            default="map-based",
            doc="How a hash becomes a server: consistent moves few keys when a server comes or goes.",
            example="consistent",
        ),
        Option(
            name="cookie",
            where=BACK,
            kind=Line("NAME insert|rewrite|prefix [KEYWORDS]", "the cookie's name"),
            field="cookie",
            http=True,
            warns=True,
            doc="A client stays on its server by a cookie.",
            example="SERVERID insert indirect nocache",
        ),
        Option(
            name="stick-table",
            where=("frontend", "listen", "backend"),
            kind=Line(
                "type TYPE [len SIZE] size NUMBER [expire TIME] [nopurge] [store TYPE,...]",
                "keywords such as type ip size 100k expire 30m",
            ),
            doc="A table of keys, named as the section: the servers that clients belong to, and counters.  "
            "All processes share it, and it is kept over restarts.",
            example="type ip size 100k expire 30m",
        ),
        Option(
            name="stick",
            where=("listen", "backend"),
            kind=Line(
                "on|match|store-request|store-response SAMPLE [table NAME] [if|unless CONDITION]",
                "on, match, store-request or store-response",
            ),
            field="stick",
            many=True,
            doc="A client stays on its server by a table: match looks the key up, store-request and "
            "store-response keep it with the server, on is match and store-request.",
            example="on src",
        ),
        Option(
            name="dynamic-cookie-key",
            where=BACK,
            kind=Text("TEXT", "a secret text"),
            http=True,
            doc="The secret of cookie's dynamic values.",
            example="change-me",
        ),
        Option(
            name="option persist",
            where=BACK,
            kind=Flag(),
            field="persist",
            default="no",
            http=True,
            doc="A cookie's server is tried even when it is down.",
            example="yes",
        ),
        Option(
            name="option allbackups",
            where=BACK,
            kind=Flag(),
            field="allbackups",
            default="no",
            doc="All backup servers share the load when no other is up, not the first of them alone.",
            example="yes",
        ),
        Option(
            name="retries",
            where=BACK,
            kind=Integer(0),
            field="retries",
            default="3",
            doc="How often a failed connection to a server is tried again, after a pause of up to a second.",
            example="3",
        ),
        Option(
            name="option redispatch",
            where=BACK,
            kind=Switch(Integer(-1000, 1000), on=-1),
            field="redispatch",
            default="no",
            doc="A retry may go to another server: the last one (yes, or -1), or every Nth.",
            example="yes",
        ),
        Option(
            name="default-server",
            where=BACK,
            kind=Keywords(SERVER, "KEYWORDS"),
            many=True,
            doc="Keywords for the servers that come after it.",
            example="check inter 2s rise 2 fall 3",
        ),
        Option(
            name="server",
            where=("listen", "backend"),
            kind=Line("NAME = ADDRESS:PORT [KEYWORDS]", "an address with a port, such as 10.0.0.11:80"),
            field="servers",
            many=True,
            doc="A server of the farm, written server NAME = ADDRESS:PORT KEYWORDS.",
            example="10.0.0.11:80 check",
        ),
    ),
    dict.fromkeys(_PROXY_UNSUPPORTED, "")
    | {
        "block": "use 'http-request deny'",
        "clitimeout": "use 'timeout client'",
        "contimeout": "use 'timeout connect'",
        "srvtimeout": "use 'timeout server'",
        "redispatch": "use 'option redispatch'",
        "option forceclose": "use 'option httpclose'",
    }
    | dict.fromkeys(
        (
            "reqallow",
            "reqdel",
            "reqdeny",
            "reqiallow",
            "reqidel",
            "reqideny",
            "reqirep",
            "reqrep",
            "reqtarpit",
        ),
        "use 'http-request' rules",
    )
    | dict.fromkeys(
        ("rspdel", "rspdeny", "rspidel", "rspideny", "rspirep", "rsprep"), "use 'http-response' rules"
    ),
)
