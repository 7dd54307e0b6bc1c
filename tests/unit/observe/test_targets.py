"""Headers byte by byte, and sinks whose other end is away, full or new."""

from __future__ import annotations

import errno
import os
import socket
import time
from pathlib import Path

import pytest

from greenlb.model import LogTarget
from greenlb.observe import targets
from greenlb.observe.targets import FORMATS, PAUSE, DatagramSink, DescriptorSink, FileSink, Target, open_sink

NOW = 1795163526.255123  # 2026-11-20 08:32:06 UTC


class Paper:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.dropped = 0
        self.lines: list[bytes] = []

    def send(self, line: bytes) -> None:
        self.lines.append(line)

    def ready(self) -> None:
        pass

    def reopen(self) -> None:
        pass


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The wall clock and the zone; the list's one item is what the clock shows."""
    now = [NOW]
    monkeypatch.setattr("greenlb.observe.targets.time.time", lambda: now[0])
    monkeypatch.setattr("greenlb.observe.targets.os.getpid", lambda: 8888)
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    return now


def target(
    form: str = "local", hostname: str = "", level: int = 7, minimum: int = 0, length: int = 1024
) -> tuple[Target, Paper]:
    sink = Paper()
    spec = LogTarget("udp", "127.0.0.1", 514, 16, level, minimum, length, form)
    return Target(spec, sink, "haproxy", hostname), sink


HEADERS = [
    ("local", "", b"<134>Nov 20 09:32:06 haproxy[8888]: x\n"),
    ("local", "lb1", b"<134>Nov 20 09:32:06 lb1 haproxy[8888]: x\n"),
    ("rfc3164", "", b"<134>Nov 20 09:32:06 localhost haproxy[8888]: x\n"),
    ("rfc5424", "", b"<134>1 2026-11-20T09:32:06.255122+01:00 - haproxy 8888 - - x\n"),
    ("rfc5424", "100%", b"<134>1 2026-11-20T09:32:06.255122+01:00 100% haproxy 8888 - - x\n"),
    ("priority", "", b"<134>x\n"),
    ("short", "", b"<6>x\n"),
    ("timed", "", b"<6>2026-11-20T09:32:06.255122+01:00 x\n"),
    ("iso", "", b"2026-11-20T09:32:06.255122+01:00 x\n"),
    ("raw", "", b"x\n"),
    ("json", "", b"x\n"),
]


@pytest.mark.parametrize(("form", "hostname", "expected"), HEADERS)
def test_headers(form: str, hostname: str, expected: bytes) -> None:
    out, sink = target(form, hostname)
    out.send(6, b"x")
    assert sink.lines == [expected]


def test_every_format_is_tested() -> None:
    assert {form for form, _, _ in HEADERS} == set(FORMATS)


def test_the_day_is_padded_with_a_space_and_follows_the_clock(clock: list[float]) -> None:
    out, sink = target()
    clock[0] = 1.0
    out.send(0, b"a")
    clock[0] = 2.5
    out.send(7, b"b")
    assert sink.lines == [
        b"<128>Jan  1 01:00:01 haproxy[8888]: a\n",
        b"<135>Jan  1 01:00:02 haproxy[8888]: b\n",
    ]


def test_a_child_process_writes_its_own_number(monkeypatch: pytest.MonkeyPatch) -> None:
    out, sink = target()
    out.send(6, b"a")
    monkeypatch.setattr("greenlb.observe.targets.os.getpid", lambda: 9999)
    targets._after_fork()
    out.send(6, b"b")
    assert [line[21:34] for line in sink.lines] == [b"haproxy[8888]", b"haproxy[9999]"]


def test_levels_filter_and_cap() -> None:
    out, sink = target("short", level=5, minimum=3)
    for severity in range(8):
        out.send(severity, b"%d" % severity)
    assert sink.lines == [b"<3>0\n", b"<3>1\n", b"<3>2\n", b"<3>3\n", b"<4>4\n", b"<5>5\n"]


@pytest.mark.parametrize(("length", "size"), [(80, 80), (1024, 536)])
def test_lines_are_cut_before_the_line_feed(length: int, size: int) -> None:
    out, sink = target(length=length)
    out.send(6, b"x" * 500)
    (line,) = sink.lines
    assert len(line) == size + 1
    assert line.endswith(b"x\n")


def test_objects_are_not_cut() -> None:
    out, sink = target("json", length=80)
    out.send(6, b"x" * 500)
    assert sink.lines == [b"x" * 500 + b"\n"]


def test_a_header_longer_than_the_limit_leaves_no_text() -> None:
    out, sink = target(length=10)
    out.send(6, b"text")
    assert sink.lines == [b"<134>Nov 20 09:32:06 haproxy[8888]: \n"]


# -- datagrams -----------------------------------------------------------------------------------------


class Wire:
    """What sockets of a DatagramSink meet: ``errors`` are raised by sends, first one first."""

    def __init__(self) -> None:
        self.errors: list[int | None] = []
        self.refuses = False
        self.sent: list[bytes] = []
        self.opened = 0
        self.open = 0

    def socket(self, family: int, kind: int) -> Wire:
        assert kind & socket.SOCK_NONBLOCK
        self.opened += 1
        self.open += 1
        return self

    def connect(self, address: object) -> None:
        if self.refuses:
            raise FileNotFoundError(errno.ENOENT, "no such file")

    def send(self, line: bytes) -> None:
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise OSError(error, os.strerror(error))
        self.sent.append(line)

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    wire = Wire()
    monkeypatch.setattr("greenlb.observe.targets.socket.socket", wire.socket)
    return wire


@pytest.fixture
def ticks(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock."""
    now = [100.0]
    monkeypatch.setattr("greenlb.observe.targets.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOBUFS, errno.EMSGSIZE])
def test_a_full_log_server_drops_lines_and_keeps_its_socket(wire: Wire, number: int) -> None:
    sink = DatagramSink(socket.AF_UNIX, "/dev/log")
    sink.send(b"1")
    wire.errors = [number]
    sink.send(b"2")
    sink.send(b"3")
    assert (wire.sent, sink.dropped, wire.opened) == ([b"1", b"3"], 1, 1)


def test_a_socket_is_there_before_the_first_line(wire: Wire) -> None:
    sink = DatagramSink(socket.AF_INET, ("127.0.0.1", 514))
    sink.ready()
    sink.ready()
    sink.send(b"1")
    assert (wire.sent, wire.opened) == ([b"1"], 1)


def test_a_log_server_that_was_started_anew_takes_the_next_line(wire: Wire, ticks: list[float]) -> None:
    sink = DatagramSink(socket.AF_UNIX, "/dev/log")
    sink.send(b"1")
    wire.errors = [errno.ECONNREFUSED]
    sink.send(b"2")
    assert (wire.sent, sink.dropped, wire.opened, wire.open) == ([b"1", b"2"], 0, 2, 1)


def test_over_udp_the_refused_line_is_the_one_before(wire: Wire, ticks: list[float]) -> None:
    sink = DatagramSink(socket.AF_INET, ("127.0.0.1", 514))
    sink.send(b"1")
    wire.errors = [errno.ECONNREFUSED]
    sink.send(b"2")
    assert (wire.sent, sink.dropped) == ([b"1", b"2"], 1)


def test_a_log_server_that_is_away_is_asked_now_and_then(wire: Wire, ticks: list[float]) -> None:
    sink = DatagramSink(socket.AF_UNIX, "/dev/log")
    wire.refuses = True
    for _ in range(1000):
        sink.send(b"x")
    assert sink.dropped == 1000
    assert wire.opened <= 3
    assert wire.open == 0
    tried = wire.opened
    ticks[0] += PAUSE
    for _ in range(1000):
        sink.send(b"x")
    assert tried < wire.opened <= tried + 3
    ticks[0] += PAUSE
    wire.refuses = False
    sink.send(b"back")
    assert (wire.sent, sink.dropped, wire.open) == ([b"back"], 2000, 1)


# -- descriptors and files -----------------------------------------------------------------------------


def test_a_full_pipe_drops_lines_and_its_mode_stays() -> None:
    out, into = os.pipe()
    try:
        sink = DescriptorSink(into)
        assert os.get_blocking(into)
        line = b"x" * 1023 + b"\n"
        for _ in range(100):
            sink.send(line)
        assert 0 < sink.dropped < 100
        assert os.read(out, 1 << 20) == line * (100 - sink.dropped)
    finally:
        os.close(out)
        os.close(into)


def test_a_line_that_went_out_in_part_does_not_join_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    sizes = [3, 100]

    def write(descriptor: int, line: bytes) -> int:
        written.append(line[: sizes[0]])
        return min(len(line), sizes.pop(0))

    sink = DescriptorSink(1)
    monkeypatch.setattr("greenlb.observe.targets.os.write", write)
    sink.send(b"first\n")
    sink.send(b"second\n")
    assert b"".join(written) == b"fir\nsecond\n"
    assert sink.dropped == 1


def test_a_file_is_appended_to_and_followed_when_rotated(tmp_path: Path, ticks: list[float]) -> None:
    path = tmp_path / "greenlb.log"
    path.write_text("old\n")
    sink = FileSink(str(path))
    sink.send(b"1\n")
    path.rename(tmp_path / "greenlb.log.1")
    sink.send(b"2\n")
    ticks[0] += 1
    sink.send(b"3\n")
    path.rename(tmp_path / "greenlb.log.2")
    sink.reopen()
    sink.send(b"4\n")
    assert (tmp_path / "greenlb.log.1").read_text() == "old\n1\n2\n"
    assert (tmp_path / "greenlb.log.2").read_text() == "3\n"
    assert path.read_text() == "4\n"
    assert (path.stat().st_mode & 0o777) == 0o640 & ~_umask()


def test_a_file_that_cannot_be_opened_counts_lines(tmp_path: Path, ticks: list[float]) -> None:
    sink = FileSink(str(tmp_path / "missing" / "greenlb.log"))
    sink.send(b"1\n")
    sink.send(b"2\n")
    assert sink.dropped == 2
    (tmp_path / "missing").mkdir()
    ticks[0] += 1
    sink.send(b"3\n")
    assert (sink.dropped, (tmp_path / "missing" / "greenlb.log").read_text()) == (2, "3\n")


def test_a_full_disk_counts_lines() -> None:
    sink = FileSink("/dev/full")
    sink.send(b"1\n")
    assert sink.dropped == 1


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_sinks_by_kind(tmp_path: Path) -> None:
    def opened(kind: str, address: str = "", port: int = 0) -> object:
        return open_sink(LogTarget(kind, address, port, 16))

    udp = opened("udp", "127.0.0.1")
    assert isinstance(udp, DatagramSink)
    assert (udp.family, udp.address) == (socket.AF_INET, ("127.0.0.1", 514))
    six = opened("udp", "::1", 5140)
    assert isinstance(six, DatagramSink)
    assert (six.family, six.address) == (socket.AF_INET6, ("::1", 5140))
    unix = opened("unix", "/dev/log")
    assert isinstance(unix, DatagramSink)
    assert unix.family == socket.AF_UNIX
    assert isinstance(opened("file", "x.log"), FileSink)
    with pytest.raises(OSError, match="Bad file descriptor"):
        opened("fd", "1000")
    with pytest.raises(ValueError, match="no kind of log target"):
        opened("ring")


def test_lines_that_begin_with_structured_data() -> None:
    """The same target, without the dash that says that there is none."""
    out, sink = target("rfc5424")
    rich = out.with_data()
    rich.send(6, b'[a@1 b="c"] x')
    out.send(6, b"y")
    assert sink.lines == [
        b'<134>1 2026-11-20T09:32:06.255122+01:00 - haproxy 8888 - [a@1 b="c"] x\n',
        b"<134>1 2026-11-20T09:32:06.255122+01:00 - haproxy 8888 - - y\n",
    ]
