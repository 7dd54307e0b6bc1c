"""One line an exchange, as HAProxy writes it."""

import datetime
import json
import re
import socket

import pytest

from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import eventually, get, post, raw_response, request, response
from tests.support.syslog import Syslog

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
%s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_the_line_of_a_request(proxy: Launcher, origin: Origins) -> None:
    """Every field of ``option httplog`` for a plain request, and the datagram around it."""
    s1 = origin.http("s1")
    lb = proxy(INI % "", s1=s1)
    with lb.connect() as client:
        client.send(get("/path?q=1"))
        answer = client.read_response()
        line = lb.log()
        assert (line.client, line.port) == ("127.0.0.1", client.port)
    assert (line.frontend, line.to, line.status) == ("fe", "be/s1", 200)
    if proxy.name == "greenlb":  # HAProxy counts blocks of its own in memory, a few bytes more
        assert line.size == str(len(answer.raw) + len(answer.body))
    assert (line.cookie, line.set_cookie, line.flags) == ("-", "-", "----")
    assert (line.counts[:2], line.retries, line.queues) == ((1, 1), "0", "0/0")
    assert (line.captured_request, line.captured_response) == (None, None)
    assert line.request == "GET /path?q=1 HTTP/1.1"
    assert all(0 <= timer < 5000 for timer in line.timers)
    seen = datetime.datetime.strptime(line.date, "%d/%b/%Y:%H:%M:%S.%f")
    assert abs(datetime.datetime.now() - seen) < datetime.timedelta(minutes=1)
    raw = next(raw for raw in lb.syslog.raw if b"/path" in raw)
    assert re.match(rb"<134>[A-Z][a-z]{2} [ 1-3][0-9] [0-9:]{8} haproxy\[[0-9]+\]: 127\.0\.0\.1:", raw)
    assert raw.endswith(b'"GET /path?q=1 HTTP/1.1"\n')


def test_the_timers_tell_who_was_slow(proxy: Launcher, origin: Origins) -> None:
    """TR is the client's head, Tr the server's answer, Ta all of it."""
    s1 = origin()
    lb = proxy(INI % "", s1=s1)
    with lb.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n")
        client.until_read()
        client.expect_silence(0.3)
        client.send(b"Host: a\r\n\r\n")
        server, _ = s1.take()
        client.expect_silence(0.4)
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 2", body=b"a"))
        client.read_response_head()
        client.read(1)
        client.expect_silence(0.2)
        server.send(b"b")
        client.read(1)
    tr, tw, tc, server_time, total = lb.log().timers
    assert 280 <= tr < 1500
    assert (tw, tc < 500) == (0, True)
    assert 380 <= server_time < 1500
    assert total >= tr + tw + tc + server_time + 180


def test_an_idle_wait_is_not_in_the_next_request(proxy: Launcher, origin: Origins) -> None:
    """The second request's date and timers begin with its own first byte."""
    lb = proxy(INI % "", s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(get())
        client.read_response()
        client.expect_silence(0.4)
        client.send(get())
        client.read_response()
    first, second = lb.log(), lb.log()
    assert second.timers[4] < 300
    dates = [datetime.datetime.strptime(line.date, "%d/%b/%Y:%H:%M:%S.%f") for line in (first, second)]
    assert dates[1] - dates[0] >= datetime.timedelta(seconds=0.35)


def test_tls_is_marked(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """A frontend's name carries ~ when its client came over TLS."""
    ini = INI.replace("{fe}\n", "{fe} ssl crt {pem}\n       127.0.0.1:{plain}\n") % ""
    lb = proxy(ini, s1=origin.http("s1"), pem=authority.pem("www.example.com"))
    with lb.connect_tls(context_for()) as client:
        client.send(get())
        client.read_response()
    assert lb.log().frontend == "fe~"
    lb.ask(name="plain")
    assert lb.log().frontend == "fe"


def test_the_line_comes_at_the_end(proxy: Launcher, origin: Origins) -> None:
    """Not when the answer begins."""
    s1 = origin()
    lb = proxy(INI % "", s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 2", body=b"a"))
        client.read_response_head()
        lb.syslog.expect_no_line()
        server.send(b"b")
        client.read(2)
    assert lb.log().status == 200


def test_logasap(proxy: Launcher, origin: Origins) -> None:
    """option logasap: at the answer's head, with a + at what is still running."""
    s1 = origin()
    lb = proxy(INI % "option logasap = yes", s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        server.send(raw_response("HTTP/1.1 200 OK", "Content-Length: 100"))
        head = client.read_response_head()
        line = lb.log()
        assert line.total.startswith("+")
        assert line.size.startswith("+")
        if proxy.name == "greenlb":
            assert line.size == f"+{len(head.raw)}"
        server.send(b"x" * 100)
        client.read(100)
    lb.syslog.expect_no_line()


def test_captures(proxy: Launcher, origin: Origins) -> None:
    """Fields of requests and answers, cut to their length, empty where absent; the last of several."""
    options = """capture = request header Host len 8
          request header X-None len 10
          request header X-Two len 10
          response header Server len 20
          response header X-None len 10"""
    s1 = origin.http("s1", lambda message: response("200 OK", "Server: T/1.0"))
    lb = proxy(INI % options, s1=s1)
    lb.ask(get("/", "X-Two: first", "X-Two: second"))
    line = lb.log()
    assert line.captured_request == "www.exam||second"
    assert line.captured_response == "T/1.0|"


def test_captures_escape(proxy: Launcher, origin: Origins) -> None:
    """Inside braces: # and quotes, braces, bars, blanks' neighbours and bytes outside ASCII are #XX."""
    lb = proxy(INI % "capture = request header X len 40", s1=origin.http("s1"))
    lb.ask(get("/", 'X: a|b{c}d"e#f\xe9 g\\h'))
    assert re.search(r"\{(.*?)\} \"GET", lb.log().text)[1] == "a#7Cb#7Bc#7Dd#22e#23f#E9 g\\h"  # type: ignore[index]


def test_the_request_line_escapes(proxy: Launcher, origin: Origins) -> None:
    """A quote in the target cannot end the field."""
    lb = proxy(INI % "", s1=origin.http("s1"))
    lb.ask(get('/a"b#c'.replace("#", "%23")))
    assert lb.log().request == "GET /a#22b%23c HTTP/1.1"


def test_capture_cookie(proxy: Launcher, origin: Origins) -> None:
    """capture cookie: the first whose name begins so, of the request and of the answer, cut to its length."""
    s1 = origin.http("s1", lambda message: response("200 OK", "Set-Cookie: ASPSESSION=xyz; path=/"))
    lb = proxy(INI % "capture = cookie ASPSESSION len 16", s1=s1)
    lb.ask(get("/", "Cookie: a=1; ASPSESSIONIDABC=0123456789; b=2"))
    line = lb.log()
    assert (line.cookie, line.set_cookie) == ("ASPSESSIONIDABC=", "ASPSESSION=xyz")


def test_dontlognull(proxy: Launcher, origin: Origins) -> None:
    """A connection that brought no byte: a BADREQ line without the option, none with it."""
    s1 = origin.http("s1")
    loud = proxy(INI % "", s1=s1)
    loud.connect().close()
    line = loud.log()
    assert (line.request, line.status, line.flags, line.timers[:4]) == (
        "<BADREQ>",
        400,
        "CR--",
        (-1, -1, -1, -1),
    )
    quiet = proxy(INI % "option dontlognull = yes", s1=s1)
    quiet.connect().close()
    quiet.syslog.expect_no_line()
    with quiet.connect() as client:
        client.send(b"GET")
    assert quiet.log().flags == "CR--"


def test_dontlog_normal(proxy: Launcher, origin: Origins) -> None:
    """Only what went wrong is written."""
    lb = proxy(INI % "option dontlog-normal = yes\nhttp-request = deny if { path /no }", s1=origin.http("s1"))
    lb.ask(get("/yes"))
    lb.ask(get("/no"))
    assert lb.log().request == "GET /no HTTP/1.1"


def test_the_default_line(proxy: Launcher, origin: Origins) -> None:
    """Neither httplog nor a format: one line at accept."""
    ini = """
[defaults]
log = global
mode = http
timeout connect = 3s
timeout client = 8s
timeout server = 8s
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"))
    with lb.connect() as client:
        client.send(get())
        client.read_response()
        text = lb.syslog.message(r"Connect from .*").text
        assert text == f"Connect from 127.0.0.1:{client.port} to 127.0.0.1:{lb.port()} (fe/HTTP)"


def test_httpslog(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """option httpslog: the TLS facts behind the usual line."""
    ini = INI.replace("{fe}\n", "{fe} ssl crt {pem}\n") % "option httpslog = yes"
    lb = proxy(ini, s1=origin.http("s1"), pem=authority.pem("www.example.com"))
    with lb.connect_tls(context_for(), "www.example.com") as client:
        client.send(get())
        client.read_response()
        cipher = client.tls.cipher()
        assert cipher
    line = lb.log()
    assert line.more == f" 0/0000000000000000/0/0/0 www.example.com/TLSv1.3/{cipher[0]}"


FORMATS = [
    ("%ci %cp", r"127\.0\.0\.1 {port}"),
    ("%fi:%fp %f %ft %b %s", r"127\.0\.0\.1:{fe} fe[0-9]+ fe[0-9]+ be s1"),
    ("%bi %si:%sp", r"127\.0\.0\.1 127\.0\.0\.1:{s1}"),
    ("%HM %HP %HQ %HU %HV", r"POST /p/x \?q=1 /p/x\?q=1 HTTP/1\.1"),
    ("%ST %B %U %tsc %ts", r"200 [0-9]+ [0-9]+ ---- --"),
    (
        "%TR %Tw %Tc %Tr %Ta %Th %Ti %Tt %Tq %Td",
        r"[0-9]+ 0 [0-9]+ [0-9]+ [0-9]+ 0 [0-9]+ [0-9]+ [0-9]+ [0-9]+",
    ),
    ("%ac/%fc/%bc/%sc/%rc %sq/%bq", r"1/1/[01]/[01]/0 0/0"),
    ("%{+Q}r|%{+Q}HM", r'"POST /p/x\?q=1 HTTP/1\.1"\|"POST"'),
    ("%r", r"POST /p/x\?q=1 HTTP/1\.1"),
    ("%[src] %[dst_port] %[ssl_fc] %[src,ipmask(8)]", r"127\.0\.0\.1 {fe} 0 127\.0\.0\.0"),
    (
        "%t|%T",
        r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8}\.[0-9]{3}\|"
        r"[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]{8} \+[0-9]{4}",
    ),
    ("%Ts %ms", r"[0-9]{10} [0-9]{1,3}"),
    ("%CC %CS %hr %hs", r"- - +"),
    ("%lc %rt %pid", r"[0-9]+ [0-9]+ [0-9]+"),
    ("100%% plain", r"100% plain"),
    ("a\\ b", "a b"),
]


@pytest.fixture(scope="module")
def formatting(module_proxy: Launcher, module_origin: Origins) -> Balancer:
    """A balancer with a frontend for each format of the table: fe0, fe1 ..."""
    ini = ""
    for number, (text, _) in enumerate(FORMATS):
        quoted = text.replace('"', '\\"')
        ini += f"\n[frontend fe{number}]\nbind = 127.0.0.1:{{fe{number}}}\n"
        ini += f'log-format = "L{number} {quoted}"\ndefault_backend = be\n'
    return module_proxy(ini + "\n[backend be]\nserver s1 = 127.0.0.1:{s1}\n", s1=module_origin.http("s1"))


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=lambda n: FORMATS[n][0])
def test_log_format(formatting: Balancer, number: int) -> None:
    """log-format: each variable as HAProxy prints it."""
    pattern = f"L{number} " + FORMATS[number][1]
    with formatting.connect(f"fe{number}") as client:
        client.send(post("/p/x?q=1", b"body"))
        assert client.read_response().status == 200
        pattern = pattern.replace("{port}", str(client.port)).replace("{s1}", str(formatting.values["s1"]))
        formatting.syslog.message(pattern.replace("{fe}", str(formatting.port(f"fe{number}"))))


def test_log_tag_and_hostname(proxy: Launcher, origin: Origins) -> None:
    """log-tag and log-send-hostname change what stands before the text."""
    ini = """
[global]
log = 127.0.0.1:{syslog} local2
log-tag = edge
log-send-hostname = lb1.example.com
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"))
    lb.ask()
    lb.log()
    datagram = lb.syslog.raw[-1]
    assert re.match(
        rb"<150>[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} lb1\.example\.com edge\[[0-9]+\]: 127", datagram
    )


def test_several_targets(proxy: Launcher, origin: Origins) -> None:
    """Each log line goes to every target, in each one's own form."""
    second = Syslog()
    ini = """
[global]
log = 127.0.0.1:{syslog} local0
      127.0.0.1:{second} format rfc5424 local1
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"), second=second)
    lb.ask()
    lb.log()
    second.sock.settimeout(5)
    raw = b""
    while b"GET /" not in raw:
        raw = second.sock.recv(65536)
    second.close()
    assert re.match(rb"<142>1 [0-9-]{10}T[0-9:]{8}[^ ]+ [^ ]+ haproxy [0-9]+ - - 127\.0\.0\.1:", raw), raw


def test_levels(proxy: Launcher, origin: Origins) -> None:
    """A target's level keeps out what is less severe; err lines come for failures."""
    ini = """
[global]
log = 127.0.0.1:{syslog} local0 notice
""" + (INI % "").replace("{s1}", "{s1} check inter 100ms fall 1")
    lb = proxy(ini, s1=origin.refusing())
    lb.ask()
    assert lb.syslog.message("Server be/s1 is DOWN.*").priority == 129
    lb.syslog.expect_no_line()


def test_a_unix_socket_target(proxy: Launcher, origin: Origins, tmp_path: object) -> None:
    """log /dev/log: a datagram socket in the file system."""
    path = f"{tmp_path}/log"
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(path)
    sock.settimeout(5)
    ini = """
[global]
log = {path} local2 info
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"), path=path)
    lb.ask()
    raw = b""
    while b"GET /" not in raw:
        raw = sock.recv(65536)
    sock.close()
    assert raw.startswith(b"<150>")


def test_a_target_that_is_away_costs_nothing(proxy: Launcher, origin: Origins) -> None:
    """Nobody listens at the log's port: requests go on."""
    nobody = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    nobody.bind(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    nobody.close()
    ini = """
[global]
log = 127.0.0.1:{away} local0
      {dir}/nowhere local0
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"), away=port)
    assert [lb.ask().status for _ in range(5)] == [200] * 5


def test_long_lines_are_cut(proxy: Launcher, origin: Origins) -> None:
    """len N: the datagram ends there."""
    ini = """
[global]
log = 127.0.0.1:{syslog} len 200 local0
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"))
    lb.ask(get("/" + "x" * 1000))
    raw = b""
    while b"xxx" not in raw:
        lb.syslog.sock.settimeout(5)
        raw = lb.syslog.sock.recv(65536)
    assert 190 <= len(raw) <= 201


def test_raw_to_stdout(proxy: Launcher, origin: Origins) -> None:
    """log stdout format raw: the text alone, a line each."""
    ini = """
[global]
log = stdout format raw local0
""" + (INI % "")
    lb = proxy(ini, s1=origin.http("s1"))
    lb.ask(get("/to-stdout"))
    eventually(lambda: "/to-stdout" in lb.stderr.read_text(), "the line on standard output")
    line = next(line for line in lb.stderr.read_text().splitlines() if "/to-stdout" in line)
    assert line.startswith("127.0.0.1:")


def test_json(greenlb: Launcher, origin: Origins) -> None:
    """format json: an exchange is one object with named fields."""
    ini = """
[global]
log = stdout format json local0
""" + (INI % "")
    lb = greenlb(ini, s1=origin.http("s1"))
    lb.ask(get("/to-json?q=1"))
    eventually(lambda: "/to-json" in lb.stderr.read_text(), "the object on standard output")
    line = next(line for line in lb.stderr.read_text().splitlines() if "/to-json" in line)
    record = json.loads(line)
    assert record["status"] == 200
    assert {"fe", "be", "s1"} <= {value for value in record.values() if isinstance(value, str)}


def test_a_log_file(greenlb: Launcher, origin: Origins) -> None:
    """log FILE: greenlb writes files by itself."""
    ini = """
[global]
log = {dir}/access.log format raw local0
""" + (INI % "")
    lb = greenlb(ini, s1=origin.http("s1"))
    lb.ask(get("/to-file"))
    path = lb.directory / "access.log"
    eventually(lambda: path.exists() and "/to-file" in path.read_text(), "the line in the file")


def test_forged_lines(proxy: Launcher, origin: Origins) -> None:
    """Nothing a client sends makes a second line or field: the datagram holds one LF, at its end."""
    lb = proxy(INI % "capture = request header User-Agent len 200", s1=origin.http("s1"))
    lb.ask(get('/x"%0a<134>forged', 'User-Agent: a} {b} "GET /admin HTTP/1.1" 200 \x85\xa8'))
    line = lb.log()
    assert lb.syslog.raw[-1].count(b"\n") == 1
    assert line.request.startswith("GET /x#22%0a<134>forged")
    assert line.captured_request is not None and "GET /admin" in line.captured_request
    assert line.captured_request.count("}") == 0


def test_the_head_counts_too(greenlb: Launcher, origin: Origins) -> None:
    """B is every byte that the client got: head and body."""
    s1 = origin.http("s1", lambda message: raw_response("HTTP/1.1 204 No Content"))
    lb = greenlb(INI % "", s1=s1)
    answer = lb.ask(request("POST / HTTP/1.1", "Content-Length: 4", body=b"body"))
    assert lb.log().size == str(len(answer.raw))
