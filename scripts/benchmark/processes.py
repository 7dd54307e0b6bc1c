"""Processes under measurement: started on a core, read from /proc, ended by their id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

PROXY_CORE, LOAD_CORE = (0, 1) if (os.cpu_count() or 1) > 1 else (0, 0)
PATIENCE = 10.0
"""Seconds that a process may take to come up, to go quiet or to end."""


class Running:
    """A process and its children, pinned to a core, or to several ("0,1")."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        core: int | str,
        folder: Path,
        ports: Sequence[int],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._output = folder / f"{name}.out"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                ["taskset", "-c", str(core), *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
            )
        try:
            for port in ports:
                self._await(port)
        except BaseException:
            self.end()
            raise

    def _await(self, port: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"{self.name} does not listen on port {port}:\n{self.output()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    def signal(self, number: int) -> None:
        """Send a signal to the first process of the tree."""
        self._process.send_signal(number)

    def output(self) -> str:
        return self._output.read_text(errors="replace")[-2000:]

    def cpu(self) -> int:
        """Nanoseconds of CPU time that the whole tree has used, once it has gone quiet."""
        deadline = time.monotonic() + PATIENCE
        before = self._cpu_now()
        while time.monotonic() < deadline:
            time.sleep(0.03)
            now = self._cpu_now()
            # A quiet proxy still has a timer or two: half a per cent of a core is quiet enough.
            if now - before < 150_000:
                return now
            before = now
        return before

    def _cpu_now(self) -> int:
        return sum(
            int(task.read_text().split()[0])
            for process in self._tree()
            for task in Path(f"/proc/{process}/task").glob("*/schedstat")
        )

    def resident(self) -> int:
        """Bytes of memory that the whole tree holds.  Only differences mean something: what its
        processes share is counted for each."""
        pages = sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in self._tree())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def shares(self) -> dict[int, int]:
        """Bytes of memory of each process of the tree, what several have divided among them (PSS)."""
        found = {}
        for process in self._tree():
            with open(f"/proc/{process}/smaps_rollup") as rows:
                found[process] = next(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))
        return found

    def _tree(self) -> list[int]:
        tree = [self._process.pid]
        for process in tree:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                tree += map(int, children.read_text().split())
        return tree

    def end(self) -> None:
        """SIGTERM, and SIGKILL to the whole session of one that does not hear it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def free_ports(count: int) -> list[int]:
    """Ports of the kernel's choice that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in held]
    for listener in held:
        listener.close()
    return ports
