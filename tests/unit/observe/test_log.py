"""What reaches the targets of a log, and what does not."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator

import pytest

from greenlb.exchange import Client, Exchange
from greenlb.model import NOWHERE, Address, Bind, Format, Frontend, Global, LogTarget
from greenlb.observe import log as logging
from greenlb.observe.log import SILENT, Log, normal, setup
from greenlb.observe.targets import Sink

LOCAL0 = LogTarget("udp", "127.0.0.1", 514, 16, format="short")
BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)


class Paper:
    def __init__(self, spec: LogTarget) -> None:
        self.dropped = 0
        self.reopened = 0
        self.lines: list[bytes] = []

    def send(self, line: bytes) -> None:
        self.lines.append(line)

    def ready(self) -> None:
        pass

    def reopen(self) -> None:
        self.reopened += 1


@pytest.fixture
def papers(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Paper]]:
    """The sinks that were opened, by kind."""
    opened: dict[str, Paper] = {}

    def open_sink(spec: LogTarget) -> Sink:
        assert spec.kind not in opened, "one destination has one sink"
        opened[spec.kind] = Paper(spec)
        return opened[spec.kind]

    monkeypatch.setattr(logging, "open_sink", open_sink)
    yield opened


def frontend(
    *targets: LogTarget,
    form: Format | None = lambda x: b"line of " + x.frontend.name.encode(),
    error: Format | None = None,
    dontlognull: bool = False,
    dontlog_normal: bool = False,
    fields: Callable[[Exchange], dict[str, object]] | None = None,
) -> Frontend:
    return Frontend(
        "fe",
        1,
        NOWHERE,
        "http",
        log_targets=targets or (LOCAL0,),
        log_format=form,
        log_error_format=error,
        log_fields=fields,
        dontlognull=dontlognull,
        dontlog_normal=dontlog_normal,
    )


def exchange(model: Frontend) -> Exchange:
    x = Exchange(Client(model, BIND, "192.0.2.1", 33312, "192.0.2.9", 80))
    x.request_line, x.bytes_in, x.status = b"GET / HTTP/1.1", 18, 200
    return x


def test_one_line_for_each_target_that_wants_it(papers: dict[str, Paper]) -> None:
    alerts = LogTarget("unix", "/dev/log", 0, 18, level=1, format="short")
    notices = LogTarget("stderr", "", 0, 3, format="raw", level=6)
    Log(Global()).exchange(exchange(frontend(LOCAL0, alerts, notices)))
    assert papers["udp"].lines == [b"<6>line of fe\n"]
    assert papers["unix"].lines == []
    assert papers["stderr"].lines == [b"line of fe\n"]


def test_without_targets_there_is_no_line() -> None:
    model = dataclasses.replace(frontend(), log_targets=())
    log = Log(Global())
    log.exchange(exchange(model))
    log.event(1, "Server be/s1 is DOWN.", ())
    assert log.dropped == 0


def test_nothing_is_rendered_that_no_target_wants(papers: dict[str, Paper]) -> None:
    def form(x: Exchange) -> bytes:
        raise AssertionError("rendered")

    Log(Global()).exchange(exchange(frontend(LogTarget("udp", "127.0.0.1", 514, 16, level=5), form=form)))


@pytest.mark.parametrize(
    ("level", "lines"), [(6, [b"<6>line of fe\n"]), (3, [b"<3>line of fe\n"]), (SILENT, [])]
)
def test_the_level_of_an_exchange(papers: dict[str, Paper], level: int, lines: list[bytes]) -> None:
    x = exchange(frontend())
    x.level = level
    Log(Global()).exchange(x)
    assert papers["udp"].lines == lines


def test_dontlognull_keeps_connections_without_a_byte_out(papers: dict[str, Paper]) -> None:
    log = Log(Global())
    x = exchange(frontend(dontlognull=True))
    log.exchange(x)
    x.bytes_in = 0
    log.exchange(x)
    assert len(papers["udp"].lines) == 1


NORMAL = [
    (("-", "-", 200, 0, False), True),
    (("L", "R", 301, 0, False), True),
    (("-", "-", 404, 0, False), True),
    (("-", "-", 500, 0, False), False),
    (("P", "R", 403, 0, False), False),
    (("c", "D", 200, 0, False), False),
    (("-", "-", 200, 1, False), False),
    (("L", "R", 200, 1, False), True),
    (("-", "-", 200, 0, True), False),
]


@pytest.mark.parametrize(("ending", "is_normal"), NORMAL)
def test_what_is_normal(
    ending: tuple[str, str, int, int, bool], is_normal: bool, papers: dict[str, Paper]
) -> None:
    x = exchange(frontend(dontlog_normal=True))
    cause, phase, x.status, x.retries, x.redispatched = ending
    x.ended(cause, phase)
    assert normal(x) is is_normal
    Log(Global()).exchange(x)
    assert len(papers["udp"].lines) == (not is_normal)


def test_what_never_became_a_request_has_the_error_format(papers: dict[str, Paper]) -> None:
    log = Log(Global())
    x = exchange(frontend(error=lambda x: f"error {x.status} {x.cause}{x.phase}".encode()))
    log.exchange(x)
    x.request_line, x.status = b"", 400
    log.exchange(x)
    log.client_error(x.client, "SSL handshake failure")
    assert papers["udp"].lines == [b"<6>line of fe\n", b"<6>error 400 --\n", b"<6>error 0 PR\n"]


def test_the_lines_of_connections(papers: dict[str, Paper]) -> None:
    log = Log(Global())
    x = exchange(frontend(form=None))
    log.connect(x)
    log.exchange(x)
    log.client_error(x.client, "SSL handshake failure")
    first, second = papers["udp"].lines
    assert first == b"<6>Connect from 192.0.2.1:33312 to 192.0.2.9:80 (fe/HTTP)\n"
    date = rb"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\]"
    assert re.fullmatch(rb"<6>192\.0\.2\.1:33312 %b fe/1: SSL handshake failure\n" % date, second)


def test_events_have_their_severity_and_stay_on_one_line(papers: dict[str, Paper]) -> None:
    log = Log(Global())
    log.event(1, 'Server be/s1 is DOWN, info: "a\r\nb"', (LOCAL0,))
    log.event(5, "Server be/s1 is UP.", [LOCAL0])
    assert papers["udp"].lines == [
        b'<1>Server be/s1 is DOWN, info: "a#0D#0Ab"\n',
        b"<5>Server be/s1 is UP.\n",
    ]


def test_tags_of_the_process_and_of_a_proxy(papers: dict[str, Paper]) -> None:
    spec = dataclasses.replace(LOCAL0, format="local")
    log = Log(Global(log_tag="greenlb"))
    log.event(5, "a", (spec,))
    log.event(5, "b", (spec,), tag="shop")
    log.exchange(exchange(dataclasses.replace(frontend(spec), log_tag="door")))
    tags = [re.search(rb"\d\d:\d\d:\d\d (\w+)\[", line) for line in papers["udp"].lines]
    assert [tag and tag[1] for tag in tags] == [b"greenlb", b"shop", b"door"]


def test_json_targets_get_objects(papers: dict[str, Paper]) -> None:
    spec = LogTarget("stdout", "", 0, 16, format="json", length=65535)
    log = Log(Global(log_targets=(spec,)))
    x = exchange(frontend(LOCAL0, spec, fields=lambda x: {"status_code": x.status, "uri": "/\u00e9"}))
    log.exchange(x)
    log.event(1, "Server be/s1 is DOWN.", (spec,))
    try:
        raise RuntimeError("broken\npipe")
    except RuntimeError as error:
        log.failure("unexpected", error)
    exchanged, event, failure = map(json.loads, papers["stdout"].lines)
    assert exchanged == {"status_code": 200, "uri": "/\u00e9"}
    assert (event["message"], event["severity"]) == ("Server be/s1 is DOWN.", "alert")
    assert (failure["message"], failure["severity"]) == ("unexpected", "err")
    assert failure["exception"].endswith("RuntimeError: broken\npipe")
    assert papers["udp"].lines == [b"<6>line of fe\n"]


def test_a_failure_without_targets_goes_to_standard_error(papers: dict[str, Paper]) -> None:
    try:
        raise KeyError("x")
    except KeyError as error:
        setup(Global()).failure("unexpected error in an exchange", error)
    lines = papers["stderr"].lines
    assert lines[0] == b"unexpected error in an exchange: KeyError: 'x'\n"
    assert lines[1] == b"Traceback (most recent call last):\n"
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


def test_dropped_lines_are_added_up_and_files_reopened(papers: dict[str, Paper]) -> None:
    log = Log(Global())
    log.event(5, "a", (LOCAL0, LogTarget("file", "x.log", 0, 16)))
    papers["udp"].dropped, papers["file"].dropped = 2, 3
    log.reopen()
    assert log.dropped == 5
    assert papers["file"].reopened == 1


def test_a_descriptor_that_is_not_open_is_no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Log(Global())
    log.event(5, "a", (LogTarget("fd", "1000", 0, 16),))
    assert log.dropped == 0
