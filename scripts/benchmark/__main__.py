"""Rounds of every work on every peer, interleaved, so that what the machine does besides falls on all."""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmark import clients, farm, origin, report, wsgi
from benchmark.peers import PEERS, Peer, Ports, Surroundings
from benchmark.processes import LOAD_CORE, Running
from benchmark.works import IDLE, WORKS, Memory, Work

README = Path(__file__).parents[2] / "README.md"


def main() -> int:
    arguments = _arguments()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LOAD_CORE})
    peers = [peer for peer in PEERS if peer.name in arguments.peers and _present(peer)]
    works = [work for work in WORKS if work.name in arguments.only]
    measures = [name for name in farm.MEASURES if name in arguments.only]
    apps = [name for name in wsgi.MEASURES if name in arguments.only]
    folder = Path(tempfile.mkdtemp(prefix="greenlb-bench-"))
    folder.chmod(0o755)  # nginx's worker is another user when this runs as root
    versions = {peer.name: peer.version() for peer in peers}
    how = f"median of {arguments.rounds} round{'s' * (arguments.rounds != 1)} of {arguments.seconds} s"
    tables = []
    try:
        if works:
            figures = _measure(folder, peers, works, arguments.rounds, arguments.seconds)
            where = "proxy on one core, load and origin on another"
            tables.append(report.table(works, versions, figures, f"{how}, {where}"))
        if measures:
            found = farm.measure(folder, measures, list(versions), arguments.rounds, arguments.seconds)
            if found:
                tables.append(report.farm_table(found, versions, how))
        if apps and (served := wsgi.measure(folder, apps, arguments.rounds, arguments.seconds)):
            tables.append(wsgi.table(served, how))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = "\n\n".join(tables)
    print(text)
    if arguments.write_readme:
        report.write_into(README, text)
    return 0


def _arguments() -> argparse.Namespace:
    names = [work.name for work in WORKS] + list(farm.MEASURES) + list(wsgi.MEASURES)
    peers = [peer.name for peer in PEERS]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="how long a work is done in each round")
    parser.add_argument(
        "--only", nargs="+", choices=names, default=names, metavar="WORK", help=", ".join(names)
    )
    parser.add_argument(
        "--peers", nargs="+", choices=peers, default=peers, metavar="PEER", help=", ".join(peers)
    )
    parser.add_argument("--write-readme", action="store_true", help="put the table into README.md")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds = arguments.seconds = 1
    return arguments


def _present(peer: Peer) -> bool:
    if shutil.which(peer.command[0]):
        return True
    print(f"{peer.name} is not installed: left out", file=sys.stderr)
    return False


def _measure(
    folder: Path, peers: Sequence[Peer], works: Sequence[Work | Memory], rounds: int, seconds: int
) -> report.Figures:
    figures: dict[tuple[str, str], list[float]] = defaultdict(list)
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        sink.bind((clients.HOST, 0))
        sink.settimeout(clients.PATIENCE)
        behind, port = origin.start(folder)
        stack.callback(behind.end)
        around = Surroundings(folder, port, sink.getsockname()[1], *_certificates(folder))
        started: dict[str, tuple[Running, Ports]] = {}
        for peer in peers:
            started[peer.name] = peer.start(around)
            stack.callback(started[peer.name][0].end)
            _prove(peer.name, started[peer.name][1], sink)
        for number in range(rounds):
            for work in works:
                for peer in peers:
                    if work.tunnels and not peer.tunnels:
                        continue
                    if isinstance(work, Memory):
                        value = _memory(peer, work, around)
                    else:
                        value = _cpu(*started[peer.name], work, seconds)
                    figures[work.name, peer.name].append(value)
                    print(
                        f"round {number + 1}: {work.name:<15} {peer.name:<8} {value:12.0f}", file=sys.stderr
                    )
    return figures


def _cpu(running: Running, ports: Ports, work: Work, seconds: int) -> float:
    """Nanoseconds a unit."""
    before = running.cpu()
    units = work.run(ports, seconds)
    return (running.cpu() - before) / units


def _memory(peer: Peer, work: Memory, around: Surroundings) -> float:
    """Bytes a connection, in a fresh process that has served a few."""
    running, ports = peer.start(around)
    try:
        with clients.idle(work.port(ports), 20, work.server_name):
            pass
        running.cpu()
        before = running.resident()
        with clients.idle(work.port(ports), IDLE, work.server_name):
            running.cpu()
            return (running.resident() - before) / IDLE
    finally:
        running.end()


def _prove(name: str, ports: Ports, sink: socket.socket) -> None:
    """A peer that answers wrongly or does not log would win unfairly: raises RuntimeError."""
    with socket.create_connection((clients.HOST, ports.http), clients.PATIENCE) as connection:
        if clients.request(connection, "/1k") != b"x" * 1024:
            raise RuntimeError(f"{name} does not hand on the origin's answer")
    try:
        while b"/1k" not in sink.recv(65536):
            pass
    except TimeoutError:
        raise RuntimeError(f"{name} does not log its requests") from None


def _certificates(folder: Path) -> tuple[Path, Path]:
    """Two PEM files with certificate and key: P-256 and RSA-2048."""
    made = []
    for name, key in (("p256", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["rsa:2048"])):
        pem, key_file = folder / f"{name}.pem", folder / f"{name}.key"
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-newkey", *key]
        command += ["-subj", f"/CN={name}.bench.test", "-addext", f"subjectAltName=DNS:{name}.bench.test"]
        command += ["-keyout", str(key_file), "-out", str(pem)]
        subprocess.run(command, check=True, capture_output=True)
        pem.write_text(pem.read_text() + key_file.read_text())
        pem.chmod(0o644)
        made.append(pem)
    return made[0], made[1]


if __name__ == "__main__":
    sys.exit(main())
