"""The proxies and their configurations: one worker or thread each, and the same work.

Each listens on three ports (HTTP, HTTPS with a P-256 key, HTTPS with an RSA-2048 key), adds
X-Forwarded-For and X-Forwarded-Proto, keeps connections alive on both sides and logs every request to a
UDP socket.  On a fourth it passes TCP through, with a line for each connection; Caddy does not, nor does
nginx without its stream module (Debian: libnginx-mod-stream).
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.processes import PROXY_CORE, Running, free_ports

STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
"""Where Debian puts it."""


@dataclass(frozen=True)
class Surroundings:
    """What a peer is configured with.  ``p256`` and ``rsa`` are PEM files with certificate and key."""

    folder: Path
    origin: int
    syslog: int
    p256: Path
    rsa: Path


@dataclass(frozen=True)
class Ports:
    http: int
    p256: int
    rsa: int
    tcp: int = 0  # 0: it does not pass TCP through


@dataclass(frozen=True)
class Peer:
    """``configure`` renders the configuration; ``command`` runs it, its path being the last word;
    ``tunnels``: it passes TCP through."""

    name: str
    configure: Callable[[Surroundings, Ports], str]
    suffix: str
    command: Sequence[str]
    version: Callable[[], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    tunnels: bool = True

    def start(self, around: Surroundings) -> tuple[Running, Ports]:
        """Run it on the proxies' core, on fresh ports."""
        ports = Ports(*free_ports(4 if self.tunnels else 3))
        configuration = around.folder / f"{self.name}{self.suffix}"
        configuration.write_text(self.configure(around, ports))
        home = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME"), str(around.folder))
        environment = {**os.environ, **self.environment, **home}
        del environment["OPENSSL_CONF"]  # that one is for the clients
        running = Running(
            self.name,
            [*self.command, str(configuration)],
            core=PROXY_CORE,
            folder=around.folder,
            ports=[port for port in (ports.http, ports.p256, ports.rsa, ports.tcp) if port],
            environment=environment,
        )
        return running, ports


def _greenlb(around: Surroundings, ports: Ports) -> str:
    return f"""
[global]
log = 127.0.0.1:{around.syslog} local0
maxconn = 4000
workers = 1

[defaults]
mode = http
log = global
option httplog = yes
option dontlognull = yes
option forwardfor = yes
timeout connect = 5s
timeout client = 300s
timeout server = 300s

[frontend bench]
bind = 127.0.0.1:{ports.http}
       127.0.0.1:{ports.p256} ssl crt {around.p256}
       127.0.0.1:{ports.rsa} ssl crt {around.rsa}
http-request = set-header X-Forwarded-Proto https if {{ ssl_fc }}
               set-header X-Forwarded-Proto http if !{{ ssl_fc }}
default_backend = origin

[backend origin]
server origin = 127.0.0.1:{around.origin}

[listen tunnel]
mode = tcp
bind = 127.0.0.1:{ports.tcp}
option tcplog = yes
option splice-auto = yes
server origin = 127.0.0.1:{around.origin}
"""


def _haproxy(around: Surroundings, ports: Ports) -> str:
    return f"""
global
    nbthread 1
    log 127.0.0.1:{around.syslog} local0
    maxconn 4000

defaults
    mode http
    log global
    option httplog
    option dontlognull
    option forwardfor
    timeout connect 5s
    timeout client 300s
    timeout server 300s

frontend bench
    bind 127.0.0.1:{ports.http}
    bind 127.0.0.1:{ports.p256} ssl crt {around.p256}
    bind 127.0.0.1:{ports.rsa} ssl crt {around.rsa}
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
    default_backend origin

backend origin
    server origin 127.0.0.1:{around.origin}

listen tunnel
    mode tcp
    bind 127.0.0.1:{ports.tcp}
    option tcplog
    option splice-auto
    server origin 127.0.0.1:{around.origin}
"""


def _nginx(around: Surroundings, ports: Ports) -> str:
    def server(listen: str, certificate: Path | None = None) -> str:
        tls = f"ssl_certificate {certificate}; ssl_certificate_key {certificate};" if certificate else ""
        return f"""
    server {{
        listen 127.0.0.1:{listen} backlog=4096;
        {tls}
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Host $host;
            proxy_set_header Connection "";
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
        }}
    }}"""

    temporary = "".join(
        f"    {kind}_temp_path {around.folder}/nginx-{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    stream = f"""
stream {{
    log_format tcp '$remote_addr [$time_local] $status $bytes_sent $bytes_received $session_time';
    access_log syslog:server=127.0.0.1:{around.syslog},facility=local0,tag=nginx tcp;
    server {{ listen 127.0.0.1:{ports.tcp} backlog=4096; proxy_pass 127.0.0.1:{around.origin}; }}
}}"""
    return f"""
{f"load_module {STREAM_MODULE};" if ports.tcp else ""}
daemon off;
worker_processes 1;
pid {around.folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 4096; }}
http {{
{temporary}
    ssl_protocols TLSv1.2 TLSv1.3;
    access_log syslog:server=127.0.0.1:{around.syslog},facility=local0,tag=nginx combined;
    keepalive_requests 100000000;
    keepalive_timeout 300s;
    proxy_max_temp_file_size 0;  # a download stays in memory, as with the others
    client_body_buffer_size 64k;
    upstream origin {{ server 127.0.0.1:{around.origin}; keepalive 64; keepalive_requests 100000000; }}
    {server(str(ports.http))}
    {server(f"{ports.p256} ssl", around.p256)}
    {server(f"{ports.rsa} ssl", around.rsa)}
}}
{stream if ports.tcp else ""}
"""


def _caddy(around: Surroundings, ports: Ports) -> str:
    def site(address: str, tls: str = "") -> str:
        return f"""
{address} {{
    bind 127.0.0.1
    {tls}
    log {{
        output net udp/127.0.0.1:{around.syslog}
    }}
    reverse_proxy 127.0.0.1:{around.origin}
}}
"""

    return f"""
{{
    admin off
    auto_https off
    default_sni p256.bench.test
    log {{
        level ERROR
    }}
    servers {{
        protocols h1
    }}
}}
{site(f"http://:{ports.http}")}
{site(f"https://:{ports.p256}", f"tls {around.p256} {around.p256}")}
{site(f"https://:{ports.rsa}", f"tls {around.rsa} {around.rsa}")}
"""


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).splitlines()[0]


def _last_word(*command: str) -> str:
    return _first_line(*command).split()[-1]


PEERS = (
    Peer(
        "greenlb",
        _greenlb,
        ".ini",
        (sys.executable, "-m", "greenlb", "-db", "-f"),
        lambda: _last_word(sys.executable, "-m", "greenlb", "-v"),
    ),
    Peer(
        "haproxy",
        _haproxy,
        ".cfg",
        ("haproxy", "-db", "-f"),
        lambda: _first_line("haproxy", "-v").split()[2].partition("-")[0],
    ),
    Peer(
        "nginx",
        _nginx,
        ".conf",
        ("nginx", "-c"),
        lambda: _last_word("nginx", "-v").partition("/")[2],
        tunnels=STREAM_MODULE.exists(),
    ),
    Peer(
        "caddy",
        _caddy,
        ".caddy",
        ("caddy", "run", "--adapter", "caddyfile", "--config"),
        lambda: _first_line("caddy", "version").split()[0].removeprefix("v"),
        {"GOMAXPROCS": "1"},
        tunnels=False,
    ),
)
