"""The sections defaults, frontend, backend and listen."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Table
from greenlb.config.schema.checks import CHECKS
from greenlb.config.schema.connections import CONNECTIONS
from greenlb.config.schema.farm import FARM
from greenlb.config.schema.logs import LOGS
from greenlb.config.schema.queues import QUEUES
from greenlb.config.schema.rules import RULES_AND_ROUTES
from greenlb.config.schema.stats import STATS
from greenlb.config.schema.timeouts import TIMEOUTS

_UNSUPPORTED: Final = (
    "bind-process", "clitcpka-cnt", "clitcpka-idle", "clitcpka-intvl", "compression",
    "dispatch", "email-alert", "errorfiles", "errorloc", "errorloc302", "errorloc303",
    "filter", "grace",
    "http-after-response", "http-error", "http-send-name-header", "id",
    "load-server-state-from-file",
    "option accept-invalid-http-request", "option accept-invalid-http-response", "option checkcache",
    "option contstats", "option disable-h2-upgrade",
    "option forceclose", "option h1-case-adjust-bogus-client", "option h1-case-adjust-bogus-server",
    "option http-no-delay", "option http-pretend-keepalive",
    "option http-proxy", "option http-restrict-req-hdr-names", "option http-tunnel",
    "option http-use-htx", "option http-use-proxy-header",
    "option idle-close-on-response", "option independent-streams",
    "option log-separate-errors", "option nolinger",
    "option originalto",
    "option spop-check",
    "option transparent",
    "persist", "server-state-file-name",
    "srvtcpka-cnt", "srvtcpka-idle", "srvtcpka-intvl",
    "transparent",
    "use-fcgi-app",
)  # fmt: skip


PROXY: Final = Table(
    "option",
    (*CONNECTIONS, *TIMEOUTS, *RULES_AND_ROUTES, *STATS, *LOGS, *FARM, *QUEUES, *CHECKS),
    dict.fromkeys(_UNSUPPORTED, "")
    | {
        "monitor-net": "use 'http-request return status 200 if { src NETWORK }'",
        "clitimeout": "use 'timeout client'",
        "contimeout": "use 'timeout connect'",
        "srvtimeout": "use 'timeout server'",
        "redispatch": "use 'option redispatch'",
        "option forceclose": "use 'option httpclose'",
    },
)
