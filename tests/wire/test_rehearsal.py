"""``greenlb route`` says beforehand what greenlb then does, and ``greenlb diff`` what a process runs with."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import HttpOrigin, Origins
from tests.support.stream import get

INI = r"""
[frontend fe]
bind = 127.0.0.1:{fe}
option forwardfor = yes
acl api = path_beg /api
http-request = deny deny_status 429 if { req.hdr(x-bad) -m found }
               set-header X-Api %[path,upper] if api
               del-header X-Gone
reqirep = ^x-old:(.*) X-New:\1
redirect = location /login if { path /old }
use_backend = api if api
default_backend = be

[backend be]
cookie = SRV insert indirect
http-request = set-header X-Forwarded-Port %[dst_port]
server s1 = 127.0.0.1:{s1} cookie a
server s2 = 127.0.0.1:{s2} cookie b

[backend api]
option httpclose = yes
server s3 = 127.0.0.1:{s3}
"""


def command(lb: Balancer, *words: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "greenlb", *words]
    return subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/", ["Cookie: SRV=b; x=1", "X-Gone: 1", "X-Old: 2"]),
        ("/api/a?b=c", ["Accept: */*", "Connection: x-hop", "X-Hop: 1", "X-Forwarded-For: 203.0.113.1"]),
        ("/old", []),
        ("/", ["X-Bad: 1"]),
    ],
)
def test_the_same_as_foretold(greenlb: Launcher, origin: Origins, path: str, headers: list[str]) -> None:
    """The head that a server gets, the server that gets it, and the answers that are ours."""
    servers: dict[str, HttpOrigin] = {name: origin.http(name) for name in ("s1", "s2", "s3")}
    lb = greenlb(INI, **servers)
    words = [word for header in headers for word in ("-H", header)]
    url = f"http://127.0.0.1:{lb.port()}{path}"
    told = command(lb, "route", "-f", str(lb.directory / "greenlb.ini"), url, *words)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    answer = lb.ask(get(path, *headers, host=f"127.0.0.1:{lb.port()}"))
    got = [(name, request) for name, server in servers.items() for request in server.requests]
    if got:
        name, request = got[0]
        assert lines[lines.index("head") - 1].split()[1].rstrip(",") == name
        assert lines[lines.index("head") + 1 :] == [
            f"  {line}" for line in request.message.raw.decode().splitlines() if line
        ]
    else:
        assert f"answer    {answer.status} " in told.stdout


def test_diff_with_a_process(greenlb: Launcher, origin: Origins) -> None:
    """What would change if the file were loaded now."""
    ini = "[global]\nstats socket = {dir}/runtime level admin\n" + INI
    lb = greenlb(ini, **{name: origin.http(name) for name in ("s1", "s2", "s3")})
    path = lb.directory / "greenlb.ini"
    asked = ("diff", f"unix@{lb.directory}/runtime", str(path))
    assert command(lb, *asked).returncode == 0
    path.write_text(path.read_text().replace("cookie b", "cookie c"))
    changed = command(lb, *asked)
    assert changed.returncode == 1
    removed, added = (line for line in changed.stdout.splitlines()[2:] if line[0] in "+-")
    assert removed.startswith("-server s2 = 127.0.0.1:")
    assert removed.endswith(" cookie b")
    assert added == f"+{removed[1:-1]}c"
