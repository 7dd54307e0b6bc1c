"""What a haproxy.cfg may say that has no effect here, and why: told in a notice, and left out.

Nothing in this table changes what a client or a server sees.  What would is not here: it works, or it is
refused.  An INI file cannot say these words at all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

_CORES: Final = "processes are set by 'workers', one a core without it"
_LOOP: Final = "the event loop is gevent's, and tunes itself"
_MEMORY: Final = "memory is Python's and pipes are the kernel's to manage"
_TLS: Final = "OpenSSL's own defaults hold"
_NO_H2: Final = "HTTP/2 and HTTP/3 are not spoken"
_NO_LUA: Final = "there is no Lua"
_VARIABLES: Final = "variables are as big as what is put into them"
_COMPRESSION: Final = "compression takes what memory and time it needs"
_MASTER: Final = "there is always a master"
_DEBUGGING: Final = "it is for debugging HAProxy"
_CASE: Final = "names keep the case they came with"
_STATE: Final = "after a reload servers stand as they stood"
_SOCKET: Final = "the kernel's default holds"
_POOL: Final = "idle connections are kept as long as the server keeps them"
_DEVICES: Final = "there is no device detection"
_HTX: Final = "heads are always kept as they came"


class Inert(NamedTuple):
    """``arguments``: how many words follow it on its line (of a section's options all do)."""

    why: str
    arguments: int = 0


def _all(why: str, *names: str, arguments: int = 0) -> dict[str, Inert]:
    return dict.fromkeys(names, Inert(why, arguments))


GLOBAL: Final[dict[str, Inert]] = {
    **_all(
        _CORES,
        *("nbproc", "nbthread", "cpu-map", "thread-group", "thread-groups", "numa-cpu-mapping"),
        *("stats bind-process", "tune.listener.multi-queue"),
    ),
    **_all(
        _LOOP,
        *("noepoll", "nopoll", "noevports", "nokqueue", "busy-polling", "tune.fd.edge-triggered"),
        *("tune.maxpollevents", "tune.runqueue-depth", "tune.sched.low-latency", "tune.recv_enough"),
        *("tune.maxaccept", "tune.idletimer"),
    ),
    **_all(
        _MEMORY,
        *("tune.buffers.limit", "tune.buffers.reserve", "no-memory-trimming", "maxpipes", "tune.pipesize"),
        *("tune.idle-pool.shared", "tune.pool-high-fd-ratio", "tune.pool-low-fd-ratio", "tune.fail-alloc"),
        "tune.pattern.cache-size",
    ),
    **_all(
        _TLS,
        *("tune.ssl.cachesize", "tune.ssl.lifetime", "tune.ssl.force-private-cache"),
        *("tune.ssl.ssl-ctx-cache-size", "tune.ssl.maxrecord", "tune.ssl.hard-maxrecord", "ssl-mode-async"),
        *("tune.ssl.capture-buffer-size", "tune.ssl.capture-cipherlist-size", "tune.ssl.default-dh-param"),
        *("ssl-skip-self-issued-ca",),
    ),
    **_all(
        _NO_H2,
        *("h2-workaround-bogus-websocket-clients", "tune.h2.header-table-size"),
        *("tune.h2.initial-window-size", "tune.h2.max-concurrent-streams", "tune.h2.max-frame-size"),
        *("tune.quic.frontend.conn-tx-buffers.limit", "tune.quic.frontend.max-idle-timeout"),
        *("tune.quic.frontend.max-streams-bidi", "tune.quic.retry-threshold"),
    ),
    **_all(
        _NO_LUA,
        *("tune.lua.forced-yield", "tune.lua.maxmem", "tune.lua.service-timeout"),
        *("tune.lua.session-timeout", "tune.lua.task-timeout", "lua-prepend-path"),
    ),
    **_all(
        _VARIABLES,
        *("tune.vars.global-max-size", "tune.vars.proc-max-size", "tune.vars.reqres-max-size"),
        *("tune.vars.sess-max-size", "tune.vars.txn-max-size", "tune.vars.check-max-size"),
    ),
    **_all(
        _COMPRESSION,
        *("maxcompcpuusage", "maxzlibmem"),
    ),
    **_all(_MASTER, "master-worker", "mworker-max-reloads"),
    **_all(
        _DEBUGGING,
        *("profiling.tasks", "profiling.memory", "set-dumpable", "expose-experimental-directives"),
        *("insecure-fork-wanted", "insecure-setuid-wanted", "tune.ssl.keylog"),
    ),
    **_all(_CASE, "h1-case-adjust", "h1-case-adjust-file"),
    **_all(_STATE, "server-state-base", "server-state-file"),
    **_all("limits that cannot be had are an error here", "strict-limits"),
    **_all("there are no peers", "localpeer", "tune.peers.max-updates-at-once"),
    **_all("connections end when they are done", "close-spread-time", "grace"),
    **_all("listening sockets are handed to the next process as they are", "noreuseport"),
    **_all("names are resolved by the system's resolver", "nogetaddrinfo"),
    **_all(
        "there is no client of HTTP in rules",
        *("httpclient.resolvers.id", "httpclient.resolvers.prefer", "httpclient.ssl.ca-file"),
        "httpclient.ssl.verify",
    ),
    **_all(_SOCKET, "tune.rcvbuf.client", "tune.rcvbuf.server", "tune.sndbuf.client", "tune.sndbuf.server"),
    **_all(
        _DEVICES,
        *("51degrees-cache-size", "51degrees-data-file", "51degrees-property-name-list"),
        *("51degrees-property-separator", "deviceatlas-json-file", "deviceatlas-log-level"),
        *("deviceatlas-properties-cookie", "deviceatlas-separator", "wurfl-cache-size", "wurfl-data-file"),
        *("wurfl-information-list", "wurfl-information-list-separator"),
    ),
}
"""Of the section global."""

PROXY: Final[dict[str, Inert]] = {
    **_all(_CORES, "bind-process"),
    **_all(_CASE, "option h1-case-adjust-bogus-client", "option h1-case-adjust-bogus-server"),
    **_all(_NO_H2, "option disable-h2-upgrade"),
    **_all(_HTX, "option http-use-htx"),
    **_all(_STATE, "load-server-state-from-file", "server-state-file-name"),
    **_all("nothing is held back here", "option http-no-delay"),
    **_all("a connection to a server is kept whenever it can be", "option http-pretend-keepalive"),
    **_all("each direction has a timeout of its own", "option independent-streams"),
    **_all("a client is told of the end before its connection is closed", "option idle-close-on-response"),
    **_all("connections end when they are done", "grace"),
}
"""Of defaults, frontend, backend and listen."""

BIND: Final[dict[str, Inert]] = {
    **_all(_CORES, "process", "thread", "shards", "nice", arguments=1),
    **_all(_SOCKET, "tfo", "defer-accept"),
    **_all(_SOCKET, "tcp-ut", "mss", arguments=1),
    **_all("listeners are numbered", "id", arguments=1),
    **_all("sockets are handed over by the master", "expose-fd", arguments=1),
    **_all("early data is not accepted", "allow-0rtt"),
    **_all("it says which authorities are named to clients, which all of ca-file are", "no-ca-names"),
    **_all("ALPN has taken its place", "npn", arguments=1),
    **_all(_NO_H2, "quic-cc-algo", arguments=1),
    **_all(_NO_H2, "quic-force-retry"),
}
"""Of what follows the address of bind."""

SERVER: Final[dict[str, Inert]] = {
    **_all(_POOL, "pool-low-conn", "pool-max-conn", "pool-purge-delay", "max-reuse", arguments=1),
    **_all(_SOCKET, "tfo", "no-tfo"),
    **_all(_SOCKET, "tcp-ut", arguments=1),
    **_all("sessions are resumed where the server allows it", "ssl-reuse"),
    **_all("there are no rings", "log-proto", arguments=1),
    **_all("there are no peers", "shard", arguments=1),
    **_all("ALPN has taken its place", "npn", arguments=1),
    **_all("WebSocket goes over HTTP/1.1", "ws", arguments=1),
    **_all("early data is not sent", "allow-0rtt"),
}
"""Of what follows the address of server."""

STATS_SOCKET: Final[dict[str, Inert]] = {
    **_all("listening sockets are handed on by the master, and -x opens them anew", "expose-fd", arguments=1),
    **_all(_CORES, "process", "thread", arguments=1),
    **_all("listeners are numbered", "id", "name", arguments=1),
    **_all("what comes waits in the kernel", "backlog", arguments=1),
}
"""Of what follows the address of stats socket."""

LINES: Final = {
    "bind": BIND,
    "server": SERVER,
    "default-server": SERVER,
    "server-template": SERVER,
    "stats socket": STATS_SOCKET,
}
"""The words of lines, by the keyword that begins them."""


def of_section(kind: str, keyword: str) -> Inert | None:
    """Why an option has no effect in a section of that kind, or None when it has."""
    table = GLOBAL if kind == "global" else PROXY
    return table.get(keyword)
