"""TLS at the edge, with the ssl module and curl as clients."""

import socket
import ssl
import subprocess
from pathlib import Path
from typing import cast

import pytest
from cryptography.hazmat.primitives import serialization

from tests.support.certs import Authority, key_pem, rsa_key
from tests.support.client import connect, context_for, curl
from tests.support.lb import Launcher
from tests.support.origin import Origins
from tests.support.stream import Stream, get, request, response

INI = """
[frontend fe]
bind = 127.0.0.1:{fe} ssl crt {pem} %s
timeout http-request = 2s
timeout client = 2s
default_backend = be

[backend be]
server s1 = 127.0.0.1:{s1}
"""

NAME = "www.example.com"


def names(stream: Stream) -> set[str]:
    """The DNS names in the certificate that the server showed (its chain was verified)."""
    shown = stream.tls.getpeercert()
    assert shown
    alternatives = cast(tuple[tuple[str, str], ...], shown["subjectAltName"])
    return {name for kind, name in alternatives if kind == "DNS"}


@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_https_is_served(proxy: Launcher, origin: Origins, authority: Authority, kind: str) -> None:
    """A verified handshake in both versions with both kinds of key, requests on one connection."""
    pem = authority.pem(NAME, key=rsa_key() if kind == "rsa" else None)
    lb = proxy(INI % "", s1=origin.http("s1"), pem=pem)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = context_for(str(authority.ca_file), minimum=version, maximum=version)
        with lb.connect_tls(context, NAME) as client:
            assert client.tls.version() == version.name.replace("_", ".")
            for _ in range(3):
                client.send(get())
                assert client.read_response().body == b"s1"
        assert lb.log().frontend == "fe~"


def test_curl_is_served(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """curl verifies the name and the chain; two requests ride on one connection."""
    s1 = origin.http("s1")
    lb = proxy(INI % "", s1=s1, pem=authority.pem(NAME))
    url = f"https://{NAME}:{lb.port()}/"
    found = curl(
        *("--cacert", str(authority.ca_file)),
        *("--resolve", f"{NAME}:{lb.port()}:127.0.0.1"),
        *("-w", "%{http_code} %{num_connects}\n", url, url + "two"),
    )
    assert found == "s1200 1\ns1200 0\n"


def test_bodies_over_tls(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Bodies around the record size and far beyond it, both ways, on one connection."""
    s1 = origin()
    lb = proxy(INI % "", s1=s1, pem=authority.pem(NAME))
    with lb.connect_tls(context_for()) as client:
        server = None
        for size in (0, 1, 16383, 16384, 16385, 2_000_000):
            body = (bytes(range(256)) * (size // 256 + 1))[:size]
            with client.sending([request("POST / HTTP/1.1", f"Content-Length: {size}", body=body)]):
                server, seen = s1.take(server)
            assert seen.body == body
            with server.sending([response(body=body)]):
                assert client.read_response().body == body


def test_a_request_in_small_records(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """A record for each byte, and several requests in one record."""
    s1 = origin.http("s1")
    lb = proxy(INI % "", s1=s1, pem=authority.pem(NAME))
    data = get("/slow")
    with lb.connect_tls(context_for()) as client:
        for position in range(len(data)):
            client.send(data[position : position + 1])
        assert client.read_response().status == 200
        client.send(get("/a") + get("/b"))
        assert client.read_response().status == client.read_response().status == 200
    assert [received.message.target for received in s1.requests] == ["/slow", "/a", "/b"]


def test_the_end_is_announced(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """close_notify comes before the FIN: the client can tell an end from a cut."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    with lb.connect_tls(context_for()) as client:
        client.send(get("/", "Connection: close"))
        assert client.read_response().body == b"s1"
        assert client.read_to_fin() == b""


def test_a_cut_answer_is_no_clean_end(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """A body delimited by the close that its server cut is not given a close_notify as if it were whole."""
    s1 = origin()
    lb = proxy(INI % "", s1=s1, pem=authority.pem(NAME))
    with lb.connect_tls(context_for()) as client:
        client.send(get())
        server, _ = s1.take()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        assert client.read_until(b"half")
        server.reset()
        assert client.read_to_close() == b""
    assert lb.log().flags == "SD--"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_sessions_resume(
    proxy: Launcher, origin: Origins, authority: Authority, version: ssl.TLSVersion
) -> None:
    """A ticket spares the second handshake."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    context = context_for(minimum=version, maximum=version)
    with lb.connect_tls(context, NAME) as first:
        first.send(get())
        first.read_response()
        session = first.tls.session
        assert not first.tls.session_reused
    with lb.connect_tls(context, NAME, session=session) as second:
        second.send(get())
        assert second.read_response().body == b"s1"
        assert second.tls.session_reused


def test_sessions_resume_by_id(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Without tickets the session ID does it (TLS 1.2)."""
    lb = proxy(INI % "no-tls-tickets", s1=origin.http("s1"), pem=authority.pem(NAME))
    context = context_for(maximum=ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_TICKET
    with lb.connect_tls(context, NAME) as first:
        first.send(get())
        first.read_response()
        session = first.tls.session
    with lb.connect_tls(context, NAME, session=session) as second:
        assert second.tls.session_reused


def folder(authority: Authority, tmp_path: Path) -> Path:
    """Three certificates as a folder; a.pem comes first by name."""
    path = tmp_path / "certs"
    path.mkdir()
    for file, name in [("a", "default.example"), ("b", "*.example.com"), ("c", "www.example.com")]:
        (path / f"{file}.pem").write_bytes(authority.pem(name).read_bytes())
    return path


SNI = [
    ("www.example.com", "www.example.com"),
    ("WWW.Example.COM", "www.example.com"),
    ("api.example.com", "*.example.com"),
    ("default.example", "default.example"),
    ("other.example", "default.example"),
    (None, "default.example"),
]


def test_sni_picks_the_certificate(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """A folder of certificates: the exact name before the wildcard, the first for all others."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=folder(authority, tmp_path))
    context = context_for(str(authority.ca_file))
    context.check_hostname = False
    for asked, shown in SNI:
        with lb.connect_tls(context, asked) as client:
            assert (asked, names(client)) == (asked, {shown})


@pytest.mark.parametrize("asked", ["other.example", None])
def test_strict_sni(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path, asked: str | None
) -> None:
    """strict-sni: a name that nobody has is refused, one that somebody has is served."""
    lb = proxy(INI % "strict-sni", s1=origin.http("s1"), pem=folder(authority, tmp_path))
    with pytest.raises(ssl.SSLError):
        lb.connect_tls(context_for(), asked)
    lb.syslog.message(r".* fe/1: SSL handshake failure")
    with lb.connect_tls(context_for(), "api.example.com") as client:
        client.send(get())
        assert client.read_response().status == 200


def test_both_kinds_of_key_for_one_name(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """site.pem.rsa and site.pem.ecdsa: each client gets the one that it understands."""
    (tmp_path / "site.pem.rsa").write_bytes(authority.pem(NAME, key=rsa_key()).read_bytes())
    (tmp_path / "site.pem.ecdsa").write_bytes(authority.pem(NAME).read_bytes())
    lb = proxy(INI % "", s1=origin.http("s1"), pem=tmp_path / "site.pem")
    for algorithm in ("RSA", "ECDSA"):
        context = context_for(maximum=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(f"ECDHE-{algorithm}-AES128-GCM-SHA256")
        with lb.connect_tls(context, NAME) as client:
            client.send(get())
            assert client.read_response().status == 200


def test_the_key_may_lie_beside(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """site.pem without a key and site.pem.key with it."""
    whole = authority.pem(NAME).read_bytes()
    at = whole.index(b"-----BEGIN PRIVATE KEY-----")
    (tmp_path / "site.pem").write_bytes(whole[:at])
    (tmp_path / "site.pem.key").write_bytes(whole[at:])
    lb = proxy(INI % "", s1=origin.http("s1"), pem=tmp_path / "site.pem")
    with lb.connect_tls(context_for(str(authority.ca_file)), NAME) as client:
        assert names(client) == {NAME}


def test_the_chain_is_sent(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """What stands behind the certificate in its file goes to the client."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    port = lb.port()
    shown = run_openssl("s_client", "-showcerts", "-connect", f"127.0.0.1:{port}", "-servername", NAME)
    assert shown.count("-----BEGIN CERTIFICATE-----") == 2


def run_openssl(*arguments: str) -> str:
    """What ``openssl`` prints with nothing on its standard input."""
    done = subprocess.run(
        ["openssl", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False
    )
    return (done.stdout + done.stderr).decode("latin-1")


def test_openssl_s_client_resumes(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """The way people look: s_client -sess_out, then -sess_in says Reused."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    base = ("s_client", "-connect", f"127.0.0.1:{lb.port()}", "-servername", NAME, "-tls1_2")
    assert "New, TLSv1.2" in run_openssl(*base, "-sess_out", str(tmp_path / "session"))
    assert "Reused, TLSv1.2" in run_openssl(*base, "-sess_in", str(tmp_path / "session"))


VERSIONS = [
    ("ssl-min-ver TLSv1.3", ssl.TLSVersion.TLSv1_2, False),
    ("ssl-min-ver TLSv1.3", ssl.TLSVersion.TLSv1_3, True),
    ("ssl-max-ver TLSv1.2", ssl.TLSVersion.TLSv1_3, False),
    ("ssl-max-ver TLSv1.2", ssl.TLSVersion.TLSv1_2, True),
]


@pytest.mark.parametrize(("option", "version", "served"), VERSIONS)
def test_versions(
    proxy: Launcher,
    origin: Origins,
    authority: Authority,
    option: str,
    version: ssl.TLSVersion,
    served: bool,
) -> None:
    """ssl-min-ver and ssl-max-ver bound what is spoken; a refusal is logged."""
    lb = proxy(INI % option, s1=origin.http("s1"), pem=authority.pem(NAME))
    context = context_for(minimum=version, maximum=version)
    if served:
        with lb.connect_tls(context) as client:
            client.send(get())
            assert client.read_response().status == 200
    else:
        with pytest.raises(ssl.SSLError):
            lb.connect_tls(context)
        lb.syslog.message(r"127\.0\.0\.1:[0-9]+ \[[^]]+\] fe/1: SSL handshake failure")


def test_ciphers(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """ciphers (TLS 1.2) and ciphersuites (1.3) narrow the choice."""
    option = "ciphers ECDHE-ECDSA-CHACHA20-POLY1305 ciphersuites TLS_AES_128_GCM_SHA256"
    lb = proxy(INI % option, s1=origin.http("s1"), pem=authority.pem(NAME))
    for version, cipher in [
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (ssl.TLSVersion.TLSv1_3, "TLS_AES_128_GCM_SHA256"),
    ]:
        with lb.connect_tls(context_for(minimum=version, maximum=version)) as client:
            found = client.tls.cipher()
            assert found and found[0] == cipher


def test_curves(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """curves names the groups for the key exchange."""
    lb = proxy(INI % "curves P-384", s1=origin.http("s1"), pem=authority.pem(NAME))
    base = ("s_client", "-connect", f"127.0.0.1:{lb.port()}")
    assert "ECDH, secp384r1, 384 bits" in run_openssl(*base)
    assert "handshake failure" in run_openssl(*base, "-groups", "X25519")


def test_alpn(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """alpn: http/1.1 is chosen when the client offers it, and nothing when it does not."""
    lb = proxy(INI % "alpn http/1.1", s1=origin.http("s1"), pem=authority.pem(NAME))
    with lb.connect_tls(context_for(alpn=["h2", "http/1.1"])) as client:
        assert client.tls.selected_alpn_protocol() == "http/1.1"
    with lb.connect_tls(context_for(alpn=["spdy/3"])) as client:
        assert client.tls.selected_alpn_protocol() is None


def test_client_certificates_required(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """verify required: with a certificate of the authority in, without or with another's out."""
    lb = proxy(
        INI % "ca-file {ca} verify required",
        s1=origin.http("s1"),
        pem=authority.pem(NAME),
        ca=authority.ca_file,
    )
    with lb.connect_tls(context_for(certificate=str(authority.pem("client")))) as client:
        client.send(get())
        assert client.read_response().status == 200
    context = context_for(maximum=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError):
        lb.connect_tls(context)
    lb.syslog.message(r".* fe/1: SSL handshake failure")


def test_client_certificates_of_a_stranger(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """A certificate that another authority signed is refused, required or optional."""
    stranger = Authority(tmp_path, "stranger")
    context = context_for(maximum=ssl.TLSVersion.TLSv1_2, certificate=str(stranger.pem("client")))
    for verify in ("required", "optional"):
        lb = proxy(
            INI % f"ca-file {{ca}} verify {verify}",
            s1=origin.http("s1"),
            pem=authority.pem(NAME),
            ca=authority.ca_file,
        )
        with pytest.raises(ssl.SSLError):
            lb.connect_tls(context)


def test_client_certificates_optional(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """verify optional: rules can tell who came with one."""
    s1 = origin.http("s1")
    option = "ca-file {ca} verify optional\nhttp-request = set-header X-Cert "
    option += "%[ssl_c_used]|%[ssl_c_verify]"
    lb = proxy(INI % option, s1=s1, pem=authority.pem(NAME), ca=authority.ca_file)
    for certificate in (None, str(authority.pem("alice"))):
        with lb.connect_tls(context_for(certificate=certificate)) as client:
            client.send(get())
            assert client.read_response().status == 200
    assert [r.message.get("x-cert") for r in s1.requests] == ["0|0", "1|0"]


def test_revoked_client_certificates(
    proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path
) -> None:
    """crl-file: a certificate that was called back is refused."""
    files = []
    certificates = []
    for name in ("good", "revoked"):
        certificate, key = authority.sign(name)
        path = tmp_path / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key_pem(key))
        files.append(str(path))
        certificates.append(certificate)
    crl = authority.revoke(certificates[1])
    option = "ca-file {ca} crl-file {crl} verify required"
    lb = proxy(INI % option, s1=origin.http("s1"), pem=authority.pem(NAME), ca=authority.ca_file, crl=crl)
    with lb.connect_tls(context_for(certificate=files[0])) as client:
        client.send(get())
        assert client.read_response().status == 200
    with pytest.raises(ssl.SSLError):
        lb.connect_tls(context_for(maximum=ssl.TLSVersion.TLSv1_2, certificate=files[1]))


def test_crt_list(proxy: Launcher, origin: Origins, authority: Authority, tmp_path: Path) -> None:
    """crt-list: certificates with names and settings of their own."""
    first, second = authority.pem("first.example"), authority.pem("second.example")
    own = f"[verify required ca-file {authority.ca_file}]"
    listing = tmp_path / "list"
    listing.write_text(f"{first}\n# a comment\n{second} {own} second.example *.alias.example\n")
    ini = INI.replace("crt {pem}", "crt-list {listing}") % ""
    lb = proxy(ini, s1=origin.http("s1"), listing=listing)
    context = context_for(str(authority.ca_file), certificate=str(authority.pem("client")))
    context.check_hostname = False
    for asked, shown in [("first.example", "first"), ("x.alias.example", "second"), ("none", "first")]:
        with lb.connect_tls(context, asked) as client:
            assert names(client) == {f"{shown}.example"}
    with lb.connect_tls(context_for(), "first.example") as client:
        client.send(get())
        assert client.read_response().status == 200
    with pytest.raises(ssl.SSLError):
        lb.connect_tls(context_for(maximum=ssl.TLSVersion.TLSv1_2), "second.example")


def test_plain_http_to_a_tls_port(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """Logged as a failed handshake, closed; who speaks TLS is served."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    with lb.connect() as client:
        client.send(get())
        client.read_to_close()
        pattern = rf"127\.0\.0\.1:{client.port} \[[0-9A-Za-z/:.]+\] fe/1: SSL handshake failure"
        assert lb.syslog.message(pattern).priority == 134
    with lb.connect_tls(context_for()) as client:
        client.send(get())
        assert client.read_response().status == 200


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x00\x05junk!", bytes(range(256)), b"\x80\x2e\x01\x00\x02" + b"\0" * 60]
)
def test_garbage_to_a_tls_port(proxy: Launcher, origin: Origins, authority: Authority, junk: bytes) -> None:
    """The same for bytes that mean nothing."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    with lb.connect() as client:
        client.send(junk)
        client.read_to_close()
    lb.syslog.message(r".* fe/1: SSL handshake failure")


def test_a_stalled_handshake_keeps_nobody_waiting(
    proxy: Launcher, origin: Origins, authority: Authority
) -> None:
    """Half a hello holds its own connection alone, and ends by timeout client."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    stalled = [lb.connect() for _ in range(5)]
    for client in stalled:
        client.send(b"\x16\x03\x01\x02\x00\x01\x00")
    with lb.connect_tls(context_for()) as client:
        client.send(get())
        assert client.read_response().status == 200
    for client in stalled:
        client.read_to_close()
        client.close()
    lb.syslog.message(r".* fe/1: (SSL handshake failure|Timeout during SSL handshake)")


def test_a_client_that_leaves_in_its_handshake(
    proxy: Launcher, origin: Origins, authority: Authority
) -> None:
    """A reset in the middle leaves nothing behind."""
    lb = proxy(INI % "", s1=origin.http("s1"), pem=authority.pem(NAME))
    for _ in range(3):
        client = lb.connect()
        client.send(b"\x16\x03\x01\x02\x00\x01\x00")
        client.reset()
    with lb.connect_tls(context_for()) as served:
        served.send(get())
        assert served.read_response().status == 200


def test_the_facts_in_rules(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """ssl_fc, ssl_fc_protocol, ssl_fc_cipher, ssl_fc_sni, ssl_fc_is_resumed."""
    s1 = origin.http("s1")
    rule = "\nhttp-request = set-header X-Tls "
    rule += "%[ssl_fc]|%[ssl_fc_protocol]|%[ssl_fc_cipher]|%[ssl_fc_sni]|%[ssl_fc_is_resumed]"
    lb = proxy(INI % rule, s1=s1, pem=authority.pem(NAME))
    with lb.connect_tls(context_for(), NAME) as client:
        cipher = client.tls.cipher()
        client.send(get())
        client.read_response()
    assert cipher
    assert s1.requests[0].message.get("x-tls") == f"1|TLSv1.3|{cipher[0]}|{NAME}|0"


def test_tls_on_ipv6(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """The same on ::1."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    s1 = origin.http("s1")
    ini = (INI % "").replace("bind = 127.0.0.1:{fe}", "bind = [::1]:{fe}")
    lb = proxy(ini + "\n", s1=s1, pem=authority.pem(NAME))
    with connect(lb.port(), host="::1") as plain:
        client = Stream(context_for().wrap_socket(plain.sock))
        client.send(get())
        assert client.read_response().status == 200
        client.close()
    assert lb.log().client == "::1"


def test_an_idle_end_is_announced(proxy: Launcher, origin: Origins, authority: Authority) -> None:
    """timeout http-keep-alive over TLS: close_notify, then FIN."""
    ini = (INI % "").replace("timeout client = 2s", "timeout http-keep-alive = 300ms")
    lb = proxy(ini, s1=origin.http("s1"), pem=authority.pem(NAME))
    with lb.connect_tls(context_for()) as client:
        client.send(get())
        client.read_response()
        assert client.read_to_fin() == b""
