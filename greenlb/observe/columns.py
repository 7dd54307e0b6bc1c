"""THE table of what is shown of frontends, listeners, servers and backends.

Each column of HAProxy's CSV stands here once, in HAProxy's order (management.txt, "CSV format"): who has
it, what it means, how a Row tells it.  The CSV, the typed and the JSON form, the statistics page and the
metrics are all made of it, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from greenlb.observe.sampler import average
from greenlb.observe.stats import Row

Value = int | str | None
"""What a column shows; None: nothing, for it has no meaning there."""


@dataclass(slots=True)
class Subject:
    """An object as it is shown: its counters, and what is ``told`` of it by others, by a column's name: how
    it stands, its checks, its rates."""

    row: Row
    told: dict[str, Value] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return self.row.kind

    @property
    def http(self) -> bool:
        return self.row.proxy.mode == "http"


Read = Callable[[Subject], Value]


@dataclass(frozen=True, slots=True)
class Column:
    """``kinds`` have it: frontends (F), listeners (L), servers (S), backends (B).  ``nature`` is where it
    comes from, what it is and what it is of, a letter each, and ``type`` the number's, as ``typed`` shows
    them; a backend's nature may be another.  ``http``: those in mode tcp have none.  ``metric`` is the name
    that Prometheus knows it by at ``metric_kinds``, ``labels`` what goes with it; ``scale`` is the part of
    a unit that it counts in; ``metric_http``: it is one in mode http alone.  ``secret``: a user of the
    lowest level does not see it."""

    name: str
    kinds: str
    nature: str
    type: str
    doc: str
    read: Read
    metric: str = ""
    metric_kinds: str = ""
    labels: str = ""
    scale: int = 1
    http: bool = False
    metric_http: bool = False
    backend_nature: str = ""
    secret: bool = False

    def nature_of(self, kind: str) -> str:
        return self.backend_nature if kind == "B" and self.backend_nature else self.nature

    def value(self, subject: Subject) -> Value:
        """What it shows of ``subject``."""
        if subject.kind not in self.kinds or (self.http and not subject.http):
            return None
        return self.read(subject)

    def exported(self, kind: str) -> bool:
        """Whether objects of ``kind`` have it as a metric."""
        return bool(self.metric) and kind in (self.metric_kinds or self.kinds)


# -- how it is read ------------------------------------------------------------------------------------


def _counter(name: str) -> Read:
    return lambda subject: subject.row.values.get(name, 0)


def _told(name: str) -> Read:
    return lambda subject: subject.told.get(name)


def _milliseconds(read: Callable[[Subject], int]) -> Read:
    return lambda subject: read(subject) // 1000


def _average(timer: str) -> Read:
    return _milliseconds(lambda subject: average(subject.row.values, timer))


def _peak(name: str) -> Read:
    return _milliseconds(lambda subject: subject.row.values.get(name, 0))


def _unused(_: Subject) -> Value:
    """What HAProxy shows of a feature that is not in use; greenlb does not have it."""
    return 0


def _attempts(values: dict[str, int]) -> int:
    """How often a server was tried in vain and the exchange went on, there or elsewhere."""
    return values["wretr"] + values["wredis"]


def _sessions(subject: Subject) -> Value:
    values = subject.row.values
    if subject.kind in "FL":
        return values.get("stot", 0) - values.get("dcon", 0)
    return values["stot"] + (_attempts(values) if subject.kind == "S" else 0)


def _connects(subject: Subject) -> Value:
    """Attempts: those that succeeded, and those that failed."""
    values = subject.row.values
    return values["connect"] + _attempts(values) + values.get("unreached", 0)


def _chosen(subject: Subject) -> Value:
    """An exchange that left a server for another had been given to it."""
    values = subject.row.values
    return values["lbtot"] + values["wredis"]


def _requests(subject: Subject) -> Value:
    if not subject.http:
        return 0 if subject.kind == "F" else None
    return subject.row.values.get("req_tot", 0)


def _of_http(name: str) -> Read:
    return lambda subject: subject.row.values.get(name, 0) if subject.http else 0


def _new_sessions(subject: Subject) -> Value:
    values = subject.row.values
    return values.get("ssl_sess", 0) - values.get("ssl_reused_sess", 0)


def _unsafe(subject: Subject) -> Value:
    values = subject.row.values
    return max(0, values["srv_icur"] - values["safe_conn_cur"])


# -- the table -----------------------------------------------------------------------------------------

_ALL: Final = "FLSB"


def _count(name: str, kinds: str, doc: str, metric: str, read: Read | None = None, **more: Any) -> Column:
    return Column(name, kinds, "MCP", "u64", doc, read or _counter(name), metric, **more)


def _gauge(name: str, kinds: str, doc: str, metric: str, read: Read | None = None, **more: Any) -> Column:
    return Column(name, kinds, "MGP", "u32", doc, read or _counter(name), metric, **more)


def _most(name: str, kinds: str, doc: str, metric: str, read: Read | None = None, **more: Any) -> Column:
    return Column(name, kinds, "MMP", "u32", doc, read or _counter(name), metric, **more)


def _rate(name: str, kinds: str, doc: str, **more: Any) -> Column:
    return Column(name, kinds, "MRP", "u32", doc, _told(name), **more)


def _response(name: str) -> Column:
    code = name.removeprefix("hrsp_")
    doc = "answers with a status of no such class" if code == "other" else f"answers with a {code} status"
    return _count(name, "FSB", doc, "http_responses_total", labels=f'code="{code}"', http=True)


def _timer(name: str, doc: str, metric: str) -> Column:
    doc = f"milliseconds {doc}, on average over the last 1024"
    return Column(name, "SB", "MaP", "u32", doc, _average(name), f"{metric}_time_average_seconds", scale=1000)


def _longest(name: str, doc: str, metric: str) -> Column:
    return _most(
        name, "SB", f"most milliseconds {doc}", f"max_{metric}_time_seconds", _peak(name), scale=1000
    )


def _said(name: str, nature: str, type: str, doc: str, metric: str = "", **more: Any) -> Column:
    return Column(name, "S", nature, type, doc, _told(name), metric, **more)


def _in_use(name: str, doc: str, metric: str) -> Column:
    return Column(name, "SB", "SGP", "u32", doc, _told(name), metric, metric_kinds="B", backend_nature="MGP")


def _zero(name: str, kinds: str, doc: str, metric: str, **more: Any) -> Column:
    return _count(name, kinds, doc, metric, _unused, **more)


COLUMNS: Final[tuple[Column, ...]] = (
    Column("pxname", _ALL, "KNS", "str", "the section's name", lambda s: s.row.pxname),
    Column("svname", _ALL, "KNS", "str", "the server's name, FRONTEND or BACKEND", lambda s: s.row.svname),
    _gauge("qcur", "SB", "requests in the queue", "current_queue"),
    _most("qmax", "SB", "most requests in the queue at one time", "max_queue"),
    _gauge("scur", _ALL, "sessions", "current_sessions"),
    _most("smax", _ALL, "most sessions at one time", "max_sessions"),
    Column("slim", _ALL, "CLP", "u32", "maxconn, or a backend's fullconn", _told("slim"), "limit_sessions"),
    _count("stot", _ALL, "sessions in all", "sessions_total", _sessions),
    _count("bin", _ALL, "bytes of requests", "bytes_in_total"),
    _count("bout", _ALL, "bytes of answers", "bytes_out_total"),
    _count("dreq", "FLB", "requests that a rule denied", "requests_denied_total"),
    _count("dresp", _ALL, "answers that a rule denied", "responses_denied_total"),
    _count("ereq", "FL", "requests that were invalid, late or broken off", "request_errors_total"),
    _count("econ", "SB", "requests that reached no server", "connection_errors_total"),
    _count("eresp", "SB", "answers that failed", "response_errors_total"),
    _count("wretr", "SB", "connections that were tried again", "retry_warnings_total"),
    _count("wredis", "SB", "requests that were moved to another server", "redispatch_warnings_total"),
    Column("status", _ALL, "SGP", "str", "OPEN, UP, DOWN, MAINT ...", _told("status"), "status"),
    Column(
        "weight", "SB", "MaP", "u32", "weight now, or that of all servers in use", _told("weight"), "weight"
    ),
    _in_use("act", "active servers that may be used", "active_servers"),
    _in_use("bck", "backup servers that may be used", "backup_servers"),
    _count("chkfail", "S", "checks that failed", "check_failures_total", _told("chkfail")),
    _count("chkdown", "SB", "how often it went down", "check_up_down_total", _told("chkdown")),
    Column(
        "lastchg",
        "SB",
        "MAP",
        "u32",
        "seconds since it went up or down",
        _told("lastchg"),
        "check_last_change_seconds",
    ),
    Column(
        "downtime",
        "SB",
        "MCP",
        "u32",
        "seconds that it was down in all",
        _told("downtime"),
        "downtime_seconds_total",
    ),
    _said("qlimit", "CGS", "u32", "maxqueue", "queue_limit"),
    Column("pid", _ALL, "KGP", "u32", "always 1: all processes count as one", lambda s: 1),
    Column("iid", _ALL, "KGS", "u32", "the section's number", lambda s: s.row.proxy.number),
    Column(
        "sid",
        _ALL,
        "KGS",
        "u32",
        "the server's or the listener's number; 0: the section itself",
        _told("sid"),
    ),
    _said(
        "throttle",
        "MaP",
        "u32",
        "per cent of its weight that a server has while it starts slowly",
        "current_throttle",
    ),
    _count("lbtot", "SB", "requests for which balancing chose it", "loadbalanced_total", _chosen),
    _said("tracked", "CNS", "str", "whose state is its own"),
    Column(
        "type",
        _ALL,
        "CGS",
        "u32",
        "0 frontend, 1 backend, 2 server, 3 listener",
        lambda s: "FBSL".index(s.kind),
    ),
    _rate("rate", "FSB", "sessions in the last second", backend_nature="MGP"),
    Column("rate_lim", "F", "CLP", "u32", "limit of rate", _told("rate_lim"), "limit_session_rate"),
    _most("rate_max", "FSB", "most sessions in a second", "max_session_rate", backend_nature="MGP"),
    _said("check_status", "MOP", "str", "how its last check ended; * while one runs", "check_status"),
    _said("check_code", "MOP", "u32", "code that it was answered", "check_code"),
    _said("check_duration", "MDP", "u64", "milliseconds that it took", "check_duration_seconds", scale=1000),
    *map(_response, ("hrsp_1xx", "hrsp_2xx", "hrsp_3xx", "hrsp_4xx", "hrsp_5xx", "hrsp_other")),
    _said("hanafail", "MCP", "u64", "answers that count as failed checks (observe)"),
    _rate("req_rate", "F", "HTTP requests in the last second"),
    _most(
        "req_rate_max",
        "F",
        "most HTTP requests in a second",
        "http_requests_rate_max",
        _of_http("req_rate_max"),
        metric_http=True,
    ),
    _count(
        "req_tot",
        "FSB",
        "HTTP requests",
        "http_requests_total",
        _requests,
        metric_kinds="FB",
        metric_http=True,
    ),
    _count("cli_abrt", "SB", "transfers that the client broke off", "client_aborts_total"),
    _count("srv_abrt", "SB", "transfers that the server broke off", "server_aborts_total"),
    _count("comp_in", "FB", "bytes before compression", "http_comp_bytes_in_total", metric_http=True),
    _count("comp_out", "FB", "bytes after compression", "http_comp_bytes_out_total", metric_http=True),
    _zero(
        "comp_byp", "FB", "bytes that were not compressed", "http_comp_bytes_bypassed_total", metric_http=True
    ),
    _count("comp_rsp", "FB", "answers that were compressed", "http_comp_responses_total", metric_http=True),
    Column(
        "lastsess",
        "SB",
        "MAP",
        "s32",
        "seconds since the last session began; -1: never",
        _told("lastsess"),
        "last_session_seconds",
    ),
    _said("last_chk", "MOP", "str", "what its last check saw"),
    _said("last_agt", "MOP", "str", "what its agent said last"),
    _timer("qtime", "in queues", "queue"),
    _timer("ctime", "connecting", "connect"),
    _timer("rtime", "until an answer's head", "response"),
    _timer("ttime", "in all", "total"),
    _said("agent_status", "MOP", "str", "how its last agent check ended"),
    _said("agent_code", "MOP", "u32", "code of its last agent check"),
    _said("agent_duration", "MDP", "u64", "milliseconds that its last agent check took"),
    _said("check_desc", "MOP", "str", "check_status in words"),
    _said("agent_desc", "MOP", "str", "agent_status in words"),
    _said("check_rise", "CGS", "u32", "checks in a row that take it up"),
    _said("check_fall", "CGS", "u32", "checks in a row that take it down"),
    _said("check_health", "CGS", "u32", "what its checks count: from rise on it is up"),
    _said("agent_rise", "CGS", "u32", "agent checks in a row that take it up"),
    _said("agent_fall", "CGS", "u32", "agent checks in a row that take it down"),
    _said("agent_health", "CGS", "u32", "what its agent checks count"),
    Column("addr", "LS", "CGS", "str", "its address", _told("addr"), secret=True),
    Column(
        "cookie",
        "SB",
        "CNS",
        "str",
        "a server's value of the cookie that its backend names",
        _told("cookie"),
        secret=True,
    ),
    Column("mode", _ALL, "CGS", "str", "tcp or http", lambda s: s.row.proxy.mode),
    Column("algo", "B", "CGS", "str", "how it balances", _told("algo"), secret=True),
    _rate("conn_rate", "F", "connections in the last second"),
    _most("conn_rate_max", "F", "most connections in a second", "connections_rate_max"),
    _count("conn_tot", "F", "connections in all", "connections_total", _counter("stot")),
    _count("intercepted", "F", "requests that were answered here", "intercepted_requests_total", http=True),
    _count("dcon", "FL", "connections that a rule refused", "denied_connections_total"),
    _count("dses", "FL", "sessions that a rule refused", "denied_sessions_total"),
    _zero("wrew", _ALL, "header rules that failed", "failed_header_rewriting_total"),
    _count("connect", "SB", "connections that were tried", "connection_attempts_total", _connects),
    _count("reuse", "SB", "requests that went over an idle connection", "connection_reuses_total"),
    _zero(
        "cache_lookups",
        "FB",
        "answers that were looked for in a cache",
        "http_cache_lookups_total",
        http=True,
    ),
    _zero("cache_hits", "FB", "answers that were found there", "http_cache_hits_total", http=True),
    _gauge("srv_icur", "S", "idle connections", "idle_connections_current"),
    _said("src_ilim", "CLP", "u32", "limit of srv_icur", "idle_connections_limit"),
    _longest("qtime_max", "in queues", "queue"),
    _longest("ctime_max", "connecting", "connect"),
    _longest("rtime_max", "until an answer's head", "response"),
    _longest("ttime_max", "in all", "total"),
    _count("eint", _ALL, "internal errors", "internal_errors_total"),
    _gauge(
        "idle_conn_cur",
        "S",
        "idle connections that have carried one request",
        "unsafe_idle_connections_current",
        _unsafe,
    ),
    _gauge("safe_conn_cur", "S", "idle connections that have carried more", "safe_idle_connections_current"),
    _gauge("used_conn_cur", "S", "connections at work", "used_connections_current", _counter("scur")),
    _gauge(
        "need_conn_est",
        "S",
        "connections that it may need: the most there were at one time",
        "need_connections_current",
        _counter("smax"),
    ),
    Column(
        "uweight",
        "SB",
        "MaP",
        "u32",
        "weight that is set, or that of all servers in use",
        _told("uweight"),
        "uweight",
    ),
    _gauge("agg_server_status", "B", "servers by how they stand", "agg_server_status", _unused),
    _gauge("agg_server_check_status", "B", "servers by how they stand", "agg_server_check_status", _unused),
    _gauge("agg_check_status", "B", "servers by how their last check ended", "agg_check_status", _unused),
)
"""HAProxy prints 0 for what is an aggregate (``agg_...``), which has a meaning in the metrics alone."""

MODULES: Final[tuple[Column, ...]] = (
    _count("ssl_sess", _ALL, "TLS sessions that were new", "", _new_sessions),
    _count("ssl_reused_sess", _ALL, "TLS sessions that were resumed", ""),
    _count("ssl_failed_handshake", _ALL, "TLS handshakes that failed", ""),
)
"""What HAProxy's modules count, behind the columns that everybody may rely on."""

BY_NAME: Final = {column.name: column for column in COLUMNS}
