"""scripts/demo does what it prints, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.support.stream import WAIT, eventually

DEMO = Path(__file__).parents[2] / "scripts" / "demo.py"


class Demo:
    """A running demo; ``lines`` reads what it prints."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, DEMO], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.commands = self.read_until(lambda line: "Ctrl-C" in line)

    def read_until(self, wanted) -> str:
        read = ""
        for line in self.process.stdout:
            read += line
            if wanted(line):
                return read
        raise AssertionError(f"the demo ended: {read}")

    def url(self, pattern: str) -> str:
        return re.search(pattern, self.commands)[0]

    def processes(self) -> set[int]:
        """Its children, all the way down."""
        found, look = set(), [self.process.pid]
        for pid in look:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                look += map(int, children.read_text().split())
        found.update(look[1:])
        return found


@pytest.fixture
def demo() -> Iterator[Demo]:
    running = Demo()
    yield running
    running.process.terminate()
    running.process.wait(WAIT)
    running.process.stdout.close()


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect."""

    def redirect_request(self, *args):
        return None


def fetch(url: str, **fields: str) -> tuple[int, Message, str]:
    """Status, header fields and body, whoever signed the certificate."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), Stay)
    request = urllib.request.Request(url, headers=fields)
    try:
        with opener.open(request, timeout=WAIT) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read().decode()


def test_the_printed_commands_do_what_is_said(demo: Demo) -> None:
    https = demo.url(r"https://127\.0\.0\.1:\d+/")
    answers = [fetch(https) for _ in range(4)]
    servers = [body.split(".")[0] for _, _, body in answers]
    assert servers in (["This is s1", "This is s2"] * 2, ["This is s2", "This is s1"] * 2)
    assert all("You are 127.0.0.1, you came over https" in body for _, _, body in answers)
    cookie = answers[0][1]["Set-Cookie"].partition(";")[0]
    assert {fetch(https, Cookie=cookie)[2] for _ in range(3)} == {answers[0][2]}
    status, fields, _ = fetch(demo.url(r"http://127\.0\.0\.1:\d+/some/page"))
    assert (status, fields["Location"]) == (302, f"{https}some/page")
    assert fetch(demo.url(r"https://127\.0\.0\.1:\d+/private"))[0] == 403
    line = demo.read_until(lambda line: "/private" in line).splitlines()[-1]
    assert re.search(r' web~ web/<NOSRV> 0/-1/-1/-1/\d+ 403 \d+ - - PR-- .* "GET /private HTTP/1\.1"$', line)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_with_all_its_processes(demo: Demo, number: signal.Signals) -> None:
    children = demo.processes()
    assert len(children) >= 3  # two web servers, and greenlb with its workers
    demo.process.send_signal(number)
    assert demo.process.wait(WAIT) == 0
    assert [pid for pid in children if os.path.exists(f"/proc/{pid}")] == []
    assert "Traceback" not in demo.process.stdout.read()


def test_nothing_outlives_a_demo_that_is_killed(demo: Demo) -> None:
    children = demo.processes()
    demo.process.kill()
    demo.process.wait(WAIT)
    eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in children), "its children end")
