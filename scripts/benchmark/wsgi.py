"""A WSGI application in greenlb beside the same one in gunicorn's gevent worker, asked directly.

greenlb logs each request to a UDP socket and counts it; gunicorn, as it comes, does neither.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmark import clients
from benchmark.processes import PROXY_CORE, Running, free_ports
from benchmark.works import BROWSER, CONNECTIONS

MEASURES = {
    "wsgi": ("1 KiB from a WSGI application", ()),
    "wsgi-browser": ("the same with a browser's headers", BROWSER),
}
"""What is measured -> how it is called, and the fields that each request has."""

_APPLICATION = """
BODY = b"x" * 1024
HEAD = [("Content-Type", "text/plain"), ("Content-Length", "1024")]


def application(environ, start_response):
    start_response("200 OK", list(HEAD))
    return [BODY]
"""

Figures = Mapping[tuple[str, str], Sequence[tuple[float, float]]]
"""(measure, program) -> CPU time a request in nanoseconds, and requests a second, of each round."""


def _greenlb(folder: Path, port: int, syslog: int) -> list[str]:
    path = folder / "wsgi.ini"
    path.write_text(f"""
[global]
log = 127.0.0.1:{syslog} local0
workers = 1
[defaults]
mode = http
log = global
option httplog = yes
option forwardfor = yes
timeout connect = 5s
timeout client = 60s
timeout server = 60s
[frontend bench]
bind = 127.0.0.1:{port}
default_backend = app
[backend app]
server app = wsgi:measured:application chdir {folder}
""")
    return [sys.executable, "-m", "greenlb", "-f", str(path)]


def _gunicorn(folder: Path, port: int, syslog: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "-k", "gevent", "-w", "1", "-b", f"127.0.0.1:{port}",
            "--chdir", str(folder), "measured:application"]  # fmt: skip


PROGRAMS: Mapping[str, Callable[[Path, int, int], list[str]]] = {"greenlb": _greenlb, "gunicorn": _gunicorn}


def measure(folder: Path, measures: Sequence[str], rounds: int, seconds: int) -> Figures:
    """Rounds of every measure on both, one after the other."""
    figures: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    if importlib.util.find_spec("gunicorn") is None:
        print("gunicorn is not installed: WSGI applications are left out", file=sys.stderr)
        return figures
    (folder / "measured.py").write_text(_APPLICATION)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sink.bind((clients.HOST, 0))
        started = {}
        for name, command in PROGRAMS.items():
            (port,) = free_ports(1)
            words = command(folder, port, sink.getsockname()[1])
            started[name] = Running(f"wsgi-{name}", words, core=PROXY_CORE, folder=folder, ports=[port]), port
            stack.callback(started[name][0].end)
        for number in range(rounds):
            for key in measures:
                for name, (running, port) in started.items():
                    before = running.cpu()
                    url = f"http://{clients.HOST}:{port}/"
                    done = clients.wrk(
                        url, connections=CONNECTIONS, seconds=seconds, headers=MEASURES[key][1]
                    )
                    value = (running.cpu() - before) / done.requests
                    figures[key, name].append((value, done.requests / seconds))
                    print(f"round {number + 1}: {key:<15} {name:<8} {value:12.0f}", file=sys.stderr)
    return figures


def table(figures: Figures, how: str) -> str:
    """Medians over the rounds."""
    versions = {name: importlib.metadata.version(name) for name in PROGRAMS}
    heads = ["CPU time for one, and how many a second", *(f"{n} {v}" for n, v in versions.items()), "ratio"]
    lines = [f"| {' | '.join(heads)} |", "| --- | ---: | ---: | ---: |"]
    for key, (title, _) in MEASURES.items():
        if (key, "greenlb") not in figures:
            continue
        costs = {name: median(cost for cost, _ in figures[key, name]) for name in PROGRAMS}
        rates = {name: median(rate for _, rate in figures[key, name]) for name in PROGRAMS}
        cells = [f"{costs[name] / 1e3:.1f} us, {rates[name]:.0f}/s" for name in PROGRAMS]
        ratio = costs["greenlb"] / costs["gunicorn"]
        lines.append(f"| {title} | {' | '.join(cells)} | {ratio:.2f} |")
    return "\n".join([*lines, "", f"gunicorn's gevent worker is asked directly, and logs nothing; {how}."])
