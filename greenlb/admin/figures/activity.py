"""What each process does, and what memory it has: ``show activity``, ``show pools``."""

from __future__ import annotations

import time
from collections.abc import Iterator

from greenlb.board import Board
from greenlb.observe.vitals import FIGURES, processes


def lines(board: Board) -> Iterator[str]:
    """A line a figure: of all processes, and in brackets of each, as HAProxy does of its threads."""
    found = list(processes(board))
    yield f"processes: {len(found)} [ {' '.join(each.name.replace(' ', '_') for each in found)} ]\n"
    yield f"date_now: {time.time():.6f}\n"
    rows = [("busy_per_mille", 1, [each.busy for each in found])]
    rows += [
        (figure.metric, figure.scale, [each.figures[name] for each in found])
        for name, figure in FIGURES.items()
        if name != "started"
    ]
    for metric, scale, figures in rows:
        whole = max(figures, default=0) if metric.startswith("hub_delay") else sum(figures)
        each_of = " ".join(f"{figure / scale:.10g}" for figure in figures)
        yield f"{metric}: {whole / scale:.10g} [ {each_of} ]\n"


def memory(board: Board) -> Iterator[str]:
    """Python has one pool: a process's memory."""
    total = 0
    yield "Dumping pools usage.\n"
    found = list(processes(board))
    for each in found:
        size = each.figures["memory"]
        total += size
        yield f"  - Pool {each.name} (pid {each.pid}) : 1 allocated ({size} bytes), 1 used\n"
    yield f"Total: {len(found)} pools, {total} bytes allocated, {total} used.\n"
