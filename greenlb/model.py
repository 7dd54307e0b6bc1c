"""The frozen configuration: what a process is told to be.

``config.load`` makes it from text; everybody else only reads it.  Each part knows the file and line
it came from.  Rules, formats and conditions stand here compiled, as plain callables, so nobody below
``config`` ever sees configuration text.  Times are seconds (None: no limit), sizes bytes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from greenlb.address import Address as Address

if TYPE_CHECKING:
    from greenlb.compression import Compression
    from greenlb.exchange import Exchange
    from greenlb.live import Affinity, Farm, Hook, ServiceSlot, StickTables
    from greenlb.message import Reply
    from greenlb.names import Resolution, Resolvers
    from greenlb.runtime import RuntimeSocket
    from greenlb.script import Agent, HealthCheck, Observe

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Allow:
    """The verdict that ends a rule list without an answer (``http-request allow``)."""

    def __repr__(self) -> str:
        return "ALLOW"


ALLOW: Final = Allow()

Verdict = "Reply | Allow | None"
"""None: go on with the next rule.  ALLOW: skip the rest.  A Reply: answer with it."""

Rule = Callable[["Exchange"], "Reply | Allow | None"]
Condition = Callable[["Exchange"], bool]
Format = Callable[["Exchange"], bytes]
"""A compiled log-format: what it renders for an exchange."""
Page: TypeAlias = "bytes | Callable[[Exchange], Reply]"
"""What takes the place of one of our own answers: a whole response, or what makes one."""
Router = Callable[["Exchange"], "str | None"]
"""One use_backend: the backend's name, or None when its condition does not hold."""


@dataclass(frozen=True, slots=True)
class Where:
    """A place in a configuration file, printed ``file:line``."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


NOWHERE: Final = Where("(built in)", 0)


@dataclass(frozen=True, slots=True)
class CertificateLine:
    """One certificate of a bind: a PEM file, and for a crt-list line its own settings and SNI filters
    (``*.example.com``, ``!secret.example.com``; empty = the names in the certificate)."""

    file: str
    where: Where
    filters: tuple[str, ...] = ()
    min_version: str = ""
    max_version: str = ""
    ciphers: str = ""
    ciphersuites: str = ""
    curves: str = ""
    alpn: tuple[str, ...] | None = None
    verify: str = ""
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class BindTls:
    """``bind ... ssl``.  ``certificates`` in order: folders and crt-lists are already read out; the
    first is the default one.  Versions are ``TLSv1.0`` ... ``TLSv1.3``."""

    where: Where
    certificates: tuple[CertificateLine, ...] = ()
    strict_sni: bool = False
    min_version: str = "TLSv1.2"
    max_version: str = "TLSv1.3"
    ciphers: str = ""
    ciphersuites: str = ""
    curves: str = ""
    alpn: tuple[str, ...] = ()
    verify: str = "none"  # none | optional | required
    ca_file: str = ""
    crl_file: str = ""
    tickets: bool = True
    prefer_client_ciphers: bool = False


@dataclass(frozen=True, slots=True)
class ServerTls:
    """``server ... ssl``.  ``sni`` renders the name to ask for (None: none is sent)."""

    where: Where
    verify: str = "required"  # none | required
    ca_file: str = ""
    crl_file: str = ""
    sni: Callable[[Exchange], bytes | None] | None = None
    verifyhost: str = ""
    crt: str = ""
    min_version: str = ""
    max_version: str = ""
    ciphers: str = ""
    ciphersuites: str = ""
    curves: str = ""
    alpn: tuple[str, ...] = ()
    tickets: bool = True


@dataclass(frozen=True, slots=True)
class Bind:
    """One listening address of a frontend.  ``name`` is the ``name`` keyword's, else its number
    (counted from 1), as the log's error lines print it."""

    name: str
    address: Address
    where: Where
    tls: BindTls | None = None
    backlog: int = 0
    v6only: bool = False
    mode: int | None = None  # of a unix socket, as uid and gid; None: as the process makes it
    uid: int | None = None
    gid: int | None = None
    interface: str = ""  # the one that clients must come by
    accept_proxy: bool = False
    transparent: bool = False  # whether it may be an address that this machine does not have


@dataclass(frozen=True, slots=True)
class SendProxy:
    """``send-proxy`` and its like: the PROXY protocol's version, and which fields version 2 carries.
    ``authority`` is the name the client asked for, ``ssl`` its TLS, with the common name of its certificate
    and the cipher if told to."""

    version: int = 1
    ssl: bool = False
    cert_cn: bool = False
    ssl_cipher: bool = False
    authority: bool = False
    crc32c: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """``server ... check``: how often, and how many answers turn a server."""

    inter: float = 2.0
    fastinter: float | None = None
    downinter: float | None = None
    rise: int = 2
    fall: int = 3
    port: int = 0
    address: Address | None = None
    send_proxy: SendProxy | None = None
    tls: ServerTls | None = None
    step_tls: tuple[tuple[int, ServerTls], ...] = ()  # of written steps, by their numbers
    sni: str = ""
    source: Address | None = None


@dataclass(frozen=True, slots=True)
class Wsgi:
    """``server NAME = wsgi:MODULE:ATTRIBUTE``; ``factory``: it is called once for the application."""

    module: str
    attribute: str
    factory: bool = False
    chdir: str = ""  # where it is imported from
    mount: str = ""  # its SCRIPT_NAME

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}{'()' * self.factory}"


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a backend.  ``number`` counts from 1 within its backend (HAProxy's sid)."""

    name: str
    number: int
    address: Address
    where: Where
    weight: int = 1
    backup: bool = False
    disabled: bool = False
    cookie: str = ""
    maxconn: int = 0
    minconn: int = 0  # 0: always maxconn
    maxqueue: int = 0  # 0: no limit
    check: Check | None = None
    tls: ServerTls | None = None
    send_proxy: SendProxy | None = None
    source: Address | None = None  # what to connect from
    resolution: Resolution | None = None  # how its name is looked up while we run
    forget: bool = False  # an address that it was given while we ran does not outlive a reload
    agent: Agent | None = None
    observe: Observe | None = None
    track: str = ""  # backend/server whose health it has
    slowstart: float = 0.0
    down_shuts_sessions: bool = False  # on-marked-down shutdown-sessions
    up_shuts_backups: bool = False  # on-marked-up shutdown-backup-sessions
    app: Wsgi | None = None  # it is a WSGI application of this process
    proto: str = "h1"  # h1 | uwsgi
    non_stick: bool = False  # no key of a stick table becomes its own


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All of a proxy's; HAProxy's fallbacks (http-keep-alive -> http-request -> client ...) are already
    worked out."""

    client: float | None = None
    server: float | None = None
    connect: float | None = None
    queue: float | None = None
    http_request: float | None = None
    http_keep_alive: float | None = None
    tunnel: float | None = None
    client_fin: float | None = None
    server_fin: float | None = None
    tarpit: float | None = None
    check: float | None = None


@dataclass(frozen=True, slots=True)
class ForwardFor:
    """``option forwardfor``, ``option originalto``: ``header`` as spelled on the wire."""

    header: bytes = b"X-Forwarded-For"
    excepted: tuple[Network, ...] = ()
    if_none: bool = False


@dataclass(frozen=True, slots=True)
class LogTarget:
    """``log ADDRESS [len N] [format F] FACILITY [MAX [MIN]]``.  Severities are syslog numbers: a line
    goes out when ``level_min <= severity <= level_max`` after HAProxy's rule that a line more severe
    than the minimum level is sent at that level."""

    kind: str  # udp | unix | stdout | stderr | file | fd
    address: str  # host, path or number
    port: int
    facility: int  # 0-23
    level: int = 7
    minimum: int = 0
    length: int = 1024
    format: str = "local"  # local (rfc3164 without host) | rfc3164 | rfc5424 | raw | short | timed | json ...
    where: Where = NOWHERE


@dataclass(frozen=True, slots=True)
class Balance:
    """``balance ALGORITHM``.  ``key`` gives what is hashed (None: missing, fall back to round robin)."""

    algorithm: str = "roundrobin"
    key: Callable[[Exchange], bytes | None] | None = None
    consistent: bool = False
    hash_function: str = "sdbm"
    avalanche: bool = False
    draws: int = 2  # random(N)
    factor: int = 0  # hash-balance-factor, per cent; 0: none
    hook: Hook | None = None  # python


@dataclass(frozen=True, slots=True)
class Cookie:
    """``cookie NAME insert|rewrite|prefix ...``.  Ages are seconds."""

    name: bytes
    method: str  # insert | rewrite | prefix
    indirect: bool = False
    nocache: bool = False
    postonly: bool = False
    preserve: bool = False
    httponly: bool = False
    secure: bool = False
    domains: tuple[str, ...] = ()
    maxidle: int = 0
    maxlife: int = 0
    attributes: tuple[str, ...] = ()
    dynamic: bool = False
    dynamic_key: str = ""


@dataclass(frozen=True, slots=True)
class StickTable:
    """``stick-table``.  ``type``: ip | ipv6 | integer | string | binary; ``length`` the bytes of a key;
    ``store`` the data types, each with the period of a rate in milliseconds (0: no rate) and the length of
    an array (0: none)."""

    name: str
    where: Where
    type: str
    length: int
    size: int
    expire: float | None = None
    nopurge: bool = False
    store: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class StatsPage:
    """The ``stats`` options of the proxy called ``proxy``, as its page needs them; who gets it is decided by
    a request rule.  ``refresh`` is seconds (0: not said); ``node`` and ``description`` are None when they are
    not shown, ``scope`` is empty when all proxies are."""

    proxy: str
    uri: str
    refresh: int = 0
    hide_version: bool = False
    legends: bool = False
    modules: bool = False
    node: str | None = None
    description: str | None = None
    scope: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proxy:
    """What frontends and backends share.  ``number`` is HAProxy's iid (a listen has one for both)."""

    name: str
    number: int
    where: Where
    mode: str = "tcp"  # tcp | http
    disabled: bool = False
    timeouts: Timeouts = Timeouts()
    request_rules: tuple[Rule, ...] = ()
    response_rules: tuple[Rule, ...] = ()
    after_rules: tuple[Rule, ...] = ()  # http-after-response
    content_rules: tuple[Rule, ...] = ()  # tcp-request content
    inspect_delay: float = 0.0
    splice_auto: bool = True
    splice_request: bool | None = None  # None: as splice_auto has it
    splice_response: bool | None = None
    forwardfor: ForwardFor | None = None
    originalto: ForwardFor | None = None
    connection: str = "keep-alive"  # keep-alive | server-close | close (option httpclose)
    log_targets: tuple[LogTarget, ...] = ()
    log_tag: str = ""
    errorfiles: Mapping[int, Page] = field(default_factory=dict)
    description: str = ""
    stats: StatsPage | None = None
    compression: Compression | None = None


@dataclass(frozen=True, slots=True)
class Frontend(Proxy):
    """``log_format`` renders the one line of an exchange; None means HAProxy's default: ``Connect
    from ...`` at accept.  Captures: (lower-case name, longest length) each.  ``connection_rules`` run at
    accept, ``session_rules`` when the handshakes are done."""

    binds: tuple[Bind, ...] = ()
    maxconn: int = 0  # 0: the process's
    default_backend: str | None = None
    routes: tuple[Router, ...] = ()
    log_format: Format | None = None
    log_error_format: Format | None = None
    log_structured: Format | None = None  # log-format-sd
    unique_id: Format | None = None
    unique_id_header: bytes = b""
    log_fields: Callable[[Exchange], dict[str, object]] | None = None
    logasap: bool = False
    dontlognull: bool = False
    socket_stats: bool = False  # whether statistics show binds by themselves
    dontlog_normal: bool = False
    log_separate_errors: bool = False
    request_captures: tuple[tuple[bytes, int], ...] = ()
    response_captures: tuple[tuple[bytes, int], ...] = ()
    cookie_capture: tuple[bytes, int] | None = None
    accept_underscores: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    ignore_probes: bool = False
    connection_rules: tuple[Rule, ...] = ()
    session_rules: tuple[Rule, ...] = ()
    keepalive: tuple[tuple[int, int, int], ...] = ()  # option clitcpka: what is set on sockets
    smart_accept: bool = False
    rate_limit: int = 0  # new connections a second; 0: no limit


@dataclass(frozen=True, slots=True)
class Backend(Proxy):
    servers: tuple[Server, ...] = ()
    balance: Balance = Balance()
    cookie: Cookie | None = None
    retries: int = 3
    redispatch: int | None = None  # None: off; -1: on the last retry; N: every Nth
    reuse: str = "safe"  # never | safe | always | aggressive
    persist: bool = False
    allbackups: bool = False
    name_header: bytes = b""  # http-send-name-header
    stick: Affinity | None = None
    forwarded: Callable[[Exchange], None] | None = None  # option forwarded
    tcp_response_rules: tuple[Rule, ...] = ()
    response_delay: float = 0.0
    keepalive: tuple[tuple[int, int, int], ...] = ()  # option srvtcpka
    fullconn: int = 0  # the load at which servers with minconn get their maxconn; 0: they do at once
    use_server: tuple[Router, ...] = ()
    persist_rules: tuple[tuple[bool, Condition], ...] = ()  # True: force-persist, False: ignore-persist
    prefer_last: bool = False
    max_keep_alive_queue: int = -1  # -1: no limit
    abortonclose: bool = False
    retry_on: tuple[str | int, ...] = ("conn-failure",)
    smart_connect: bool = False
    health_check: HealthCheck | None = None  # None: a connection says it all
    log_health_checks: bool = False


@dataclass(frozen=True, slots=True)
class Global:
    maxconn: int = 0  # 0: from the descriptor limit
    maxconnrate: int = 0  # connections, sessions, TLS sessions a second; 0: no limit
    maxsessrate: int = 0
    maxsslrate: int = 0
    log_targets: tuple[LogTarget, ...] = ()
    log_tag: str = "haproxy"
    log_send_hostname: str = ""  # the name to send; empty: none
    node: str = ""  # empty: the host's name
    description: str = ""
    bufsize: int = 16384
    maxrewrite: int = 1024
    maxhdr: int = 101
    http_parser: str = "plain"  # plain | h11
    compression_level: int = 1
    maxcomprate: int = 0  # kilobytes a second; 0: no limit
    zlib_memlevel: int = 8
    zlib_windowsize: int = 15
    spread_checks: int = 0  # per cent
    max_spread_checks: float | None = None
    external_check: bool = False
    python_path: tuple[str, ...] = ()
    state_dir: str = ""  # empty: the process chooses
    workers: int | None = None  # None: one a core; 0: everything in one process
    worker_timeout: float | None = 10.0
    hard_stop_after: float | None = None
    daemon: bool = False
    pidfile: str = ""
    uid: int | None = None
    gid: int | None = None
    chroot: str = ""
    ulimit_n: int = 0  # 0: from maxconn
    fd_hard_limit: int = 0  # 0: none
    zero_warning: bool = False
    quiet: bool = False
    runtime_sockets: tuple[RuntimeSocket, ...] = ()
    variables: tuple[tuple[str, object], ...] = ()  # of scope proc
    runtime_timeout: float | None = 10.0
    runtime_maxconn: int = 10


@dataclass(frozen=True, slots=True)
class Config:
    settings: Global
    frontends: tuple[Frontend, ...]
    backends: tuple[Backend, ...]
    files: tuple[str, ...] = ()
    tables: StickTables | None = None
    farm: Farm | None = None
    services: Iterable[ServiceSlot] = ()
    hooks: Iterable[Hook] = ()  # where somebody's Python is called
    steered: bool = False  # it may choose servers
    resolvers: tuple[Resolvers, ...] = ()
    reads: frozenset[str] = frozenset()  # of policy.vocabulary.READS
    remembers: frozenset[str] = frozenset()  # of net.openssl.FACTS
    patterns: Iterable[object] = ()  # the policy.patterns.References of all files
    text: str = ""  # as INI, with inheritance worked out

    def backend(self, name: str) -> Backend | None:
        return next((b for b in self.backends if b.name == name), None)
