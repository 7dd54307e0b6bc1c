"""The main job with the programs that people have: curl before it, nginx behind it, a browser's habits."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.client import curl
from tests.support.lb import Balancer, Launcher
from tests.support.nginx import Nginx

INI = """
[frontend http]
bind = 127.0.0.1:{http}
option forwardfor = yes
http-request = deny if { path_beg /private }
redirect = scheme https code 301 if { path_beg /secure }
default_backend = web_server

[frontend https]
bind = 127.0.0.1:{https} ssl crt {pem}
option forwardfor = yes
http-request = set-header X-Forwarded-Port %[dst_port]
               add-header X-Forwarded-Proto https if { ssl_fc }
capture = cookie SERVERID len 32
default_backend = web_server

[backend web_server]
balance = roundrobin
cookie = SERVERID insert indirect nocache
server s1 = 127.0.0.1:{s1} check cookie s1
server s2 = 127.0.0.1:{s2} check cookie s2
"""

NAME = "www.example.com"


class Site:
    """Two nginx behind a balancer, and curl told how to reach it."""

    def __init__(self, lb: Balancer, servers: list[Nginx], ca_file: Path) -> None:
        self.lb = lb
        self.servers = servers
        self.how = ["--cacert", str(ca_file)]
        for port in ("http", "https"):
            self.how += ["--resolve", f"{NAME}:{lb.port(port)}:127.0.0.1"]

    def url(self, path: str, scheme: str = "https") -> str:
        return f"{scheme}://{NAME}:{self.lb.port(scheme)}{path}"

    def curl(self, *arguments: str) -> str:
        return curl(*self.how, *arguments)


@pytest.fixture(scope="module")
def site(
    module_proxy: Launcher, tmp_path_factory: pytest.TempPathFactory, authority: Authority
) -> Iterator[Site]:
    directory = tmp_path_factory.mktemp("nginx")
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(contextlib.closing(Nginx(name, directory))) for name in ("s1", "s2")]
        for server in servers:
            (server.www / "big.bin").write_bytes(bytes(range(256)) * 40000)
            (server.www / "text.txt").write_text("some words\n" * 1000)
            os.utime(
                server.www / "text.txt", (1e9, 1e9)
            )  # nginx makes ETags of it: both servers' are the same
        lb = module_proxy(INI, s1=servers[0], s2=servers[1], pem=authority.pem(NAME))
        yield Site(lb, servers, authority.ca_file)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_two_curls_meet_two_servers(site: Site, scheme: str) -> None:
    """Without a cookie clients take turns."""
    bodies = [site.curl(site.url("/who", scheme)) for _ in range(4)]
    assert bodies[:2] == bodies[2:]
    assert set(bodies) == {"s1\n", "s2\n"}


def test_a_cookie_jar_stays_with_one_server(site: Site, tmp_path: Path) -> None:
    """The first answer's cookie brings the client back, whoever's turn it is."""
    jar = str(tmp_path / "jar")
    first = site.curl("-c", jar, "-i", site.url("/who"))
    assert "erverid" in first.lower()
    again = [site.curl("-b", jar, site.url("/who")) for _ in range(4)]
    assert {answer.strip() for answer in again} == {first.rsplit("\n", 2)[-2]}


def test_the_server_knows_its_client(site: Site) -> None:
    """nginx's real_ip sees who came, by which scheme and port; our cookie is not shown to it."""
    answer = site.curl("--interface", "127.0.0.9", "-b", "SERVERID=s1; other=1", site.url("/client"))
    assert answer == f"127.0.0.9|https|{site.lb.port('https')}|other=1\n"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_big_download(site: Site, tmp_path: Path, scheme: str) -> None:
    """Ten megabytes that nginx sends with sendfile."""
    target = tmp_path / "big"
    site.curl("-o", str(target), site.url("/big.bin", scheme))
    expected = hashlib.sha256(bytes(range(256)) * 40000).hexdigest()
    assert hashlib.sha256(target.read_bytes()).hexdigest() == expected


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("framing", ["counted", "chunked"])
def test_a_big_upload(site: Site, tmp_path: Path, scheme: str, framing: str) -> None:
    """Five megabytes with Expect: 100-continue, counted and chunked, and taken back byte for byte."""
    source = tmp_path / "up"
    source.write_bytes(bytes(range(255)) * 20000)
    extra = ["-H", "Transfer-Encoding: chunked"] if framing == "chunked" else []
    path = f"/dav/{scheme}-{framing}"
    stored = site.curl(
        *("-b", "SERVERID=s1", "-T", str(source), "-H", "Expect: 100-continue"),
        *(*extra, "-o", "/dev/null", "-w", "%{http_code}", site.url(path, scheme)),
    )
    assert stored == "201"
    assert (site.servers[0].www / path[1:]).read_bytes() == source.read_bytes()
    gone = site.curl("-b", "SERVERID=s1", "-X", "DELETE", "-w", "%{http_code}", site.url(path, scheme))
    assert gone == "204"


def test_connections_are_kept(site: Site) -> None:
    """Four URLs of one curl share one connection."""
    transfers = [word for _ in range(4) for word in ("-o", "/dev/null", site.url("/who"))]
    assert site.curl("-w", "%{num_connects} ", *transfers) == "1 0 0 0 "


def test_head(site: Site) -> None:
    """curl -I: the length, the type, no body."""
    head = site.curl("-I", site.url("/text.txt", "http")).lower()
    assert head.startswith("http/1.1 200 ok\r\n")
    assert "content-length: 11000\r\n" in head
    assert head.endswith("\r\n\r\n")


def test_a_range_and_a_condition(site: Site) -> None:
    """206 and 304 come through as nginx says them."""
    url = site.url("/text.txt", "http")
    assert site.curl("-r", "5-9", "-w", "|%{http_code}", url) == "words|206"
    head = site.curl("-I", url)
    tag = next(line.split(": ")[1] for line in head.splitlines() if line.lower().startswith("etag"))
    assert site.curl("-H", f"If-None-Match: {tag}", "-w", "%{http_code}", url) == "304"


def test_a_compressed_page(site: Site) -> None:
    """nginx compresses in chunks, curl unpacks: gzip passes untouched."""
    head = site.curl("--compressed", "-o", "/dev/null", "-D", "-", site.url("/text.txt")).lower()
    assert "content-encoding: gzip" in head
    assert site.curl("--compressed", site.url("/text.txt")) == "some words\n" * 1000


def test_an_old_curl(site: Site) -> None:
    """HTTP/1.0 end to end."""
    assert site.curl("--http1.0", "-w", "|%{http_code}", site.url("/who", "http"))[3:] == "|200"
    assert site.curl("--http1.0", "--compressed", site.url("/text.txt", "http")) == "some words\n" * 1000


def test_following_a_redirect(site: Site) -> None:
    """Our own redirect leads to https; nginx's own comes through."""
    url = site.curl(
        "-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", site.url("/secure/x?y=1", "http")
    )
    assert url == f"301 https://{NAME}:{site.lb.port('http')}/secure/x?y=1"
    moved = site.curl("-o", "/dev/null", "-w", "%{http_code} %{redirect_url}", site.url("/move", "http"))
    assert moved.startswith("301 ") and moved.endswith("/moved/")


def test_denied_and_missing(site: Site) -> None:
    """403 is ours, 404 is nginx's."""
    assert site.curl("-o", "/dev/null", "-w", "%{http_code}", site.url("/private/x", "http")) == "403"
    assert "nginx" in site.curl(site.url("/missing", "http"))


def test_many_at_once(site: Site) -> None:
    """Parallel transfers: all whole, none mixed up."""
    urls = [site.url(f"/who?{number}") for number in range(40)]
    found = site.curl("-Z", "--parallel-max", "20", "-w", "%{http_code}\n", *urls).splitlines()
    assert sorted(found) == sorted(["200"] * 40 + ["s1"] * 20 + ["s2"] * 20)


def test_nginx_writes_the_clients_address(site: Site) -> None:
    """Its access log names the client, not us: it believes our X-Forwarded-For."""
    site.curl("--interface", "127.0.0.9", "-b", "SERVERID=s2", "-A", "the-visitor", site.url("/who"))
    text = (site.servers[1].directory / "access.log").read_text()
    assert [line.split(" ")[0] for line in text.splitlines() if "the-visitor" in line] == ["127.0.0.9"]
