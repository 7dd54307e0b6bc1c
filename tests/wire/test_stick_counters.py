"""What is counted under a tracked key, and when: http-request track-sc, sc_* and src_*, rate limits."""

from __future__ import annotations

import pytest

from tests.support.lb import Balancer, Launcher
from tests.support.origin import Origins
from tests.support.stream import Message, eventually, get, response
from tests.support.tables import command, expect, expect_rows, rows, start

STORE = (
    "gpt0,gpc0,gpc0_rate(10s),conn_cnt,conn_rate(10s),conn_cur,sess_cnt,sess_rate(10s),http_req_cnt,"
    "http_req_rate(10s),http_err_cnt,http_err_rate(10s),bytes_in_cnt,bytes_in_rate(10s),bytes_out_cnt,"
    "bytes_out_rate(10s)"
)
INI = f"""
[frontend fe]
bind = 127.0.0.1:{{fe}}
http-request = track-sc0 src table counts
               deny if {{ path /deny }}
               deny deny_status 503 if {{ path /unavailable }}
               tarpit if {{ path /tarpit }}
               return status 404 if {{ path /returned }}
               redirect location / if {{ path /redirected }}
               sc-inc-gpc0(0) if {{ path /gpc0 }}
               sc-set-gpt0(0) 7 if {{ path /gpt0 }}
timeout tarpit = 100ms
use_backend = nobody if {{ path /nobody }}
default_backend = be
[backend be]
server s1 = 127.0.0.1:{{s1}}
[backend nobody]
[backend counts]
stick-table = type ip size 100 expire 30s store {STORE}
"""


def by_path(message: Message) -> bytes:
    """404 and 500 where the path asks for it."""
    status = message.target.strip("/")
    return response(f"{status} Asked" if status.isdigit() else "200 OK")


def counted(lb: Balancer) -> dict[str, str]:
    """What the table has on us, without rates and bytes."""
    found = rows(lb, "counts").get("127.0.0.1", {})
    return {name: value for name, value in found.items() if "(" not in name and "bytes" not in name}


REQUEST = {"conn_cnt": "1", "http_req_cnt": "1"}
FAILED = REQUEST | {"http_err_cnt": "1"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", REQUEST),
        ("/404", FAILED),
        ("/500", REQUEST),
        ("/deny", FAILED),
        ("/unavailable", FAILED),
        ("/tarpit", FAILED),
        ("/returned", REQUEST),
        ("/redirected", REQUEST),
        ("/nobody", REQUEST),
        ("/gpc0", REQUEST | {"gpc0": "1"}),
        ("/gpt0", REQUEST | {"gpt0": "7"}),
    ],
)
def test_what_counts(proxy: Launcher, origin: Origins, path: str, expected: dict[str, str]) -> None:
    """A request counts once when it is tracked; only what we refuse and a server's 4xx count as errors."""
    lb = start(proxy, INI, s1=origin.http("s1", by_path))
    lb.ask(get(path))
    expect(lambda: counted(lb), expected)


def test_every_request_of_a_connection_counts(proxy: Launcher, origin: Origins) -> None:
    """Tracked by a request, a key is let go at its end: three requests are three connections to it."""
    lb = start(proxy, INI, s1=origin.http("s1"))
    with lb.connect() as client:
        for _ in range(3):
            client.send(get())
            client.read_response()
        expect(lambda: counted(lb), {"conn_cnt": "3", "http_req_cnt": "3"})


def test_bytes(greenlb: Launcher, origin: Origins) -> None:
    """Bytes of the wire, heads too; the rate is of the same bytes.  (HAProxy counts its own inner form.)"""
    lb = start(greenlb, INI, s1=origin.http("s1", lambda message: response("200 OK", body=b"x" * 100)))
    data = get("/", "X-Filler: " + "y" * 500)
    with lb.connect() as client:
        client.send(data)
        answer = client.read_response()
    size = len(answer.raw) + 100

    def seen() -> tuple[str | None, ...]:
        found = rows(lb, "counts").get("127.0.0.1", {})
        return tuple(
            found.get(name)
            for name in ("bytes_in_cnt", "bytes_in_rate(10000)", "bytes_out_cnt", "bytes_out_rate(10000)")
        )

    expect(seen, (str(len(data)),) * 2 + (str(size),) * 2)


def test_rates(proxy: Launcher, origin: Origins) -> None:
    """Events of one period: the rate is their number."""
    lb = start(proxy, INI, s1=origin.http("s1", by_path))
    for path in ("/", "/404", "/gpc0", "/gpc0"):
        lb.ask(get(path))
    expected = {"conn_rate": "4", "http_req_rate": "4", "http_err_rate": "1", "gpc0_rate": "2"}

    def seen() -> dict[str, str]:
        found = rows(lb, "counts").get("127.0.0.1", {})
        return {name: found.get(f"{name}(10000)", "0") for name in expected}

    expect(seen, expected)


def test_in_use_while_it_lasts(proxy: Launcher, origin: Origins) -> None:
    """use and conn_cur are 1 while the request runs, and gone after it."""
    s1 = origin()
    lb = start(proxy, INI, s1=s1)
    with lb.connect() as client:
        client.send(get())
        server, _ = s1.take()
        expect(lambda: counted(lb), REQUEST | {"use": "1", "conn_cur": "1"})
        server.send(response())
        client.read_response()
        expect(lambda: counted(lb), REQUEST)


LIMIT = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 src table limits
               deny deny_status 429 if { sc_http_req_rate(0) gt 3 }
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
[backend limits]
stick-table = type ip size 100 expire 30s store http_req_rate(10s)
"""


def test_a_rate_limit(proxy: Launcher, origin: Origins) -> None:
    """The fourth request in the period is too many, for its client alone."""
    lb = start(proxy, LIMIT, s1=origin.http("s1"))
    assert [lb.ask().status for _ in range(5)] == [200, 200, 200, 429, 429]
    with lb.connect(source="127.0.0.2") as other:
        other.send(get())
        assert other.read_response().status == 200
    line = [lb.log() for _ in range(4)][3]
    assert (line.status, line.flags) == (429, "PR--")


SHORT = LIMIT.replace("http_req_rate(10s)", "http_req_rate(1s)")


def test_a_rate_falls(proxy: Launcher, origin: Origins) -> None:
    """Who waits is served again."""
    lb = start(proxy, SHORT, s1=origin.http("s1"))
    for _ in range(5):
        last = lb.ask().status
    assert last == 429
    expect_rows(lb, "limits", {"127.0.0.1": {"http_req_rate(1000)": "5"}})
    expect_rows(lb, "limits", {"127.0.0.1": {}})
    assert lb.ask().status == 200


ANSWERS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 hdr(x-key) table words if { hdr(x-key) -m found }
               sc-inc-gpc0(0)
               return status 200 content-type text/plain lf-string "%[sc_get_gpc0(0)] %[sc0_get_gpc0]
 %[sc_conn_cnt(0)] %[sc_tracked(0)] %[sc_tracked(1)] %[sc_get_gpc0(1)] %[sc_get_gpc0(0,others)]
 %[src_get_gpc0(hosts)]
 %[hdr(x-key),table_gpc0(words)] %[hdr(x-other),table_gpc0(words)] %[hdr(x-key),in_table(words)]
 %[str(none),in_table(words)] %[table_cnt(words)] %[table_avl(words)] %[sc_trackers(0)] %[sc_conn_cur(0)]
 %[sc_kbytes_in(0)] %[src_inc_gpc0(hosts)] %[src_get_gpc0(hosts)] %[src_clr_gpc0(hosts)]
 %[src_get_gpc0(hosts)] %[src_updt_conn_cnt(hosts)] %[sc_clr_gpc0(0)] %[sc_inc_gpc0(0)] %[sc_get_gpt0(0)]"
[backend words]
stick-table = type string size 100 expire 30s store gpc0,conn_cnt,conn_cur
[backend others]
stick-table = type string size 100 expire 30s store gpc0
[backend hosts]
stick-table = type ip size 100 expire 30s store gpc0,conn_cnt
""".replace("\n %[", " %[")


def test_samples(proxy: Launcher) -> None:
    """Of a tracked key, of the client's address, of any key; absent is empty, unknown keys count 0."""
    lb = start(proxy, ANSWERS)
    first = lb.ask(get("/", "X-Key: one", "X-Other: two")).body
    assert first == b"1 1 1 1 0  0 0 1 0 1 0 1 99 1 1  1 1 1 0 1 1 1 "
    assert lb.ask(get("/", "X-Key: one")).body == b"2 2 2 1 0  0 0 2  1 0 1 99 1 1  1 1 1 0 2 2 1 "
    assert lb.ask(get("/")).body == b"   0 0   0    0 1 99    1 1 1 0 3   "


SEEN = """http-request = return status 404 if { path /seen } { src_http_req_rate(limits) eq 0 }
               return status 200 if { path /seen }
               """


def test_set_and_cleared_from_outside(proxy: Launcher, origin: Origins) -> None:
    """What an operator sets counts for the next request; a cleared key begins anew."""
    lb = start(
        proxy,
        LIMIT.replace("store http_req_rate(10s)", "store http_req_rate(10s),gpc0").replace(
            "http-request = ", SEEN
        ),
        s1=origin.http("s1"),
    )
    assert lb.ask().status == 200
    expect_rows(lb, "limits", {"127.0.0.1": {"http_req_rate(10000)": "1"}})
    assert command(lb, "set table limits key 127.0.0.1 data.gpc0 9") == []
    for _ in range(3):
        last = lb.ask().status
    assert last == 429
    expect_rows(lb, "limits", {"127.0.0.1": {"http_req_rate(10000)": "4", "gpc0": "9"}})

    def forgotten() -> bool:
        # A process learns within half a second what another did to a table.
        assert command(lb, "clear table limits key 127.0.0.1") == []
        return lb.ask(get("/seen")).status == 404

    eventually(forgotten, "a new count")
    assert lb.ask().status == 200


FAILURES = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 src table counts
use_backend = denied if { path_beg /denied }
              nobody if { path /nobody }
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
[backend denied]
http-response = deny
server s1 = 127.0.0.1:{s1}
[backend nobody]
[backend counts]
stick-table = type ip size 100 expire 30s store http_req_cnt,http_fail_cnt,http_fail_rate(10s)
"""


def test_failures_of_servers(proxy: Launcher, origin: Origins) -> None:
    """5xx but for 501 and 505, what is no answer, and none at all: not what rules deny, nor lost servers."""
    raw = {"garbage": b"hello\r\n\r\n", "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n"}

    def answer(message: Message) -> bytes:
        path = message.target.strip("/")
        return raw[path] if path in raw else by_path(message)

    lb = start(proxy, FAILURES, s1=origin.http("s1", answer))
    failing = ("/500", "/503", "/599", "/garbage", "/length")
    for path in ("/", "/404", "/501", "/505", "/denied", "/nobody", *failing):
        lb.ask(get(path))
    expected = {"http_req_cnt": "11", "http_fail_cnt": "5", "http_fail_rate(10000)": "5"}
    expect(lambda: rows(lb, "counts").get("127.0.0.1"), expected)


ARRAYS = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 src table {{table}}
               sc-inc-gpc(1,0)
               sc-inc-gpc(7,0)
               sc-inc-gpc0(0)
               sc-inc-gpc1(0)
               sc-set-gpt(1,0) int(7)
               sc-set-gpt(9,0) int(8)
               sc-set-gpt0(0) 5
               return status 200 content-type text/plain lf-string "{{shown}}"
[backend arrays]
stick-table = type ip size 100 expire 30s store gpc(3),gpc_rate(2,10s),gpt(2)
[backend single]
stick-table = type ip size 100 expire 30s store gpc0,gpc1,gpc1_rate(10s),gpt0
[backend rate]
stick-table = type ip size 100 expire 30s store gpc_rate(2,10s)
"""
SHOWN = [
    *(f"sc_{name}({index},0)" for name in ("get_gpc", "gpc_rate", "get_gpt") for index in (0, 1, 2, 9)),
    *(f"sc_{name}(0)" for name in ("get_gpc0", "get_gpc1", "get_gpt0", "gpc0_rate", "gpc1_rate")),
    *(f"src_{name}(1,TABLE)" for name in ("get_gpc", "gpc_rate", "get_gpt")),
    *(f"src_{name}(TABLE)" for name in ("get_gpc1", "gpc1_rate", "http_fail_cnt", "http_fail_rate")),
    *(f"src,table_{name}(1,TABLE)" for name in ("gpc", "gpc_rate", "gpt")),
    *(f"src,table_{name}(TABLE)" for name in ("gpc0", "gpc1", "gpc1_rate", "gpt0", "http_fail_cnt")),
    "str(192.0.2.1),table_gpc(1,TABLE)",
    *("sc_inc_gpc(1,0)", "sc_inc_gpc(9,0)", "sc_inc_gpc0(0)", "sc0_inc_gpc1", "src_inc_gpc(0,TABLE)"),
    *("sc_clr_gpc(1,0)", "sc_clr_gpc1(0)", "src_clr_gpc(0,TABLE)", "sc_get_gpc(1,0)", "sc_get_gpc1(0)"),
]


COUNTED = {
    "arrays": "=1 =2 =0 = =1 =2 = = =5 =7 = = =1 =2 =5 =1 =2 =2 =2 =7 =2 =2 = = =2 =2 =7 =1 =2 =2 =5 = =0 "
    "=3 =0 =2 =4 =3 =4 =0 =3 =0 =0",
    "single": "= = = = = = = = = = = = =1 =1 =5 = =1 = = = =1 =1 = = = = = =1 =1 =1 =5 = =0 "
    "=0 =0 =2 =2 =0 = =2 = = =0",
    "rate": "= = = = =1 =2 = = = = = = = = = =1 =2 = =2 = = =2 = = = =2 = = = =2 = = =0 "
    "=3 =0 =2 =4 =3 = = = = =",
}
"""What each has counted, as HAProxy says it."""


@pytest.mark.parametrize("table", ["arrays", "single", "rate"])
def test_arrays(proxy: Launcher, table: str) -> None:
    """Arrays, single counters, and rates alone, seen and changed by every sample."""
    shown = " ".join(f"=%[{expression}]" for expression in SHOWN).replace("TABLE", table)
    lb = start(proxy, ARRAYS.replace("{{table}}", table).replace("{{shown}}", shown))
    said = lb.ask().body.decode().split()
    assert dict(zip(SHOWN, said, strict=True)) == dict(zip(SHOWN, COUNTED[table].split(), strict=True))


def test_arrays_at_the_runtime_socket(proxy: Launcher) -> None:
    """Each is shown by its number; the array's name means the first of it."""
    lb = start(proxy, ARRAYS.replace("{{table}}", "arrays").replace("{{shown}}", "ok"))
    said = {
        "data.gpc 5": [],
        "data.gpt 6": [],
        "data.gpc_rate 7": [],
        "data.gpc0 5": ["Data type not stored in this table"],
        "data.gpc2 5": ["Unknown data type"],
        "data.gpc[1] 5": ["Unknown data type"],
    }
    for words, answer in said.items():
        assert command(lb, f"set table arrays key 192.0.2.1 {words}") == answer
    filled = {"gpc0": "5", "gpt0": "6", "gpc0_rate(10000)": "7", "use": "0"}
    expect_rows(lb, "arrays", {"192.0.2.1": {name: value for name, value in filled.items() if value != "0"}})
    line = command(lb, "show table arrays data.gpc eq 5")[1]
    assert [word.partition("=")[0] for word in line.split()[4:]] == [
        *("gpt0", "gpt1", "gpc0", "gpc1", "gpc2"),
        *("gpc0_rate(10000)", "gpc1_rate(10000)"),
    ]
    assert command(lb, "show table arrays data.gpc1 eq 5") == [
        "Filter entry #1: Data type not stored in this table"
    ]
