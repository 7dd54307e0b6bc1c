"""The works that are measured: what one unit of each is, and how to do some of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark import clients
from benchmark.peers import Ports

BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language: en-US,en;q=0.5",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://www.example.com/some/page.html",
    "Connection: keep-alive",
    "Cookie: theme=dark; consent=yes; session=0123456789abcdef0123456789abcdef",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-Site: same-origin",
    "Priority: u=0, i",
)
CONNECTIONS = 16
IDLE = 1000


@dataclass(frozen=True)
class Work:
    """``run(ports, seconds)`` does some of it and returns how many units that was.  ``tunnels``: it is
    for peers that pass TCP through."""

    name: str
    title: str
    run: Callable[[Ports, int], float]
    tunnels: bool = False


@dataclass(frozen=True)
class Memory:
    """``IDLE`` connections to ``port``, over TLS when there is a server name."""

    name: str
    title: str
    port: Callable[[Ports], int]
    server_name: str = ""
    tunnels: bool = False


def _plain(ports: Ports, path: str) -> str:
    return f"http://{clients.HOST}:{ports.http}{path}"


def _tls(ports: Ports, path: str) -> str:
    return f"https://{clients.HOST}:{ports.p256}{path}"


def _tunnel(ports: Ports, path: str) -> str:
    return f"http://{clients.HOST}:{ports.tcp}{path}"


def _requests(
    url: Callable[[Ports, str], str],
    path: str,
    *,
    headers: tuple[str, ...] = (),
    body: int = 0,
) -> Callable[[Ports, int], float]:
    def run(ports: Ports, seconds: int) -> float:
        return clients.wrk(
            url(ports, path), connections=CONNECTIONS, seconds=seconds, headers=headers, body=body
        ).requests

    return run


def _downloads(url: Callable[[Ports, str], str]) -> Callable[[Ports, int], float]:
    def run(ports: Ports, seconds: int) -> float:
        return clients.wrk(url(ports, "/10m"), connections=4, seconds=seconds).downloads

    return run


def _handshakes(port: Callable[[Ports], int], name: str, per_second: int) -> Callable[[Ports, int], float]:
    def run(ports: Ports, seconds: int) -> float:
        count = per_second * seconds
        clients.handshakes(port(ports), name, count)
        return count

    return run


WORKS: tuple[Work | Memory, ...] = (
    Work("http", "GET 1 KiB, keep-alive, http", _requests(_plain, "/1k")),
    Work("https", "GET 1 KiB, keep-alive, https", _requests(_tls, "/1k")),
    Work(
        "http-browser", "the same with a browser's headers, http", _requests(_plain, "/1k", headers=BROWSER)
    ),
    Work(
        "https-browser", "the same with a browser's headers, https", _requests(_tls, "/1k", headers=BROWSER)
    ),
    Work("chunked", "GET 1 KiB answered in chunks, http", _requests(_plain, "/chunked")),
    Work("post", "POST 10 KiB, http", _requests(_plain, "/post", body=10 * 1024)),
    Work("close", "a connection a request, http", _requests(_plain, "/1k", headers=("Connection: close",))),
    Work("rsa", "full handshake, RSA-2048", _handshakes(lambda ports: ports.rsa, "rsa.bench.test", 200)),
    Work("p256", "full handshake, P-256", _handshakes(lambda ports: ports.p256, "p256.bench.test", 200)),
    Work("download-http", "download of 10 MiB, http", _downloads(_plain)),
    Work("download-https", "download of 10 MiB, https", _downloads(_tls)),
    Work("tcp", "1 KiB there and back in a tcp tunnel", _requests(_tunnel, "/1k"), tunnels=True),
    Work(
        "tcp-close",
        "a short tcp connection",
        _requests(_tunnel, "/1k", headers=("Connection: close",)),
        tunnels=True,
    ),
    Work("download-tcp", "download of 10 MiB, tcp", _downloads(_tunnel), tunnels=True),
    Memory("idle-http", "idle kept-alive connection, http", lambda ports: ports.http),
    Memory("idle-https", "idle kept-alive connection, https", lambda ports: ports.p256, "p256.bench.test"),
    Memory("idle-tcp", "idle tcp tunnel", lambda ports: ports.tcp, tunnels=True),
)
