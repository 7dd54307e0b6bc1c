"""What is shown after traffic: by the runtime socket in each form, and by the exporter; beside HAProxy's."""

from __future__ import annotations

import csv
import json
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from haproxyadmin import haproxy as haproxyadmin

from tests.conftest import launcher_of
from tests.support.certs import Authority
from tests.support.client import context_for
from tests.support.farm import Farm
from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import WAIT, Message, eventually, get, post, response

INI = """
[global]
log = 127.0.0.1:{syslog} local0
maxconn = 200
stats socket = {dir}/admin level admin
               {dir}/user level user
%s
[frontend fe]
bind = 127.0.0.1:{fe}
       127.0.0.1:{other} name other
option socket-stats = yes
stats uri = /stats
stats show-legends = yes
http-request = use-service prometheus-exporter if { path /metrics }
               deny if { path /denied }
http-response = deny if { res.hdr(x-secret) -m found }
redirect = location /else if { path /elsewhere }
use_backend = broken if { path /broken }
              nobody if { path /nobody }
default_backend = be

[frontend ft]
mode = tcp
bind = 127.0.0.1:{ft}
default_backend = bt

[backend be]
cookie = SRV insert
server s1 = 127.0.0.1:{s1} cookie s1 maxconn 10 check inter 100ms
server s2 = 127.0.0.1:{s2} cookie s2
server out = 127.0.0.1:{s2} disabled

[backend broken]
retries = 1
option redispatch = no
timeout connect = 100ms
server dead = 127.0.0.1:{dead}

[backend nobody]
server out = 127.0.0.1:{s2} disabled

[backend bt]
mode = tcp
balance = leastconn
server t1 = 127.0.0.1:{s1} weight 3

[listen li]
bind = 127.0.0.1:{li}
server s2 = 127.0.0.1:{s2}
"""

Table = dict[tuple[str, str], dict[str, str]]


def secretive(message: Message) -> bytes:
    """A server's answer; one that is not to be seen where that was asked for."""
    return response("200 OK", *(["X-Secret: 1"] if "secret" in message.target else []), body=b"hello")


def ask(lb: Balancer, command: str, level: str = "admin") -> str:
    """What a runtime command is answered."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(WAIT)
        sock.connect(str(lb.directory / level))
        sock.sendall(command.encode() + b"\n")
        pieces = []
        while piece := sock.recv(65536):
            pieces.append(piece)
        return b"".join(pieces).decode()


def table(text: str) -> Table:
    """The CSV, by pxname and svname."""
    lines = text.removeprefix("# ").splitlines()
    return {(row["pxname"], row["svname"]): row for row in csv.DictReader(lines)}


def talk(lb: Balancer) -> None:
    """A dialogue in which much goes wrong.  The connections are over when it is."""
    with lb.connect() as client:
        for target in ("/1", "/2", "/3", "/denied", "/elsewhere"):
            client.send(get(target))
            client.read_response()
    for data in (
        get("/secret"),
        get("/broken"),
        get("/nobody"),
        post("/", b"12345"),
        b"GET / HTTP/1.1\r\nX Y\r\n\r\n",
    ):
        lb.ask(data)
    for name in ("ft", "ft", "li", "other"):
        lb.ask(get("/", "Connection: close"), name)
    eventually(lambda: settled(lb), "it is all booked")


def settled(lb: Balancer) -> bool:
    found = table(ask(lb, "show stat"))
    return (
        found["fe", "FRONTEND"]["stot"] == "7"
        and not any(int(row["scur"] or 0) for row in found.values())
        and found["bt", "BACKEND"]["stot"] == found["ft", "FRONTEND"]["stot"] == "2"
        and found["be", "s1"]["check_status"] == "L4OK"
    )


def start(launcher: Launcher, origin: Origins, settings: str = "") -> Balancer:
    """s1 and s2 are like each other, and there is nobody at the third address."""
    return launcher(
        INI % settings, s1=origin.http("s", secretive), s2=origin.http("s", secretive), dead=origin.refusing()
    )


@pytest.fixture
def haproxy_too(tmp_path: Path) -> Iterator[Launcher]:
    """HAProxy beside greenlb."""
    launcher = launcher_of("haproxy", tmp_path)
    yield launcher
    launcher.close()


OF_TIME = re.compile(
    r"rate|rate_max|.*_rate|.*_rate_max|lastchg|downtime|lastsess|[qcrt]time(_max)?|check_duration|check_health|"
    r"smax|need_conn_est|srv_icur|idle_conn_cur|safe_conn_cur|addr|h1_.*|h2_.*|-|"
)
"""Columns that are never twice the same, are an address, or are looked at now and then by one of the two."""
OTHERWISE = {"bin", "bout"}
"""Columns that count other bytes: HAProxy's are those of its inner form of a message."""


DEPARTURES = {
    ("be", "s2", "hrsp_2xx"): ("2", "3"),
    ("be", "s2", "hrsp_5xx"): ("1", "0"),
    ("broken", "BACKEND", "slim"): ("1", "20"),
    ("nobody", "BACKEND", "slim"): ("1", "20"),
}
"""An answer that a rule replaced counts as what the client got; fullconn is of those who come by default."""


def test_the_same_dialogue_makes_the_same_figures(
    greenlb: Launcher, haproxy_too: Launcher, origin: Origins
) -> None:
    ours, theirs = start(greenlb, origin), start(haproxy_too, origin)
    for lb in (ours, theirs):
        talk(lb)
    mine, other = table(ask(ours, "show stat")), table(ask(theirs, "show stat"))
    assert list(mine) == list(other)
    differences = {
        (*whose, name): (mine[whose][name], value)
        for whose, row in other.items()
        for name, value in row.items()
        if not OF_TIME.fullmatch(name) and name not in OTHERWISE and mine[whose].get(name) != value
    }
    assert differences == DEPARTURES
    names = list(next(iter(other.values())))
    assert list(next(iter(mine.values())))[:107] == names[:107]


METRICS = re.compile(r"^# TYPE (\S+) (\S+)$", re.MULTILINE)


def test_the_exporter_has_haproxy_s_names(greenlb: Launcher, haproxy_too: Launcher, origin: Origins) -> None:
    ours, theirs = (start(each, origin) for each in (greenlb, haproxy_too))
    mine, other = (lb.ask(get("/metrics")).body.decode() for lb in (ours, theirs))
    known = {name: kind for name, kind in METRICS.findall(other) if "zlib" not in name}
    assert {name: kind for name, kind in METRICS.findall(mine) if name.startswith("haproxy_")} == known
    labelled = re.compile(r"^(haproxy_\w+(?:{.*})?) ", re.MULTILINE)
    assert [n for n in labelled.findall(mine) if "build_info" not in n] == [
        n for n in labelled.findall(other) if "zlib" not in n and "build_info" not in n
    ]
    for query, status in (("scope=server&no-maint", 200), ("scope=", 200), ("scope=nobody", 400)):
        answers = [lb.ask(get(f"/metrics?{query}")) for lb in (ours, theirs)]
        assert [answer.status for answer in answers] == [status, status]
        if status == 200:
            found = [set(METRICS.findall(answer.body.decode())) for answer in answers]
            assert found[0] == found[1]


# -- greenlb's own ---------------------------------------------------------------------------------------


def numbers(text: str) -> dict[str, str]:
    """Samples of the exporter, by metric and labels."""
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


def on_page(html: str) -> list[tuple[str, str]]:
    """Columns and values of a row's own page."""
    found = re.findall(r'<tr><th scope="row">(\w+)</th><td>(.*?)</td>', html)
    return [(column, unescape(value)) for column, value in found]


def test_the_forms_agree_over_two_workers(greenlb: Launcher, origin: Origins) -> None:
    """CSV, typed, JSON, the page and the exporter, after traffic that two processes have had."""
    lb = start(greenlb, origin, "workers = 2")
    farm = Farm(lb)
    talk(lb)
    csv_text, typed, documents = (ask(lb, f"show stat{form}") for form in ("", " typed", " json"))
    seen = table(csv_text)
    lines = [line.split(":", 3) for line in typed.splitlines() if line]
    moving = re.compile("lastchg|lastsess|.*rate|check_status|check_duration|downtime")
    by_form: dict[tuple[str, str, str], str] = {}
    for (path, _, _, value), one in zip(
        lines, [v for each in json.loads(documents) for v in each], strict=True
    ):
        kind, proxy, number, _, name, _ = path.split(".")
        assert (one["proxyId"], one["id"], one["field"]["name"]) == (int(proxy), int(number), name)
        assert moving.fullmatch(name) or str(one["value"]["value"]) == value
        by_form[f"{kind}.{proxy}", number, name] = value
    for whose, row in seen.items():
        kind = "FBSL"[int(row["type"])]
        for name, value in row.items():
            if name and name != "-" and not moving.fullmatch(name):
                assert by_form.get((f"{kind}.{row['iid']}", row["sid"], name), "") == value, (whose, name)
    told = numbers(lb.ask(get("/metrics?scope=backend&scope=server&scope=listener")).body.decode())
    for (proxy, name), row in seen.items():
        if row["type"] == "2":
            whose_labels = f'{{proxy="{proxy}",server="{name}"}}'
            assert told[f"haproxy_server_sessions_total{whose_labels}"] == row["stot"]
            assert told[f"haproxy_server_bytes_out_total{whose_labels}"] == row["bout"]
    for name in ("s1", "s2", "BACKEND"):
        whole = dict(list(seen["be", name].items())[: list(seen["be", name]).index("-")])
        row = {column: value for column, value in whole.items() if value}
        shown = dict(on_page(lb.ask(get(f"/stats;row=be/{name}")).body.decode()))
        assert shown.keys() == row.keys()
        assert all(value == row[column] for column, value in shown.items() if not moving.fullmatch(column))
    assert sum(int(seen["fe", name]["stot"]) for name in ("sock-1", "other")) == 7
    assert farm.counted()["be/BACKEND"].values["stot"] == int(seen["be", "BACKEND"]["stot"])
    processes = numbers(lb.ask(get("/metrics?scope=global")).body.decode())
    for name in ("control", "worker 1", "worker 2"):
        assert int(processes[f'greenlb_process_open_fds{{process="{name}"}}']) > 5
        assert int(processes[f'greenlb_process_resident_memory_bytes{{process="{name}"}}']) > 1 << 20
    history = json.loads(ask(lb, "show history json 60"))
    assert {(each["pxname"], each["svname"]) for each in history["series"]} == set(seen)
    eventually(
        lambda: any(
            sum(each["rate"]) == 12  # with those that asked for metrics and the page
            for each in json.loads(ask(lb, "show history json 60"))["series"]
            if (each["pxname"], each["svname"]) == ("fe", "FRONTEND")
        ),
        "the history has seen it all",
    )


def test_clear_counters(greenlb: Launcher, origin: Origins) -> None:
    lb = start(greenlb, origin, "workers = 2")
    talk(lb)
    before = table(ask(lb, "show stat"))
    assert int(before["be", "s1"]["ttime_max"]) >= 0 and before["fe", "FRONTEND"]["smax"] != "0"
    assert ask(lb, "clear counters") == "\n"
    after = table(ask(lb, "show stat"))
    assert after["fe", "FRONTEND"]["stot"] == before["fe", "FRONTEND"]["stot"] == "7"
    assert after["broken", "dead"]["ttime_max"] == "0" != before["broken", "dead"]["ttime_max"]
    assert ask(lb, "clear counters all") == "\n"
    cleared = table(ask(lb, "show stat"))
    for name in ("stot", "bin", "bout", "req_tot", "hrsp_2xx", "smax", "rate_max", "dreq"):
        assert cleared["fe", "FRONTEND"][name] == "0", name
    lb.ask(get("/"))
    eventually(lambda: table(ask(lb, "show stat"))["fe", "FRONTEND"]["stot"] == "1", "it counts on")


def test_what_people_and_their_programs_read(greenlb: Launcher, origin: Origins) -> None:
    lb = start(greenlb, origin)
    talk(lb)
    done = subprocess.run(
        ["awk", "-F,", "/^be,s1/ {print $2,$18,$37}"],
        input=ask(lb, "show stat"),
        capture_output=True,
        text=True,
    )
    assert done.stdout == "s1 UP L4OK\n"
    client = haproxyadmin.HAProxy(socket_file=str(lb.directory / "admin"))
    assert client.totalrequests == 12
    assert {backend.name for backend in client.backends()} == {"be", "broken", "nobody", "bt", "li"}
    (server,) = client.server("s2", "be")
    assert (server.status, server.metric("weight"), server.metric("stot")) == ("no check", 1, 3)
    assert client.frontend("fe").requests == 11
    seen = table(ask(lb, "show stat", "user"))
    assert not any(row["addr"] or row["cookie"] or row["algo"] for row in seen.values())
    assert {row["pxname"] for row in table(ask(lb, "show stat be 2 -1")).values()} == {"be"}
    assert ask(lb, "show stat nope 4 -1") == "No such proxy.\n\n"
    assert [row["svname"] for row in table(ask(lb, "show stat -1 4 -1 no-maint")).values()].count("out") == 0
    assert ask(lb, "show servers state nope") == "Can't find backend.\n\n"
    state = ask(lb, "show servers state nobody").splitlines()
    assert state[2].split()[:7] == ["6", "nobody", "1", "out", "127.0.0.1", "0", "5"]


TLS = """
[global]
log = 127.0.0.1:{syslog} local0
stats socket = {dir}/admin level admin
[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {pem} ssl-min-ver TLSv1.2 ssl-max-ver TLSv1.2
http-request = use-service prometheus-exporter if { path /metrics }
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_tls_is_counted(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """A session, its resumption, a handshake that fails; and how long the certificate will do."""
    lb = proxy(TLS, s1=origin.http("s1"), pem=authority.pem("www.example.com"))
    context = context_for(str(authority.ca_file), maximum=ssl.TLSVersion.TLSv1_2)
    with lb.connect_tls(context, "www.example.com") as first:
        first.send(get("/metrics?scope=global"))
        metrics = numbers(first.read_response().body.decode())
        session = first.tls.session
        assert f" {ask(lb, 'show info')}".count("CurrSslConns: 1") == 1
    with lb.connect_tls(context, "www.example.com", session=session) as again:
        again.send(get())
        again.read_response()
    with lb.connect() as broken:
        broken.send(b"GET / HTTP/1.1\r\n\r\n")
        broken.read_to_close()
    names = ("ssl_sess", "ssl_reused_sess", "ssl_failed_handshake")
    eventually(
        lambda: [table(ask(lb, "show stat"))["fe", "FRONTEND"][name] for name in names] == ["1", "1", "1"],
        "all handshakes are counted",
    )
    eventually(lambda: "CurrSslConns: 0" in ask(lb, "show info"), "no connection is left")
    assert "CumSslConns: 3\n" in ask(lb, "show info")
    if lb.program == "greenlb":
        (days,) = (
            value for name, value in metrics.items() if name.startswith("greenlb_certificate_days_left")
        )
        assert float(days) > 0
