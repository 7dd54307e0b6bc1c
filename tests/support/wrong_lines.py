"""Lines of a frontend that are wrong, or nearly so: what HAProxy says when it checks them.

``python -m tests.support.wrong_lines`` asks Debian's HAProxy and prints the table.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

from greenlb.config.load import load_text

TABLE = Path(__file__).parent.parent / "unit" / "policy" / "wrong_lines.json"
FRAME = """\
userlist staff
    user a insecure-password b
defaults
    mode {mode}
    log 127.0.0.1:18998 local0
    timeout client 5s
    timeout server 5s
    timeout connect 5s
frontend fe
    bind 127.0.0.1:18999
    {line}
    default_backend be
backend be
    stick-table type ip size 10 store conn_cnt,gpc0
"""

HTTP = (
    # samples
    "http-request deny if { nothing }",
    "http-request deny if { path( /a }",
    "http-request deny if { hdr(x }",
    "http-request deny if { req.hdr(x,y) -m found }",
    "http-request deny if { req.hdr(a,1,2) -m found }",
    "http-request deny if { src(1) 1 }",
    "http-request deny if { rand(x) 1 }",
    "http-request deny if { rand(10) lt }",
    "http-request deny if { status 200 }",
    "http-request deny if { res.hdr(x) a }",
    "http-request deny if { int(x) 1 }",
    "http-request deny if { bool(maybe) }",
    "http-request deny if { ipv4(1.2.3) 1.2.3.4 }",
    "http-request deny if { bin(4) a }",
    "http-request deny if { meth() GET }",
    "http-request deny if { var(x) -m found }",
    "http-request deny if { var(txn.x-y) -m found }",
    "http-request deny if { date(0,h) 1 }",
    "http-request deny if { nbsrv(nobody) 1 }",
    "http-request deny if { srv_is_up(be/none) }",
    "http-request deny if { sc_conn_cnt(3) 1 }",
    "http-request deny if { sc_conn_cnt 1 }",
    "http-request deny if { src_conn_cnt(none) 1 }",
    "http-request deny if { src_conn_cnt 1 }",
    "http-request deny if { sc_get_gpc(100,0) 1 }",
    "http-request deny if { http_auth(none) }",
    "http-request deny if { always_true(1) }",
    "http-request deny if { req.payload(0,x) -m found }",
    "http-request deny if { url_param(a,bc,de,fg) a }",
    "http-response deny if { path /a }",
    "http-response deny if { req.hdr(a) b }",
    # converters
    "http-request set-header X %[path,nothing]",
    "http-request set-header X %[path,lower(1)]",
    "http-request set-header X %[path,field]",
    "http-request set-header X %[path,field(x,/)]",
    "http-request set-header X %[path,regsub(a)]",
    "http-request set-header X %[path,regsub((,x)]",
    "http-request set-header X %[path,bytes]",
    "http-request set-header X %[path,add]",
    "http-request set-header X %[path,add(x)]",
    "http-request set-header X %[path,ipmask(33)]",
    "http-request set-header X %[path,map(/nonexistent)]",
    "http-request set-header X %[path,json(utf9)]",
    "http-request set-header X %[path,http_date(x)]",
    "http-request set-header X %[path,table_conn_cnt(none)]",
    "http-request set-header X %[path,digest(nothing)]",
    "http-request set-header X %[path,hmac(sha1)]",
    "http-request set-header X %[path,ltime]",
    "http-request set-header X %[src,lower]",
    "http-request set-header X %[path,set-var(x.y)]",
    "http-request set-header X %[path,concat(a,b)]",
    "http-request set-header X %[path,xor(txn.a.b-c)]",
    "http-request set-header X %[always_true,ipmask(8)]",
    "http-request set-header X %[path,json_query(a)]",
    "http-request set-header X %[path,ub64dec(1)]",
    "http-request set-header X %[path",
    "http-request set-header X %[path lower]",
    "http-request set-header X %[path,lower,]",
    "http-request set-header X %[,lower]",
    "http-request set-header X %[]",
    "http-request set-header X %nothing",
    "http-request set-header X %{+Z}ci",
    "http-request set-header X %",
    # patterns
    "http-request deny if { path -m nothing /a }",
    "http-request deny if { path -x /a }",
    "http-request deny if { path_reg ( }",
    "http-request deny if { src 1.2.3 }",
    "http-request deny if { src 1.2.3.4/33 }",
    "http-request deny if { src name.invalid }",
    "http-request deny if { src_port x }",
    "http-request deny if { src_port 1:x }",
    "http-request deny if { src_port gt }",
    "http-request deny if { src_port ~ 1 }",
    "http-request deny if { hdr_cnt(x) -m str a }",
    "http-request deny if { path -m int a }",
    "http-request deny if { path -m ip a }",
    "http-request deny if { path -f /nonexistent }",
    "http-request deny if { path -M -f /nonexistent }",
    "http-request deny if { path -u x /a }",
    "http-request deny if { path -- -a }",
    "http-request deny if { path }",
    "http-request deny if { hdr(x) }",
    "http-request deny if { always_true foo }",
    "http-request deny if { ssl_fc 1 }",
    "http-request deny if { path -m bin 4 }",
    "http-request deny if { path -m bin zz }",
    "http-request deny if { path -m found /a }",
    "http-request deny if { path -m len x }",
    # conditions
    "http-request deny if",
    "http-request deny if unknown",
    "http-request deny if { }",
    "http-request deny if { path /a",
    "http-request deny if path /a }",
    "http-request deny if ! or TRUE",
    "http-request deny if TRUE or",
    "http-request deny if or TRUE",
    "http-request deny if TRUE || || FALSE",
    "http-request deny if TRUE FALSE",
    "http-request deny if !TRUE",
    "http-request deny if ! TRUE",
    "http-request deny if !{ path /a } or TRUE",
    "http-request deny if { path /a } and { path /b }",
    "http-request deny when TRUE",
    "http-request deny unless TRUE",
    "http-request deny if METH_GET",
    "http-request deny if HTTP_1.1 LOCALHOST",
    "acl",
    "acl a",
    "acl a!b path /a",
    "acl a nothing /a",
    "acl or path /a",
    # actions
    "http-request",
    "http-request nothing",
    "http-request deny deny_status",
    "http-request deny deny_status x",
    "http-request deny deny_status 999",
    "http-request deny deny_status 299",
    "http-request deny extra",
    "http-request allow extra",
    "http-request set-header",
    "http-request set-header X",
    "http-request set-header X a b",
    "http-request set-header X a if",
    "http-request del-header",
    "http-request del-header X -m nothing",
    "http-request replace-header X (",
    "http-request replace-header X ( a",
    "http-request replace-value X a",
    "http-request set-var(x) int(1)",
    "http-request set-var(txn.x)",
    "http-request set-var(txn.x) nothing",
    "http-request set-var txn.x int(1)",
    "http-request unset-var(x)",
    "http-request redirect",
    "http-request redirect location",
    "http-request redirect nothing /a",
    "http-request redirect location /a code 200",
    "http-request redirect location /a code x",
    "http-request redirect location /a nothing",
    "http-request return status 99",
    "http-request return status x",
    "http-request return string a",
    "http-request return content-type text/plain string",
    "http-request return content-type text/plain file /nonexistent",
    "http-request return status 200 errorfile /nonexistent",
    "http-request return status 200 content-type a/b string x hdr",
    "http-request return default-errorfiles status 299",
    "http-request auth realm",
    "http-request track-sc3 src",
    "http-request track-sc0",
    "http-request track-sc0 src table none",
    "http-request track-sc0 src",
    "http-request track-sc0 nothing table be",
    "http-request sc-inc-gpc0",
    "http-request sc-inc-gpc0(9)",
    "http-request sc-inc-gpc(100,0)",
    "http-request sc-set-gpt0(0) x",
    "http-request sc-set-gpt0(0)",
    "http-request capture path",
    "http-request capture path len 0",
    "http-request capture path id 0",
    "http-request set-log-level nothing",
    "http-request set-log-level",
    "http-request set-method",
    "http-request set-priority-class",
    "http-request set-nice x",
    "http-request set-src",
    "http-request set-src nothing",
    "http-request wait-for-body",
    "http-request wait-for-body time x",
    "http-request tarpit deny_status 99",
    "http-request silent-drop x",
    "http-request set-status 200",
    "http-response set-path /a",
    "http-response set-status",
    "http-response set-status x",
    "http-response tarpit",
    "http-response redirect location /a",
    "http-after-response deny",
    "http-after-response set-header X",
    "http-after-response nothing",
    "tcp-request content nothing",
    "tcp-request nothing accept",
    "tcp-request connection accept if { path /a }",
    "tcp-request session accept if { hdr(a) b }",
    "tcp-request content set-var(txn.a)",
    "tcp-request inspect-delay",
    "tcp-request inspect-delay x",
    "http-request set-header X %[path,lower,,]",
    "http-request set-var(txn.x,ifempty) path",
    "http-request set-var(txn.x,nothing) path",
    "http-request deny if {path /a}",
    "http-request deny if REQ_CONTENT",
    "http-request deny if { int(-5) -5 }",
    "http-request deny if { int(-5) -m int -5 }",
    "http-request set-header X %[str(a\\,b)]",
    "http-request deny if { path -- }",
    "http-request deny if { { path /a } }",
    "http-request deny if { path(a) b }",
    'http-request set-header X "a',
    "unique-id-format a b",
    "stick-table type ip size 10 store gpc(0)",
    "stick-table type ip size 10 store gpc(101)",
    "stick-table type ip size 10 store gpc",
    "stick-table type ip size 10 store gpc(x)",
    "stick-table type ip size 10 store gpc(2,3)",
    "stick-table type ip size 10 store gpc(2),gpc1",
    "stick-table type ip size 10 store gpc_rate(10s)",
    "stick-table type ip size 10 store gpc_rate(2,10s),gpc0_rate(10s)",
    "stick-table type ip size 10 store gpt(2),gpt0",
    "stick-table type ip size 10 store gpc(2),gpc_rate(3,1m),gpt(100)",
    "stick-table type ip size 10 store http_fail_cnt(3)",
    "stick-table type ip size 10 store http_fail_rate",
    "use_backend",
    "use_backend be if",
    "use_backend none",
    "use_backend none if TRUE",
    "use_backend %[path,nothing]",
    "unique-id-format %nothing",
    "log-format %[path",
    "log-format %{+Q",
)
TCP = (
    "http-request deny",
    "tcp-request content reject if { path /a }",
    "tcp-request content reject if { hdr(host) a }",
    "tcp-request content reject if { req.len lt 0 }",
    "tcp-request content reject if { req.payload(0) -m found }",
    "tcp-request connection reject if { req.len gt 0 }",
    "tcp-request connection reject if { req.ssl_sni a }",
    "tcp-request content reject if { res.len gt 0 }",
    "tcp-request content reject if HTTP",
    "tcp-request content deny",
    "tcp-request content set-header X a",
    "log-format %HM",
    "log-format %r",
    "log-format %[path]",
    "use_backend be if { status 200 }",
    "use_backend be if { path /a }",
    "option httplog",
    "redirect location /a",
)


_PROXY = "frontend f from a\n bind 127.0.0.1:18990\n"
_TIMES = " mode http\n timeout client 5s\n timeout server 5s\n timeout connect 5s\n"
SHARED = (
    f"defaults a\n{_TIMES} http-request set-header X a\n{_PROXY} default_backend b\nbackend b from a\n",
    f"defaults a\n{_TIMES} http-request set-header X a\ndefaults b from a\nfrontend f from b\n"
    " bind 127.0.0.1:18990\n",
)
"""A named section of defaults with rules for a frontend and a backend, and for other defaults."""
WHOLE = (
    *(
        f"defaults a\n{_TIMES} {lines}\n{_PROXY}"
        for lines in (
            "http-request deny if TRUE",
            "tcp-request connection accept\n tcp-request session accept\n tcp-request content accept",
            "http-response set-header X a\n http-after-response set-header X b",
            "acl x path /a\n http-request deny if x",
            "http-request track-sc0 src",
            "use_backend b if TRUE",
            "redirect location /a",
            "acl x path /a\n http-request deny if x y",
        )
    ),
    f"defaults\n{_TIMES} http-request deny if TRUE\nfrontend f\n bind 127.0.0.1:18990\n",
    f"defaults\n{_TIMES} acl x path /a\nfrontend f\n bind 127.0.0.1:18990\n",
    f"defaults a\n{_TIMES} acl x path /a\n{_PROXY} http-request deny if x\n",
    f"defaults a\n{_TIMES} http-request deny if x\n{_PROXY} acl x path /a\n",
    f"defaults b\n{_TIMES}{_PROXY}",
    f"defaults a\n{_TIMES}{_PROXY}backend b\n tcp-request session accept\n",
    f"defaults a\n{_TIMES}{_PROXY}backend b\n http-request capture path len 5\n",
    f"defaults a\n{_TIMES}{_PROXY} use_backend b_%[path,field(2,/)] if TRUE\nbackend b_x\n",
    *SHARED,
)
"""Configurations of several sections: rules of named defaults, and rules where they do not belong."""


def text_of(mode: str, line: str) -> str:
    return line if mode == "whole" else FRAME.format(mode=mode, line=line)


def rows() -> list[tuple[str, str]]:
    tables = {"http": HTTP, "tcp": TCP, "whole": WHOLE}
    return [(mode, line) for mode, lines in tables.items() for line in lines]


def ask(mode: str, line: str) -> str:
    """``error``, ``warning`` or ``ok``: what HAProxy says."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(text_of(mode, line))
        done = subprocess.run(
            ["haproxy", "-c", "-f", str(path)], capture_output=True, text=True, timeout=30, check=False
        )
    if done.returncode:
        return "error"
    return "warning" if "[WARNING]" in done.stderr else "ok"


def ours(mode: str, line: str) -> str:
    """The same of greenlb, which reads the same text."""
    loaded = load_text(text_of(mode, line), "haproxy.cfg")
    if loaded.errors:
        return "error"
    return "warning" if loaded.warnings else "ok"


def load() -> list[tuple[str, str, str]]:
    """(mode, line, what HAProxy says) of every row that was recorded."""
    return [(mode, line, said) for mode, line, said in json.loads(TABLE.read_text())]


def main() -> None:
    table = [json.dumps([mode, line, ask(mode, line)]) for mode, line in rows()]
    print("[\n" + ",\n".join(table) + "\n]")


if __name__ == "__main__":
    main()
