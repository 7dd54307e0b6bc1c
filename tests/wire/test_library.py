"""``import greenlb``, and administration that is mounted in somebody's application."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import flask
import pytest
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

import greenlb
from greenlb.admin import apps
from greenlb.testing import LoadBalancer

FARM = """
[frontend web]
bind = 127.0.0.1:{web}
default_backend = farm
[backend farm]
server s1 = 127.0.0.1:{s1}
"""


@pytest.fixture(scope="module")
def lb() -> Iterator[LoadBalancer]:
    with LoadBalancer(FARM, {"s1": "one"}) as lb:
        yield lb


@pytest.fixture(scope="module")
def client(lb: LoadBalancer) -> Client:
    """Of a Flask application with all of it below /lb."""
    site = flask.Flask("site")
    site.add_url_rule("/", view_func=lambda: "home")
    runtime = lb.runtime
    mounted = {
        "/lb/stats": apps.statistics(runtime, admin=True),
        "/lb/metrics": apps.metrics(runtime),
        "/lb/runtime": apps.runtime(runtime),
    }
    return Client(DispatcherMiddleware(site, mounted))


def test_the_page_is_mounted(client: Client) -> None:
    assert client.get("/").text == "home"
    assert client.get("/lb/stats").headers["location"] == "/lb/stats/"
    page = client.get("/lb/stats/")
    assert page.status_code == 200 and "farm" in page.text and "/lb/stats/;" in page.text
    assert client.get("/lb/stats/;page.css").mimetype == "text/css"
    table = client.get("/lb/stats/;csv")
    assert table.text.startswith("# pxname,svname,") and "farm,s1," in table.text


def test_a_form_of_the_mounted_page_changes_a_server(client: Client, lb: LoadBalancer) -> None:
    [token] = set(re.findall(r'name="token" value="([^"]+)"', client.get("/lb/stats/").text))
    done = client.post(
        "/lb/stats/",
        data={"b": "farm", "s": "s1", "action": "maint", "token": token},
        headers={"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"},
    )
    assert done.status_code == 303 and done.headers["location"].startswith("/lb/stats/;st=DONE"), done.headers
    assert lb.stats()["farm/s1"].status == "MAINT"
    lb.up("farm/s1")


def test_the_metrics_are_mounted(client: Client) -> None:
    text = client.get("/lb/metrics?scope=server").text
    assert 'haproxy_server_status{proxy="farm",server="s1"' in text


def test_commands_go_over_http(client: Client) -> None:
    answer = client.post("/lb/runtime", json={"command": "show info"})
    assert "Name: " in answer.get_json()["answer"]
    for data, kind, status in (
        (json.dumps({"command": "show info"}), "text/plain", 415),
        ("{", "application/json", 400),
        ('["show info"]', "application/json", 400),
        ('{"command": 3}', "application/json", 400),
        ('{"command": "a\\nb"}', "application/json", 400),
        ('{"command": "a; b"}', "application/json", 400),
        ("", "application/json", 413),
    ):
        assert client.post("/lb/runtime", data=data, content_type=kind).status_code == status, data
    assert client.get("/lb/runtime").status_code == 405


def test_nobody_there_is_a_503(tmp_path: Path) -> None:
    nobody = greenlb.RuntimeClient(str(tmp_path / "nobody"))
    with pytest.raises(greenlb.Unreachable):
        nobody.stats()
    for app, ask in (
        (apps.statistics(nobody), lambda client: client.get("/")),
        (apps.metrics(nobody), lambda client: client.get("/")),
        (apps.runtime(nobody), lambda client: client.post("/", json={"command": "show info"})),
    ):
        assert ask(Client(app)).status_code == 503


def test_a_client_reads_what_is_told(lb: LoadBalancer) -> None:
    info = lb.runtime.info()
    assert info["Pid"] == str(lb.pid)
    row = lb.runtime.stats()["farm/BACKEND"]
    assert (row["pxname"], row.number("act")) == ("farm", 1)
    with pytest.raises(ValueError, match="one command"):
        lb.runtime.execute("show info\nshow stat")


LIGHT = """
import sys
import greenlb
assert not {"gevent", "greenlet", "h11", "OpenSSL", "structlog"} & set(sys.modules)
assert set(greenlb.__all__) <= set(dir(greenlb))
line = greenlb.parse_log_line(
    '127.0.0.1:1 [20/Nov/2026:15:11:04.155] web farm/s1 0/0/1/2/3 200 9 - - ---- 1/1/0/0/0 0/0 '
    '"GET / HTTP/1.1"'
)
assert (line.server, line.status) == ("s1", 200)
text = "[frontend web]\\nmode = http\\nbind = 127.0.0.1:1\\nhttp-request = denny\\n"
loaded = greenlb.load_text(text, "my.ini")
assert "did you mean 'deny'" in str(loaded.errors[0]), loaded.errors
assert not {"gevent", "greenlet", "OpenSSL"} & set(sys.modules)
for name in greenlb.__all__:
    assert getattr(greenlb, name).__doc__, name
"""


def test_it_is_light_and_documented() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_check_finds_what_loading_does_not(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.ini", tmp_path / "bad.ini"
    good.write_text("[frontend web]\nmode = http\nbind = 127.0.0.1:1\nhttp-request = deny\n")
    bad.write_text("[frontend web]\nmode = http\nbind = 127.0.0.1:1\nhttp-request = python nowhere:f\n")
    assert greenlb.check(good) == []
    [problem] = greenlb.check(bad)
    assert problem.where.line == 4 and "No module named 'nowhere'" in problem.message


def test_run_serves_until_it_is_told(tmp_path: Path) -> None:
    bad = tmp_path / "bad.ini"
    bad.write_text("[frontend web]\nbind = nonsense\n")
    code = f"import greenlb, sys; sys.exit(greenlb.run({str(bad)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "bad.ini:2" in done.stderr
