"""The page as a WSGI application, over figures that the test makes."""

from __future__ import annotations

import base64
import io
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from wsgiref.validate import validator

import pytest

from greenlb import __version__
from greenlb.admin.page import actions
from greenlb.admin.page.app import LARGEST, Pages
from greenlb.admin.page.look import Look
from greenlb.admin.runtime.runtime import Unreachable
from greenlb.model import StatsPage

COLUMNS = (
    "pxname,svname,scur,smax,slim,stot,bin,bout,econ,eresp,status,weight,lastchg,type,rate,rate_max,"
    "check_status,hrsp_5xx,rtime,ttime,addr,cookie,mode"
)
ROWS = [
    "fe,FRONTEND,1,2,2000,3,10,20,,,OPEN,,,0,1,2,,0,,,,,http",
    "be,s1,1,2,,3,10,20,1,2,UP,1,75,2,1,2,L7OK,4,12,34,10.0.0.1:80,c1,http",
    "be,s2,0,0,,0,0,0,0,0,DOWN,1,7300,2,0,0,L4CON,0,0,0,10.0.0.2:80,c2,http",
    "be,BACKEND,1,2,200,3,10,20,1,2,UP,1,75,1,1,2,,4,12,34,,,http",
    'other,"<i>&,",0,0,,0,0,0,0,0,MAINT,1,1,2,0,0,,0,0,0,,,tcp',
]
PAGE = StatsPage("fe", "/stats")
LOOK = Look()


class Runtime:
    """Answers the page's commands, and notes what it is told to do."""

    def __init__(self) -> None:
        self.commands: list[tuple[str, str]] = []
        self.broken = False
        self.refused = ""

    def __call__(self, text: str, level: str) -> str:
        if self.broken:
            raise Unreachable("control is not there")
        self.commands.append((text, level))
        match text.split()[:2]:
            case ["show", "stat"] if text.endswith("json"):
                return json.dumps([[_cell("pxname", "fe")], [_cell("pxname", "be")]])
            case ["show", "stat"] if text.endswith("typed"):
                return "F.2.0.0.pxname.1:KNS:str:fe\nF.2.0.4.scur.1:MGP:u32:1\nB.3.0.0.pxname.1:KNS:str:be\n"
            case ["show", "stat"]:
                return f"# {COLUMNS},\n" + "".join(f"{row},\n" for row in ROWS) + "\n"
            case ["show", "info"]:
                return "Version: 9.9\nUptime_sec: 7205\n\n"
            case ["show", "history"]:
                told = {"rate": [1, 2], "scur": [0, 1], "errors": [0, 0], "rtime": [5000, 6000]}
                return json.dumps({"series": [{"pxname": "be", "svname": "s1", **told}]})
        return self.refused + "\n"

    @property
    def orders(self) -> list[str]:
        return [text for text, level in self.commands if level == "admin"]


def _cell(name: str, value: str) -> dict[str, Any]:
    return {"field": {"name": name}, "value": {"value": value}}


class Answer:
    def __init__(self, status: str, fields: list[tuple[str, str]], body: bytes) -> None:
        self.status = int(status[:3])
        self.fields = {name.lower(): value for name, value in fields}
        self.text = body.decode()


class Browser:
    """Calls a page through wsgiref's validator."""

    def __init__(self, page: StatsPage = PAGE, admin: bool = False) -> None:
        self.runtime = Runtime()
        self.pages = Pages(LOOK, self.runtime, b"secret", {"be": "The <shop>"})
        self.application = validator(self.pages.application(page, admin))

    def begin(self, target: str, method: str = "GET", body: bytes = b"", **more: str) -> tuple[Any, Any]:
        path, _, query = target.partition("?")
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_URI": target,
            "SERVER_NAME": "h",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "h",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **more,
        }
        if body:
            environ["CONTENT_LENGTH"] = str(len(body))
        started: list[Any] = []

        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
            started.append((status, fields))
            return lambda data: None

        return self.application(environ, start), started

    def get(self, target: str = "/stats", method: str = "GET", body: bytes = b"", **more: str) -> Answer:
        pieces, started = self.begin(target, method, body, **more)
        try:
            data = b"".join(pieces)
        finally:
            pieces.close()
        return Answer(*started[0], data)

    def events(self, target: str = "/stats;events") -> Iterator[tuple[str, Any]]:
        pieces, started = self.begin(target)
        try:
            for piece in pieces:
                assert started[0][1][0] == ("Content-Type", "text/event-stream; charset=utf-8")
                if piece == b":\n\n":
                    yield "", None
                    continue
                name, data = piece.decode().strip().split("\n")
                yield name.removeprefix("event: "), json.loads(data.removeprefix("data: "))
        finally:
            pieces.close()

    def token(self, **more: str) -> str:
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get(**more).text)
        assert found is not None
        return found[1]

    def post(self, *fields: tuple[str, str], token: str | None = None, **more: str) -> Answer:
        form = [*fields, ("token", self.token(**more) if token is None else token)]
        return self.get("/stats", "POST", urlencode(form).encode(), **more)


def test_the_page_shows_what_there_is() -> None:
    answer = Browser().get()
    assert answer.status == 200
    for text in ("be/s1", "DOWN", "L4CON", "for 2 h", f"version {__version__}", "up <b", "1/3"):
        assert text in answer.text, text
    assert "The &lt;shop&gt;" in answer.text
    assert "10.0.0.1" not in answer.text
    assert "<button name" not in answer.text


def test_nothing_that_comes_from_elsewhere_is_markup() -> None:
    page = StatsPage("fe", "/stats", description="<script>", node="<node>")
    text = Browser(page, admin=True).get().text
    assert "<i>" not in text
    assert "<script>" not in text
    assert "<node>" not in text


def test_security_headers() -> None:
    for target in ("/stats", "/stats;csv", "/stats;page.js", "/stats;row=be/s1", "/stats;row=x"):
        fields = Browser().get(target).fields
        assert "default-src 'none'" in fields["content-security-policy"], target
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["x-frame-options"] == "DENY"
        assert fields["cache-control"] == (
            "no-store" if "page.js" not in target else "private, max-age=31536000, immutable"
        )


def test_the_page_needs_nothing_from_elsewhere_and_no_inline_code() -> None:
    text = Browser(admin=True).get().text
    assert not re.search(r"https?://", text)
    assert not re.search(r"<style|style=|\son\w+=|<script(?! src)", text)
    for name in re.findall(r'(?:src|href)="(/stats;page[^"]+)"', text):
        assert Browser().get(name).status == 200


@pytest.mark.parametrize(
    "target", ["/stats", "/stats;csv", "/stats;page.css", "/stats;row=be/s1", "/stats;events"]
)
def test_head_has_no_body(target: str) -> None:
    answer = Browser().get(target, "HEAD")
    assert (answer.status, answer.text) == (200, "")


@pytest.mark.parametrize(
    ("target", "kind", "begins"),
    [
        ("/stats;csv", "text/plain; charset=utf-8", "# pxname"),
        ("/stats;csv;norefresh", "text/plain; charset=utf-8", "# pxname"),
        ("/stats?x;csv", "text/plain; charset=utf-8", "# pxname"),
        ("/statsandmore;csv", "text/plain; charset=utf-8", "# pxname"),
        ("/stats;typed", "text/plain; charset=utf-8", "F.2.0.0.pxname"),
        ("/stats;json", "application/json", "[["),
        ("/stats;csv;json", "application/json", "[["),
        ("/stats;nothing", "text/html; charset=utf-8", "<!doctype html>"),
    ],
)
def test_forms(target: str, kind: str, begins: str) -> None:
    answer = Browser().get(target)
    assert answer.fields["content-type"] == kind
    assert answer.text.startswith(begins)


def test_a_scope_holds_for_every_form() -> None:
    browser = Browser(StatsPage("fe", "/stats", scope=("fe",)), admin=True)
    for target in ("/stats", "/stats;csv", "/stats;json", "/stats;typed"):
        text = browser.get(target).text
        assert "fe" in text, target
        assert "be/s1" not in text and "be,s1" not in text and '"be"' not in text and ":be" not in text, (
            target
        )
    assert browser.get("/stats;row=be/s1").status == 404
    outcome = browser.post(("do", "drain be/s1"))
    assert outcome.fields["location"] == "/stats;st=ERRP"
    assert browser.runtime.orders == []


def test_legends_tell_addresses() -> None:
    browser = Browser(StatsPage("fe", "/stats", legends=True))
    assert "10.0.0.1:80, cookie c1" in browser.get().text
    assert "10.0.0.1" in browser.get("/stats;row=be/s1").text
    assert "10.0.0.1" not in Browser().get("/stats;row=be/s1").text
    browser.get("/stats;csv")
    assert browser.runtime.commands[-1] == ("show stat", "operator")
    plain = Browser()
    plain.get("/stats;csv")
    assert plain.runtime.commands[-1] == ("show stat", "user")


def test_refresh_is_for_browsers_without_a_stream() -> None:
    browser = Browser(StatsPage("fe", "/stats", refresh=7))
    assert '<noscript><meta http-equiv="refresh" content="7"></noscript>' in browser.get().text
    assert "http-equiv" not in browser.get("/stats;norefresh").text
    assert browser.get("/stats;csv").fields["refresh"] == "7"
    assert "refresh" not in browser.get("/stats;csv;norefresh").fields


def test_hide_version_and_modules() -> None:
    assert f"version {__version__}" not in Browser(StatsPage("fe", "/stats", hide_version=True)).get().text
    assert "Uptime_sec" in Browser(StatsPage("fe", "/stats", modules=True)).get().text


def test_viewers_share_one_look() -> None:
    browser = Browser()
    for _ in range(3):
        browser.get()
        browser.get("/stats;row=be/s1")
    assert len(browser.runtime.commands) == 3  # show stat, show info, show history


def test_figures_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    naps: list[float] = []
    monkeypatch.setattr("greenlb.admin.page.feed.gevent.sleep", naps.append)
    browser = Browser()
    browser.runtime.broken = True
    for target in ("/stats", "/stats;csv", "/stats;events", "/stats;row=be/s1"):
        answer = browser.get(target)
        assert (answer.status, answer.fields["retry-after"]) == (503, "1")
    assert len(naps) == 16  # each waited for control, in vain


# -- live ----------------------------------------------------------------------------------------------------


def test_the_stream_tells_everything_once_and_then_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser(admin=True)
    naps: list[float] = []

    def nap(seconds: float) -> None:
        if not seconds:
            return
        naps.append(seconds)
        browser.pages.feed.forget()
        ROWS[1] = ROWS[1].replace("UP", "DRAIN") if len(naps) == 2 else ROWS[1]

    monkeypatch.setattr("greenlb.admin.page.app.gevent.sleep", nap)
    before = ROWS[1]
    try:
        stream = browser.events()
        name, hello = next(stream)
        assert (name, hello["token"]) == ("hello", browser.token())
        assert hello["layout"] in browser.get().text
        name, news = next(stream)
        assert name == "news"
        assert {row["key"] for row in news["rows"]} == {
            "fe/FRONTEND",
            "be/s1",
            "be/s2",
            "be/BACKEND",
            "other/<i>&,",
        }
        assert [one[1] for one in news["trouble"]] == ["be/s2", "other/<i>&,"]
        assert next(stream) == ("", None)  # nothing is new
        name, news = next(stream)
        assert naps == [1.0, 1.0]
        assert [(row["key"], row["cells"]["state"], row["colour"]) for row in news["rows"]] == [
            ("be/s1", "DRAIN", "drain")
        ]
        browser.runtime.broken = True
        assert next(stream) == ("stale", {})
        stream.close()
    finally:
        ROWS[1] = before


# -- to change ---------------------------------------------------------------------------------------------


def test_one_server_and_several() -> None:
    browser = Browser(admin=True)
    assert browser.post(("do", "drain be/s1")).fields["location"] == "/stats;st=DONE"
    browser.post(("s", "be/s1"), ("s", "be/s2"), ("action", "maint"))
    browser.post(("s", "s2"), ("b", "be"), ("action", "ready"))  # HAProxy's form
    assert browser.runtime.orders == [
        "set server be/s1 state drain",
        "set server be/s1 state maint",
        "set server be/s2 state maint",
        "set server be/s2 state ready",
    ]
    assert "Done." in browser.get("/stats;st=DONE").text


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ([("action", "drain")], "NONE"),
        ([("s", "be/s1"), ("action", "explode")], "ERRP"),
        ([("s", "be/s1")], "ERRP"),
        ([("s", "be/s9"), ("action", "drain")], "ERRP"),
        ([("s", "be/s1"), ("s", "be/s9"), ("action", "drain")], "ERRP"),
        ([("do", "drain be/s1; shutdown sessions server be/s1")], "ERRP"),
        ([("do", "drain fe/FRONTEND")], "ERRP"),
    ],
)
def test_forms_that_do_nothing(fields: list[tuple[str, str]], state: str) -> None:
    browser = Browser(admin=True)
    answer = browser.post(*fields)
    assert (answer.status, answer.fields["location"]) == (303, f"/stats;st={state}")
    assert browser.runtime.orders == []


@pytest.mark.parametrize(
    "more",
    [
        {"token": ""},
        {"token": "0" * 64},
        {"token": "\xe9"},
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"HTTP_ORIGIN": "http://h.evil.example"},
        {"HTTP_SEC_FETCH_SITE": "cross-site"},
        {"HTTP_SEC_FETCH_SITE": "same-site"},
        {"HTTP_SEC_FETCH_SITE": "none"},
    ],
)
def test_forms_of_others_are_denied(more: dict[str, str]) -> None:
    browser = Browser(admin=True)
    answer = browser.post(("do", "drain be/s1"), **more)  # type: ignore[arg-type]
    assert answer.fields["location"] == "/stats;st=DENY"
    assert browser.runtime.orders == []


def test_a_token_is_one_user_s_of_one_start_for_one_page() -> None:
    def user(name: str) -> dict[str, str]:
        return {"HTTP_AUTHORIZATION": "Basic " + base64.b64encode(f"{name}:p".encode()).decode()}

    browser = Browser(admin=True)
    mine = browser.token(**user("me"))
    assert browser.post(("do", "drain be/s1"), token=mine, **user("me")).fields["location"].endswith("DONE")
    assert browser.post(("do", "drain be/s1"), token=mine, **user("you")).fields["location"].endswith("DENY")
    assert actions.Guard(b"another start").token("fe", "me") != mine
    assert browser.pages.guard.token("other", "me") != mine


def test_the_same_origin_is_good() -> None:
    browser = Browser(admin=True)
    answer = browser.post(("do", "drain be/s1"), HTTP_ORIGIN="http://h", HTTP_SEC_FETCH_SITE="same-origin")
    assert answer.fields["location"] == "/stats;st=DONE"


def test_a_page_to_read_changes_nothing() -> None:
    browser = Browser()
    answer = browser.post(("do", "drain be/s1"), token=browser.pages.guard.token("fe", ""))
    assert answer.fields["location"] == "/stats;st=DENY"
    assert browser.runtime.orders == []


def test_scripts_get_words() -> None:
    browser = Browser(admin=True)
    told = json.loads(browser.post(("do", "drain be/s1"), HTTP_ACCEPT="application/json").text)
    assert told == {"state": "DONE", "kind": "good", "text": "be/s1 drains."}
    browser.runtime.refused = "No such server."
    told = json.loads(browser.post(("do", "drain be/s1"), HTTP_ACCEPT="application/json").text)
    assert (told["kind"], told["text"]) == ("bad", "be/s1: No such server.")


@pytest.mark.parametrize(
    ("body", "state"),
    [(b"x" * (LARGEST + 1), "EXCD"), (b"\xff\xfe&&==%%%", "DENY"), (b"", "DENY")],
)
def test_bodies_that_are_no_form(body: bytes, state: str) -> None:
    browser = Browser(admin=True)
    answer = browser.get("/stats", "POST", body)
    assert (answer.status, answer.fields["location"]) == (303, f"/stats;st={state}")


def test_every_action_is_a_command() -> None:
    for action in actions.ACTIONS.values():
        assert action.command.count("{}") == 1
    assert {action.key for action in actions.ACTIONS.values() if action.key} == {"r", "d", "m"}


def test_everything_that_the_page_is_made_of_is_installed() -> None:
    root = Path(__file__).parents[4]
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = root / "greenlb/admin/page"
    installed = {file for pattern in patterns["greenlb.admin.page"] for file in folder.glob(pattern)}
    assert installed == {file for file in folder.iterdir() if file.is_file() and file.suffix != ".py"}
