"""The examples of Python in rules, as conf/ has them, at work."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenlb.testing import Answer, LoadBalancer

CONF = Path(__file__).parents[2] / "conf"


def shop(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Tells what came, and sets a session's cookie at /login."""
    told = {key: value for key, value in environ.items() if key.startswith("HTTP_")}
    fields = [("Content-Type", "application/json")]
    if environ["PATH_INFO"] == "/login":
        fields += [("Set-Cookie", "session=user.1; Path=/; HttpOnly"), ("Set-Cookie", "theme=dark")]
    start_response("200 OK", fields)
    return [json.dumps(told).encode()]


def down(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Is not well."""
    start_response("503 Service Unavailable", [])
    return []


@pytest.fixture(scope="module")
def lb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoadBalancer]:
    folder = tmp_path_factory.mktemp("examples")
    countries = folder / "countries.csv"
    countries.write_text("127.0.0.0/9,AT\n127.128.0.0/10,US\n")
    text = (CONF / "python-rules.ini").read_text()
    text = text.replace("/etc/greenlb/python/countries.csv", str(countries))
    text = text.replace("/etc/greenlb/python", str(CONF / "python"))
    text = text.replace("log = 127.0.0.1 local0\n", "").replace("bind = *:80", "bind = 127.0.0.1:{web}")
    text = re.sub(r"(server (s\d) =) [0-9.:]+", r"\1 127.0.0.1:{\2}", text)
    assert text.count("127.0.0.1:{s") == 4
    with LoadBalancer(text, {"s1": shop, "s2": down, "s3": shop, "s4": shop}) as lb:
        lb.wait_for(lambda lb: lb.stats()["shop/s2"].status == "DOWN")
        yield lb


def asked(lb: LoadBalancer, path: str, headers: dict[str, str] | None = None) -> Answer:
    return lb.get(path, {"Cookie": "experiment=a", **(headers or {})})


def test_a_check_has_found_who_is_ill(lb: LoadBalancer) -> None:
    stats = lb.stats()
    assert [stats[f"shop/s{n}"].status for n in (1, 2)] == ["UP", "DOWN"]
    assert stats["shop/s2"]["last_chk"] == "status 503"


def test_who_is_near_goes_near(lb: LoadBalancer) -> None:
    assert json.loads(asked(lb, "/").body)["HTTP_X_COUNTRY"] == "at"
    assert lb.log().backend == "europe"


def test_cookies_are_signed_and_verified(lb: LoadBalancer) -> None:
    answer = asked(lb, "/login")
    [(value, signature)] = re.findall(r"session=(user\.1)\.(\w{32});", answer.headers["set-cookie"])
    assert "theme=dark" in answer.headers["set-cookie"]
    lb.log()
    for cookie, arrives in (
        (f"session={value}.{signature}; theme=dark", ["session=user.1", "theme=dark"]),
        (f"session=user.2.{signature}; theme=dark", ["theme=dark"]),
        ("session=user.1", []),
    ):
        told = json.loads(lb.get("/", {"Cookie": f"experiment=a; {cookie}"}).body)
        assert {*told["HTTP_COOKIE"].split("; ")} == {"experiment=a", *arrives}
        lb.log()


def _token(claims: dict[str, Any], secret: str = "change-me", algorithm: str = "HS256") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(x).encode()).decode() for x in ({"alg": algorithm}, claims)]
    text = ".".join(part.rstrip("=") for part in parts)
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()
    return text + "." + base64.urlsafe_b64encode(signature).decode().rstrip("=")


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Basic abc",
        "Bearer",
        "Bearer a.b.c",
        "Bearer \xfc.b.c",
        "Bearer " + _token({"sub": "me"}, "another"),
        "Bearer " + _token({"sub": "me"}, algorithm="none"),
        "Bearer " + _token({"sub": "me", "exp": 1}),
        "Bearer " + _token({"sub": "me", "nbf": 1 << 40}),
        "Bearer " + _token({"sub": "me", "exp": "soon"}),
        "Bearer " + _token({}),
        "Bearer W10.W10.W10",
    ],
)
def test_a_token_that_is_no_good(lb: LoadBalancer, header: str | None) -> None:
    answer = asked(lb, "/api/things", {"Authorization": header} if header else {})
    assert answer.status == 401 and answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert lb.log().captures.startswith("{jwt: ")


def test_a_good_token_says_who_it_is(lb: LoadBalancer) -> None:
    token = _token({"sub": "me", "exp": 1 << 40})
    told = json.loads(asked(lb, "/api/", {"Authorization": f"Bearer {token}", "X-User": "root"}).body)
    assert told["HTTP_X_USER"] == "me"
    lb.log()


def test_a_visitor_keeps_his_group(lb: LoadBalancer) -> None:
    drawn = set()
    for number in range(40):
        answer = lb.get("/", {"User-Agent": f"browser {number}"})
        [group] = re.findall(r"experiment=([ab]);", answer.headers["set-cookie"])
        drawn.add(group)
        assert lb.log().captures == f"{{group {group}}}"
        if drawn == {"a", "b"}:
            break
    assert drawn == {"a", "b"}  # the same on every run: it is a hash
    answer = lb.get("/", {"Cookie": "experiment=b"})
    assert "set-cookie" not in answer.headers and lb.log().captures == "{group b}"


def test_orders_are_looked_into(lb: LoadBalancer) -> None:
    for body, status in (
        (b'{"items": 3}', 200),
        (b'{"items": 1001}', 422),
        (b'{"items": "3"}', 422),
        (b"\xff{", 422),
        (b"[]", 422),
        (b"{" + b" " * 12000 + b'"items": 4}', 200),
    ):
        answer = lb.request("POST", "/orders", body, {"Cookie": "experiment=a"})
        assert answer.status == status, body
        lb.log()
