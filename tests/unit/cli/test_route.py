"""Requests led through a configuration without a socket, and expectations of where they go."""

from __future__ import annotations

from pathlib import Path

import pytest

from greenlb.cli import command

INI = r"""[global]
log = 127.0.0.1 local0
[defaults]
mode = http
log = global
option httplog = yes
option forwardfor = yes
timeout client = 5s
timeout server = 5s
timeout connect = 5s
[frontend web]
bind = 127.0.0.1:80
acl api = path_beg /api
http-request = deny if { src 10.0.0.0/8 }
               set-header X-A 1 if api
               set-header X-Secure no unless { ssl_fc }
reqirep = ^x-old:.* X-New:\ 1
redirect = scheme https if { hdr(host) -i old }
use_backend = api if api
              %[req.hdr(to)] if { req.hdr(to) -m found }
default_backend = farm
[backend farm]
cookie = SRV insert indirect
http-request = return status 418 if { path /tea }
server s1 = 127.0.0.1:1 cookie s1
server s2 = 127.0.0.1:2 cookie s2
server b = 127.0.0.1:2 backup
[backend api]
server a = 127.0.0.1:3
[backend empty]
[frontend raw]
mode = tcp
bind = 127.0.0.1:8443
option tcplog = yes
use_backend = tls if { req.ssl_sni -i shop.example.com }
default_backend = plain
[backend tls]
mode = tcp
stick-table = type ip size 10
stick = on src
server t = 127.0.0.1:4
[backend plain]
mode = tcp
server p = 127.0.0.1:5
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    path = tmp_path / "x.ini"
    path.write_text(INI)
    return path


def route(ini: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = command.main(["route", "-f", str(ini), *words])
    printed = capsys.readouterr()
    return status, printed.out.replace(str(ini), "x.ini") + printed.err


def test_rules_head_and_servers(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = route(ini, capsys, "POST", "http://x/api/1?b=2", "-H", "X-Old: 1", "--src", "192.0.2.9")
    assert status == 0
    assert out.splitlines() == [
        "frontend  web (127.0.0.1:80)",
        "rules",
        "  - x.ini:14: http-request deny if { src 10.0.0.0/8 }",
        "  + x.ini:15: http-request set-header X-A 1 if api",
        "  + x.ini:16: http-request set-header X-Secure no unless { ssl_fc }",
        r"  + x.ini:17: reqirep ^x-old:.* X-New:\ 1".replace("\\", ""),
        "  - x.ini:18: redirect scheme https if { hdr(host) -i old }",
        "  + x.ini:19: use_backend api if api  => api",
        "backend   api",
        "servers   a",
        "head",
        "  POST /api/1?b=2 HTTP/1.1",
        "  Host: x",
        "  X-New: 1",
        "  X-A: 1",
        "  X-Secure: no",
        "  X-Forwarded-For: 192.0.2.9",
    ]


@pytest.mark.parametrize(
    ("words", "status", "line"),
    [
        (["http://x/"], 0, "servers   s1, s2, b"),
        (["http://x/", "-H", "Cookie: SRV=s2"], 0, "servers   s2 (the client's own), s1, b"),
        (["http://x/", "-H", "To: api"], 0, "servers   a"),
        (["http://x/", "-H", "To: empty"], 1, "outcome   no server of the backend can be used: 503"),
        (["http://old/"], 0, "answer    302 Found"),
        (["http://x/tea"], 0, "answer    418 I'm a teapot"),
        (["http://x/", "--src", "10.1.1.1"], 0, "answer    403 Forbidden"),
        (["https://shop.example.com/", "--frontend", "raw"], 0, "servers   t"),
        (["https://x:8443/"], 0, "backend   plain"),
        (["x/", "--frontend", "nope"], 1, "there is no frontend 'nope'"),
        (["http://"], 1, "expected a URL such as https://example.com/path"),
        (["http://x/", "-H", "Content-Length: x"], 1, "greenlb would answer 400"),
        (["http://x/", "more"], 1, "'more' is not expected"),
        ([], 1, "a URL is missing"),
    ],
)
def test_outcomes(
    ini: Path, capsys: pytest.CaptureFixture[str], words: list[str], status: int, line: str
) -> None:
    got, out = route(ini, capsys, *words)
    assert line in out
    assert got == status


def test_what_is_wrong_in_the_configuration_is_told(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ini.write_text(INI.replace("default_backend = farm", "default_backend = form"))
    status, out = route(ini, capsys, "http://x/")
    assert status == 1
    assert "x.ini:21" in out


CASES = """[api]
request = http://x/api
src = 192.0.2.1
with = X-B: 1
       X-C: 2
backend = api
server = a
header X-A = 1
header X-C = 2
no header X-D =

[refused]
request = http://x/
src = 10.0.0.1
status = 403

[moved]
request = http://old/y
status = 302
header Location = https://old/y
"""


def cases(ini: Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    path = ini.with_name("cases.ini")
    path.write_text(text)
    status = command.main(["test", str(ini), str(path)])
    return status, capsys.readouterr().out.splitlines()


def test_expectations(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cases(ini, CASES, capsys) == (0, ["3 cases, 0 failed"])


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("backend = api", "backend = farm", "api: expected backend 'farm', got 'api'"),
        ("server = a", "server = b", "api: expected server 'b', got 'a'"),
        ("header X-A = 1", "header X-A = 2", "api: expected header X-A '2', got '1'"),
        ("no header X-D =", "no header X-C =", "api: expected no header X-C, got '2'"),
        ("status = 403", "status = 404", "refused: expected status '404', got '403'"),
        ("status = 403", "stratus = 403", "refused: 'stratus' is not known"),
        ("http://old/y", "http://", "moved: expected a URL"),
    ],
)
def test_what_is_not_as_expected(
    ini: Path, capsys: pytest.CaptureFixture[str], before: str, after: str, line: str
) -> None:
    status, lines = cases(ini, CASES.replace(before, after, 1), capsys)
    assert status == 1
    assert lines[0].startswith(line)
    assert lines[-1] == "3 cases, 1 failed"
