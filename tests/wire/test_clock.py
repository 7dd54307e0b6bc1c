"""The wall clock is set, forwards and backwards, while requests flow: what is measured is measured by the
other clock, and only dates follow."""

from __future__ import annotations

import glob
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.support.farm import Farm, Load
from tests.support.lb import Balancer, Launcher
from tests.support.oracle import Haproxy, Oracle, need_haproxy
from tests.support.origin import Origins
from tests.support.stream import WAIT, Silence, get, response
from tests.support.syslog import Line

DAY = 86400
GLOBAL = "[global]\nlog = 127.0.0.1:{syslog} local0\n%s\n"
PROXIES = """
[frontend fe]
bind = 127.0.0.1:{fe}
default_backend = be
timeout client = 8s
%s

[backend be]
server s1 = 127.0.0.1:{s1} %s
"""


def library() -> str:
    """libfaketime, which stands between a program and the wall clock."""
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found and os.environ.get("CI", "").lower() == "true":
        pytest.fail("no libfaketime here: install Debian's faketime package")
    if not found:
        pytest.skip("CLOCK JUMPS ARE NOT TRIED: libfaketime is not installed (apt-get install faketime)")
    return found[0]


class Clocked(Balancer):
    """One whose wall clock the test sets."""

    def command(self, path: Path) -> list[str]:
        self._clock = self.directory / "clock"
        self.set_clock(0)
        return [
            "env",
            f"LD_PRELOAD={library()}",
            f"FAKETIME_TIMESTAMP_FILE={self._clock}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "DONT_FAKE_MONOTONIC=1",  # its older name
            *super().command(path),
        ]

    def set_clock(self, seconds: int) -> None:
        """So many seconds ahead of the real time from now on; negative: behind it."""
        self.ahead = seconds
        new = self._clock.with_suffix(".new")
        new.write_text(f"{seconds:+d}")
        new.rename(self._clock)

    def shows(self, date: str) -> bool:
        """Whether a log line's date is what its clock shows now, more or less."""
        told = datetime.strptime(date, "%d/%b/%Y:%H:%M:%S.%f").timestamp()
        return abs(told - time.time() - self.ahead) < WAIT


class ClockedHaproxy(Clocked, Haproxy):
    pass


class ClockedLauncher(Launcher):
    balancer = Clocked


class ClockedOracle(Oracle):
    balancer = ClockedHaproxy


@pytest.fixture(params=["greenlb", "haproxy"])
def clocked_proxy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Launcher]:
    library()
    if request.param == "haproxy":
        need_haproxy()
    launcher = ClockedOracle(tmp_path) if request.param == "haproxy" else ClockedLauncher(tmp_path)
    yield launcher
    launcher.close()


@pytest.fixture
def clocked(tmp_path: Path) -> Iterator[Launcher]:
    """For what HAProxy 2.6 does otherwise: it takes a jump forwards for a time that has passed, and every
    timeout has come."""
    library()
    launcher = ClockedLauncher(tmp_path)
    yield launcher
    launcher.close()


def start(launcher: Launcher, text: str, **given: object) -> Clocked:
    lb = launcher(text, **given)  # type: ignore[arg-type]
    assert isinstance(lb, Clocked)
    return lb


def test_dates_follow_the_clock(clocked_proxy: Launcher, origin: Origins) -> None:
    """Those of a connection that was there before, too; its first request after may have begun before, as
    HAProxy sees it."""
    lb = start(clocked_proxy, PROXIES % ("", ""), s1=origin.http("s1"))
    with lb.connect() as client:

        def date() -> str:
            client.send(get())
            client.read_response()
            return lb.log_of(client).date

        assert lb.shows(date())
        back, forth = (-2 * DAY, -3 * DAY), (DAY, 0)
        for seconds in lb.says(greenlb=(*back, *forth), haproxy=back):
            lb.set_clock(seconds)
            date()
            assert lb.shows(date())
            assert lb.ask().status == 200
            assert lb.shows(lb.log().date)


@pytest.mark.parametrize("workers", [0, 2])
def test_nothing_stops_when_it_jumps(clocked: Launcher, origin: Origins, workers: int) -> None:
    lb = start(
        clocked, GLOBAL % f"workers = {workers}" + PROXIES % ("", "check inter 100ms"), s1=origin.http("s1")
    )
    farm = Farm(lb, workers) if workers else None
    before = farm and farm.roles()
    with Load(lb.port()) as load:
        for seconds in (DAY, -2 * DAY, 400 * DAY, -30, 0):
            lb.set_clock(seconds)
            load.more(100)
    assert load.failures == []
    assert (farm and farm.roles()) == before  # nobody was taken for hung
    lines = traffic(lb)
    assert len(lines) >= 500
    assert [line.text for line in lines if min(line.timers) < 0 or max(line.timers) > 1000 * WAIT] == []
    assert {datetime.strptime(line.date[:11], "%d/%b/%Y").year for line in lines} > {datetime.now().year}


def traffic(lb: Balancer) -> list[Line]:
    """The traffic lines that are there."""
    lines = []
    while True:
        try:
            lines.append(lb.syslog.line(0.3))
        except Silence:
            return lines


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_request_on_its_way_is_timed_as_if_nothing_had_happened(
    clocked: Launcher, origin: Origins, seconds: int
) -> None:
    s1 = origin()
    lb = start(clocked, PROXIES % ("", ""), s1=s1)
    with lb.connect() as client:
        begun = time.monotonic()
        client.send(get())
        server, _ = s1.take()
        lb.set_clock(seconds)
        server.send(response("200 OK", body=b"late"))
        assert client.read_response().body == b"late"
        took = (time.monotonic() - begun) * 1000
    line = lb.log()
    assert all(0 <= timer <= took + 1 for timer in line.timers)


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_half_a_head_gets_its_time_and_no_more(clocked: Launcher, origin: Origins, seconds: int) -> None:
    lb = start(clocked, PROXIES % ("timeout http-request = 700ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        begun = time.monotonic()
        client.send(b"GET / HTT")
        lb.set_clock(seconds)
        assert client.read_to_close().startswith(b"HTTP/1.1 408")
        assert 0.65 < time.monotonic() - begun < WAIT / 2


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_an_idle_connection_stays_as_long_as_it_may(clocked: Launcher, origin: Origins, seconds: int) -> None:
    lb = start(clocked, PROXIES % ("timeout http-keep-alive = 700ms", ""), s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(2):
            client.send(get())
            assert client.read_response().status == 200
            lb.set_clock(seconds)  # the second time while it waits for a third request
            client.expect_silence()
        begun = time.monotonic()
        client.expect_closed()
        assert time.monotonic() - begun < WAIT / 2


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_slow_server_gets_its_time_and_no_more(clocked: Launcher, origin: Origins, seconds: int) -> None:
    lb = start(clocked, PROXIES % ("", "") + "timeout server = 700ms\n", s1=(s1 := origin()))
    with lb.connect() as client:
        client.send(get())
        s1.take()
        begun = time.monotonic()
        lb.set_clock(seconds)
        assert client.read_response().status == 504
        assert 0.6 < time.monotonic() - begun < WAIT / 2


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_checks_go_on(clocked: Launcher, origin: Origins, seconds: int) -> None:
    s1 = origin.http("s1")
    lb = start(clocked, PROXIES % ("", "check inter 100ms fall 2"), s1=s1)
    assert lb.ask().status == 200
    lb.set_clock(seconds)
    assert lb.ask().status == 200
    s1.close()
    lb.syslog.message(r"Server be/s1 is DOWN.*")
