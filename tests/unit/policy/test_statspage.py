"""Who gets a statistics page, and who may change servers from it."""

from __future__ import annotations

import base64

import pytest

from greenlb.config.load import load_text
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Reply, Request, Service
from greenlb.model import Frontend

INI = """
[global]
workers = 0
[defaults]
mode = http
timeout connect = 5s
timeout client = 5s
timeout server = 5s
[frontend f]
bind = 127.0.0.1:1
%s
"""


def ask(options: str, target: str = "/s", *fields: str, method: str = "GET") -> tuple[object, Exchange]:
    """What becomes of a request in a frontend with these options."""
    loaded = load_text(INI % options)
    assert not loaded.errors, loaded.errors
    assert loaded.config is not None
    frontend = loaded.config.frontends[0]
    for slot in loaded.config.services:
        slot.application = lambda environ, start, slot=slot: [b"admin" if slot.admin else b"reader"]
    x = Exchange(Client(frontend, frontend.binds[0], "192.0.2.1", 1, "127.0.0.1", 1))
    x.request = Request(
        method.encode(),
        target.encode(),
        True,
        Fields(("\r\n" + "".join(f"{field}\r\n" for field in fields)).encode()),
    )
    assert isinstance(frontend, Frontend)
    for rule in frontend.request_rules:
        verdict = rule(x)
        if verdict is not None:
            return verdict, x
    return None, x


def served(verdict: object) -> str:
    assert isinstance(verdict, Service)
    return b"".join(verdict.application({}, None)).decode()


def basic(user: str) -> str:
    return "Authorization: Basic " + base64.b64encode(user.encode()).decode()


@pytest.mark.parametrize(
    ("uri", "target", "hit"),
    [
        ("/s", "/s", True),
        ("/s", "/s;csv", True),
        ("/s", "/stats", True),
        ("/s", "/s?x", True),
        ("/s", "/S", False),
        ("/s", "/x/s", False),
        ("/s", "http://h/s", True),
        ("/s", "http://h/x", False),
        ("/s", "*", False),
        ("/", "http://h", True),
        ("/s?x", "/s?x;csv", True),
        ("/s?x", "/s", False),
    ],
)
def test_targets(uri: str, target: str, hit: bool) -> None:
    verdict, _ = ask(f"stats uri = {uri}", target)
    assert isinstance(verdict, Service) is hit
    if hit:
        assert isinstance(verdict, Service)
        assert verdict.name == "<STATS>"


@pytest.mark.parametrize(("method", "hit"), [("GET", True), ("HEAD", True), ("POST", True), ("PUT", False)])
def test_methods(method: str, hit: bool) -> None:
    assert (ask("stats uri = /s", method=method)[0] is not None) is hit


def test_the_default_uri() -> None:
    assert ask("stats enable = yes", "/haproxy?stats;csv")[0] is not None
    assert ask("stats enable = yes", "/haproxy")[0] is None


@pytest.mark.parametrize("option", ["hide-version = yes", "refresh = 5s", "auth = u:p", "show-node = yes"])
def test_each_option_turns_it_on(option: str) -> None:
    assert ask(f"stats {option}", "/haproxy?stats")[0] is not None


@pytest.mark.parametrize(
    ("field", "hit"),
    [
        (basic("u:p"), True),
        (basic("a:b:c"), True),
        (basic("u:p").replace("Basic", "bAsIc"), True),
        (basic("u:"), False),
        (basic("u:pp"), False),
        (basic("u"), False),
        (basic(""), False),
        ("Authorization: Basic", False),
        ("Authorization: Basic ####", False),
        ("Authorization: Bearer dTpw", False),
        ("X: y", False),
    ],
)
def test_passwords(field: str, hit: bool) -> None:
    verdict, x = ask("stats uri = /s\nstats auth = u:p\n             a:b:c\nstats realm = a\\ b", "/s", field)
    if hit:
        assert isinstance(verdict, Service)
        return
    assert isinstance(verdict, Reply)
    assert (verdict.status, verdict.cause, verdict.phase, x.service) == (401, "L", "R", "<STATS>")
    assert verdict.fields.get(b"www-authenticate") == b'Basic realm="a b"'


def test_http_request_lines_run_in_order() -> None:
    lines = (
        "stats uri = /s\n"
        "stats http-request = allow if { req.hdr(a) 1 }\n"
        "                     auth realm R if { req.hdr(b) 1 }\n"
        "                     deny if { req.hdr(c) 1 }"
    )
    assert isinstance(ask(lines, "/s", "a: 1", "c: 1")[0], Service)
    asked, _ = ask(lines, "/s", "b: 1", "c: 1")
    assert isinstance(asked, Reply)
    assert asked.fields.get(b"www-authenticate") == b'Basic realm="R"'
    denied, x = ask(lines, "/s", "c: 1")
    assert isinstance(denied, Reply)
    assert (denied.status, denied.cause, denied.phase, x.service) == (403, "P", "R", "<STATS>")
    assert isinstance(ask(lines, "/s")[0], Service)


def test_who_may_change_servers() -> None:
    lines = "stats uri = /s\nstats admin = if { req.hdr(a) 1 }\n              unless { req.hdr(b) 1 }"
    assert served(ask(lines, "/s", "b: 1")[0]) == "reader"
    assert served(ask(lines, "/s", "b: 1", "a: 1")[0]) == "admin"
    assert served(ask(lines, "/s")[0]) == "admin"
    assert served(ask("stats uri = /s")[0]) == "reader"


def test_an_allow_of_http_request_ends_its_own_list_alone() -> None:
    lines = "http-request = allow\n               deny\nstats uri = /s\nredirect = location /x"
    assert isinstance(ask(lines, "/s")[0], Service)
    elsewhere, _ = ask(lines, "/other")
    assert isinstance(elsewhere, Reply)
    assert elsewhere.status == 302


def test_a_denied_request_sees_no_page() -> None:
    verdict, x = ask("http-request = deny\nstats uri = /s")
    assert isinstance(verdict, Reply)
    assert (verdict.status, x.service) == (403, "")


def test_the_exporter_is_a_service() -> None:
    verdict, _ = ask("http-request = use-service prometheus-exporter if { path /metrics }", "/metrics")
    assert isinstance(verdict, Service)
    assert verdict.name == "<PROMEX>"
    assert ask("http-request = use-service prometheus-exporter if { path /metrics }", "/")[0] is None


def test_a_service_without_an_application_says_so() -> None:
    loaded = load_text(INI % "stats uri = /s")
    assert loaded.config is not None
    started: list[str] = []
    for slot in loaded.config.services:
        assert slot.application({}, lambda status, fields: started.append(status))
    assert started == ["503 Service Unavailable"]
