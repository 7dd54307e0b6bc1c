"""``server app = wsgi:module:callable``: PEP 3333 to the letter, under the standard library's validator,
and an application is a server like any other."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from greenlb.testing.launch import Reserved
from tests.support.certs import Authority
from tests.support.client import connect_tls, context_for
from tests.support.farm import Farm
from tests.support.kernel import listening_ports
from tests.support.lb import PROJECT, Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Closed, Message, Stream, chunked, eventually, get, post, request

APPS = Path(__file__).parent / "apps"

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
option forwardfor = yes
capture = request header User-Agent len 20
default_backend = be
%s
[backend be]
cookie = SRV insert indirect
http-response = set-header X-Rule yes
server app = wsgi:dialogues:application chdir {apps} cookie a %s
"""


@pytest.fixture
def lb(greenlb: Launcher) -> Balancer:
    return greenlb(INI % ("", ""), apps=APPS)


def facts(answer: Message) -> dict[str, str]:
    assert answer.status == 200, answer
    found: dict[str, str] = json.loads(answer.body)
    return found


def test_the_environ_tells_the_truth(lb: Balancer) -> None:
    with lb.connect() as client:
        client.send(get("/facts/a%20b/%C3%A9?x=%20y", "X-A: 1", "x-a: 2", "Cookie: b=1", "Cookie: c=2",
                        "REMOTE_ADDR: 9.9.9.9", "X_Forwarded_For: 9.9.9.9", "Keep-Alive: 3"))  # fmt: skip
        found = facts(client.read_response())
        assert found["PATH_INFO"] == "/facts/a b/\xc3\xa9"
        assert found["QUERY_STRING"] == "x=%20y"
        assert found["REQUEST_URI"] == "/facts/a%20b/%C3%A9?x=%20y"
        assert found["SCRIPT_NAME"] == ""
        assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == ("127.0.0.1", str(client.port))
        assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("127.0.0.1", str(lb.port()))
        assert found["SERVER_PROTOCOL"] == "HTTP/1.1"
        assert found["wsgi.url_scheme"] == "http"
        assert found["HTTP_X_A"] == "1,2"
        assert found["HTTP_COOKIE"] == "b=1; c=2"
        assert found["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
        assert not {"HTTPS", "HTTP_REMOTE_ADDR", "HTTP_KEEP_ALIVE"} & found.keys()


def test_an_absolute_target_and_the_server_as_a_whole(lb: Balancer) -> None:
    with lb.connect() as client:
        client.send(request("GET http://www.example.com/facts?a HTTP/1.1"))
        found = facts(client.read_response())
        assert (found["PATH_INFO"], found["QUERY_STRING"]) == ("/facts", "a")
        client.send(request("OPTIONS * HTTP/1.1"))
        assert facts(client.read_response())["PATH_INFO"] == ""
        client.send(request("CONNECT www.example.com:80 HTTP/1.1", host="www.example.com:80"))
        assert client.read_response().status == 501


def test_tls_and_a_client_certificate(greenlb: Launcher, authority: Authority) -> None:
    ini = (
        INI % ("", "") + "[frontend tls]\nbind = 127.0.0.1:{tls} ssl crt {crt} ca-file {ca} verify optional\n"
    )
    ca = str(authority.ca_file)
    crt = authority.pem("www.example.com")
    lb = greenlb(ini + "default_backend = be\n", apps=APPS, crt=crt, ca=ca)
    context = context_for(ca, certificate=str(authority.pem("alice")))
    with lb.connect_tls(context, "www.example.com", "tls") as client:
        client.send(get())
        found = facts(client.read_response())
    assert (found["wsgi.url_scheme"], found["HTTPS"], found["SSL_TLS_SNI"]) == (
        "https",
        "on",
        "www.example.com",
    )
    assert (found["SSL_CLIENT_VERIFY"], found["SSL_CLIENT_S_DN_CN"]) == ("SUCCESS", "alice")
    assert found["SSL_CLIENT_CERT"].startswith("-----BEGIN CERTIFICATE-----")
    with lb.connect_tls(context, "www.example.com", "tls") as client:
        client.send(get("/big"))
        assert client.read_response().body == bytes(range(256)) * 39999
    with lb.connect_tls(context_for(ca), "www.example.com", "tls") as client:
        client.send(get("/", "SSL-Client-Verify: SUCCESS", "HTTPS: off"))
        found = facts(client.read_response())
    assert found["SSL_CLIENT_VERIFY"] == "NONE"
    assert found["HTTPS"] == "on"


def test_the_proxy_line_names_the_client(greenlb: Launcher) -> None:
    lb = greenlb(INI.replace("{fe}", "{fe} accept-proxy") % ("", ""), apps=APPS)
    with lb.connect() as client:
        client.send(b"PROXY TCP4 192.0.2.7 198.51.100.3 4711 443\r\n", get())
        found = facts(client.read_response())
    assert (found["REMOTE_ADDR"], found["REMOTE_PORT"]) == ("192.0.2.7", "4711")
    assert (found["SERVER_NAME"], found["SERVER_PORT"]) == ("198.51.100.3", "443")


def test_bodies_are_read_as_they_come(lb: Balancer) -> None:
    with lb.connect() as client:
        for body in (b"", b"x", b"0123456" * 3, b"y" * 300_000):
            with client.sending([post("/echo", body)]):
                assert client.read_response().body == body
            head = request("POST /echo HTTP/1.1", "Transfer-Encoding: chunked")
            with client.sending([head, chunked(body) if body else b"0\r\n\r\n"]):
                assert client.read_response().body == body
        client.send(post("/lines", b"one\ntwo\nthree\nfour"))
        assert client.read_response().body == str([b"one\n", b"two\n", b"three\n", b"four"]).encode()
        client.send(request("POST /echo HTTP/1.1", "Content-Length: 14"), b"halfway")
        head = client.read_response_head()
        assert head.status == 200
        assert client.read_until(b"halfway").endswith(b"halfway")  # before the rest was sent
        client.send(b" there!")
        assert client.read_until(b"0\r\n\r\n").count(b"there") == 1


def test_continue_is_said_when_the_body_is_read(lb: Balancer) -> None:
    with lb.connect() as client:
        client.send(request("POST /echo HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"))
        assert client.read_response_head().status == 100
        client.send(b"hello")
        assert client.read_response().body == b"hello"
    with lb.connect() as client:
        client.send(request("POST /unread HTTP/1.1", "Content-Length: 5", "Expect: 100-continue"))
        answer = client.read_response()
        assert (answer.status, answer.get("connection")) == (413, "close")


def test_a_body_that_nobody_reads(lb: Balancer) -> None:
    """What has come of it is passed over; when more is to come the connection ends."""
    with lb.connect() as client:
        client.send(post("/unread", b"small") + get("/facts/next"))
        assert client.read_response().status == 413
        assert facts(client.read_response())["PATH_INFO"] == "/facts/next"
        client.send(request("POST /unread HTTP/1.1", "Content-Length: 1000000"), b"some")
        assert client.read_response().status == 413
        client.read_to_fin()


def test_a_body_that_is_no_body(lb: Balancer) -> None:
    with lb.connect() as client:
        client.send(request("POST /lines HTTP/1.1", "Transfer-Encoding: chunked"), b"zz\r\n")
        assert client.read_response().status == 400
        client.read_to_fin()
        assert lb.log_of(client).flags[:2] == "PR"
    with lb.connect() as client:
        client.send(request("POST /lines HTTP/1.1", "Content-Length: 9"), b"half")
        client.half_close()
        client.read_to_close()
        assert lb.log_of(client).flags[:2] == "CH"


def test_who_is_trusted_names_the_client(greenlb: Launcher) -> None:
    lb = greenlb(INI % ("trusted-proxies = 127.0.0.0/8\n", ""), apps=APPS)
    found = facts(lb.ask(get("/facts", "X-Forwarded-For: 6.6.6.6, 192.0.2.9")))
    assert found["REMOTE_ADDR"] == "192.0.2.9"
    assert "REMOTE_PORT" not in found


def test_answers_of_every_kind(lb: Balancer) -> None:
    with lb.connect() as client:
        for path, status, body in (
            ("/written", 200, b"one two three"),
            ("/corrected", 503, b"sorry"),
            ("/counted", 200, b"12345"),
            ("/file", 200, (APPS / "dialogues.py").read_bytes()),
            ("/nothing", 204, b""),
        ):
            client.send(get(path))
            answer = client.read_response()
            assert (answer.status, answer.body) == (status, body), path
            assert answer.get("x-rule") == "yes"
            assert answer.get("date") is not None
            client.send(request(f"HEAD {path} HTTP/1.1"))
            assert client.read_response("HEAD").status == status
    assert lb.ask(get("/closed")).body == b"counted,counted"
    assert lb.ask(get("/big")).body == bytes(range(256)) * 39999
    with lb.connect() as client:
        client.send(b"GET /written HTTP/1.0\r\nHost: www.example.com\r\n\r\n")
        head = client.read_response_head()
        assert head.get("transfer-encoding") is None
        assert client.read_to_close().endswith(b"one two three")


def test_an_application_that_fails(greenlb: Launcher) -> None:
    """The client is told 500 and no more, the log has the rest; a cut answer is seen to be cut."""
    lb = greenlb(INI.replace("dialogues:application", "dialogues:lawless") % ("", ""), apps=APPS)
    with lb.connect() as client:
        client.send(get("/fails"))
        answer = client.read_response()
        assert answer.status == 500
        assert b"secret" not in answer.raw + answer.body
        client.send(get("/splits"))
        assert client.read_response().status == 500
        client.send(get("/"))
        assert client.read_response().status == 200  # the connection goes on
    assert lb.syslog.message(r"be/app \(dialogues:lawless\) failed at GET /fails: RuntimeError: a secret .*")
    assert lb.syslog.message(r"Traceback .*")
    for path in ("/breaks", "/short", "/too_late"):
        with lb.connect() as client:
            client.send(get(path))
            assert client.read_response_head().status == 200
            with pytest.raises((Closed, ConnectionError)):
                client.read_until(b"0\r\n\r\n")


def test_it_is_a_server_like_any_other(greenlb: Launcher, origin: Origins) -> None:
    """Balanced beside a network server, stuck to by a cookie, limited, and logged."""
    ini = INI % ("", "maxconn 1\nserver net = 127.0.0.1:{net} cookie n\ntimeout queue = 300ms\nretries = 1\n"
                 "option redispatch = yes\nserver gone = 127.0.0.1:{gone} cookie g weight 0")  # fmt: skip
    with closing(Reserved().sock) as nobody:
        lb = greenlb(ini, apps=APPS, net=origin.http("net"), gone=nobody.getsockname()[1])
        assert [lb.ask(get("/facts")).status for _ in range(4)] == [200] * 4
        assert {lb.log().server for _ in range(4)} == {"app", "net"}
        cookie = "Cookie: SRV=a"
        with lb.connect() as client:
            client.send(get("/facts", cookie, "User-Agent: me"))
            answer = client.read_response()
            assert answer.get("set-cookie") is None
            line = lb.log_of(client)
        assert (line.to, line.flags, line.status) == ("be/app", "--VN", 200)
        with lb.connect() as first, lb.connect() as second:
            first.send(get("/slow", cookie))
            eventually(lambda: _busy(lb, second, cookie), "the one slot is taken")
        # A server that is gone: the body goes to whoever is chosen in its place, an application too.
        for _ in range(4):
            with lb.connect() as client:
                client.send(post("/echo", b"body", "Cookie: SRV=g"))
                assert client.read_response().status in (200, 405, 501)


def _busy(lb: Balancer, client: Stream, cookie: str) -> bool:
    client.send(get("/facts", cookie))
    return client.read_response().status == 503


def test_a_client_that_leaves_ends_the_iterable(lb: Balancer) -> None:
    with lb.connect() as client:
        client.send(get("/endless"))
        client.read(300_000)
        client.reset()
    eventually(lambda: b"endless" in lb.ask(get("/closed")).body, "close() was called")


def test_a_client_that_leaves_while_nothing_is_sent(greenlb: Launcher) -> None:
    """A stream of events is over when its client closes; other answers with option abortonclose."""
    lb = greenlb(INI.replace("[backend be]", "[backend be]\noption abortonclose = yes") % ("", ""), apps=APPS)
    with lb.connect() as client:
        client.send(get("/events"))
        client.read_until(b"data: x\n\n")
    eventually(lambda: b"events" in lb.ask(get("/closed")).body, "close() was called")
    with lb.connect() as client:
        client.send(get("/slow"))
        client.expect_silence()
    line = lb.log()
    while line.request != "GET /slow HTTP/1.1":
        line = lb.log()
    assert line.flags[:2] == "CH"


def test_a_rule_may_answer_instead(greenlb: Launcher) -> None:
    ini = INI.replace("http-response = set", "http-response = return status 418 if { status 413 }\n    set")
    lb = greenlb(ini % ("", ""), apps=APPS)
    with lb.connect() as client:
        client.send(get("/unread"))
        assert client.read_response().status == 418
        client.send(get("/facts"))
        assert client.read_response().status == 200


def test_a_session_can_be_shut(greenlb: Launcher, tmp_path: Path) -> None:
    """Whatever the application makes of exceptions."""
    ini = f"[global]\nlog = 127.0.0.1:{{syslog}} local0\nstats socket = {tmp_path}/s level admin\n" + INI % (
        "",
        "",
    )
    lb = greenlb(ini.replace("dialogues:application", "dialogues:stubborn"), apps=APPS)
    with lb.connect() as client, socket.socket(socket.AF_UNIX) as runtime:
        client.send(get("/slow"))
        client.expect_silence()
        runtime.connect(f"{tmp_path}/s")
        runtime.sendall(b"shutdown sessions server be/app; set server be/app state maint\n")
        assert client.read_response().status == 502
        assert lb.log_of(client).flags[:2] == "KH"
        assert lb.ask(get("/facts")).status == 503


def test_time_is_limited(greenlb: Launcher) -> None:
    ini = INI.replace("[backend be]", "[backend be]\ntimeout server = 300ms") % ("", "")
    lb = greenlb(ini, apps=APPS)
    with lb.connect() as client:
        client.send(get("/slow"))
        assert client.read_response().status == 504
        client.send(get("/facts"))
        assert client.read_response().status == 200
    with lb.connect() as client:  # what a client says out of turn does not stop the clock
        client.send(get("/slow") + get("/facts"))
        assert client.read_response().status == 504
        assert client.read_response().status == 200


def test_waiting_lets_others_work(lb: Balancer) -> None:
    """time.sleep() in an application does not hold up another request: its process is patched."""
    with lb.connect() as one, lb.connect() as other:
        one.send(get("/hold"))
        other.send(get("/hold"))
        assert one.read_response().status == other.read_response().status == 200


def test_who_blocks_is_named(lb: Balancer) -> None:
    assert lb.ask(get("/blocks")).status == 200
    lb.syslog.message(
        r"be/app \(dialogues:application\) at .*dialogues\.py:\d+ has kept its process from .* s"
    )


def test_what_an_application_says_is_logged(lb: Balancer) -> None:
    lb.ask(get("/says"))
    lb.syslog.message(r"be/app \(dialogues:application\): a line for the log")


@pytest.mark.parametrize("workers", [0, 1])
def test_it_is_checked_by_being_called(greenlb: Launcher, workers: int) -> None:
    """With the request of httpchk, in a process that serves."""
    ini = f"[global]\nlog = 127.0.0.1:{{syslog}} local0\nworkers = {workers}\n" + INI % (
        "",
        "check inter 100ms rise 1 fall 1\noption httpchk = GET /health",
    )
    lb = greenlb(ini, apps=APPS)
    assert lb.ask(get("/facts")).status == 200
    lb.ask(get("/turn/ill"))
    lb.syslog.message(r"Server be/app is DOWN, reason: Layer7 wrong status, code: 503.*")
    eventually(lambda: lb.ask(get("/facts")).status == 503, "no request gets there")


def test_a_plain_check_is_content_with_an_application_that_is_there(greenlb: Launcher) -> None:
    ini = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 1\n" + INI % ("", "check inter 50ms fall 1")
    lb = greenlb(ini, apps=APPS)
    lb.syslog.message(r"Loading success\.")
    for _ in range(20):
        assert lb.ask(get("/facts")).status == 200


def test_a_mount(greenlb: Launcher) -> None:
    lb = greenlb(INI % ("", "mount /shop"), apps=APPS)
    found = facts(lb.ask(get("/shop/facts/a?b")))
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/shop", "/facts/a")
    assert facts(lb.ask(get("/%73hop/facts")))["PATH_INFO"] == "/facts"
    for path in ("/", "/shopping", "/facts"):
        assert lb.ask(get(path)).status == 404


def test_a_stream_of_events_ends_when_its_worker_drains(greenlb: Launcher) -> None:
    ini = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 2\n" + INI % ("", "")
    lb = greenlb(ini, apps=APPS)
    farm = Farm(lb)
    with lb.connect() as client:
        client.send(get("/events"))
        assert client.read_response_head().get("content-type") == "text/event-stream"
        client.read_until(b"data: x\n\n")
        farm.reload()
        assert client.read_to_fin().endswith(b"0\r\n\r\n")
        assert lb.ask(get("/facts")).status == 200


def test_a_reload_takes_new_code_up(greenlb: Launcher, tmp_path: Path) -> None:
    """And a mistake in it leaves the old at work."""
    code = tmp_path / "fresh.py"
    text = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'%d']\n"
    code.write_text(text % 1)
    ini = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 1\n" + INI % ("", "")
    lb = greenlb(ini.replace("dialogues:application", "fresh:app"), apps=tmp_path)
    farm = Farm(lb, workers=1)
    assert lb.ask().body == b"1"
    code.write_text(text % 22)
    farm.reload()
    assert lb.ask().body == b"22"
    code.write_text("import there_is_no_such_module\n")
    os.kill(farm.master, signal.SIGUSR2)
    farm.has_said("cannot import 'fresh:app'")
    assert lb.ask().body == b"22"


def test_only_those_who_serve_import_it(greenlb: Launcher, tmp_path: Path) -> None:
    """And the one that tried it first; never control and the master, which have to live on."""
    (tmp_path / "fresh.py").write_text(
        f"import os\nopen('{tmp_path}/who', 'a').write(f'{{os.getpid()}} ')\n"
        "def app(environ, start_response):\n    start_response('200 OK', [])\n"
        "    return [b'%d' % os.getpid()]\n"
    )
    ini = "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 2\n" + INI % ("", "")
    lb = greenlb(ini.replace("dialogues:application", "fresh:app"), apps=tmp_path)
    farm = Farm(lb)
    tried, *workers = map(int, (tmp_path / "who").read_text().split())
    assert sorted(workers) == sorted([farm.pid("worker 1"), farm.pid("worker 2")])
    assert tried not in lb.processes()
    assert int(lb.ask().body) in workers


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("wsgi:nowhere:app", "cannot import 'nowhere:app': ModuleNotFoundError: No module named 'nowhere'"),
        ("wsgi:broken:application", r"No module named 'there_is_no_such_module' \(.*apps/broken.py:3\)"),
        ("wsgi:dialogues:none", "has no attribute 'none'"),
        ("wsgi:dialogues:nothing_to_call", "'dialogues:nothing_to_call' is not callable: it is int"),
        ("wsgi:dialogues", "expected wsgi:package.module:callable"),
        ("wsgi:dialogues:application ssl", "'ssl': a WSGI application is not connected to"),
        ("127.0.0.1:80 mount /a", "'mount' is for WSGI applications"),
        ("127.0.0.1:80 proto uwsgi send-proxy", "'send-proxy' does not go with 'proto uwsgi'"),
        ("wsgi:dialogues:factory()", ""),
    ],
)
def test_the_check_tries_the_import(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "greenlb.ini"
    path.write_text(
        f"[defaults]\nmode = http\ntimeout client = 1s\ntimeout server = 1s\ntimeout connect = 1s\n"
        f"[listen l]\nbind = 127.0.0.1:1\nserver app = {line}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "greenlb", "-c", "-f", str(path)],
        cwd=APPS,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == bool(said), done.stderr
    assert not said or re.search(rf"greenlb.ini:8.* {said}", done.stderr), done.stderr
    assert "Traceback" not in done.stderr


def test_the_one_line_way(tmp_path: Path) -> None:
    """``greenlb --wsgi MODULE:CALLABLE --bind ADDRESS --tls``."""
    port = Reserved()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "greenlb",
            "--wsgi",
            "dialogues:application",
            "--bind",
            f"127.0.0.1:{port.port}",
            "--tls",
        ],
        cwd=APPS,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: port.port in listening_ports(), "it listens")
        context = context_for(str(tmp_path / "greenlb" / "self-signed.pem"))
        with connect_tls(port.port, context, "localhost") as client:
            client.send(get("/facts"))
            assert facts(client.read_response())["HTTPS"] == "on"
    finally:
        process.send_signal(signal.SIGUSR1)
        said, _ = process.communicate(timeout=30)
        port.sock.close()
    assert b" wsgi~ app/app " in said
