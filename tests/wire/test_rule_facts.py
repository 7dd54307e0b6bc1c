"""What rules read of TLS, of connections and of bodies: greenlb's answers beside HAProxy's."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from tests.support.certs import Authority, key_pem, rsa_key
from tests.support.client import context_for
from tests.support.lb import Balancer, Launcher
from tests.support.oracle import Oracle, need_haproxy
from tests.support.origin import Origins
from tests.support.stream import WAIT, Message, chunked, get, post, request

NAMES = ("der", "i_dn", "i_dn(CN)", "key_alg", "notafter", "notbefore", "s_dn", "s_dn(CN)", "s_dn(OU)")
NAMES += (
    "s_dn(OU,1)",
    "s_dn(OU,2)",
    "s_dn(ou,-1)",
    "s_dn(,0,rfc2253)",
    "serial",
    "sha1",
    "sig_alg",
    "version",
)
OF_CLIENT = [f"ssl_{side}_{name}" for side in "cf" for name in NAMES]
OF_CLIENT += ["ssl_c_used", "ssl_c_verify", "ssl_c_err", "ssl_c_ca_err", "ssl_c_ca_err_depth"]
OF_LAYER = [
    "ssl_fc",
    "ssl_fc_alg_keysize",
    "ssl_fc_use_keysize",
    "ssl_fc_alpn",
    "ssl_fc_cipher",
    "ssl_fc_err",
]
OF_LAYER += ["ssl_fc_has_crt", "ssl_fc_has_early", "ssl_fc_has_sni", "ssl_fc_sni", "ssl_fc_is_resumed"]
OF_LAYER += ["ssl_fc_protocol", "ssl_c_chain_der,sha1"]
OF_LENGTH = ["ssl_fc_client_random", "ssl_fc_server_random", "ssl_fc_session_id", "ssl_fc_session_key"]
OF_SERVER = [f"ssl_s_{name}" for name in NAMES]
OF_SERVER += ["ssl_bc", "ssl_bc_alg_keysize", "ssl_bc_use_keysize", "ssl_bc_cipher", "ssl_bc_protocol"]
OF_SERVER += [
    "ssl_bc_is_resumed",
    "ssl_bc_client_random,hex,length",
    "ssl_bc_session_key,hex,length",
    "bc_dst",
]
OF_SERVER += ["bc_src", "bc_http_major", "bc_err", "be_server_timeout", "cur_server_timeout"]
OF_CONNECTION = [
    "src_is_local",
    "dst_is_local",
    "fc_src",
    "fc_dst",
    "fc_http_major",
    "fc_rcvd_proxy",
    "fc_err",
]
OF_CONNECTION += [
    "fc_err_str",
    "so_id",
    "so_name",
    "fe_defbe",
    "nbproc",
    "proc",
    "stopping",
    "fc_src_is_local",
]
OF_CONNECTION += ["fc_unacked", "fc_lost", "fc_retrans", "http_first_req"]


def shown(samples: list[str]) -> str:
    """A format with one line a sample; what is binary is written in hexadecimal."""
    binary = ("der", "serial", "sha1", "random", "session_id", "session_key")
    return r"\n".join(f"{name}=%[{name}{',hex' if name.endswith(binary) else ''}]" for name in samples)


INI = """
[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {crt} ca-file {ca} verify optional ssl-min-ver TLSv1.2
http-request = return status 200 content-type text/plain lf-string "CLIENT" if { path /client }
               return status 200 content-type text/plain lf-string "LENGTHS" if { path /lengths }
               return status 200 content-type text/plain lf-string "%[ssl_fc_unique_id,hex]" \
if { path /unique }
http-response = set-header X-Facts "SERVER"
default_backend = be
[frontend plain]
bind = 127.0.0.1:{plain} name own
http-request = return status 200 content-type text/plain lf-string "CONNECTION"
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1} ssl verify none
"""


def configuration() -> str:
    formats = {
        "CLIENT": shown(OF_CLIENT + OF_LAYER),
        "LENGTHS": r"\n".join(f"{name}=%[{name},hex,length]" for name in OF_LENGTH),
        "SERVER": shown(OF_SERVER).replace(r"\n", "|"),
        "CONNECTION": shown(OF_CONNECTION),
    }
    text = INI
    for name, form in formats.items():
        text = text.replace(f'"{name}"', f'"{form}"')
    return text


@pytest.fixture(scope="module")
def pair(
    tmp_path_factory: pytest.TempPathFactory, module_origin: Origins, authority: Authority
) -> Iterator[list[Balancer]]:
    """greenlb and HAProxy with the same certificates in front of the same server."""
    need_haproxy()
    directory = tmp_path_factory.mktemp("facts")
    s1 = module_origin.http("s1", tls=authority.server_context("server.example.com"))
    crt = authority.pem("www.example.com", key=rsa_key())
    launchers = [Launcher(directory / "greenlb"), Oracle(directory / "haproxy")]
    started = []
    for launcher in launchers:
        (directory / launcher.name).mkdir(exist_ok=True)
        started.append(launcher(configuration(), s1=s1, crt=crt, ca=authority.ca_file))
    yield started
    for launcher in launchers:
        launcher.close()


def client_pem(authority: Authority, directory: Path) -> Path:
    """A client's certificate whose subject has several attributes of a kind."""
    key = rsa_key()
    leaf, _ = authority.sign("client.example.com", key=key, serial=0xAB12CD)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example, Inc"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "first"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "second"),
            x509.NameAttribute(NameOID.COMMON_NAME, "client"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "c@example.com"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(authority.name)
        .public_key(key.public_key())
        .serial_number(leaf.serial_number)
        .not_valid_before(leaf.not_valid_before_utc)
        .not_valid_after(leaf.not_valid_after_utc)
        .sign(authority.key, hashes.SHA256())
    )
    path = directory / "client.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
    return path


def facts(text: str | bytes) -> list[str]:
    found = text if isinstance(text, str) else text.decode("latin-1")
    return found.replace("|", "\n").splitlines()


def answers(pair: list[Balancer], context: ssl.SSLContext, target: str) -> list[Message]:
    """What both answer to one request over TLS, greenlb first."""
    found = []
    for lb in pair:
        with lb.connect_tls(context, "www.example.com") as client:
            client.send(get(target))
            found.append(client.read_response())
    return found


@pytest.mark.parametrize("with_certificate", [True, False])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_client_s_side(
    pair: list[Balancer],
    authority: Authority,
    tmp_path: Path,
    with_certificate: bool,
    version: ssl.TLSVersion,
) -> None:
    """Each fact of the layer, of the client's certificate and of ours."""
    certificate = str(client_pem(authority, tmp_path)) if with_certificate else None
    context = context_for(minimum=version, maximum=version, certificate=certificate)
    ours, haproxy = (facts(a.body) for a in answers(pair, context, "/client"))
    assert ours == haproxy
    assert f"ssl_c_s_dn(CN)={'client' if with_certificate else ''}" in ours
    lengths = [facts(a.body) for a in answers(pair, context, "/lengths")]
    assert lengths[0] == lengths[1]


def test_tls_unique(pair: list[Balancer]) -> None:
    """ssl_fc_unique_id is the client's own tls-unique, with a new session as with a resumed one."""
    context = context_for(minimum=ssl.TLSVersion.TLSv1_2, maximum=ssl.TLSVersion.TLSv1_2)
    for lb in pair:
        session = None
        for resumed in (False, True):
            with lb.connect_tls(context, "www.example.com", session=session) as client:
                client.send(get("/unique"))
                binding = client.tls.get_channel_binding("tls-unique")
                assert client.tls.session_reused is resumed
                assert binding is not None
                assert client.read_response().body == binding.hex().upper().encode()
                session = client.tls.session


def test_the_server_s_side(pair: list[Balancer]) -> None:
    """Each fact of the server's certificate and of the layer with it."""
    ours, haproxy = (facts(a.get("x-facts") or "") for a in answers(pair, context_for(), "/"))
    assert ours == haproxy


def test_the_connection(pair: list[Balancer]) -> None:
    ours, haproxy = (facts(lb.ask(name="plain").body) for lb in pair)
    assert ours == haproxy


# -- bodies ----------------------------------------------------------------------------------------

BODIES = """
[frontend fe]
bind = 127.0.0.1:{fe}
timeout http-request = 700ms
option http-buffer-request = yes
http-request = set-var(txn.seen) req.body_len
               set-header X-Form %[req.body_param(a)]
               return status 200 content-type text/plain lf-string "%[var(txn.seen)] %[req.body_size] \
%[req.hdr(x-form)] <%[req.body]>" if { path /r }
               return status 200 content-type text/plain lf-string \
'%[req.body,json_query("$.user.name")]' if { path /json }
               deny if { req.body -m sub attack }
default_backend = be
[frontend rule]
bind = 127.0.0.1:{rule}
http-request = wait-for-body time 700ms at-least 4 if METH_POST
               return status 200 content-type text/plain lf-string "%[req.body_len] %[req.body_size]"
[frontend back]
bind = 127.0.0.1:{back}
http-response = wait-for-body time 8s
                set-header X-Body %[res.body_len]/%[res.body_size]/%[res.body]
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""
FORM = "Content-Type: application/x-www-form-urlencoded"


def test_a_request_is_buffered(proxy: Launcher, origin: Origins) -> None:
    """http-buffer-request: rules see the whole body, in pieces or chunked; the server gets it all."""
    s1 = origin.http("s1")
    lb = proxy(BODIES, s1=s1)
    with lb.connect() as client:
        whole = post("/r", b"b=1&a=two", FORM)
        client.send(whole[:-4])
        client.expect_silence(0.1)
        client.send(whole[-4:])
        assert client.read_response().body == b"9 9 two <b=1&a=two>"
        pieces = chunked(b"hel", b"lo")
        client.send(request("POST /r HTTP/1.1", "Transfer-Encoding: chunked", body=pieces))
        assert client.read_response().body == b"5 5  <hello>"
        client.send(post("/json", b'{"user": {"name": "ann"}}'))
        assert client.read_response().body == b"ann"
        client.send(request("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=pieces))
        assert client.read_response().status == 200
        client.send(request("POST /y HTTP/1.1", "Expect: 100-continue", "Content-Length: 5"))
        assert client.read_response_head().status == 100
        client.send(b"later")
        assert client.read_response().status == 200
    assert [(seen.message.target, seen.message.body) for seen in s1.requests] == [
        ("/x", b"hello"),
        ("/y", b"later"),
    ]
    assert s1.requests[1].message.get("expect") is None
    assert lb.ask(post("/x", b"an attack")).status == 403
    assert len(s1.requests) == 2


def test_a_body_that_does_not_come(proxy: Launcher, origin: Origins) -> None:
    """timeout http-request: 408 and cR, as for a head."""
    lb = proxy(BODIES, s1=origin.http("s1"))
    for name in ("fe", "rule"):
        with lb.connect(name) as client:
            client.send(request("POST /r HTTP/1.1", "Content-Length: 8", body=b"ab"))
            assert client.read_response().status == 408
            line = lb.log()
            assert (line.status, line.flags, line.timers[0]) == (408, "cR--", -1)


def test_a_body_bigger_than_the_buffer(proxy: Launcher, origin: Origins) -> None:
    """Rules see as much as the buffer holds, the server gets it all."""
    s1 = origin.http("s1")
    lb = proxy(BODIES, s1=s1)
    answer = lb.ask(post("/r", b"x" * 50000)).body.split()
    assert 14000 < int(answer[0]) < 16384
    assert answer[1] == b"50000"
    assert lb.ask(post("/x", b"x" * 50000)).status == 200
    assert s1.requests[0].message.body == b"x" * 50000


def test_wait_for_some_of_a_body(proxy: Launcher, origin: Origins) -> None:
    lb = proxy(BODIES, s1=origin.http("s1"))
    with lb.connect("rule") as client:
        client.send(request("POST /r HTTP/1.1", "Content-Length: 8", body=b"ab"))
        client.expect_silence(0.1)
        client.send(b"cde")
        assert client.read_response().body == b"5 8"
    assert lb.ask(get("/"), "rule").body == b"0 0"


def test_response_rules_see_the_body(proxy: Launcher, origin: Origins) -> None:
    """http-response wait-for-body: pieces are gathered, and relayed behind the edited head."""
    s1 = origin()
    lb = proxy(BODIES, s1=s1)
    with lb.connect("back") as client:
        client.send(get())
        server, _ = s1.take()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nabc")
        client.expect_silence(0.1)
        server.send(b"defgh")
        answer = client.read_response()
        assert (answer.get("x-body"), answer.body) == ("8/8/abcdefgh", b"abcdefgh")
        client.send(get())
        server, _ = s1.take(server)
        server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"ab", b"c"))
        answer = client.read_response()
        assert (answer.get("x-body"), answer.body) == ("3/3/abc", b"abc")


# -- ids and captures ------------------------------------------------------------------------------

IDS = """
[frontend fe]
bind = 127.0.0.1:{fe}
unique-id-format = %ci_%fp_%[req.hdr(x-a)]
unique-id-header = X-Unique-ID
declare = capture request len 4
          capture response len 3
capture = request header Host len 3
http-request = capture path id 0
               capture str(more) len 2
               set-header X-Same yes if { unique-id -m end _seven }
http-response = capture status id 0
log-format = "%ID %hr %hs"
default_backend = be
[backend be]
server s1 = 127.0.0.1:{s1}
"""


def test_unique_ids_and_captures(proxy: Launcher, origin: Origins) -> None:
    s1 = origin.http("s1")
    lb = proxy(IDS, s1=s1)
    assert lb.ask(get("/abcdef", "X-A: seven")).status == 200
    made = f"127.0.0.1_{lb.port()}_seven"
    seen = s1.requests[0].message
    assert (seen.get("x-unique-id"), seen.get("x-same")) == (made, "yes")
    captured = {"{/abc|www|mo} {200}", "{www|/abc|mo} {200}"}  # HAProxy counts capture lines first
    found = lb.syslog.message(r".*_seven \{.*").text
    assert found.partition(made)[2].strip() in captured


TCP_CAPTURE = """
[frontend fe]
mode = tcp
bind = 127.0.0.1:{fe}
tcp-request = inspect-delay 5s
              content capture req.payload(0,3) len 2
log-format = "captured %hr %[capture.req.hdr(0)]"
default_backend = be
[backend be]
mode = tcp
server s1 = 127.0.0.1:{s1}
"""


def test_a_capture_in_mode_tcp(proxy: Launcher, origin: Origins) -> None:
    """tcp-request content capture: a slot of its own, filled with the first bytes."""
    s1 = origin()
    lb = proxy(TCP_CAPTURE, s1=s1)
    with lb.connect() as client:
        client.send(b"abcdef")
        server = s1.accept()
        assert server.read(6) == b"abcdef"
        server.close()
        client.expect_closed()
    lb.syslog.message(r"captured \{ab\} ab")


STRUCTURED = """
[frontend fe]
bind = 127.0.0.1:{fe}
log = 127.0.0.1:{sink} format rfc5424 local1
log-format = "%ST line"
capture = request header X-A len 9
log-format-sd = '%{+E}o[data@1 path="%HP" size="%[capture.req.hdr(0)]"]'
http-request = return status 200
"""


def test_structured_data(proxy: Launcher) -> None:
    """log-format-sd stands before the line, with what has a meaning in it escaped."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(WAIT)
        lb = proxy(STRUCTURED, sink=sink.getsockname()[1])
        assert lb.ask(get("/p", 'X-A: a"]b')).status == 200
        line = sink.recv(65536)
        assert line.rstrip(b"\n").endswith(rb' - [data@1 path="/p" size="a\"\]b"] 200 line')


AGES = """
[frontend fe]
bind = 127.0.0.1:{fe}
http-request = track-sc0 hdr(x-key) table words if { hdr(x-key) -m found }
               set-header Age %[str(one),table_expire(words,7)]/%[str(one),table_idle(words,7)]
               return status 200 content-type text/plain lf-string "%[req.hdr(age)]"
[backend words]
stick-table = type string size 100 expire 300s store conn_cnt
"""


def test_ages_in_a_table(proxy: Launcher) -> None:
    """table_expire and table_idle: milliseconds, or the default for a key that is not there."""
    lb = proxy(AGES)
    assert lb.ask(get()).body == b"7/7"
    expire, idle = map(int, lb.ask(get("/", "X-Key: one")).body.split(b"/"))
    assert 200_000 < expire <= 300_000
    assert 0 <= idle < 100_000
