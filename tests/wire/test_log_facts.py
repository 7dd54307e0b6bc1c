"""What log lines tell beside the formats that everybody uses: TLS when it is over, the last rule."""

from __future__ import annotations

import pytest

from tests.support.certs import Authority
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import get, response
from tests.wire.test_stick_counters import by_path

TLS = """
[frontend fe]
bind = 127.0.0.1:{{fe}}
mode = {mode}
log-format = "seen %[ssl_bc_use_keysize] %[ssl_bc_client_random,hex,length] %[ssl_s_s_dn(CN)] end"
default_backend = be
[backend be]
mode = {mode}
server s1 = 127.0.0.1:{{s1}} ssl verify none
"""


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_tls_of_a_server_that_has_closed(
    greenlb: Launcher, origin: Origins, authority: Authority, mode: str
) -> None:
    """The line is written when the connection is gone, and tells of it all the same."""
    s1 = origin(tls=authority.server_context("s1.example"))
    lb = greenlb(TLS.format(mode=mode), s1=s1)
    with lb.connect() as client:
        client.send(get("/", "Connection: close"))
        server, _ = s1.take()
        server.send(response("200 OK", "Connection: close"))
        server.close()
        client.read_response()
    found = lb.syslog.message(r"seen .* end").text
    assert "seen 256 64 s1.example end" in found


RULES = """
[frontend fe]
bind = 127.0.0.1:{fe}
log-format = "%HPO at [%[last_rule_file]] [%[last_rule_line]] end"
http-request = set-header X-A 1
               allow if { path /allowed }
               deny if { path /denied }
               return status 200 if { path /returned }
default_backend = be
[backend be]
http-response = deny if { status 404 }
server s1 = 127.0.0.1:{s1}
"""


def test_the_last_rule(proxy: Launcher, origin: Origins) -> None:
    """The place of the rule that ended its list; none where none did."""
    lb = proxy(RULES, s1=origin.http("s1", by_path))
    (file,) = (path for path in lb.directory.iterdir() if path.suffix in (".ini", ".cfg"))
    lines = file.read_text().splitlines()
    for path, marker in (
        ("/allowed", "path /allowed"),
        ("/denied", "path /denied"),
        ("/returned", "path /returned"),
        ("/404", "status 404"),
        ("/routed", "no rule"),
    ):
        lb.ask(get(path))
        found = lb.syslog.message(f"{path} at .* end").text
        at = [n for n, line in enumerate(lines, 1) if marker in line]
        place = f"{file}] [{at[0]}" if at else "] ["
        assert f"{path} at [{place}] end" in found.replace("[-]", "[]")


FORMATS = [
    (r"a  b   c", "a b c"),
    (r"%HM %HP %HPO %HQ %HU %HV", "GET /p/q /p/q ?a=1 /p/q?a=1 HTTP/1.1"),
    (
        r"%{+Q}HM %{+Q}r %{+Q}[capture.req.hdr(0)] %[capture.req.hdr(0)]",
        '"GET" "GET /p/q?a=1 HTTP/1.1" "one" one',
    ),
    (r"%{+Q}o %HM %[capture.req.hdr(0)] %{-Q}[capture.req.hdr(0)] %ST", '"GET" "one" one 200'),
    (r"%{+E}[capture.req.hdr(2)] %[capture.req.hdr(2)]", r'a\"b\]c a"b]c'),
    (r"%{+Q,+E}[capture.req.hdr(2)]", r'"a\"b\]c"'),
    (r"%{+X}ci %ci %{+X}[src_port,div(100000)]", "7F000001 127.0.0.1 0"),
    (r"%hr|%hs|%hrl|%hsl", "{one||a#22b]c}|{two}|one - a#22b]c|two"),
    (r"%CC|%CS|%tsc|%ts|%rc|%bq|%sq", "k=v|-|----|--|0|0|0"),
    (r"<%[capture.req.hdr(1)]> <%{+Q}[capture.req.hdr(1)]> <%ID>", '<-> <""> <->'),
    (r"%% %f %ft %b %s %fi %si", "% FE FE be s1 127.0.0.1 127.0.0.1"),
    (r"%sslc %sslv %[ssl_fc]", "- - 0"),
    (r"%[capture.req.hdr(0)] %[capture.res.hdr(0)] %[capture.req.uri]", "one two /p/q?a=1"),
    (r"%[str(a b)] '%[str(c)]' %[capture.req.hdr(0),regsub(n,-,g)]", "a b 'c' o-e"),
]
FRONTEND = """
[frontend f{number}]
bind = 127.0.0.1:{{f{number}}}
capture = cookie k len 10
          request header X-One len 10
          request header X-None len 10
          request header X-E len 10
          response header X-Two len 10
log-format = "begin {text} end"
default_backend = be
"""


def test_formats(proxy: Launcher, origin: Origins) -> None:
    """Spaces, flags, what is not there, captures: the same lines."""
    sections = [
        FRONTEND.format(number=number, text=text.replace('"', r"\""))
        for number, (text, _) in enumerate(FORMATS)
    ]
    backend = "[backend be]\nserver s1 = 127.0.0.1:{s1}\n"
    s1 = origin.http("s1", lambda message: response("200 OK", "X-Two: two"))
    lb = proxy("".join(sections) + backend, s1=s1)
    found = {}
    for number, (text, _) in enumerate(FORMATS):
        fields = ("X-One: one", 'X-E: a"b]c', "Cookie: k=v")
        lb.ask(get("/p/q?a=1", *fields), f"f{number}")
        line = lb.syslog.message("begin .* end").text
        found[text] = line[line.index("begin ") + 6 : line.rindex(" end")].replace(f"f{number}", "FE")
    assert found == dict(FORMATS)


def test_a_unique_id_merges_spaces(proxy: Launcher) -> None:
    """Those of the format, not those of what it prints."""
    lb = proxy(
        """
[frontend fe]
bind = 127.0.0.1:{fe}
unique-id-format = "a  b %[str(c  d)]   e %{+Q}[str(f)]"
http-request = return status 200 content-type text/plain lf-string "<%[unique-id]>"
"""
    )
    assert lb.ask().body == b"<a b c  d e f>"
