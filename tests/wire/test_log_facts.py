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
log-format = "seen %[ssl_bc_use_keysize] %[ssl_bc_client_random,length] %[ssl_s_s_dn(CN)] end"
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
    assert "seen 256 32 s1.example end" in found


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
