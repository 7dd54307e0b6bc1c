"""The published configurations, as they stand and as ``greenlb convert`` writes them, with nginx, uWSGI,
curl, openssl and awk around them: what their authors show is what happens."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.client import curl
from tests.support.lb import Balancer
from tests.support.nginx import Nginx
from tests.support.origin import HttpOrigin, Origins
from tests.support.runtime import raw
from tests.support.seeds import SEEDS, AsConverted, AsPublished, Seeds
from tests.support.stream import WAIT, Message, eventually, response
from tests.support.wsgi import WsgiServer

NAME = "service.example.com"


@pytest.fixture(params=[AsPublished, AsConverted])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Seeds]:
    """Starts a seed, in both spellings."""
    launcher: Seeds = request.param(tmp_path)
    yield launcher
    launcher.close()


def iis(origin: Origins, name: str) -> HttpOrigin:
    """A server that answers as IIS does in the seed."""

    def answer(asked: Message) -> bytes:
        fields = (
            "Content-Type: text/html",
            "Last-Modified: Tue, 14 May 2013 20:04:13 GMT",
            'ETag: "b7f0f3c4dc50ce1:0"',
            "Server: Microsoft-IIS/7.5",
        )
        return response("200 OK", *fields, body=f"<title>{name}</title>".encode())

    return origin.http(name, answer)


def by_method(origin: HttpOrigin, method: str) -> list[Message]:
    return [got.message for got in origin.requests if got.message.method == method]


def awk(program: str, text: str) -> str:
    return subprocess.run(
        ["awk", "-F,", program], input=text, capture_output=True, text=True, check=True, timeout=WAIT
    ).stdout


def test_tls_termination(start: Seeds, origin: Origins, authority: Authority) -> None:
    """Seed 0: a cookie keeps a client at its server, whose answers come as they are."""
    one, two = iis(origin, "IIS-1"), iis(origin, "IIS-2")
    lb = start.seed(
        "0-tls-termination.cfg",
        {
            "log 127.0.0.1": "log 127.0.0.1:{syslog}",
            "*:443": "127.0.0.1:{fe}",
            "/etc/ssl/certs/elatov-local-cert-key.pem": str(authority.pem(NAME)),
            "192.168.250.47:80": "127.0.0.1:{s1}",
            "192.168.250.49:80": "127.0.0.1:{s2}",
        },
        s1=one,
        s2=two,
    )
    url = f"https://127.0.0.1:{lb.port()}/"
    got = [re.findall("IIS-.", curl("-k", url)) for _ in range(2)]
    assert got == [["IIS-1"], ["IIS-2"]]
    head = curl("-k", "-I", url)
    assert "Set-Cookie: SERVERID=s1; path=/\r\n" in head
    assert "Cache-control: private\r\n" in head
    assert 'ETag: "b7f0f3c4dc50ce1:0"\r\n' in head
    assert "Content-Length: 20\r\n" in head
    for _ in range(2):
        assert "IIS-2" in curl("-k", "-b", "SERVERID=s2", url)
    asked = two.requests[-1].message
    assert asked.get("cookie") is None
    names = [name for name, _ in asked.fields]
    assert names[-3:] == ["X-Forwarded-Proto", "X-Forwarded-For", "Connection"]
    assert [value for _, value in asked.fields[-3:]] == ["https", "127.0.0.1", "close"]
    lines = [lb.log() for _ in range(5)]
    assert [(line.frontend, line.to, line.flags) for line in lines] == [
        ("https_frontend~", "web_server/s1", "--NI"),
        ("https_frontend~", "web_server/s2", "--NI"),
        ("https_frontend~", "web_server/s1", "--NI"),
        ("https_frontend~", "web_server/s2", "--VN"),
        ("https_frontend~", "web_server/s2", "--VN"),
    ]
    page = curl("-k", "-i", f"{url}stats")
    assert '<meta http-equiv="refresh" content="10">' in page
    assert "web_server" in page


def test_tls_pass_through(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 0: a client stays at its server by its address."""
    with ExitStack() as stack:
        servers = nginxes(stack, tmp_path, authority)
        lb = start.seed(
            "0-tls-passthrough.cfg",
            {
                "log 127.0.0.1": "log 127.0.0.1:{syslog}",
                "*:443": "127.0.0.1:{fe}",
                "192.168.250.47:443": "127.0.0.1:{s1}",
                "192.168.250.49:443": "127.0.0.1:{s2}",
            },
            **servers,
        )
        lb.syslog.message("Loading success.")
        assert {ask(lb, authority) for _ in range(3)} == {"s1\n"}
        assert {ask(lb, authority, "/who", "--interface", "127.0.0.2") for _ in range(2)} == {"s2\n"}
        assert ask(lb, authority) == "s1\n"
        assert f"to 127.0.0.1:{lb.port()} (https_frontend/TCP)" in lb.syslog.message("Connect from .*").text


def test_session_affinity(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 0: sessions of TLS 1.2 that are resumed go where they began; the table shows them."""
    with ExitStack() as stack:
        servers = nginxes(
            stack,
            tmp_path,
            authority,
            "ssl_protocols TLSv1.2; ssl_session_cache shared:x:1m; ssl_session_tickets off;",
        )
        lb = start.seed(
            "0-ssl-session-affinity.cfg",
            {
                "log 127.0.0.1": "log 127.0.0.1:{syslog}",
                "/tmp/haproxy.stats": "{dir}/stats",
                "*:443": "127.0.0.1:{fe}",
                "192.168.250.47:443": "127.0.0.1:{s1}",
                "192.168.250.49:443": "127.0.0.1:{s2}",
            },
            **servers,
        )
        lb.syslog.message("Loading success.")
        for number in range(4):
            session = tmp_path / f"session-{number}"
            begun = s_client(lb.port(), "-sess_out", str(session))
            assert "New, TLSv1.2" in begun
            for _ in range(2):  # a third server would not know it: it would be new there
                assert "Reused, TLSv1.2" in s_client(lb.port(), "-sess_in", str(session))
        told = raw(lb.directory / "stats", "show table web_server\n").splitlines()
        assert told[0] == "# table: web_server, type: binary, size:30720, used:4"
        rows = [re.fullmatch(r"0x[0-9a-f]+: key=([0-9A-F]{64}) use=0 exp=(\d+) server_id=([12]).*", line)
                for line in told[1:] if line]  # fmt: skip
        assert len(rows) == 4
        assert sorted(row[3] for row in rows if row) == ["1", "1", "2", "2"]
        assert all(1_700_000 < int(row[2]) <= 1_800_000 for row in rows if row)


def test_pass_through_with_hello_checks(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 1: connections take turns among servers that answer a TLS hello."""
    with ExitStack() as stack:
        servers = nginxes(stack, tmp_path, authority)
        lb = start.seed(
            "1-passthrough.cfg",
            {
                "*:80": "127.0.0.1:{http}",
                "*:443": "127.0.0.1:{fe}",
                "172.17.0.3:9000": "127.0.0.1:{s1}",
                "172.17.0.3:9001": "127.0.0.1:{s2}",
            },
            **servers,
        )
        assert [ask(lb, authority) for _ in range(4)] == ["s1\n", "s2\n"] * 2


def test_termination_and_redirect(start: Seeds, origin: Origins, authority: Authority) -> None:
    """Seed 1: plain requests are sent to https; servers are told what the client used."""
    servers = {name: origin.http(name) for name in ("s1", "s2", "s3")}
    lb = start.seed(
        "1-termination-and-redirect.cfg",
        {
            "*:80": "127.0.0.1:{http}",
            "*:443": "127.0.0.1:{fe}",
            "/etc/ssl/site.pem": str(authority.pem(NAME)),
            "172.17.0.3:9000": "127.0.0.1:{s1}",
            "172.17.0.3:9001": "127.0.0.1:{s2}",
            "172.17.0.3:9002": "127.0.0.1:{s3}",
        },
        **servers,
    )
    head = curl("-I", "-H", "Host: site.example.com", f"http://127.0.0.1:{lb.port('http')}/a?b=c")
    assert head.startswith("HTTP/1.1 302 Found\r\n")
    assert re.search(r"(?i)^location: https://site\.example\.com/a\?b=c\r$", head, re.MULTILINE)
    got = [curl("-k", f"https://127.0.0.1:{lb.port()}/") for _ in range(3)]
    assert got == ["s1", "s2", "s3"]
    first = servers["s1"]
    eventually(lambda: by_method(first, "HEAD"), "it is checked")
    check = by_method(first, "HEAD")[0]
    assert (check.start, check.get("host")) == ("HEAD / HTTP/1.1", "localhost")
    asked = by_method(first, "GET")[0]
    assert asked.get("x-forwarded-for") == "127.0.0.1"
    assert asked.get("x-forwarded-proto") == "https"
    assert asked.get("x-forwarded-port") == str(lb.port())


def test_nginx_farm(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 2: a web farm, plain and TLS, jailed and under another user."""
    jail = tmp_path / "jail"
    jail.mkdir()
    with ExitStack() as stack:
        plain = nginxes(stack, tmp_path / "plain")
        safe = nginxes(stack, tmp_path / "safe", authority)
        lb = start.seed(
            "2-nginx-farm.cfg",
            {
                "/dev/log": "127.0.0.1:{syslog}",
                "/var/lib/haproxy/stats": "{dir}/stats",
                "/var/lib/haproxy": str(jail),
                "/var/run/haproxy.pid": "{dir}/pid",
                "user        haproxy": "user nobody",
                "group       haproxy": "group nogroup",
                "*:80": "127.0.0.1:{http}",
                "ssl :443": "ssl 127.0.0.1:{fe}",
                "192.168.122.61:80": "127.0.0.1:{p1}",
                "192.168.122.62:80": "127.0.0.1:{p2}",
                "192.168.122.61:443": "127.0.0.1:{s1}",
                "192.168.122.62:443": "127.0.0.1:{s2}",
            },
            p1=plain["s1"],
            p2=plain["s2"],
            **safe,
        )
        url = f"http://127.0.0.1:{lb.port('http')}/client"
        assert {curl(url).split("|")[0] for _ in range(2)} == {"127.0.0.1"}
        assert sorted(ask(lb, authority) for _ in range(2)) == ["s1\n", "s2\n"]
        lines = [lb.log() for _ in range(4)]
        assert sorted(line.to for line in lines) == [
            *("app/nginx-01", "app/nginx-02", "ssl/nginx-01", "ssl/nginx-02")
        ]
        assert int((lb.directory / "pid").read_text()) == lb.process.pid
        owners = {(Path(f"/proc/{pid}").stat().st_uid, pid == lb.process.pid) for pid in lb.processes()}
        assert owners == {(0, True), (65534, False)}
        assert "app,nginx-01," in raw(lb.directory / "stats", "show stat\n")
        datagram = next(raw for raw in lb.syslog.raw if b" main app/" in raw)
        assert datagram.startswith(b"<150>")


def test_https_checks(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 3: servers come and go by what their status page says, as awk prints it."""
    status = "location = /v1/status { try_files /up =404; }"
    with ExitStack() as stack:
        servers = nginxes(stack, tmp_path, authority, status)
        for server in servers.values():
            (server.www / "up").write_text("fine\n")
        lb = start.seed(
            "3-https-checks.cfg",
            {
                "/var/lib/haproxy/stats": "{dir}/stats",
                ":9000": "127.0.0.1:{page}",
                "service.example.com:443": "localhost:{fe}",
                "backend1.example.com:8443": "127.0.0.1:{s1}\nlocalhost:{s2}",
                "/etc/haproxy/servicebox1.example.com.pem": str(authority.ca_file),
                "/etc/haproxy/servicebox2.example.com.pem": str(authority.ca_file),
            },
            **servers,
        )

        eventually((lb.directory / "stats").exists, "the socket is there")

        def states() -> str:
            return awk("/backend[1-2]/ {print $2,$18,$37}", raw(lb.directory / "stats", "show stat\n"))

        up = "backend1.example.com UP L7OK\nbackend2.example.com UP L7OK\n"
        eventually(lambda: states() == up, "both are up")
        (servers["s2"].www / "up").unlink()
        eventually(
            lambda: states() == up.replace("2.example.com UP L7OK", "2.example.com DOWN L7STS"), "down"
        )
        assert {ask(lb, authority) for _ in range(3)} == {"s1\n"}
        (servers["s2"].www / "up").write_text("fine\n")
        eventually(lambda: states() == up, "up again")
        page = curl(f"http://127.0.0.1:{lb.port('page')}/")
        assert "backend1.example.com" in page
        assert "2.6" not in re.sub("<style.*?</style>|<script.*?</script>", "", page, flags=re.DOTALL)


def test_proxy_protocol(start: Seeds, tmp_path: Path, authority: Authority) -> None:
    """Seed 4: nginx and uWSGI behind the PROXY protocol; the application sees the client's address."""
    with ExitStack() as stack:
        app = stack.enter_context(closing(WsgiServer("uwsgi", "environment:app", tmp_path, unix=True)))
        servers = {name: stack.enter_context(closing(published_nginx(name, tmp_path, authority, app.listens)))
                   for name in ("s1", "s2")}  # fmt: skip
        lb = start.seed(
            "4-proxy-protocol.cfg",
            {"*:443": "127.0.0.1:{fe}", "10.0.0.11:443": "127.0.0.1:{s1}", "10.0.0.12:443": "127.0.0.1:{s2}"},
            **servers,
        )
        for _ in range(2):
            assert "REMOTE_ADDR=127.0.0.9" in ask(lb, authority, "/environ", "--interface", "127.0.0.9")
        for server in servers.values():
            assert (server.directory / "access.log").read_text().startswith("127.0.0.9 ")
            assert "broken header" not in server.stderr.read_text()


def nginxes(
    stack: ExitStack, directory: Path, authority: Authority | None = None, more: str = ""
) -> dict[str, Nginx]:
    """Two nginx, which speak TLS where there is an authority for their certificates."""
    pem = authority.pem(NAME) if authority else None
    return {name: stack.enter_context(closing(Nginx(name, directory, pem, more))) for name in ("s1", "s2")}


def published_nginx(name: str, directory: Path, authority: Authority, app: str) -> Nginx:
    """nginx with the server block of seed 4."""
    block = (SEEDS / "4-nginx-server.conf").read_text()
    pem = str(authority.pem(NAME))
    for old, new in (
        ("server_name  example.com", f"server_name {NAME}"),
        ("/opt/example/current/app", str(directory)),
        ("listen 443", "listen 127.0.0.1:{port}"),
        ("10.0.0.10/32", "127.0.0.1/32"),
        ("/etc/ssl/example/ssl.crt", pem),
        ("/etc/ssl/example/ssl.key", pem),
        ("include uwsgi_params", "include /etc/nginx/uwsgi_params"),
        ("/tmp/app.sock", app),
    ):
        assert old in block
        block = block.replace(old, new)
    return Nginx(name, directory, server=block)


def ask(lb: Balancer, authority: Authority, path: str = "/who", *arguments: str) -> str:
    """What curl gets, which trusts the servers' authority alone."""
    place = f"{NAME}:{lb.port()}"
    return curl("--cacert", str(authority.ca_file), "--resolve", f"{place}:127.0.0.1", *arguments,
                f"https://{place}{path}")  # fmt: skip


def s_client(port: int, *arguments: str) -> str:
    """What openssl s_client says of a handshake."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2", *arguments]
    done = subprocess.run(command, input=b"Q\n", capture_output=True, timeout=WAIT, check=False)
    return done.stdout.decode()
