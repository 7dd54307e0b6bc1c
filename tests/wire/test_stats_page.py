"""The statistics page in the midst of traffic, beside HAProxy's."""

from __future__ import annotations

import base64
import json
import re
import signal

from tests.support.farm import Farm
from tests.support.lb import PROJECT, Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, Message, Stream, get, post, request

INI = """
[frontend fe]
bind = 127.0.0.1:{fe}
stats uri = /stats
stats auth = u:p
             v:q:r
stats realm = The\\ farm
stats refresh = 7s
stats admin = if { req.hdr(x-admin) 1 }
http-request = allow if { path_beg /stats }
redirect = location /elsewhere if { path_beg /stats }
use_backend = page if { path_beg /haproxy }
default_backend = be

[frontend ro]
bind = 127.0.0.1:{ro}
stats http-request = deny if { req.hdr(x) deny }
                     auth realm R if { req.hdr(x) auth }
stats scope = ro

[backend page]
stats hide-version = yes

[backend be]
server s1 = 127.0.0.1:{s1}
server s2 = 127.0.0.1:{s2}
"""


def pair(proxy: Launcher, origin: Origins) -> Balancer:
    return proxy(INI, s1=origin.http("s1"), s2=origin.http("s2"))


def basic(user: str) -> str:
    return "Authorization: Basic " + base64.b64encode(user.encode()).decode()


def figures(answer: Message) -> dict[tuple[str, str], dict[str, str]]:
    """The CSV by pxname and svname."""
    head, *rows = answer.body.decode().splitlines()
    names = head.removeprefix("# ").split(",")
    return {
        (row.split(",")[0], row.split(",")[1]): dict(zip(names, row.split(","), strict=True))
        for row in rows
        if row
    }


def state(lb: Balancer, server: str) -> str:
    return figures(lb.ask(get("/stats;csv", basic("u:p"))))["be", server]["status"]


def test_who_gets_the_page(proxy: Launcher, origin: Origins) -> None:
    lb = pair(proxy, origin)
    logged = lb.says(greenlb=401, haproxy=400)  # HAProxy logs a status that it did not send
    for fields in (
        (),
        (basic("u:x"),),
        (basic("w:p"),),
        ("Authorization: Basic",),
        ("Authorization: Bearer u:p",),
    ):
        answer = lb.ask(get("/stats", *fields))
        assert (answer.status, answer.get("www-authenticate")) == (401, 'Basic realm="The farm"')
        assert b"You need a valid user and password" in answer.body
        line = lb.log()
        assert (line.frontend, line.to, line.status, line.flags) == ("fe", "fe/<STATS>", logged, "LR--")
    for target in ("/stats", "/stats/more", "/stats?x=1", "/statsx;norefresh"):
        answer = lb.ask(get(target, basic("v:q:r")))
        assert (answer.status, (answer.get("content-type") or "").partition(";")[0]) == (200, "text/html")
        line = lb.log()
        assert (line.to, line.status, line.flags) == ("fe/<STATS>", 200, "LR--")
    answer = lb.ask(request("HEAD /stats HTTP/1.1", basic("u:p")), method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert (
        lb.ask(request("PUT /stats HTTP/1.1", basic("u:p"), "Content-Length: 0")).get("location")
        == "/elsewhere"
    )
    assert lb.ask(get("/other")).body in (b"s1", b"s2")


def test_rules_of_the_page_and_a_page_of_a_backend(proxy: Launcher, origin: Origins) -> None:
    lb = pair(proxy, origin)
    denied = lb.ask(get("/haproxy?stats", "x: deny"), "ro")
    assert denied.status == 403
    line = lb.log()
    assert (line.to, line.flags) == ("ro/<STATS>", "PR--")
    asked = lb.ask(get("/haproxy?stats", "x: auth"), "ro")
    assert (asked.status, asked.get("www-authenticate")) == (401, 'Basic realm="R"')
    lb.log()
    answer = lb.ask(get("/haproxy?stats;csv"), "ro")
    assert {name for name, _ in figures(answer)} == {"ro"}
    assert lb.log().to == "ro/<STATS>"
    assert lb.ask(get("/haproxy?stat"), "ro").status == 503
    lb.log()
    answer = lb.ask(get("/haproxy?stats;csv"), "fe")
    assert ("be", "s1") in figures(answer)
    line = lb.log()
    assert (line.frontend, line.to, line.flags) == ("fe", "page/<STATS>", "LR--")


def test_forms_of_the_figures(proxy: Launcher, origin: Origins) -> None:
    lb = pair(proxy, origin)
    lb.ask(get("/a"))
    lb.ask(get("/stats"))
    answer = lb.ask(get("/stats;csv", basic("u:p")))
    assert (answer.get("content-type") or "").startswith("text/plain")
    assert answer.get("refresh") == "7"
    assert answer.body.endswith(b",\n") and not answer.body.endswith(b"\n\n")
    told = figures(answer)
    assert next(iter(told)) == ("fe", "FRONTEND")
    assert {("be", "s1"), ("be", "s2"), ("be", "BACKEND"), ("ro", "FRONTEND")} <= set(told)
    assert int(told["be", "BACKEND"]["hrsp_2xx"]) == 1
    assert int(told["fe", "FRONTEND"]["intercepted"]) >= 1
    assert told["be", "s1"]["status"] == "no check"
    rows = json.loads(lb.ask(get("/stats;json", basic("u:p"))).body)
    assert rows[0][0]["field"]["name"] == "pxname" and rows[0][0]["value"]["value"] == "fe"
    assert lb.ask(get("/stats;csv;norefresh", basic("u:p"))).get("refresh") is None
    typed = lb.ask(get("/stats;typed", basic("u:p"))).body.decode().splitlines()
    assert re.fullmatch(r"F\.\d+\.0\.0\.pxname\.1:KNS:str:fe", typed[0])


def form(lb: Balancer, body: str, *fields: str) -> Message:
    """A form sent to the page, with the token that greenlb's has."""
    if lb.program == "greenlb":
        page = lb.ask(get("/stats", basic("u:p"), "x-admin: 1")).body.decode()
        found = re.search(r'name="token" value="([0-9a-f]+)"', page)
        assert found is not None
        body += f"&token={found[1]}"
    kind = "Content-Type: application/x-www-form-urlencoded"
    return lb.ask(post("/stats", body.encode(), basic("u:p"), kind, *fields))


def test_servers_are_changed(proxy: Launcher, origin: Origins) -> None:
    lb = pair(proxy, origin)
    for action, expected in (("drain", "DRAIN"), ("maint", "MAINT"), ("ready", "no check")):
        answer = form(lb, f"s=s1&b=be&action={action}", "x-admin: 1")
        assert (answer.status, answer.get("location")) == (303, "/stats;st=DONE")
        assert state(lb, "s1") == expected
    form(lb, "s=s1&s=s2&action=maint&b=be", "x-admin: 1")
    assert (state(lb, "s1"), state(lb, "s2")) == ("MAINT", "MAINT")
    assert lb.ask(get("/a")).status == 503
    form(lb, "s=s1&s=s2&action=ready&b=be", "x-admin: 1")
    assert lb.ask(get("/a")).status == 200


def test_what_is_no_form_changes_nothing(proxy: Launcher, origin: Origins) -> None:
    lb = pair(proxy, origin)
    assert form(lb, "s=s1&b=be&action=drain").get("location") == "/stats;st=DENY"
    assert form(lb, "s=s9&b=be&action=drain", "x-admin: 1").get("location") == "/stats;st=ERRP"
    assert form(lb, "s=s1&b=be&action=explode", "x-admin: 1").get("location") == "/stats;st=ERRP"
    assert lb.ask(post("/stats", b"s=s1&b=be&action=drain")).status == 401
    assert state(lb, "s1") == "no check"


def test_the_dashboard_asks_for_metrics_that_there_are(proxy: Launcher, origin: Origins) -> None:
    """Those of conf/grafana are HAProxy's, so one board shows both."""
    lb = proxy(
        """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = use-service prometheus-exporter if { path /metrics }
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} check
""",
        s1=origin.http("s1"),
    )
    answer = lb.ask(get("/metrics"))
    assert (answer.status, answer.get("content-type")) == (200, "text/plain; version=0.0.4")
    told = set(re.findall(r"^# TYPE (\w+)", answer.body.decode(), re.MULTILINE))
    board = json.loads((PROJECT / "conf/grafana/greenlb.json").read_text())
    asked = set(re.findall(r"haproxy_\w+", json.dumps(board)))
    assert len(asked) > 20
    assert asked <= told
    line = lb.log()
    assert (line.to, line.status, line.flags) == ("fe/<PROMEX>", 200, "LR--")


# -- greenlb's own ------------------------------------------------------------------------------------------


def test_forms_of_other_sites_are_denied(greenlb: Launcher, origin: Origins) -> None:
    lb = pair(greenlb, origin)
    for field in ("Origin: https://evil.example", "Origin: http://[", "Sec-Fetch-Site: cross-site"):
        assert form(lb, "s=s1&b=be&action=drain", "x-admin: 1", field).get("location") == "/stats;st=DENY"
    assert form(lb, "s=s1&b=be&action=drain" + "&a=" * 5001, "x-admin: 1").get("location") == "/stats;st=EXCD"
    bare = post("/stats", b"s=s1&b=be&action=drain", basic("u:p"), "x-admin: 1")
    assert lb.ask(bare).get("location") == "/stats;st=DENY"
    assert state(lb, "s1") == "no check"


def view(lb: Balancer) -> Stream:
    """A viewer of the live page, who has been told everything."""
    viewer = lb.connect()
    viewer.send(get("/stats;events", basic("u:p"), "x-admin: 1"))
    assert b"text/event-stream" in viewer.read_until(b"event: hello\n")
    viewer.read_until(b"event: news\n")
    return viewer


def test_the_page_is_live_and_holds_up_nobody(greenlb: Launcher, origin: Origins) -> None:
    """With two workers: a form counts at either, viewers see what was done, and a reload and a stop
    end their streams."""
    lb = greenlb(
        "[global]\nlog = 127.0.0.1:{syslog} local0\nworkers = 2\n" + INI,
        s1=origin.http("s1"),
        s2=origin.http("s2"),
    )
    farm = Farm(lb)
    viewers = [view(lb) for _ in range(4)]
    for action, word in (("drain", b'"state":"DRAIN"'), ("ready", b'"state":"no check"')):
        page = lb.ask(get("/stats", basic("u:p"), "x-admin: 1")).body.decode()
        token = re.search(r'name="token" value="([0-9a-f]+)"', page)
        assert token is not None
        body = f"do={action}+be/s1&token={token[1]}".encode()
        for _ in range(4):
            answer = lb.ask(post("/stats", body, basic("u:p"), "x-admin: 1", "Accept: application/json"))
            assert json.loads(answer.body)["state"] == "DONE", answer.body
        for viewer in viewers:
            viewer.read_until(word)
    farm.reload()
    for viewer in viewers:
        viewer.read_until(b"0\r\n\r\n")  # the whole of an answer, as browsers want it
        viewer.close()
    viewers = [view(lb) for _ in range(2)]
    lb.process.send_signal(signal.SIGUSR1)
    for viewer in viewers:
        viewer.read_until(b"0\r\n\r\n")
        viewer.close()
    assert lb.process.wait(WAIT) == 0
    farm.ended(greenlb)
