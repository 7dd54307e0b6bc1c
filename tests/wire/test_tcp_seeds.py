"""Configurations of mode tcp that people publish, with real servers and clients on both sides."""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.client import curl
from tests.support.lb import Balancer, Launcher
from tests.support.nginx import Nginx
from tests.support.stream import WAIT, eventually

NAME = "service.example.com"

AFFINITY = """
[global]
log = 127.0.0.1:{syslog} local0
maxconn = 4000

[defaults]
log = global
timeout server = 5s
timeout connect = 5s
timeout client = 5s

[frontend https_frontend]
bind = 127.0.0.1:{fe}
mode = tcp
default_backend = web_server

[backend web_server]
mode = tcp
balance = roundrobin
stick-table = type ip size 200k expire 30m
stick = on src
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""

PASS_THROUGH = """
[defaults]
log = global
timeout server = 5s
timeout connect = 5s
timeout client = 5s

[frontend localhost]
bind = 127.0.0.1:{http}
       127.0.0.1:{fe}
option tcplog = yes
mode = tcp
default_backend = nodes

[backend nodes]
mode = tcp
balance = roundrobin
option ssl-hello-chk = yes
server web01 = 127.0.0.1:{s1} check
server web02 = 127.0.0.1:{s2} check
"""

SERVICE = """
[defaults]
log = global
timeout server = 5s
timeout connect = 5s
timeout client = 5s

[frontend fe_service]
bind = 127.0.0.1:{fe}
mode = tcp
option tcplog = yes
default_backend = be_service

[backend be_service]
balance = roundrobin
mode = tcp
option httpchk = GET /v1/status
http-check = expect status 200
server backend1.example.com = 127.0.0.1:{s1} check check-ssl verify required ca-file {ca} maxconn 5
server backend2.example.com = 127.0.0.1:{s2} check check-ssl verify required ca-file {ca} maxconn 5
"""

PROXY = """
[defaults]
log = global
option tcplog = yes
timeout server = 5s
timeout connect = 5s
timeout client = 5s

[frontend https-in]
bind = 127.0.0.1:{fe}
default_backend = https-servers

[backend https-servers]
mode = tcp
balance = roundrobin
server srv1 = 127.0.0.1:{s1} check send-proxy
server srv2 = 127.0.0.1:{s2} check send-proxy
"""

NGINX_SIDE = "set_real_ip_from 127.0.0.1/32; real_ip_header proxy_protocol;"


@contextlib.contextmanager
def farm(directory: Path, pem: Path, more: str = "", listen: str = "") -> Iterator[dict[str, Nginx]]:
    """Two nginx that speak TLS."""
    with contextlib.ExitStack() as stack:
        yield {
            name: stack.enter_context(contextlib.closing(Nginx(name, directory, pem, more, listen)))
            for name in ("s1", "s2")
        }


def ask(lb: Balancer, authority: Authority, path: str = "/who", *arguments: str) -> str:
    """What curl gets, which trusts the servers' authority alone."""
    port = lb.port()
    return curl(
        *("--cacert", str(authority.ca_file), "--resolve", f"{NAME}:{port}:127.0.0.1"),
        *arguments,
        f"https://{NAME}:{port}{path}",
    )


def test_affinity_by_address(proxy: Launcher, tmp_path: Path, authority: Authority) -> None:
    """Seed 0: a client stays, another one gets the other server; the server's own certificate is seen."""
    with farm(tmp_path / "nginx", authority.pem(NAME)) as servers:
        lb = proxy(AFFINITY, None, **servers)
        assert {ask(lb, authority) for _ in range(4)} == {"s1\n"}
        assert {ask(lb, authority, "/who", "--interface", "127.0.0.2") for _ in range(3)} == {"s2\n"}
        assert ask(lb, authority) == "s1\n"
        assert "(https_frontend/TCP)" in lb.syslog.message("Connect from .*").text


def test_pass_through(proxy: Launcher, tmp_path: Path, authority: Authority) -> None:
    """Seed 1: connections take turns, tcplog has a line for each."""
    with farm(tmp_path / "nginx", authority.pem(NAME)) as servers:
        lb = proxy(PASS_THROUGH, None, **servers)
        assert [ask(lb, authority) for _ in range(4)] == ["s1\n", "s2\n"] * 2
        lines = [lb.log() for _ in range(4)]
        assert [line.to for line in lines] == ["nodes/web01", "nodes/web02"] * 2
        assert {(line.frontend, line.flags) for line in lines} == {("localhost", "--")}


def test_names_with_dots(proxy: Launcher, tmp_path: Path, authority: Authority) -> None:
    """Seed 3: names of servers are what they are, and a session is resumed at its server."""
    status = "location = /v1/status { return 200; }"
    with farm(tmp_path / "nginx", authority.pem(NAME), status) as servers:
        lb = proxy(SERVICE, None, ca=authority.ca_file, **servers)
        assert ask(lb, authority) == "s1\n"
        assert lb.log().to == "be_service/backend1.example.com"
        said = s_client(lb.port(), authority.ca_file)
        assert "Verify return code: 0 (ok)" in said
        assert re.search(rf"subject=.*{re.escape(NAME)}", said)
        for name in servers:
            log = next((tmp_path / "nginx").rglob(f"{name}/access.log"))
            eventually(lambda log=log: '"GET /v1/status HTTP/1.0" 200' in log.read_text(), "it is checked")


def s_client(port: int, ca_file: Path) -> str:
    """What openssl s_client says of a handshake."""
    command = [
        "openssl",
        "s_client",
        "-connect",
        f"127.0.0.1:{port}",
        "-servername",
        NAME,
        "-CAfile",
        str(ca_file),
    ]
    done = subprocess.run(command, input=b"Q\n", capture_output=True, timeout=WAIT, check=False)
    return done.stdout.decode()


@pytest.mark.parametrize("keyword", ["send-proxy", "send-proxy-v2"])
def test_proxy_protocol(proxy: Launcher, tmp_path: Path, authority: Authority, keyword: str) -> None:
    """Seed 4: nginx has the client's address by the PROXY protocol, and its checks do not disturb it."""
    with farm(tmp_path / "nginx", authority.pem(NAME), NGINX_SIDE, " proxy_protocol") as servers:
        lb = proxy(PROXY.replace("send-proxy", keyword), None, **servers)
        for _ in range(2):
            assert ask(lb, authority, "/client", "--interface", "127.0.0.9").split("|")[0] == "127.0.0.9"
        for server in servers.values():
            logged = (server.directory / "access.log").read_text()
            assert logged.startswith("127.0.0.9 ")
            assert "broken header" not in server.stderr.read_text()
