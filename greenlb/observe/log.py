"""The log: everything that greenlb says goes through structlog, and through this module.

A logger stands for one set of targets.  Its processors are listed where it is made, its last one
renders, and what structlog calls the wrapped logger is an Outlet, which hands the rendered line to the
targets.  A line costs one call of structlog, so the log of an exchange is one pass: the frontend's
prepared format renders it, a cached header goes before it, a non-blocking socket takes it.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from socket import AF_UNIX
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor

from greenlb.exchange import Client, Exchange
from greenlb.model import Format, Frontend, Global, LogTarget
from greenlb.observe.targets import MONTHS, SEVERITIES, DatagramSink, FileSink, Sink, Target, open_sink

INFO: Final = 6
SILENT: Final = -1
"""The ``level`` of an exchange that is not to be logged (``http-request set-log-level silent``)."""

_NO_ERROR: Final = frozenset("-L")  # causes that are no error

STDERR: Final = LogTarget("stderr", "", 0, 3, format="raw", length=65535)
"""Where failures go when the configuration names no target of the process."""


class Outlet:
    """What structlog calls a logger: one method a severity, each taking the rendered line."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self.targets = tuple(targets)
        only = self.targets[0].send if len(self.targets) == 1 else self._send
        for severity, name in enumerate(SEVERITIES):
            setattr(self, name, partial(only, severity))

    def _send(self, severity: int, line: bytes) -> None:
        for target in self.targets:
            target.send(severity, line)


@lru_cache(maxsize=8)
def severity_logger(level: int) -> type[structlog.BoundLoggerBase]:
    """A bound logger with syslog's eight severities as its methods; those beyond ``level``, which no
    target wants, do nothing.  (structlog's own filtering logger knows Python's five.)"""

    def method(name: str) -> Callable[..., None]:
        def log(self: structlog.BoundLoggerBase, event: Any, **values: Any) -> None:
            # As structlog's _proxy_to_logger for a logger that nothing is bound to, whose processors drop
            # nothing and end in bytes: a third of its time, for each request.
            done: Any = {"event": event, **values} if values else {"event": event}
            for processor in self._processors:
                done = processor(self._logger, name, done)
            getattr(self._logger, name)(done)

        return log

    def nothing(self: structlog.BoundLoggerBase, event: Any, **values: Any) -> None:
        return None

    methods = {name: method(name) if n <= level else nothing for n, name in enumerate(SEVERITIES)}
    return type("SeverityLogger", (structlog.BoundLoggerBase,), methods)


def make_logger(processors: Sequence[Processor], targets: Sequence[Target]) -> Any:
    """A logger over ``targets`` whose last processor returns bytes."""
    return structlog.wrap_logger(
        Outlet(targets),
        processors=list(processors),
        wrapper_class=severity_logger(max(target.spec.level for target in targets)),
        context_class=dict,
    ).bind()


def render_with(form: Format) -> Processor:
    """A processor for exchanges: the event is the exchange."""

    def render(logger: Any, name: str, event: Any) -> bytes:
        return form(event["event"])

    return render


def fields_of(form: Callable[[Exchange], dict[str, object]]) -> Processor:
    """A processor for exchanges as named fields."""

    def fields(logger: Any, name: str, event: Any) -> EventDict:
        return form(event["event"])

    return fields


_CONTROL: Final = {code: f"#{code:02X}" for code in (*range(32), 127)}


def render_text(logger: Any, name: str, event: EventDict) -> bytes:
    """The text of an event, on one line whatever is in it."""
    text: str = event["event"]
    return text.translate(_CONTROL).encode("utf-8", "surrogateescape")


def add_severity(logger: Any, name: str, event: EventDict) -> EventDict:
    """For JSON: how grave it is, in syslog's words."""
    event["severity"] = name
    return event


def encode_text(logger: Any, name: str, event: Any) -> bytes:
    text: str = event
    return text.encode()


_TEXT: Final[Sequence[Processor]] = (render_text,)
_JSON: Final[Sequence[Processor]] = (
    add_severity,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.format_exc_info,
    structlog.processors.EventRenamer("message"),
    structlog.processors.JSONRenderer(),
    encode_text,
)


class _Loggers:
    """The loggers over one set of targets: their own processors for text and for JSON, because a line
    and an object are rendered differently.  Empty lists where no target has that form."""

    __slots__ = ("objects", "texts")

    def __init__(
        self, targets: Sequence[Target], text: Sequence[Processor], objects: Sequence[Processor]
    ) -> None:
        self.texts = _of([target for target in targets if target.format != "json"], text)
        self.objects = _of([target for target in targets if target.format == "json"], objects)

    @property
    def all(self) -> list[Any]:
        return self.texts + self.objects


def _of(targets: Sequence[Target], processors: Sequence[Processor]) -> list[Any]:
    return [make_logger(processors, targets)] if targets else []


class _Traffic:
    """The loggers of one frontend: ``lines`` for exchanges, ``errors`` for what never became one."""

    __slots__ = ("errors", "events", "frontend", "lines", "selective")

    def __init__(self, frontend: Frontend, targets: Sequence[Target]) -> None:
        self.frontend = frontend
        self.events = _Loggers(targets, _TEXT, _JSON)
        self.lines = self._logging(targets, frontend.log_format)
        self.errors = self._logging(targets, frontend.log_error_format or frontend.log_format)
        self.selective = frontend.dontlognull or frontend.dontlog_normal or frontend.log_separate_errors

    def _logging(self, targets: Sequence[Target], form: Format | None) -> list[Any]:
        """Loggers whose events are exchanges.  Without a format there is no line at the end."""
        fields, structured = self.frontend.log_fields, self.frontend.log_structured
        rich: list[Any] = []
        if structured is not None and form is not None:
            line, data = form, structured
            chosen = [target.with_data() for target in targets if target.format == "rfc5424"]
            rich = _of(chosen, [render_with(lambda x: (data(x) or b"-") + b" " + line(x))])
            targets = [target for target in targets if target.format != "rfc5424"]
        text: list[Processor] = [] if form is None else [render_with(form)]
        objects = text
        if fields is not None:
            objects = [fields_of(fields), structlog.processors.JSONRenderer(), encode_text]
        loggers = _Loggers(targets, text, objects)
        return rich + (loggers.texts if text else []) + (loggers.objects if objects else [])

    def wants(self, x: Exchange) -> bool:
        """Whether the options that thin out the log let this exchange through."""
        if self.frontend.dontlognull and not x.bytes_in:
            return False
        if self.frontend.log_separate_errors and x.level == INFO and not normal(x):
            x.level = _ERR
        return not self.frontend.dontlog_normal or not normal(x)


_ERR: Final = 3


def normal(x: Exchange) -> bool:
    """Without error, timeout, retry or redispatch, and in HTTP with a status below 500."""
    if x.redispatched or x.cause not in _NO_ERROR or (x.cause == "-" and x.retries):
        return False
    return x.status < 500


class Log:
    """All log targets of a process.  Nothing here raises, and nothing waits."""

    def __init__(self, settings: Global) -> None:
        self.settings = settings
        self._sinks: dict[tuple[str, str, int], Sink] = {}
        self._traffic: dict[str, _Traffic] = {}
        self._events: dict[tuple[tuple[LogTarget, ...], str], _Loggers] = {}

    @property
    def dropped(self) -> int:
        """Lines that no target took: away, full, out of space."""
        return sum(sink.dropped for sink in self._sinks.values())

    def reopen(self) -> None:
        """Open files by their names again, after they were rotated."""
        for sink in self._sinks.values():
            sink.reopen()

    def confine(self, targets: Iterable[LogTarget], ask: Callable[[str], None]) -> None:
        """Before this process gives up the file system: open what ``targets`` lie there.  ``ask`` is called
        with the path of one that has to be opened anew, and ``adopt`` brings it."""
        for spec in targets:
            self._targets((spec,))
        for (_, path, _), sink in self._sinks.items():
            if isinstance(sink, FileSink) or (isinstance(sink, DatagramSink) and sink.family == AF_UNIX):
                sink.confine(partial(ask, path))

    def adopt(self, path: str, descriptor: int) -> None:
        """What was asked for, or rotated: a descriptor that is ours from now on."""
        for (_, named, _), sink in self._sinks.items():
            if named == path and isinstance(sink, FileSink | DatagramSink):
                sink.adopt(descriptor)
                return
        os.close(descriptor)

    def exchange(self, x: Exchange) -> None:
        """Log an exchange: at its end, or at the response's head with ``option logasap``; once."""
        traffic = self._traffic.get(x.frontend.name) or self.open(x.frontend)
        if traffic.selective and not traffic.wants(x):
            return
        # HAProxy logs what never became a request in the format of connection errors, if there is one.
        loggers = traffic.lines if x.request_line or x.frontend.mode == "tcp" else traffic.errors
        if x.level == INFO:
            for logger in loggers:
                logger.info(x)
        elif x.level >= 0:
            for logger in loggers:
                getattr(logger, SEVERITIES[x.level])(x)

    def connect(self, x: Exchange) -> None:
        """HAProxy's default line, at accept, where a frontend has no format."""
        client, frontend = x.client, x.frontend
        traffic = self._traffic.get(frontend.name) or self.open(frontend)
        text = (
            f"Connect from {client.src}:{client.src_port} to {client.dst}:{client.dst_port}"
            f" ({frontend.name}/{frontend.mode.upper()})"
        )
        # Targets of objects get the exchange itself, at its end.
        for logger in traffic.events.texts if frontend.log_fields else traffic.events.all:
            logger.info(text)

    def client_error(self, client: Client, text: str) -> None:
        """A connection that failed before it carried anything: ``SSL handshake failure`` and its like."""
        frontend = client.frontend
        traffic = self._traffic.get(frontend.name) or self.open(frontend)
        if frontend.log_error_format is not None:
            x = Exchange(client)
            x.ended("P", "R")
            x.status = 0  # as HAProxy has it: there never was a request that could have got one
            x.end = time.monotonic()
            for logger in traffic.errors:
                logger.info(x)
            return
        moment = time.localtime(client.wall)
        date = time.strftime(f"%d/{MONTHS[moment.tm_mon - 1]}/%Y:%H:%M:%S", moment)
        line = (
            f"{client.src}:{client.src_port} [{date}.{int(client.wall % 1.0 * 1000):03d}]"
            f" {frontend.name}/{client.bind.name}: {text}"
        )
        for logger in traffic.events.all:
            logger.info(line)

    def event(self, severity: int, text: str, targets: Sequence[LogTarget], tag: str = "") -> None:
        """Something about a server, a backend or the process: ``Server be/s1 is DOWN ...``."""
        for logger in self._loggers(tuple(targets), tag).all:
            getattr(logger, SEVERITIES[severity])(text)

    def failure(self, text: str, error: BaseException) -> None:
        """An internal error with its traceback, for the process's own targets, or standard error: one
        JSON object, or a line each."""
        loggers = self._loggers(self.settings.log_targets or (STDERR,), "")
        for logger in loggers.objects:
            logger.err(text, exc_info=error)
        trace = "".join(traceback.format_exception(error)).splitlines()
        for logger in loggers.texts:
            for line in (f"{text}: {trace[-1]}", *trace):
                logger.err(line)

    def open(self, frontend: Frontend) -> _Traffic:
        """The loggers of a frontend, with all that its lines need."""
        targets = self._targets(frontend.log_targets, frontend.log_tag)
        for target in targets:
            target.sink.ready()
        traffic = _Traffic(frontend, targets)
        self._traffic[frontend.name] = traffic
        return traffic

    def _loggers(self, specs: tuple[LogTarget, ...], tag: str) -> _Loggers:
        loggers = self._events.get((specs, tag))
        if loggers is None:
            loggers = self._events[specs, tag] = _Loggers(self._targets(specs, tag), _TEXT, _JSON)
        return loggers

    def _targets(self, specs: Iterable[LogTarget], tag: str = "") -> list[Target]:
        """Targets over the sinks of this process; one destination has one sink."""
        targets = []
        for spec in specs:
            key = (spec.kind, spec.address, spec.port)
            sink = self._sinks.get(key)
            if sink is None:
                try:
                    sink = self._sinks[key] = open_sink(spec)
                except OSError:  # a descriptor that is not open: nowhere to write to
                    continue
            targets.append(Target(spec, sink, tag or self.settings.log_tag, self.settings.log_send_hostname))
        return targets


def setup(settings: Global) -> Log:
    """The log of a process.  A frontend's targets are opened with ``open``, others with their first line; a
    child process may go on using its parent's Log."""
    return Log(settings)
