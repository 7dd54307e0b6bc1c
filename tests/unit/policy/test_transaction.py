"""The object that Python in rules is given."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.exchange import Client, Cut, Exchange, Undecided
from greenlb.message import Fields, Reply, Request, Response
from greenlb.model import ALLOW, NOWHERE, Address, Backend, Bind, Frontend, Server
from greenlb.policy.farm import Farm
from greenlb.policy.hooks import Hook, Hooks
from greenlb.policy.rules import compile_http_request
from greenlb.policy.scope import Scope
from greenlb.policy.transaction import Choice, Transaction, choose, sample, value_of, verdict_of


def exchange(*fields: bytes, target: bytes = b"/path?a=1", mode: str = "http") -> Exchange:
    frontend = Frontend("fe", 2, NOWHERE, mode=mode)
    bind = Bind("fe", Address("127.0.0.1", 80), NOWHERE)
    x = Exchange(Client(frontend, bind, "192.0.2.1", 1234, "192.0.2.2", 80))
    if mode == "http":
        x.request = Request(b"GET", target, True, Fields(b"\r\n" + b"".join(f + b"\r\n" for f in fields)))
    return x


def scope(**more: object) -> Scope:
    farm = Farm()
    farm.declare("fe", frontend=True, servers=None)
    farm.declare("be", frontend=False, servers=["s1", "s2"])
    return Scope("fe", frontend=True, backend=False, farm=farm, **more)  # type: ignore[arg-type]


def test_headers_are_a_mapping() -> None:
    txn = Transaction(exchange(b"Host: h", b"X-A: 1", b"x-a: 2", b"X-B: \xff"))
    headers = txn.request.headers
    assert headers["X-a"] == "1, 2" and headers.all("x-A") == ["1", "2"]
    assert headers.get("nothing") is None and "x-b" in headers
    assert list(headers) == ["host", "x-a", "x-b"] and len(headers) == 3
    headers["X-A"] = headers["X-B"]  # octets that are no text go out as they came
    assert txn._x.request is not None
    assert txn._x.request.fields.raw == b"\r\nHost: h\r\nX-B: \xff\r\nX-A: \xff\r\n"
    del headers["x-b"]
    with pytest.raises(KeyError):
        del headers["x-b"]
    with pytest.raises(TypeError):
        headers["X-C"] = 1  # type: ignore[assignment]


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "a b", "", "x:", "x\r\ny"])
def test_what_frames_is_not_for_rules(name: str) -> None:
    txn = Transaction(exchange(b"Content-Length: 1"), scope())
    for act in (
        lambda: txn.request.headers.__setitem__(name, "1"),
        lambda: txn.request.headers.add(name, "1"),
        lambda: txn.request.headers.__delitem__(name),
        lambda: txn.answer(200, headers={name: "1"}),
    ):
        with pytest.raises(ValueError, match=r"header name|how long the body"):
            act()


@given(st.text(), st.text(), st.text())
def test_no_value_breaks_the_message(value: str, path: str, query: str) -> None:
    x = exchange(b"Host: h")
    txn = Transaction(x, scope())
    assert x.request is not None
    try:
        txn.request.headers["X-A"] = value
        txn.request.path, txn.request.query = path, query
        txn.answer(200, "", {"X-B": value})
    except UnicodeEncodeError:  # a half of a surrogate pair that stands for no octet
        return
    assert x.request.fields.raw.count(b"\r\n") == 3
    assert not set(b" \r\n\0\t") & set(x.request.target)
    answer = verdict_of(txn, None)
    assert answer is not None and answer.fields.raw.count(b"\r\n") == 3


def test_cookies() -> None:
    txn = Transaction(exchange(b'Cookie: a=1; b="two"; a=3', b"Cookie: c=; d"))
    assert txn.request.cookies == {"a": "1", "b": "two", "c": ""}


def test_host_follows_and_upgrade_goes() -> None:
    x = exchange(b"Host: old", b"Upgrade: websocket", target=b"http://old/x")
    assert x.request is not None
    x.request.upgrade = b"websocket"
    headers = Transaction(x).request.headers
    headers["Host"] = "new"
    assert x.request.target == b"http://new/x"
    del headers["Upgrade"]
    assert x.request.upgrade == b""


def test_variables_are_those_of_rules() -> None:
    txn = Transaction(exchange())
    txn.variables["txn.a"], txn.variables["sess.b"] = "text", 3
    assert txn.variables["txn.a"] == "text" and dict(txn.variables) == {"txn.a": "text", "sess.b": 3}
    assert txn._x.variables == {"txn.a": b"text"}
    del txn.variables["txn.a"]
    assert "txn.a" not in txn.variables
    with pytest.raises(ValueError, match="is not a variable"):
        txn.variables["user"] = "x"
    with pytest.raises(TypeError):
        txn.variables["txn.a"] = []  # type: ignore[assignment]


def test_values_of_samples() -> None:
    address = ipaddress.ip_address("192.0.2.1")
    for value in (b"x", 3, True, None, address):
        assert value_of(value) == value
    assert value_of("é") == b"\xc3\xa9"
    with pytest.raises(TypeError):
        value_of(1.5)
    assert sample(exchange(), lambda txn, a: txn.connection.src + a, ("!",)) == b"192.0.2.1!"


def test_who_may_decide_what() -> None:
    x = exchange()
    with pytest.raises(ValueError, match="only the function of a rule"):
        Transaction(x).answer(200)
    txn = Transaction(x, scope())
    txn.use_backend("be", "s2")
    assert x.wishes is not None and (x.wishes.backend, x.wishes.server) == ("be", "s2")
    for act, why in (
        (lambda: txn.use_backend("bee"), "did you mean 'be'"),
        (lambda: txn.use_backend("be", "s3"), "has no server 's3'"),
        (lambda: txn.use_server("s1"), "a frontend has no servers"),
        (lambda: txn.answer(100), "no status to answer with"),
        (lambda: txn.deny(418), "no page for status 418"),
    ):
        with pytest.raises(ValueError, match=why):
            act()
    x.response = Response(200, b"OK", True, Fields())
    with pytest.raises(ValueError, match="has been served"):
        txn.use_backend("be")
    for status in (100, 204, 304, 600):
        with pytest.raises(ValueError, match="cannot become"):
            txn.response.status = status
    txn.response.status = 404
    assert (x.response.status, x.response.reason) == (404, b"Not Found")


def test_mode_tcp_has_no_request() -> None:
    txn = Transaction(exchange(mode="tcp"), scope(mode="tcp"))
    for act in (lambda: txn.request, lambda: txn.answer(200), lambda: txn.deny()):
        with pytest.raises(ValueError, match="mode tcp"):
            act()
    txn.reject()
    verdict = verdict_of(txn, None)
    assert verdict is not None and verdict.action == "reject"


def test_a_rule_calls_its_function() -> None:
    hooks, called = Hooks(), []

    def function(txn: Transaction, *words: str) -> None:
        called.append(words)
        txn.deny()

    words = ["python", "m:f", "%[src]", "two", "if", "{", "path", "/path", "}"]
    rule = compile_http_request(words, scope(hooks=hooks))
    [hook] = hooks
    hook.function = function
    verdict = rule(exchange())
    assert isinstance(verdict, Reply) and verdict.status == 403 and verdict is not ALLOW
    assert rule(exchange(target=b"/other")) is None
    assert called == [("192.0.2.1", "two")]


@pytest.mark.parametrize("text", ["m", "m:", ":f", "m:f()", "1m:f", "m..n:f", "m:f.1", "m f", ""])
def test_what_names_no_function(text: str) -> None:
    with pytest.raises(ValueError, match="names no Python function"):
        Hook(text, NOWHERE, "python")


def test_a_failure_is_told_and_ends_the_exchange() -> None:
    hook = Hook("pkg.mod:Class.method", NOWHERE, "python")
    told: list[str] = []
    hook.report = lambda text, error: told.append(f"{text}: {error!r}")

    def fail(x: Exchange) -> None:
        raise LookupError("no")

    with pytest.raises(Cut) as cut:
        hook.ask(exchange(), "R", fail)
    assert (cut.value.cause, cut.value.phase) == ("I", "R")
    assert told == ["python pkg.mod:Class.method failed: LookupError('no')"]

    def wait(x: Exchange) -> None:
        raise Undecided

    with pytest.raises(Undecided):
        hook.ask(exchange(), "R", wait)
    assert len(told) == 1


class Paper:
    def __init__(self, name: str) -> None:
        self.server = type("Server", (), {"name": name})
        self.weight, self.load, self.limit = 1, 0, 0


def test_a_choice_is_one_of_those_there_are() -> None:
    papers = [Paper("s1"), Paper("s2")]
    choices = [Choice(paper) for paper in papers]
    assert choose(exchange(), lambda txn, servers: servers[1], choices) is papers[1]
    assert choose(exchange(), lambda txn, servers: "s1", choices) is papers[0]
    assert choose(exchange(), lambda txn, servers: None, choices) is None
    x = exchange()
    servers = tuple(Server(f"s{n}", n, Address("127.0.0.1"), NOWHERE) for n in (1, 2, 3))
    x.backend = Backend("be", 3, NOWHERE, servers=servers)
    assert choose(x, lambda txn, servers: "s3", choices) is None  # it is down, or full, or was tried just now
    for wrong in ("s4", 1):
        with pytest.raises(ValueError, match=f"{wrong!r} is no server of backend 'be'"):
            choose(x, lambda txn, servers: wrong, choices)  # noqa: B023
