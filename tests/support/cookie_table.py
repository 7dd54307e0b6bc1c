"""What HAProxy does with persistence cookies, case by case: ``tests/unit/policy/cookie_table.json``.

``python -m tests.support.cookie_table`` asks the installed HAProxy again and writes the file.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from greenlb.model import Cookie
from greenlb.policy import cookie
from tests.support.lb import Balancer
from tests.support.oracle import Oracle
from tests.support.origin import HttpOrigin
from tests.support.stream import Message, request, response

TABLE = Path(__file__).parents[1] / "unit" / "policy" / "cookie_table.json"

NAME = b"SRV"
CONFIGS = {
    "read": Cookie(NAME, ""),
    "read indirect": Cookie(NAME, "", indirect=True),
    "insert": Cookie(NAME, "insert"),
    "nocache": Cookie(NAME, "insert", nocache=True),
    "indirect": Cookie(NAME, "insert", indirect=True),
    "seed": Cookie(NAME, "insert", indirect=True, nocache=True),
    "postonly": Cookie(NAME, "insert", indirect=True, postonly=True),
    "preserve": Cookie(NAME, "insert", preserve=True),
    "preserve indirect": Cookie(NAME, "insert", indirect=True, preserve=True),
    "attributes": Cookie(
        NAME,
        "insert",
        httponly=True,
        secure=True,
        domains=(".a.example", "b.example"),
        attributes=("SameSite=None", "X"),
    ),
    "rewrite": Cookie(NAME, "rewrite"),
    "prefix": Cookie(NAME, "prefix"),
    "idle": Cookie(NAME, "insert", maxidle=1800),
    "life": Cookie(NAME, "insert", indirect=True, maxlife=28800),
    "idle and life": Cookie(NAME, "insert", indirect=True, maxidle=1800, maxlife=28800),
}
THOROUGH = ("insert", "indirect", "rewrite", "prefix", "idle", "life", "idle and life")
"""Those that get all REQUESTS."""

SERVERS = """server s1 = 127.0.0.1:{origin} cookie a1
server s2 = 127.0.0.1:{origin} cookie a2
server down = 127.0.0.1:{origin} cookie a3 disabled
server bare = 127.0.0.1:{origin}
server twin = 127.0.0.1:{origin} cookie a3x disabled
server other = 127.0.0.1:{origin} cookie a3x backup
"""
COOKIES = {"s1": "a1", "s2": "a2", "down": "a3", "bare": "", "twin": "a3x", "other": "a3x"}
DOWN = ("down", "twin")

FLAGS = ("indirect", "nocache", "postonly", "preserve", "httponly", "secure")

REQUESTS = [
    [],
    ["SRV=a1"],
    ["SRV=a3"],
    ["SRV=a3x"],
    ["SRV=zz"],
    ["SRV="],
    ["SRV"],
    ["srv=a1"],
    ["XSRV=a1"],
    ["SRV=a1; c=d"],
    ["a=b; SRV=a1"],
    ["a=b; SRV=a1; c=d"],
    ["a=b;SRV=a1;c=d"],
    ["a=b;  SRV=a1;   c=d"],
    ["a=b ; SRV=a1 ; c=d"],
    ["a=b ; SRV=a1"],
    ["a = b; SRV = a1; c = d"],
    ["a=b,SRV=a1,c=d"],
    ["a; SRV=a1; c"],
    ["; SRV=a1"],
    ["SRV=a1;"],
    ["a=b; SRV=a1;"],
    ["SRV=a1; ;c=d"],
    ["SRV=a1; SRV=a1"],
    ["SRV=a1; SRV=a2; c=d"],
    ["SRV=zz; x=y; SRV=a2"],
    ["SRV=a3; SRV=a1"],
    ["SRV=a1; SRV=a3"],
    ['SRV="a1"'],
    ['a="x; SRV=a2"; SRV=a1'],
    ['a="x\\"; SRV=a2"; SRV=a1; c=d'],
    ['a="x; SRV=a1; c=d'],
    ["$Version=1; SRV=a1; $Path=/; c=d"],
    ["$Version=1; c=d; $Path=/; SRV=a1; $Path=/"],
    ["SRV=a1; $Path=/"],
    ["a=b", "SRV=a1"],
    ["SRV=a1", "a=b", "SRV=a2; c=d"],
    ["a=b\t;\tSRV=a1\t;\tc=d"],
    ["XSRV=a2; SRV=a1; SRVX=a2"],
    ["SRV=a1~app"],
    ["SRV=~app; a=b"],
    ["SRV=a3~app; a=b"],
    ["a=b; SRV=zz~app~more; c=d"],
    ["SRV=a1|"],
    ["SRV=a1|{-100}"],
    ["SRV=a1|{-100}|{-200}; c=d"],
    ["SRV=a1|{-4000}"],
    ["SRV=a1|{-4000}|{-5000}"],
    ["SRV=a1|{-100}|{-40000}"],
    ["SRV=a1|{3600}|{3600}"],
    ["SRV=a1|{100000}"],
    ["SRV=a1|{100000}|{100000}"],
    ["SRV=a1|????"],
    ["SRV=a1|?????|{-100}"],
    ["SRV=a1||{-100}"],
    ["SRV=a3|{-100}|{-100}"],
    ["SRV=a1|{-4000}; SRV=a2|{-100}"],
]
"""Cookie fields of requests; ``{-100}`` is the date 100 seconds ago."""

ANSWERS = [
    ["Set-Cookie: SRV=app; path=/x"],
    ["Set-Cookie: other=1; path=/"],
    ['Set-Cookie: SRV="q;uo"; path=/'],
    ["Set-Cookie: SRV=a,b; Expires=Thu, 01-Jan-1970 00:00:01 GMT"],
    ["Set-Cookie: SRV"],
    ["Set-Cookie: SRV="],
    ["Set-Cookie: SRV=one", "Set-Cookie: other=1", "Set-Cookie: SRV=two"],
]
CACHING = [
    [],
    ['ETag: "x"'],
    ["Last-Modified: Thu, 01 Jan 1970 00:00:01 GMT"],
    ["Expires: Thu, 01 Jan 1970 00:00:01 GMT"],
    ["Cache-Control: max-age=60"],
    ["Cache-Control: s-maxage=60"],
    ["Cache-Control: max-age=0"],
    ["Cache-Control: max-age=0", 'ETag: "x"'],
    ["Cache-Control: public"],
    ["Cache-Control: public", 'ETag: "x"'],
    ["Cache-Control: private", 'ETag: "x"'],
    ["Cache-Control: no-cache", 'ETag: "x"'],
    ["Cache-Control: no-store, public", 'ETag: "x"'],
    ["Cache-Control: public, no-store", 'ETag: "x"'],
    ['Cache-Control: no-cache="set-cookie"', 'ETag: "x"'],
    ["Pragma: no-cache", 'ETag: "x"'],
    ["Pragma: x", "Pragma: no-cache", 'ETag: "x"'],
    ["Cache-Control: PRIVATE", 'ETag: "x"'],
]


@dataclass(frozen=True)
class Case:
    config: str
    cookies: list[str]
    answer: list[str]
    method: str = "GET"
    status: int = 200


@dataclass(frozen=True)
class Outcome:
    """Where it went, what the server saw, what the client got, the log's third and fourth flag."""

    server: str
    seen: list[str]
    given: list[str]
    flags: str


def words(spec: Cookie) -> str:
    """The line of a configuration that says ``spec``."""
    line = [spec.name.decode(), spec.method]
    line += [flag for flag in FLAGS if getattr(spec, flag)]
    line += [f"domain {domain}" for domain in spec.domains]
    line += [f"{age} {getattr(spec, age)}s" for age in ("maxidle", "maxlife") if getattr(spec, age)]
    line += [f"attr {attribute}" for attribute in spec.attributes]
    return " ".join(filter(None, line))


def cases() -> Iterator[Case]:
    for config in CONFIGS:
        for cookies in REQUESTS if config in THOROUGH else REQUESTS[:13]:
            yield Case(config, cookies, [])
        for cookies in REQUESTS[:5]:
            for answer in ANSWERS:
                yield Case(config, cookies, answer)
    for config in ("insert", "rewrite", "prefix"):
        yield Case(config, ["SRV=a1"], ["Set-Cookie:   SRV  =  app  ; HttpOnly"])
    for cookies in REQUESTS[:3]:
        yield Case("postonly", cookies, [], "POST")
        yield Case("postonly", cookies, ["Set-Cookie: SRV=app"], "POST")
    for answer in CACHING:
        yield Case("seed", [], answer)
        yield Case("nocache", ["SRV=a1"], answer)
    for method in ("HEAD", "POST", "PUT", "OPTIONS", "DELETE"):
        yield Case("seed", [], ['ETag: "x"'], method)
        yield Case("seed", [], ["Cache-Control: public", 'ETag: "x"'], method)
    for status in (201, 203, 206, 300, 301, 302, 304, 400, 404, 405, 410, 414, 500, 501):
        yield Case("seed", [], ['ETag: "x"'], "GET", status)
        yield Case("seed", [], ["Cache-Control: public", 'ETag: "x"'], "GET", status)


def dated(text: str, now: int) -> str:
    """``text`` with its ``{seconds}`` put in as dates relative to ``now``."""
    return re.sub(r"\{(-?\d+)\}", lambda m: cookie.encode_date(now + int(m[1])).decode(), text)


def undated(text: str, now: int, case: Case) -> str:
    """The way back: ``{now}`` for the present."""

    def name(match: re.Match[str]) -> str:
        seconds = cookie.decode_date(match[1].encode())
        if abs(seconds - now - 3) <= 8:
            return "|{now}"
        for offset in re.findall(r"\{(-?\d+)\}", " ".join(case.cookies)):
            if seconds >> 2 == now + int(offset) >> 2:
                return f"|{{{offset}}}"
        return match[0]

    return re.sub(r"\|([A-Za-z0-9+/]{5})", name, text)


def echo(message: Message) -> bytes:
    """An answer as the request's ``X-Answer`` wants it."""
    status, *fields = json.loads(urllib.parse.unquote(message.get("x-answer") or ""))
    full = response(f"{status} Some", *fields)
    return full


class Table:
    """A balancer with one frontend a configuration, before one origin."""

    def __init__(self, start: Callable[..., Balancer]) -> None:
        self.origin = HttpOrigin("origin", echo)
        ini = ""
        for index, spec in enumerate(CONFIGS.values()):
            ini += f"[frontend f{index}]\nbind = 127.0.0.1:{{f{index}}}\ndefault_backend = b{index}\n"
            ini += f"[backend b{index}]\ncookie = {words(spec)}\n{SERVERS}"
        self.balancer = start(ini, origin=self.origin)

    def ask(self, case: Case) -> Outcome:
        now = int(time.time())
        number = list(CONFIGS).index(case.config)
        with self.balancer.connect(f"f{number}") as client:
            fields = [f"Cookie: {dated(line, now)}" for line in case.cookies]
            script = urllib.parse.quote(json.dumps([case.status, *case.answer]))
            length = ["Content-Length: 0"] if case.method in ("POST", "PUT") else []
            client.send(request(f"{case.method} / HTTP/1.1", *fields, f"X-Answer: {script}", *length))
            given = client.read_response(case.method)
        line = self.balancer.log()
        return Outcome(
            line.server,
            [undated(value, now, case) for value in self.origin.requests[-1].message.all("cookie")],
            [
                f"{name.lower()}: {undated(value, now, case)}"
                for name, value in given.fields
                if name.lower() in ("set-cookie", "cache-control")
            ],
            line.flags[2:],
        )

    def close(self) -> None:
        self.origin.close()


def load() -> list[tuple[Case, Outcome]]:
    return [(Case(*case), Outcome(*outcome)) for case, outcome in json.loads(TABLE.read_text())]


def record() -> None:
    with tempfile.TemporaryDirectory() as directory:
        oracle = Oracle(Path(directory))
        table = Table(oracle)
        try:
            rows = [[list(vars(case).values()), list(vars(table.ask(case)).values())] for case in cases()]
        finally:
            oracle.close()
            table.close()
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    TABLE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    record()
