"""A balancer under test: a real process with a configuration of the test's, its log and its end."""

from __future__ import annotations

import os
import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Protocol, TypeVar

from greenlb.testing.launch import Launched, Reserved
from greenlb.testing.launch import has_ended as has_ended
from tests.support.client import connect, connect_tls
from tests.support.stream import Message, Stream, eventually, get
from tests.support.syslog import Line, Syslog

PROJECT = Path(__file__).parents[2]

PREAMBLE = {
    "global": "[global]\nlog = 127.0.0.1:{syslog} local0\n",
    "defaults": (
        "[defaults]\nlog = global\nmode = http\noption httplog = yes\n"
        "timeout connect = 3s\ntimeout client = 8s\ntimeout server = 8s\n"
    ),
}
"""What a case that has no such section itself is given."""

Answer = TypeVar("Answer")


class HasPort(Protocol):
    """Anything with a port that a configuration may name: a server, a receiver."""

    @property
    def port(self) -> int: ...


def whole(ini: str) -> str:
    """The case with the sections that it left to us: global first, defaults before the first proxy."""
    found = re.search(r"^\[(frontend|backend|listen)\b", ini, re.MULTILINE)
    start = found.start() if found else len(ini)
    given = {kind: "" if f"[{kind}]" in ini else text for kind, text in PREAMBLE.items()}
    return given["global"] + ini[:start] + given["defaults"] + ini[start:]


def fill(text: str, values: dict[str, object]) -> str:
    """Put values in place of ``{name}``; ``{ ssl_fc }`` with its blanks is left alone."""
    return re.sub(r"\{([a-z][a-z0-9_]*)\}", lambda found: str(values[found[1]]), text)


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\{([a-z][a-z0-9_]*)\}", text))


class Balancer:
    """A running balancer.  Names of the configuration that nobody gave a value are its own ports."""

    program = "greenlb"

    def __init__(self, ini: str, directory: Path, given: dict[str, object]) -> None:
        self.directory = directory
        self.syslog = Syslog()
        self.log_seen: list[Line] = []
        text = self.complete(ini)
        listening = names_in(text) - {"syslog", "dir"} - set(given)
        self.reserved = {name: Reserved() for name in sorted(listening)}
        self.values: dict[str, object] = {"syslog": self.syslog.port, "dir": directory}
        self.values |= {name: reserved.port for name, reserved in self.reserved.items()}
        self.values |= given
        self.stderr = directory / "stderr"
        self.launched = self.start(self.write(fill(text, self.values)))

    def complete(self, ini: str) -> str:
        """What the test has written, with what every test needs."""
        return whole(ini)

    def write(self, ini: str) -> Path:
        """Put the configuration where the program reads it.  Unless it asks for workers there is one process:
        what is under test is then in the one that the test started.  With GREENLB_TEST_WORKERS there are as
        many."""
        path = self.directory / "greenlb.ini"
        workers = f"[global]\nworkers = {os.environ.get('GREENLB_TEST_WORKERS', '0')}\n"
        path.write_text(ini if "\nworkers =" in ini else ini.replace("[global]\n", workers, 1))
        return path

    def command(self, path: Path) -> list[str]:
        return [sys.executable, "-m", "greenlb", "-db", "-f", str(path)]

    def start(self, path: Path) -> Launched:
        """Start it and wait until each of its ports listens; AssertionError when it does not."""
        self.launched = launched = Launched(self.command(path), self.stderr, cwd=PROJECT)
        try:
            ports = [reserved.port for reserved in self.reserved.values()]
            launched.wait_until_it_listens(ports, f"\n{path.read_text()}")
        except BaseException:
            self.release()
            raise
        return launched

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """What was started."""
        return self.launched.process

    def port(self, name: str = "fe") -> int:
        return self.reserved[name].port

    def connect(self, name: str = "fe", *, source: str | None = None) -> Stream:
        """A plain connection to one of its ports."""
        return connect(self.port(name), source=source)

    def connect_tls(
        self,
        context: ssl.SSLContext,
        sni: str | None = None,
        name: str = "fe",
        *,
        session: ssl.SSLSession | None = None,
    ) -> Stream:
        """A TLS connection to one of its ports."""
        return connect_tls(self.port(name), context, sni, session=session)

    def ask(self, data: bytes | None = None, name: str = "fe", method: str = "GET") -> Message:
        """One request on a connection of its own, and its final answer."""
        with self.connect(name) as client:
            client.send(get() if data is None else data)
            return client.read_response(method)

    def log(self) -> Line:
        """The next traffic line."""
        line = self.syslog.line()
        self.log_seen.append(line)
        return line

    def log_of(self, client: Stream) -> Line:
        """The next traffic line of that client's connection."""
        line = self.log()
        while line.port != client.port:
            line = self.log()
        return line

    def says(self, *, greenlb: Answer, haproxy: Answer) -> Answer:
        """The program's own value where the two differ on purpose."""
        return greenlb if self.program == "greenlb" else haproxy

    def processes(self) -> list[int]:
        """The ids of all its processes."""
        return self.launched.processes()

    def gone(self) -> bool:
        """Whether no process of its group is left."""
        return self.launched.gone()

    def descriptors(self) -> int:
        """How many descriptors all its processes hold."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.processes())

    def resident(self) -> int:
        """Resident memory of all its processes in bytes."""
        pages = 0
        for pid in self.processes():
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _end(self) -> None:
        try:
            self.launched.end()
        finally:
            self.release()

    def release(self) -> None:
        """Close what the test has open for it."""
        self.syslog.close()
        for reserved in self.reserved.values():
            reserved.sock.close()

    def stop(self) -> None:
        """End it; AssertionError when it ended before, left a process behind or wrote a traceback."""
        died = self.process.poll()
        self._end()
        said = self.stderr.read_text(errors="replace")
        assert died is None, f"{self.program} ended by itself with {died}: {said}"
        eventually(self.gone, "its other processes end with it")
        assert "Traceback" not in said, said


class StrictBalancer(Balancer):
    """One that reads every head with h11: the plain lane before it is off."""

    def write(self, ini: str) -> Path:
        return super().write(ini.replace("[global]\n", "[global]\ntune.http-parser = h11\n", 1))


class Launcher:
    """Starts balancers for one test and ends them with it."""

    balancer: type[Balancer] = Balancer

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.started: list[Balancer] = []

    @property
    def name(self) -> str:
        return self.balancer.program

    def says(self, *, greenlb: Answer, haproxy: Answer) -> Answer:
        """The program's own value where the two differ on purpose."""
        return greenlb if self.name == "greenlb" else haproxy

    def __call__(self, ini: str, cfg: str | None = None, **given: HasPort | str | int | Path) -> Balancer:
        """Start one.  ``cfg`` is for HAProxy where its spelling is another one than the INI's."""
        directory = self.directory / f"{self.name}-{len(self.started)}"
        directory.mkdir()
        values = {k: v if isinstance(v, str | int | Path) else v.port for k, v in given.items()}
        balancer = self.balancer(self.text(ini, cfg), directory, dict(values))
        self.started.append(balancer)
        return balancer

    def text(self, ini: str, cfg: str | None) -> str:
        return ini

    def close(self) -> None:
        failures = []
        for balancer in self.started:
            try:
                balancer.stop()
            except BaseException as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


class StrictLauncher(Launcher):
    """Starts balancers that have only h11 to read heads with."""

    balancer = StrictBalancer
