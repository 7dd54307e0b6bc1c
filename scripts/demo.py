"""The demo: two origins and greenlb before them, until Ctrl-C."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import FrameType
from wsgiref.types import StartResponse, WSGIEnvironment

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"
PR_SET_PDEATHSIG = 1

TEXT = """
greenlb is up, with conf/greenlb.ini: https on port {https}, http on port {http}, two servers behind it.
Each request makes a line in HAProxy's log format here.  To try from another terminal:

{commands}

Ctrl-C ends everything.
"""
COMMANDS = (
    ("curl -k https://{host}:{https}/", "again and again: s1, s2, s1, s2 ..."),
    ("curl -k -b jar -c jar https://{host}:{https}/", "the cookie SERVERID keeps you on one server"),
    ("curl -i http://{host}:{http}/some/page", "a redirect to https"),
    ("curl -ki https://{host}:{https}/private", "refused by a rule: 403"),
)


def main() -> int:
    if sys.argv[1:2] == ["origin"]:
        return origin(sys.argv[2], int(sys.argv[3]))
    for number in STOPPERS:
        signal.signal(number, _stop)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greenlb-demo-")))
        environment = {
            "GREENLB_CERTIFICATE": str(certificate(folder)),
            "GREENLB_HTTP": str(free_port(8080)),
            "GREENLB_HTTPS": str(free_port(8443)),
        }
        for name in ("s1", "s2"):
            listener = stack.enter_context(socket.create_server((HOST, 0)))
            # pywsgi writes head and body apart: without this the body waits for the head's ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            environment[f"GREENLB_{name.upper()}"] = str(listener.getsockname()[1])
            command = [sys.executable, __file__, "origin", name, str(listener.fileno())]
            stack.enter_context(child(command, files=[listener.fileno()]))
        command = [sys.executable, "-m", "greenlb", "-db", "-f", "conf/greenlb.ini"]
        greenlb = stack.enter_context(child(command, environment=environment))
        threading.Thread(target=announce, args=(environment,), daemon=True).start()
        return greenlb.wait()


class Stopped(Exception):
    """Somebody wants the demo to end."""


STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for number in STOPPERS:
        signal.signal(number, signal.SIG_IGN)  # once is enough
    raise Stopped


@contextlib.contextmanager
def child(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, files: Sequence[int] = ()
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with this block, and with this process however that ends.  It has a session of
    its own, so that Ctrl-C reaches the demo alone, which ends its children in order."""
    prctl = ctypes.CDLL(None).prctl
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        pass_fds=files,
        start_new_session=True,
        preexec_fn=lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM),
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def announce(environment: Mapping[str, str]) -> None:
    """Say what to try, once greenlb listens."""
    http, https = environment["GREENLB_HTTP"], environment["GREENLB_HTTPS"]
    pause = threading.Event()
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, int(http)), 1).close()
            break
        pause.wait(0.05)
    filled = [(command.format(host=HOST, http=http, https=https), result) for command, result in COMMANDS]
    commands = "\n".join(f"  {command:<46}  # {result}" for command, result in filled)
    print(TEXT.format(http=http, https=https, commands=commands), flush=True)


def origin(name: str, listener: int) -> int:
    """A WSGI server that says who it is and what it was told about the client."""
    from gevent.pywsgi import WSGIServer
    from gevent.socket import socket as gevent_socket

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        who = environ.get("HTTP_X_FORWARDED_FOR", "unknown")
        scheme = environ.get("HTTP_X_FORWARDED_PROTO", "unknown")
        text = f"This is {name}.  You are {who}, you came over {scheme}, you want {environ['PATH_INFO']}\n"
        body = text.encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]

    WSGIServer(gevent_socket(fileno=listener), application, log=None).serve_forever()
    return 0


def free_port(wanted: int) -> int:
    """This port when nobody listens on it, else one of the kernel's choice."""
    for port in (wanted, 0):
        with contextlib.suppress(OSError), socket.create_server((HOST, port)) as listener:
            return int(listener.getsockname()[1])
    raise OSError("no free port")


def certificate(folder: Path) -> Path:
    """A self-signed certificate for this machine and its key, in one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(HOST))]), False
        )
        .sign(key, hashes.SHA256())
    )
    file = folder / "demo.pem"
    file.touch(0o600)
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Stopped:
        sys.exit(0)
