"""Where log lines go: the header that each format puts before a line, and the sinks that take it.

Nothing here waits and nothing here raises while lines are sent.  A sink that cannot take a line counts
it in ``dropped``; one that is away is asked again at most once in PAUSE seconds.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import time
from collections.abc import Callable
from typing import Final, Protocol
from weakref import WeakSet

from greenlb.model import LogTarget

PAUSE: Final = 1.0
"""Seconds between attempts to reach a log server that has gone away."""

SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")

FORMATS: Final = {
    "local": "RFC 3164 without the host name: <134>Nov 20 08:46:05 haproxy[8888]: text",
    "rfc3164": "RFC 3164 with the host name",
    "rfc5424": "RFC 5424, with microseconds, and with the structured data of log-format-sd",
    "priority": "facility and severity: <134>text",
    "short": "the severity alone, as systemd takes it: <6>text",
    "timed": "the severity and an ISO date",
    "iso": "an ISO date",
    "raw": "the text alone",
    "json": "one JSON object a line, with named fields; never cut, because half an object is none",
}
_NOT_EVERY_SECOND: Final = ("priority", "short", "raw", "json")
# strftime's %b would follow the locale that an application in this process may have set.
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


Ask = Callable[[], None]
"""Asks somebody who is not confined to open a destination anew."""


class Sink(Protocol):
    """Takes whole lines, line feed included."""

    dropped: int

    def send(self, line: bytes) -> None: ...

    def ready(self) -> None:
        """Take the descriptor that lines need while there is one: a log is wanted most when there is none."""

    def reopen(self) -> None:
        """Open the destination anew where it has a name that may have come to mean another (a file)."""


class DatagramSink:
    """A syslog server: one datagram a line, over UDP or a unix socket.

    The socket is connected, which is a third cheaper than naming the address each time and lets the
    kernel tell us that nobody listens.  Over UDP that news comes with the next line.
    """

    def __init__(self, family: int, address: str | tuple[str, int]) -> None:
        self.family = family
        self.address = address
        self.dropped = 0
        self.ask: Ask | None = None
        self._socket: socket.socket | None = None
        self._write: Callable[[bytes], object] = self._connect
        self._failed = self._again = -PAUSE

    def send(self, line: bytes) -> None:
        try:
            self._write(line)
        except OSError as error:
            self._lost(line, error)

    def ready(self) -> None:
        if self._socket is None:
            with contextlib.suppress(OSError):
                self._connect(b"")

    def reopen(self) -> None:
        self._close()

    def confine(self, ask: Ask) -> None:
        """From now on the address cannot be reached from here: ``ask`` for a socket that leads there."""
        self.ready()
        self.ask = ask

    def adopt(self, descriptor: int) -> None:
        """What was asked for: a connected socket."""
        self._close()
        self._socket = socket.socket(fileno=descriptor)
        self._socket.setblocking(False)
        self._write = self._socket.send

    def _connect(self, line: bytes) -> None:
        if self.ask is not None:
            self.ask()
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        sock = socket.socket(self.family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            sock.connect(self.address)
        except OSError:
            sock.close()
            raise
        self._socket = sock
        self._write = sock.send
        if line:
            sock.send(line)

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._write = self._connect

    def _lost(self, line: bytes, error: OSError) -> None:
        self.dropped += 1
        if error.errno in (errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE):
            return  # there, but it has no room: for this line or at all
        self._close()
        now = time.monotonic()
        recent, self._failed = now < self._failed + PAUSE, now
        if recent:
            self._again = now + PAUSE
            self._write = self._absent
            return
        try:  # a log server that was started anew takes this line
            self._connect(line)
        except OSError:
            self._close()
        else:
            # Over UDP it was the line before this one that found nobody.
            self.dropped -= self.family == socket.AF_UNIX

    def _absent(self, line: bytes) -> None:
        if time.monotonic() < self._again:
            self.dropped += 1
        else:
            self._connect(line)


class DescriptorSink:
    """Standard output, standard error, or a descriptor that the starter left open.

    The descriptor may be shared with the shell and with the other workers, so its own mode is not
    touched where that can be avoided: a pipe or a terminal is opened again for us alone.
    """

    def __init__(self, descriptor: int) -> None:
        self.dropped = 0
        self._torn = False
        mode = os.fstat(descriptor).st_mode
        self._descriptor = descriptor
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            try:
                self._descriptor = os.open(f"/proc/self/fd/{descriptor}", flags)
            except OSError:  # no /proc, or a pipe that another user made
                os.set_blocking(descriptor, False)
        elif stat.S_ISSOCK(mode):
            os.set_blocking(descriptor, False)

    def send(self, line: bytes) -> None:
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            self.dropped += 1
            return
        self._torn = written < len(line)
        self.dropped += self._torn

    def ready(self) -> None:
        pass

    def reopen(self) -> None:
        pass


def open_file(path: str) -> int:
    """A log file, opened for appending.  Raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    return os.open(path, flags, 0o640)


def open_socket(path: str) -> int:
    """A datagram socket that is connected to a log server's.  Raises OSError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect(path)
        return sock.detach()


class FileSink:
    """A file that is appended to.  It is opened anew when its name means another file (it was rotated);
    that is looked at once a second while lines come, and by ``reopen``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.dropped = 0
        self.confined = False
        self._descriptor = -1
        self._looked = -PAUSE
        self._torn = False

    def send(self, line: bytes) -> None:
        now = time.monotonic()
        if now - self._looked >= 1.0 and not self.confined:
            self._looked = now
            self._look()
        if self._torn:
            line = b"\n" + line
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            self.dropped += 1
            return
        self._torn = written < len(line)
        self.dropped += self._torn

    def ready(self) -> None:
        if not self.confined:
            self._look()

    def reopen(self) -> None:
        """Open the file by its name.  When that fails the old one goes on being written to."""
        if self.confined:
            return
        with contextlib.suppress(OSError):
            self.adopt(open_file(self.path))

    def confine(self, ask: Ask) -> None:
        """From now on the file cannot be opened from here: who can says when it was rotated."""
        self._look()
        self.confined = True

    def adopt(self, descriptor: int) -> None:
        """Write to this one from now on."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = descriptor
        self._torn = False

    def _look(self) -> None:
        if self._descriptor < 0:
            self.reopen()
            return
        mine = os.fstat(self._descriptor)
        try:
            named = os.stat(self.path)
        except OSError:
            self.reopen()
            return
        if (mine.st_ino, mine.st_dev) != (named.st_ino, named.st_dev):
            self.reopen()


def open_sink(target: LogTarget) -> Sink:
    """The sink of a target; sockets and files are opened with their first line.  Raises OSError for a
    descriptor that is not open and ValueError for a kind that does not exist."""
    match target.kind:
        case "udp":
            family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
            return DatagramSink(family, (target.address, target.port or 514))
        case "unix":
            return DatagramSink(socket.AF_UNIX, target.address)
        case "stdout" | "stderr":
            return DescriptorSink(1 if target.kind == "stdout" else 2)
        case "fd":
            return DescriptorSink(int(target.address))
        case "file":
            return FileSink(target.address)
    raise ValueError(f"no kind of log target is called '{target.kind}'")


class Target:
    """One ``log`` line of the configuration over its sink: which severities pass, what header a line
    gets, where it is cut."""

    def __init__(self, spec: LogTarget, sink: Sink, tag: str, hostname: str = "") -> None:
        self.spec = spec
        self.sink = sink
        self.tag = tag
        self.hostname = hostname
        # `log-send-hostname` turns the default format into RFC 3164's.
        self.format = "rfc3164" if spec.format == "local" and hostname else spec.format
        self._data = "- "  # no structured data
        self._dated = self.format in ("rfc5424", "timed", "iso")
        self._lasting = self.format in _NOT_EVERY_SECOND
        self._headers = [b""] * 8
        self._second = 0
        _targets.add(self)

    def with_data(self) -> Target:
        """The same target for lines that begin with their structured data."""
        other = Target(self.spec, self.sink, self.tag, self.hostname)
        other._data = ""
        return other

    def send(self, severity: int, text: bytes) -> None:
        """Send one line, which has no line feed yet."""
        spec = self.spec
        if severity > spec.level:
            return
        now = time.time()
        second = int(now)
        if second != self._second:
            self._begin(second)
        header = self._headers[severity]
        if self._dated:
            header %= int(now % 1.0 * 1e6)
        line = header + text + b"\n"
        if len(line) > spec.length + 1 and self.format != "json":
            line = line[: max(len(header), spec.length)] + b"\n"
        self.sink.send(line)

    def forked(self) -> None:
        """This process has another number now."""
        self._second = 0

    def _begin(self, second: int) -> None:
        """Make the headers of this second (of all seconds, in formats without a date)."""
        if self._lasting and self._second:
            return
        self._second = second
        self._headers = [self._header(max(severity, self.spec.minimum), second) for severity in range(8)]

    def _header(self, severity: int, second: int) -> bytes:
        """What stands before the text; ``%06d`` in it is for the microseconds."""
        priority = self.spec.facility * 8 + severity
        moment = time.localtime(second)
        match self.format:
            case "local" | "rfc3164":
                date = f"{MONTHS[moment.tm_mon - 1]} {moment.tm_mday:2d} {time.strftime('%H:%M:%S', moment)}"
                host = f"{self.hostname or 'localhost'} " if self.format == "rfc3164" else ""
                return f"<{priority}>{date} {host}{self.tag}[{os.getpid()}]: ".encode()
            case "priority":
                return b"<%d>" % priority
            case "short":
                return b"<%d>" % severity
            case "raw" | "json":
                return b""
        zone = time.strftime("%z", moment)
        date = f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.%06d{zone[:3]}:{zone[3:]} "
        match self.format:
            case "rfc5424":
                origin = f"{self.hostname or '-'} {self.tag or '-'} {os.getpid()} - {self._data}".replace(
                    "%", "%%"
                )
                return f"<{priority}>1 {date}{origin}".encode()
            case "timed":
                return f"<{severity}>{date}".encode()
        return date.encode()


_targets: WeakSet[Target] = WeakSet()


def _after_fork() -> None:
    for target in _targets:
        target.forked()


os.register_at_fork(after_in_child=_after_fork)
