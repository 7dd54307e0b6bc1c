"""``show history``: how it all went in the last minutes, for charts."""

from __future__ import annotations

import json
from typing import Final

import gevent

from greenlb.admin.runtime.operations import Operations
from greenlb.model import Frontend
from greenlb.observe.sampler import KEPT, SECOND

_AT_ONCE: Final = 50
"""Objects after which others may run."""


def history(farm: Operations, last: int = KEPT) -> str:
    """JSON: an entry a second, oldest first, of every object that the statistics show.  ``rtime`` is
    microseconds."""
    rows = {row.block.first: row for row in farm.books.read()}
    pieces = []
    for count, series in enumerate(farm.sampler.history(last)):
        if count % _AT_ONCE == _AT_ONCE - 1:
            gevent.sleep(0)
        row = rows[series.block.first]
        if row.kind == "L" and not (isinstance(row.proxy, Frontend) and row.proxy.socket_stats):
            continue
        told = {
            "pxname": row.pxname,
            "svname": row.svname,
            "rate": series.rate,
            "scur": series.scur,
            "errors": series.errors,
            "rtime": series.rtime,
        }
        pieces.append(json.dumps(told, separators=(",", ":")))
    return f'{{"interval":{SECOND:g},"series":[{",".join(pieces)}]}}\n'
