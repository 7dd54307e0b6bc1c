"""Somebody's Python in the rules: what it may do, and what becomes of it when it fails."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenlb.testing import LoadBalancer

CODE = """
import time

from greenlb import Choice, ServerCheck, Transaction


def rule(txn: Transaction, *words: str) -> None:
    request = txn.request
    txn.variables["txn.tag"] = "|".join(words)
    request.headers["X-Path"] = request.path
    request.headers["X-Broken"] = "a\\r\\nX-Forged: b"
    match request.path:
        case "/answer":
            txn.answer(418, "tea", {"X-Leaf": "green"})
        case "/deny":
            txn.deny()
        case "/away":
            txn.redirect("/elsewhere")
        case "/close":
            txn.reject()
        case "/raise":
            raise LookupError("on purpose")
        case "/exit":
            raise SystemExit("on purpose")
        case "/return":
            return "not this way"
        case "/framing":
            request.headers["Content-Length"] = "3"
        case "/other":
            txn.use_backend("other", "s4")
        case "/nowhere":
            txn.use_backend("nowhere")
        case "/rewrite":
            request.path, request.query = "/new path", "a=1"
        case "/body":
            txn.answer(200, request.body[::-1])
        case "/slow":
            until = time.monotonic() + 2.5
            while time.monotonic() < until:
                pass


def late(txn: Transaction) -> None:
    txn.response.headers["X-Served-By"] = f"{txn.backend}/{txn.server}"
    if txn.request.query == "replace":
        txn.answer(200, "replaced")
    if txn.request.query == "status":
        txn.response.status = 404
    if txn.request.query == "late":
        raise LookupError("too late")
    if txn.request.query == "steer":
        txn.use_backend("other")


def group(txn: Transaction, name: str, other: str) -> str | None:
    if txn.request.headers.get("x-group") == "raise":
        raise LookupError("in a sample")
    return txn.request.headers.get(name, other)


def unlucky(txn: Transaction) -> str:
    raise LookupError("in a log line")


def choose(txn: Transaction, servers: list[Choice]) -> object:
    wanted = txn.request.query
    return wanted if wanted[:2] in ("s1", "s2", "s9") else None


def check(server: ServerCheck) -> object:
    if server.server == "s2":
        return "it is the second"
    if server.server == "s3":
        raise LookupError(f"{server.host}:{server.port}")


def first_bytes(txn: Transaction) -> None:
    if txn.connection.peek(5) == b"other":
        txn.use_backend("two")
    elif txn.connection.peek(5) == b"close":
        txn.reject()
"""

CASE = """
[global]
workers = {workers}
python-path = {folder}
[defaults]
log = global
mode = http
timeout connect = 5s
timeout client = 10s
timeout server = 10s
[frontend fe]
bind = 127.0.0.1:{fe}
log-format = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq \
{%[var(txn.tag)]|%[py(hooks:group,x-group,none)]|%[py(hooks:unlucky)]} %{+Q}r"
http-request = wait-for-body time 5s if METH_POST
               python hooks:rule one %[src] if !{ path /none }
               deny deny_status 403 if { py(hooks:group,x-group,none) -m str forbidden }
http-response = python hooks:late
default_backend = be
[backend be]
balance = python hooks:choose
server s1 = 127.0.0.1:{echo}
server s2 = 127.0.0.1:{echo}
[backend other]
server s3 = 127.0.0.1:{echo}
server s4 = 127.0.0.1:{echo}
[backend checked]
option python-check = hooks:check
default-server = inter 100ms fall 1
server s1 = 127.0.0.1:{echo} check
server s2 = 127.0.0.1:{echo} check
server s3 = 127.0.0.1:{echo} check
[frontend tcp]
bind = 127.0.0.1:{tcp}
mode = tcp
tcp-request = inspect-delay 5s
              content python hooks:first_bytes
default_backend = one
[backend one]
mode = tcp
server s1 = 127.0.0.1:{one}
[backend two]
mode = tcp
server s1 = 127.0.0.1:{two}
"""


def echo(environ, start_response):
    """Tells what came."""
    fields = {key: value for key, value in environ.items() if key.startswith("HTTP_X_")}
    text = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']} {fields}"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text.encode()]


def case(folder: Path, workers: int) -> LoadBalancer:
    (folder / "hooks.py").write_text(CODE)
    text = CASE.replace("{workers}", str(workers)).replace("{folder}", str(folder))
    return LoadBalancer(text, {"echo": echo, "one": "one", "two": "two"})


@pytest.fixture(scope="module", params=[0, 2])
def lb(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    with case(tmp_path_factory.mktemp("python"), request.param) as lb:
        yield lb


def test_a_rule_edits_answers_and_steers(lb: LoadBalancer) -> None:
    answer = lb.get("/edit")
    assert answer.status == 200 and answer.headers["x-served-by"].startswith("be/s")
    assert "'HTTP_X_PATH': '/edit'" in answer.text
    assert "'HTTP_X_BROKEN': 'a  X-Forged: b'" in answer.text and "HTTP_X_FORGED" not in answer.text
    assert lb.log().captures == "{one|127.0.0.1|none|-}"
    answer = lb.get("/answer")
    assert (answer.status, answer.text, answer.headers["x-leaf"]) == (418, "tea", "green")
    assert lb.log().flags[:2] == "LR"
    assert lb.get("/deny").status == 403
    assert lb.log().flags[:2] == "PR"
    answer = lb.get("/away")
    assert (answer.status, answer.headers["location"]) == (302, "/elsewhere")
    lb.log()
    with pytest.raises(OSError):
        lb.get("/close")
    assert lb.log().flags[:2] == "PR"
    assert lb.get("/other").headers["x-served-by"] == "other/s4"
    assert lb.log().server == "s4"
    assert lb.get("/rewrite?b=2").text.startswith("/new path?a=1 ")
    lb.log()
    assert "HTTP_X_PATH" not in lb.get("/none").text
    lb.log()
    assert lb.request("POST", "/body", b"abc").text == "cba"
    lb.log()


def test_an_answer_is_edited_and_replaced(lb: LoadBalancer) -> None:
    answer = lb.get("/?replace")
    assert answer.text == "replaced" and "x-served-by" not in answer.headers
    assert lb.log().flags[:2] == "LH"
    assert lb.get("/?status").status == 404
    lb.log()


@pytest.mark.parametrize(
    ("path", "flags", "why"),
    [
        ("/raise", "IR", "LookupError: on purpose"),
        ("/exit", "IR", "SystemExit: on purpose"),
        ("/return", "IR", "TypeError: the function of a rule returns nothing"),
        ("/framing", "IR", "ValueError: 'Content-Length' says how long the body is"),
        ("/nowhere", "IR", "ValueError: there is no backend 'nowhere'"),
        ("/?s9", "IC", "ValueError: 's9' is no server of backend 'be'"),
        ("/?late", "IH", "LookupError: too late"),
        ("/?steer", "IH", "ValueError: the request has been served"),
    ],
)
def test_a_failure_is_a_500_and_a_traceback(lb: LoadBalancer, path: str, flags: str, why: str) -> None:
    answer = lb.get(path)
    assert answer.status == 500 and "LookupError" not in answer.text
    assert lb.log().flags[:2] == flags
    assert any("failed: " in message and why in message for message in lb.messages[-40:])
    assert lb.get("/").status == 200
    lb.log()


def test_a_sample_decides_and_fails(lb: LoadBalancer) -> None:
    assert lb.get("/", {"X-Group": "forbidden"}).status == 403
    assert "|forbidden|" in lb.log().captures
    assert lb.get("/", {"X-Group": "raise"}).status == 500
    assert "|-|" in lb.log().captures  # the line is written all the same


def test_balance_asks(lb: LoadBalancer) -> None:
    assert {lb.get("/?s2").headers["x-served-by"] for _ in range(3)} == {"be/s2"}
    assert {lb.get("/").headers["x-served-by"] for _ in range(4)} == {"be/s1", "be/s2"}
    for _ in range(7):
        lb.log()


def test_a_check_asks(lb: LoadBalancer) -> None:
    def turned(lb: LoadBalancer) -> bool:
        stats = lb.stats()
        return [stats[f"checked/s{n}"].status for n in (1, 2, 3)] == ["UP", "DOWN", "DOWN"]

    lb.wait_for(turned)
    stats = lb.stats()
    assert [stats[f"checked/s{n}"]["check_status"] for n in (1, 2, 3)] == ["L7OK", "L7RSP", "L7RSP"]
    assert stats["checked/s2"]["last_chk"] == "it is the second"
    assert stats["checked/s3"]["last_chk"] == f"LookupError: 127.0.0.1:{lb.port('echo')}"


def test_the_first_bytes_decide(lb: LoadBalancer) -> None:
    def says(data: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", lb.port("tcp")), 10) as client:
            client.sendall(data[:3])
            client.sendall(data[3:])
            return client.makefile("rb").read()

    assert says(b"GET / HTTP/1.0\r\n\r\n").endswith(b"one")
    with contextlib.suppress(ConnectionResetError):
        assert says(b"close") == b""
    assert says(b"other / HTTP/1.0\r\n\r\n").endswith(b"two")


def test_a_slow_one_is_named(lb: LoadBalancer) -> None:
    assert lb.get("/slow").status == 200
    told = "python hooks:rule at "
    while told not in (text := lb.message()):
        pass
    assert "hooks.py:" in text and "has kept its process" in text


def test_a_reload_takes_new_code_up(tmp_path: Path) -> None:
    (tmp_path / "fresh.py").write_text("def rule(txn):\n    txn.answer(200, 'old')\n")
    text = (
        f"[global]\nworkers = 1\npython-path = {tmp_path}\n[frontend fe]\nbind = 127.0.0.1:{{fe}}\n"
        "http-request = python fresh:rule\n"
    )
    with LoadBalancer(text) as lb:
        assert lb.get().text == "old"
        (tmp_path / "fresh.py").write_text("def rule(txn):\n    txn.answer(200, 'newer')\n")
        os.kill(lb.pid, signal.SIGUSR2)
        lb.wait_for(lambda lb: lb.get().text == "newer", 30)
        (tmp_path / "fresh.py").write_text("def rule(txn:\n")
        os.kill(lb.pid, signal.SIGUSR2)
        lb.wait_for(lambda lb: "fresh.py" in lb.output, 30)
        assert lb.get().text == "newer"


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("http-request = python nowhere:f", "No module named 'nowhere'"),
        ("http-request = python broken:f", "ZeroDivisionError"),
        ("http-request = python broken", "'broken' names no Python function"),
        ("http-request = deny if { py(json:nothing) -m found }", "has no attribute 'nothing'"),
        ("http-response = python json:__doc__", "is not callable"),
        ("tcp-request = connection reject if { py(json:loads) -m found }", "before a connection is admitted"),
    ],
)
def test_what_cannot_be_is_told_at_its_line(tmp_path: Path, rule: str, why: str) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    file = tmp_path / "greenlb.ini"
    file.write_text(
        f"[defaults]\nmode = http\ntimeout client = 1s\n[frontend f]\nbind = 127.0.0.1:1\n{rule}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "greenlb", "-c", "-f", file],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and f"[{file}:6]" in done.stderr and why in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


def test_a_rehearsal_calls_them_too(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(CODE)
    file = tmp_path / "greenlb.ini"
    file.write_text(
        f"[global]\npython-path = {tmp_path}\n[defaults]\nmode = http\ntimeout client = 1s\n"
        "timeout server = 1s\ntimeout connect = 1s\n[listen f]\nbind = 127.0.0.1:1\n"
        "http-request = python hooks:rule\nbalance = python hooks:choose\n"
        "server s1 = 127.0.0.1:1\nserver s2 = 127.0.0.1:2\n"
    )

    def route(path: str) -> str:
        command = [sys.executable, "-m", "greenlb", "route", "-f", str(file), f"http://127.0.0.1:1{path}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    assert "answers 418" in route("/answer")
    told = route("/x?s2")
    assert "servers   s2, s1" in told and "X-Path: /x" in told
    assert "LookupError: on purpose: 500" in route("/raise")
    (tmp_path / "hooks.py").write_text("1 / 0\n")
    assert "cannot import 'hooks:rule': ZeroDivisionError" in route("/x")


def test_an_application_is_not_to_blame(tmp_path: Path) -> None:
    (tmp_path / "hooks.py").write_text(CODE)
    (tmp_path / "shop_site.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'hello']\n"
    )
    text = (
        f"[global]\npython-path = {tmp_path}\n[listen f]\nbind = 127.0.0.1:{{f}}\n"
        f"http-response = python hooks:late\nserver a = wsgi:shop_site:app chdir {tmp_path}\n"
    )
    with LoadBalancer(text) as lb:
        assert lb.get("/").text == "hello"
        assert lb.get("/?replace").text == "replaced"
        assert [lb.log().flags for _ in range(2)] == ["----", "LH--"]
        assert lb.get("/?late").status == 500
        assert lb.log().flags == "IH--"
        assert not any("f/a" in message and "failed" in message for message in lb.messages)
