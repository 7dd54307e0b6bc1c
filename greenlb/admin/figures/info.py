"""THE table of ``show info``: what is known of the processes together."""

from __future__ import annotations

import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from greenlb import __version__
from greenlb.admin.figures.subjects import maxconn
from greenlb.admin.figures.text import Typed
from greenlb.admin.runtime.operations import Operations
from greenlb.observe.sampler import Rates
from greenlb.observe.vitals import Process, processes
from greenlb.proxy.frontend_state import limits
from greenlb.proxy.ratelimits import TLS

NAME: Final = "HAProxy"
"""Clients talk to nobody else (haproxyadmin); the version says who it is."""
SPOKEN: Final = "2.6.12"
"""The HAProxy whose runtime API this is: clients choose their commands by it."""
VERSION: Final = f"{SPOKEN}-greenlb-{__version__}"


class Facts:
    """What the table reads, at one moment."""

    def __init__(self, farm: Operations) -> None:
        farm.sampler.sample()
        self.farm = farm
        self.settings = farm.config.settings
        self.processes: list[Process] = list(processes(farm.books.board))
        self.rates: Rates = farm.sampler.whole()
        self.most = farm.books.values(farm.books.process)
        self.front: dict[str, int] = {}
        for row in farm.books.read():
            if row.kind == "F":
                for name, value in row.values.items():
                    self.front[name] = self.front.get(name, 0) + value
        self.uptime = max(0.0, time.monotonic() - farm.started)

    @property
    def workers(self) -> list[Process]:
        return [each for each in self.processes if each.role != "control"]

    def total(self, figure: str) -> int:
        """A figure of all processes."""
        return sum(each.figures[figure] for each in self.processes)

    @property
    def idle(self) -> int:
        busy = [each.busy for each in self.workers] or [0]
        return 100 - sum(busy) // len(busy) // 10

    @property
    def resumed(self) -> int:
        """Per cent of the last second's TLS sessions."""
        return 100 - 100 * self.rates.keys // self.rates.tls if self.rates.tls else 0

    @property
    def node(self) -> str:
        return self.settings.node or socket.gethostname()

    @property
    def listeners(self) -> int:
        return sum(len(frontend.binds) for frontend in self.farm.config.frontends if not frontend.disabled)


Tell = Callable[[Facts], int | str]


@dataclass(frozen=True, slots=True)
class Item:
    """One line.  ``place`` is its number in HAProxy, ``metric`` its name behind ``haproxy_process_``."""

    place: int
    name: str
    nature: str
    type: str
    doc: str
    tell: Tell
    metric: str = ""

    @property
    def counter(self) -> bool:
        return self.metric.endswith("_total") or self.name == "FailedResolutions"


def _none(_: Facts) -> int:
    """What HAProxy says of a feature that is not in use; greenlb does not have it."""
    return 0


def _span(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    return f"{days}d {hour}h{minute:02}m{second:02}s"


def _descriptors(_: Facts) -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _limit(facts: Facts) -> int:
    return maxconn(facts.farm)


def _rate(kind: str) -> Tell:
    return lambda facts: limits(facts.settings, facts.farm.fronts)[kind]


def _front(name: str) -> Tell:
    return lambda facts: facts.front.get(name, 0)


def _sessions(facts: Facts) -> int:
    return facts.front.get("scur", 0)


def _handshakes(facts: Facts) -> int:
    """Those that failed too, as in HAProxy."""
    return facts.front.get("ssl_sess", 0) + facts.front.get("ssl_failed_handshake", 0)


def _tasks(facts: Facts) -> int:
    return facts.total("greenlets")


def _jobs(facts: Facts) -> int:
    return _sessions(facts) + facts.listeners


def _pid(_: Facts) -> int:
    return os.getpid()


_ONE_OR_MORE: Final = "processes that carry traffic"

ITEMS: Final[tuple[Item, ...]] = (
    Item(0, "Name", "POS", "str", "the product", lambda f: NAME),
    Item(1, "Version", "POS", "str", "the HAProxy that it speaks like, and its own", lambda f: VERSION),
    Item(2, "Release_date", "POS", "str", "of the HAProxy that it speaks like", lambda f: "2023/03/28"),
    Item(3, "Nbthread", "CGS", "u32", _ONE_OR_MORE, lambda f: len(f.workers), "nbthread"),
    Item(4, "Nbproc", "CGS", "u32", "always 1: all processes count as one", lambda f: 1, "nbproc"),
    Item(5, "Process_num", "KGP", "u32", "always 1", lambda f: 1, "relative_process_id"),
    Item(6, "Pid", "SGP", "u32", "of the process that answers", _pid),
    Item(7, "Uptime", "MDP", "str", "since it began to serve", lambda f: _span(f.uptime)),
    Item(8, "Uptime_sec", "MDP", "u32", "the same in seconds", lambda f: int(f.uptime), "uptime_seconds"),
    Item(9, "Memmax_MB", "CLP", "u32", "limit of memory", _none),
    Item(10, "PoolAlloc_MB", "MGP", "u32", "resident memory", lambda f: f.total("memory") >> 20),
    Item(11, "PoolUsed_MB", "MGP", "u32", "resident memory", lambda f: f.total("memory") >> 20),
    Item(12, "PoolFailed", "MCP", "u32", "memory that was not to be had", _none, "pool_failures_total"),
    Item(13, "Ulimit-n", "CLP", "u32", "descriptors that a process may open", _descriptors, "max_fds"),
    Item(14, "Maxsock", "CLP", "u32", "sockets that a process may open", _descriptors, "max_sockets"),
    Item(15, "Maxconn", "CLP", "u32", "client connections that may be", _limit, "max_connections"),
    Item(16, "Hard_maxconn", "CLP", "u32", "the same at the start", _limit, "hard_max_connections"),
    Item(17, "CurrConns", "MGP", "u32", "client connections", _sessions, "current_connections"),
    Item(18, "CumConns", "MCP", "u32", "client connections in all", _front("stot"), "connections_total"),
    Item(19, "CumReq", "MCP", "u32", "HTTP requests in all", _front("req_tot"), "requests_total"),
    Item(20, "MaxSslConns", "MMP", "u32", "limit of TLS connections", _none, "max_ssl_connections"),
    Item(21, "CurrSslConns", "MGP", "u32", "TLS connections", _front("ssl_cur"), "current_ssl_connections"),
    Item(22, "CumSslConns", "MCP", "u32", "TLS connections in all", _handshakes, "ssl_connections_total"),
    Item(23, "Maxpipes", "CLP", "u32", "limit of pipes; there is none", _none, "max_pipes"),
    Item(24, "PipesUsed", "MGP", "u32", "pipes; not counted", _none, "pipes_used_total"),
    Item(25, "PipesFree", "MGP", "u32", "idle pipes; not counted", _none, "pipes_free_total"),
    Item(
        26,
        "ConnRate",
        "MRP",
        "u32",
        "connections in the last second",
        lambda f: f.rates.connections,
        "current_connection_rate",
    ),
    Item(
        27, "ConnRateLimit", "CLP", "u32", "limit of ConnRate", _rate("connections"), "limit_connection_rate"
    ),
    Item(
        28,
        "MaxConnRate",
        "MMP",
        "u32",
        "most connections in a second",
        lambda f: f.most["conn_rate_max"],
        "max_connection_rate",
    ),
    Item(
        29,
        "SessRate",
        "MRP",
        "u32",
        "sessions in the last second",
        lambda f: f.rates.sessions,
        "current_session_rate",
    ),
    Item(30, "SessRateLimit", "CLP", "u32", "limit of SessRate", _rate("sessions"), "limit_session_rate"),
    Item(
        31,
        "MaxSessRate",
        "MRP",
        "u32",
        "most sessions in a second",
        lambda f: f.most["rate_max"],
        "max_session_rate",
    ),
    Item(
        32,
        "SslRate",
        "MRP",
        "u32",
        "TLS sessions in the last second",
        lambda f: f.rates.tls,
        "current_ssl_rate",
    ),
    Item(33, "SslRateLimit", "CLP", "u32", "limit of SslRate", _rate(TLS), "limit_ssl_rate"),
    Item(
        34,
        "MaxSslRate",
        "MMP",
        "u32",
        "most TLS sessions in a second",
        lambda f: f.most["ssl_rate_max"],
        "max_ssl_rate",
    ),
    Item(
        35,
        "SslFrontendKeyRate",
        "MGP",
        "u32",
        "TLS sessions in the last second that were new",
        lambda f: f.rates.keys,
        "current_frontend_ssl_key_rate",
    ),
    Item(
        36,
        "SslFrontendMaxKeyRate",
        "MMP",
        "u32",
        "most of those in a second",
        lambda f: f.most["ssl_key_rate_max"],
        "max_frontend_ssl_key_rate",
    ),
    Item(
        37,
        "SslFrontendSessionReuse_pct",
        "MGP",
        "u32",
        "per cent of TLS sessions that were resumed",
        lambda f: f.resumed,
        "frontend_ssl_reuse",
    ),
    Item(
        38,
        "SslBackendKeyRate",
        "MRP",
        "u32",
        "the same to servers; not counted",
        _none,
        "current_backend_ssl_key_rate",
    ),
    Item(
        39,
        "SslBackendMaxKeyRate",
        "MMP",
        "u32",
        "the same to servers; not counted",
        _none,
        "max_backend_ssl_key_rate",
    ),
    Item(
        40,
        "SslCacheLookups",
        "MCP",
        "u32",
        "sessions that were looked for in a cache",
        _none,
        "ssl_cache_lookups_total",
    ),
    Item(41, "SslCacheMisses", "MCP", "u32", "sessions that were not in it", _none, "ssl_cache_misses_total"),
    Item(
        42,
        "CompressBpsIn",
        "MRP",
        "u32",
        "bytes a second before compression",
        lambda f: f.rates.comp_in,
        "http_comp_bytes_in_total",
    ),
    Item(
        43,
        "CompressBpsOut",
        "MRP",
        "u32",
        "bytes a second after compression",
        lambda f: f.rates.comp_out,
        "http_comp_bytes_out_total",
    ),
    Item(
        44,
        "CompressBpsRateLim",
        "CLP",
        "u32",
        "limit of CompressBpsIn",
        lambda f: f.settings.maxcomprate << 10,
        "limit_http_comp",
    ),
    Item(47, "Tasks", "MGP", "u32", "greenlets", _tasks, "current_tasks"),
    Item(
        48,
        "Run_queue",
        "MGP",
        "u32",
        "greenlets that wait for their turn; not counted",
        _none,
        "current_run_queue",
    ),
    Item(
        49,
        "Idle_pct",
        "MaP",
        "u32",
        "per cent of the last second without work",
        lambda f: f.idle,
        "idle_time_percent",
    ),
    Item(50, "node", "COS", "str", "the machine", lambda f: f.node),
    Item(
        51,
        "description",
        "COS",
        "str",
        "what the configuration says of itself",
        lambda f: f.settings.description,
    ),
    Item(
        52,
        "Stopping",
        "MGP",
        "u32",
        "1 while it ends",
        lambda f: int(any(p.stopping for p in f.workers)),
        "stopping",
    ),
    Item(53, "Jobs", "MGP", "u32", "client connections and listeners", _jobs, "jobs"),
    Item(
        54, "Unstoppable Jobs", "MGP", "u32", "those that a stop does not wait for", _none, "unstoppable_jobs"
    ),
    Item(55, "Listeners", "MGP", "u32", "listening sockets", lambda f: f.listeners, "listeners"),
    Item(56, "ActivePeers", "MGP", "u32", "peers", _none, "active_peers"),
    Item(57, "ConnectedPeers", "MGP", "u32", "peers that are connected", _none, "connected_peers"),
    Item(
        58,
        "DroppedLogs",
        "MGP",
        "u32",
        "log lines that no target took",
        lambda f: f.total("log_drops"),
        "dropped_logs_total",
    ),
    Item(59, "BusyPolling", "MGP", "u32", "1 while it polls without waiting", _none, "busy_polling_enabled"),
    Item(60, "FailedResolutions", "MGP", "u32", "names that were not found", _none, "failed_resolutions"),
    Item(61, "TotalBytesOut", "MGP", "u64", "bytes sent to clients", _front("bout"), "bytes_out_total"),
    Item(
        62,
        "TotalSplicdedBytesOut",
        "MGP",
        "u64",
        "those that were spliced; not counted",
        _none,
        "spliced_bytes_out_total",
    ),
    Item(
        63,
        "BytesOutRate",
        "MRP",
        "u64",
        "bytes sent to clients in the last second",
        lambda f: f.rates.sent,
        "bytes_out_rate",
    ),
    Item(64, "DebugCommandsIssued", "MGP", "u32", "debugging commands", _none),
    Item(65, "CumRecvLogs", "MCP", "u32", "log lines that were received", _none, "recv_logs_total"),
    Item(66, "Build info", "POS", "str", "its own version", lambda f: VERSION, "build_info"),
    Item(67, "Memmax_bytes", "CLP", "u32", "limit of memory", _none, "max_memory_bytes"),
    Item(
        68,
        "PoolAlloc_bytes",
        "MGP",
        "u64",
        "resident memory",
        lambda f: f.total("memory"),
        "pool_allocated_bytes",
    ),
    Item(
        69, "PoolUsed_bytes", "MGP", "u64", "resident memory", lambda f: f.total("memory"), "pool_used_bytes"
    ),
    Item(
        70,
        "Start_time_sec",
        "MDP",
        "u32",
        "when it began to serve",
        lambda f: int(time.time() - f.uptime),
        "start_time_seconds",
    ),
    Item(71, "Tainted", "SGP", "str", "experimental features in use", lambda f: "0"),
)


EXACT: Final[dict[str, Callable[[Facts], float]]] = {
    "Uptime_sec": lambda f: round(f.uptime, 6),
    "Start_time_sec": lambda f: round(time.time() - f.uptime, 6),
}
"""What ``show info float`` tells in more detail."""


def typed(farm: Operations, exact: bool = False) -> Iterator[Typed]:
    """Every line with its value."""
    facts = Facts(farm)
    for item in ITEMS:
        if exact and item.name in EXACT:
            yield Typed(item.place, item.name, item.nature, "flt", EXACT[item.name](facts), item.doc)
            continue
        told = item.tell(facts)
        if item.name != "description" or told:
            yield Typed(item.place, item.name, item.nature, item.type, told, item.doc)
