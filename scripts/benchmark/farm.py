"""What the process model costs: workers beside one another, memory, start and reload.

Here the proxy has all cores, and so have load and origin: what limits is part of the figures.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark import clients, origin
from benchmark.processes import PATIENCE, Running, free_ports

CORES = sorted(os.sched_getaffinity(0))
ALL_CORES = ",".join(map(str, CORES))
CONNECTIONS = 64
"""Of the load: enough for every worker to have its share."""
IDLE = 5000
WORKERS = 2

Values = Iterator[tuple[str, float]]
"""What one measurement yields: keys of ROWS, and values in their units."""
Figures = dict[tuple[str, str], list[float]]
"""(key of ROWS, program) -> what each round measured."""


@dataclass(frozen=True)
class Setting:
    """What a program is configured with.  ``mark`` comes back in each answer."""

    port: int
    origin: int
    syslog: int
    workers: int
    mark: int = 0


@dataclass(frozen=True)
class Program:
    """``command`` runs it, the configuration's path being the last word; SIGUSR2 reloads it."""

    name: str
    suffix: str
    command: Sequence[str]
    configure: Callable[[Setting], str]


class Bench:
    """One program at a time, in front of an origin of all cores."""

    def __init__(
        self, program: Program, folder: Path, origin_port: int, behind: Running, syslog: int
    ) -> None:
        self.program = program
        self.behind = behind
        self.port = 0
        self._folder = folder
        self._origin = origin_port
        self._syslog = syslog
        self._file = folder / f"farm-{program.name}{program.suffix}"

    @contextlib.contextmanager
    def running(self, workers: int, wait: bool = True) -> Iterator[Running]:
        """The program with so many workers; unless ``wait`` is false, one that has answered each of a few
        clients."""
        [self.port] = free_ports(1)
        self.configure(workers)
        running = Running(
            f"farm-{self.program.name}",
            [*self.program.command, str(self._file)],
            core=ALL_CORES,
            folder=self._folder,
            ports=[self.port] if wait else [],
        )
        try:
            if wait:
                with clients.idle(self.port, 20 * workers):
                    pass
            yield running
        finally:
            running.end()

    def configure(self, workers: int, mark: int = 0) -> None:
        setting = Setting(self.port, self._origin, self._syslog, workers, mark)
        self._file.write_text(self.program.configure(setting))

    def answered(self, mark: int) -> None:
        """Ask on new connections until the answer has this mark."""
        deadline = time.monotonic() + PATIENCE
        wanted = b"x-mark: %d\r\n" % mark
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((clients.HOST, self.port), 1) as sock:
                sock.sendall(b"GET /1k HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
                received = b""
                while data := sock.recv(65536):
                    received += data
                if received.startswith(b"HTTP/1.1 200 ") and wanted in received.lower():
                    return
            time.sleep(0.001)
        raise RuntimeError(f"{self.program.name} does not answer as configured")


def _workers(bench: Bench, seconds: int) -> Values:
    for count in (1, WORKERS):
        with bench.running(count) as running:
            behind, load, proxy = bench.behind.cpu(), _children_cpu(), running.cpu()
            url = f"http://{clients.HOST}:{bench.port}/1k"
            done = clients.wrk(url, connections=CONNECTIONS, seconds=seconds).requests
            proxy = running.cpu() - proxy
            others = bench.behind.cpu() - behind + _children_cpu() - load
        yield f"rate-{count}", done / seconds
        yield f"cost-{count}", proxy / done
        yield f"busy-{count}", (proxy + others) / seconds / 1e9


def _children_cpu() -> int:
    """Nanoseconds of CPU time of the children that have ended: of wrk."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def _idle(bench: Bench, seconds: int) -> Values:
    with bench.running(WORKERS) as running:
        running.cpu()
        before = sum(running.shares().values())
        with clients.idle(bench.port, IDLE):
            running.cpu()
            yield "idle", (sum(running.shares().values()) - before) / IDLE


def _memory(bench: Bench, seconds: int) -> Values:
    with bench.running(WORKERS) as running:
        running.cpu()
        roles: dict[str, list[int]] = defaultdict(list)
        for pid, share in running.shares().items():
            roles[_role(pid, running)].append(share)
        for role, shares in roles.items():
            yield f"memory-{role}", sum(shares) / len(shares)
        yield "memory", sum(map(sum, roles.values()))


def _role(pid: int, running: Running) -> str:
    if pid == running.pid:
        return "master"
    title = Path(f"/proc/{pid}/cmdline").read_bytes()
    return "control" if re.match(rb"greenlb: control\b", title) else "worker"


def _start(bench: Bench, seconds: int) -> Values:
    begun = time.monotonic()
    with bench.running(WORKERS, wait=False):
        bench.answered(0)
        yield "start", time.monotonic() - begun


def _reload(bench: Bench, seconds: int) -> Values:
    with bench.running(WORKERS) as running:
        running.cpu()
        bench.configure(WORKERS, mark=1)
        begun = time.monotonic()
        running.signal(signal.SIGUSR2)
        bench.answered(1)
        yield "reload", time.monotonic() - begun


MEASURES: dict[str, Callable[[Bench, int], Values]] = {
    "workers": _workers,
    "idle-5000": _idle,
    "memory": _memory,
    "start": _start,
    "reload": _reload,
}
"""By the name that ``--only`` knows."""

ROWS = {
    "rate-1": ("requests a second, 1 worker", "{:,.0f}", 1.0),
    f"rate-{WORKERS}": (f"requests a second, {WORKERS} workers", "{:,.0f}", 1.0),
    "cost-1": ("CPU time for a request, 1 worker", "{:.1f} us", 1e-3),
    f"cost-{WORKERS}": (f"CPU time for a request, {WORKERS} workers", "{:.1f} us", 1e-3),
    "busy-1": ("cores at work for proxy, load and origin, 1 worker", "{:.2f}", 1.0),
    f"busy-{WORKERS}": (f"cores at work for proxy, load and origin, {WORKERS} workers", "{:.2f}", 1.0),
    "idle": (f"memory for each of {IDLE:,} idle kept-alive connections", "{:.1f} KiB", 1 / 1024),
    "memory-master": ("memory at start: the master", "{:.1f} MiB", 2**-20),
    "memory-control": ("memory at start: control", "{:.1f} MiB", 2**-20),
    "memory-worker": (f"memory at start: each worker of {WORKERS}", "{:.1f} MiB", 2**-20),
    "memory": (f"memory at start: all, with {WORKERS} workers", "{:.1f} MiB", 2**-20),
    "start": ("from the start to the first answer", "{:.0f} ms", 1e3),
    "reload": ("from SIGUSR2 to the first answer of the new configuration", "{:.0f} ms", 1e3),
}
"""Title, form and factor of each row; in a worker's place HAProxy has a thread.  Memory is PSS: what
processes share is divided among them."""


def measure(folder: Path, names: Sequence[str], peers: Sequence[str], rounds: int, seconds: int) -> Figures:
    """The rounds of the measures of those names, interleaved over the programs among ``peers``."""
    figures: Figures = defaultdict(list)
    programs = [p for p in PROGRAMS if p.name in peers and shutil.which(p.command[0])]
    place = folder / "farm"
    place.mkdir(mode=0o755)
    os.sched_setaffinity(0, CORES)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink, contextlib.ExitStack() as stack:
        sink.bind((clients.HOST, 0))
        behind, port = origin.start(place, ALL_CORES)
        stack.callback(behind.end)
        for number in range(rounds):
            for name in names:
                for program in programs:
                    bench = Bench(program, place, port, behind, sink.getsockname()[1])
                    for key, value in MEASURES[name](bench, seconds):
                        figures[key, program.name].append(value)
                        print(
                            f"round {number + 1}: {key:<15} {program.name:<8} {value:15.3f}", file=sys.stderr
                        )
    return figures


def _greenlb(setting: Setting) -> str:
    return f"""
[global]
log = 127.0.0.1:{setting.syslog} local0
maxconn = 8000
workers = {setting.workers}

[defaults]
mode = http
log = global
option httplog = yes
option forwardfor = yes
timeout connect = 5s
timeout client = 300s
timeout server = 300s

[frontend bench]
bind = 127.0.0.1:{setting.port}
http-response = set-header X-Mark {setting.mark}
default_backend = origin

[backend origin]
server origin = 127.0.0.1:{setting.origin}
"""


def _haproxy(setting: Setting) -> str:
    return f"""
global
    nbthread {setting.workers}
    log 127.0.0.1:{setting.syslog} local0
    maxconn 8000

defaults
    mode http
    log global
    option httplog
    option forwardfor
    timeout connect 5s
    timeout client 300s
    timeout server 300s

frontend bench
    bind 127.0.0.1:{setting.port}
    http-response set-header X-Mark {setting.mark}
    default_backend origin

backend origin
    server origin 127.0.0.1:{setting.origin}
"""


PROGRAMS = (
    Program("greenlb", ".ini", (sys.executable, "-m", "greenlb", "-db", "-f"), _greenlb),
    Program("haproxy", ".cfg", ("haproxy", "-W", "-db", "-f"), _haproxy),
)
