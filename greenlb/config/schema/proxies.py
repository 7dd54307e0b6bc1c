"""The sections defaults, frontend, backend and listen."""

from __future__ import annotations

from typing import Final

from greenlb.config import inert, refused
from greenlb.config.options import Table
from greenlb.config.schema.checks import CHECKS
from greenlb.config.schema.compression import COMPRESSION
from greenlb.config.schema.connections import CONNECTIONS
from greenlb.config.schema.farm import FARM
from greenlb.config.schema.logs import LOGS
from greenlb.config.schema.queues import QUEUES
from greenlb.config.schema.rules import RULES_AND_ROUTES
from greenlb.config.schema.stats import STATS
from greenlb.config.schema.timeouts import TIMEOUTS

PROXY: Final = Table(
    "option",
    (*CONNECTIONS, *TIMEOUTS, *RULES_AND_ROUTES, *COMPRESSION, *STATS, *LOGS, *FARM, *QUEUES, *CHECKS),
    refused.reasons(refused.PROXY, inert.PROXY),
)
