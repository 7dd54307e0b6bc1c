"""``LoadBalancer``: greenlb on ports of the kernel's choice, with its log and its runtime socket at hand."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from greenlb.client import RuntimeClient, Stat, Unreachable
from greenlb.observe.logline import LogLine, parse
from greenlb.testing.launch import WAIT, Launched, Reserved, has_ended
from greenlb.testing.origins import Origin, answering

_BEFORE: Final = """\
[global]
workers = 0
log = 127.0.0.1:{log} local0
stats socket = {folder}/socket level admin
[defaults]
log = global
mode = http
option httplog = yes
timeout connect = 5s
timeout client = 10s
timeout server = 10s
"""
"""What is read before the text: what it says itself counts."""
_NAME: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PREFIX: Final = re.compile(rb"<\d+>.*?\[\d+\]: ", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer.  ``headers`` are by lower-case name, several values joined by commas."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class LoadBalancer:
    """A balancer that runs from ``with`` to its end.

    ``origins`` are by name: a WSGI application or a text to answer with, which is served for as long, a port,
    or anything that has a ``port``.  ``cwd`` is where it runs, and where rules import Python from.
    Traffic is logged as the text says; without a ``[defaults]`` of its own by ``option httplog``.
    """

    def __init__(
        self, text: str, origins: Mapping[str, object] | None = None, *, cwd: str | Path | None = None
    ) -> None:
        self.configuration = text
        self._origins = dict(origins or {})
        self._cwd = cwd
        self._own: list[Origin] = []
        self._reserved: dict[str, Reserved] = {}
        self._folder: Path | None = None
        self._launched: Launched | None = None
        self._log: socket.socket | None = None
        self.ports: dict[str, int] = {}
        """Of the names in the text."""
        self.messages: list[str] = []
        """All lines logged so far that somebody waited for, as text."""

    # -- from start to end -----------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._release()
            raise
        return self

    def _start(self) -> None:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="greenlb-"))
        log = self._log = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        log.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        log.bind(("127.0.0.1", 0))
        for name, origin in self._origins.items():
            self.ports[name] = self._port_of(origin)
        for name in dict.fromkeys(_NAME.findall(self.configuration)):
            if name not in self.ports:
                reserved = self._reserved[name] = Reserved()
                self.ports[name] = reserved.port
        text = _NAME.sub(lambda found: str(self.ports[found[1]]), self.configuration)
        before = _BEFORE.replace("{log}", str(log.getsockname()[1])).replace("{folder}", str(folder))
        (folder / "testing.ini").write_text(before)
        (folder / "configuration").write_text(text)
        command = [sys.executable, "-m", "greenlb", "-db"]
        files = ["-f", str(folder / "testing.ini"), "-f", str(folder / "configuration")]
        self._launched = Launched([*command, *files], folder / "output", cwd=self._cwd)
        self._launched.wait_until_it_listens(reserved.port for reserved in self._reserved.values())
        self._wait_until_it_answers(self._launched)

    def _wait_until_it_answers(self, launched: Launched) -> None:
        """On its runtime socket: all else is at work then."""
        deadline = time.monotonic() + 3 * WAIT
        while True:
            try:
                self.runtime.execute("show version")
                return
            except Unreachable:
                if has_ended(launched.process.pid, 0.02) or time.monotonic() > deadline:
                    launched.end()
                    raise AssertionError(f"it does not serve: {launched.output()}") from None

    def _port_of(self, origin: object) -> int:
        if isinstance(origin, int):
            return origin
        if isinstance(origin, str) or callable(origin):
            served = Origin(answering(origin) if isinstance(origin, str) else origin)
            self._own.append(served)
            return served.port
        port: int = origin.port  # type: ignore[attr-defined]
        return port

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        launched = self._launched
        assert launched is not None
        died = launched.process.poll()
        try:
            launched.end()
            if kind is None:
                assert died is None, f"it ended by itself with {died}: {launched.output()}"
        finally:
            self._release()

    def _release(self) -> None:
        for origin in self._own:
            origin.close()
        for reserved in self._reserved.values():
            reserved.sock.close()
        if self._log is not None:
            self._log.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process that was started."""
        assert self._launched is not None, "it is not running"
        return self._launched.process.pid

    @property
    def output(self) -> str:
        """What it has printed, such as tracebacks."""
        assert self._launched is not None, "it is not running"
        return self._launched.output()

    # -- requests --------------------------------------------------------------------------------

    def port(self, name: str = "") -> int:
        """The port called ``name``; without one, the first that it listens on.  Raises KeyError."""
        return self.ports[name or next(iter(self._reserved))]

    def url(self, path: str = "/", name: str = "", scheme: str = "http") -> str:
        """The address of a path."""
        return f"{scheme}://127.0.0.1:{self.port(name)}{path}"

    def get(self, path: str = "/", headers: Mapping[str, str] | None = None, name: str = "") -> Answer:
        """GET over a connection of its own."""
        return self.request("GET", path, headers=headers, name=name)

    def request(
        self,
        method: str,
        path: str = "/",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        name: str = "",
    ) -> Answer:
        """One request over a connection of its own, and its answer.  Raises OSError,
        http.client.HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port(name), timeout=3 * WAIT)
        try:
            connection.request(method, path, body, {**(headers or {}), "Connection": "close"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        fields = {key.lower(): ", ".join(answer.headers.get_all(key, [])) for key in answer.headers}
        return Answer(answer.status, answer.reason, fields, data)

    # -- what it says ----------------------------------------------------------------------------

    def log(self, wait: float = WAIT) -> LogLine:
        """The next line of traffic; other messages are passed over.  Raises AssertionError: none comes within
        so many seconds."""
        while True:
            text = self.message(wait)
            try:
                return parse(text)
            except ValueError:  # not of traffic
                continue

    def message(self, wait: float = WAIT) -> str:
        """The next line of the log, whatever it is.  Raises AssertionError."""
        assert self._log is not None, "it is not running"
        self._log.settimeout(wait)
        try:
            data = self._log.recv(1 << 16)
        except TimeoutError:
            raise AssertionError(f"no log line came; so far: {self.messages[-5:]}") from None
        text = _PREFIX.sub(b"", data, count=1).decode("utf-8", "replace").rstrip("\n")
        self.messages.append(text)
        return text

    @property
    def runtime(self) -> RuntimeClient:
        """Its runtime socket, at level admin."""
        assert self._folder is not None, "it is not running"
        return RuntimeClient(f"{self._folder}/socket")

    def stats(self) -> dict[str, Stat]:
        """The statistics, by ``proxy/server``, ``proxy/FRONTEND``, ``proxy/BACKEND``."""
        return self.runtime.stats()

    # -- servers ---------------------------------------------------------------------------------

    def down(self, server: str) -> None:
        """Take ``backend/server`` out.  Raises ValueError: there is none."""
        self._state(server, "maint")

    def drain(self, server: str) -> None:
        """Let ``backend/server`` have no new clients.  Raises ValueError."""
        self._state(server, "drain")

    def up(self, server: str) -> None:
        """Put ``backend/server`` back.  Raises ValueError."""
        self._state(server, "ready")

    def _state(self, server: str, state: str) -> None:
        said = self.runtime.execute(f"set server {server} state {state}").strip()
        if said:
            raise ValueError(said)

    def wait_for(self, what: Callable[[Self], Any], wait: float = WAIT) -> Any:
        """Ask until the answer is true, and give it: ``lb.wait_for(lambda lb: lb.stats()["farm/s1"].status ==
        "UP")``.  Raises AssertionError."""
        deadline = time.monotonic() + wait
        while not (found := what(self)):
            assert time.monotonic() < deadline, f"it did not come to it: {self.output}"
            time.sleep(0.02)
        return found
