"""Every file in conf/ is a configuration that greenlb takes, and HAProxy too where it has the words."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.certs import Authority
from tests.support.oracle import as_cfg, need_haproxy

CONF = Path(__file__).parents[2] / "conf"
EXAMPLES = sorted(path.name for path in CONF.glob("*.ini") if path.name != "reference.ini")
WARNED_OF = {"ssl-session-affinity.ini": "up to TLS 1.2 alone"}
"""What greenlb has to say of an example that is valid all the same."""
HAPROXY_LACKS = {
    "logging.ini": "format json",
    "python-rules.ini": "python-path",
    "trusted-proxies.ini": "trusted-proxies",
    "wsgi-apps.ini": "wsgi:",
}


@pytest.fixture
def folder(authority: Authority, tmp_path: Path) -> Path:
    """What the examples name in /etc/greenlb."""
    site = authority.pem("www.example.com").read_bytes()
    root = authority.ca_file.read_bytes()
    for name, content in {
        "site.pem": site,
        "ours.pem": site,
        "certs/one.pem": site,
        "ca.pem": root,
        "clients-ca.pem": root,
        "shop/shop.py": b"def application(environ, start_response): ...\n",
        "site/website.py": b"def create_app(): return print\n",
        "clients-crl.pem": authority.revoke().read_bytes(),
        "crt-list.txt": f"{tmp_path}/site.pem [alpn http/1.1] www.example.com\n".encode(),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    for name in ("python", "errors"):
        shutil.copytree(CONF / name, tmp_path / name)
    return tmp_path


def text(name: str, folder: Path) -> str:
    """The example with files that are here, and the demo's variables filled in."""
    filled = (CONF / name).read_text().replace("/etc/greenlb", str(folder))
    values = {"CERTIFICATE": f"{folder}/site.pem", "HTTP": "80", "HTTPS": "443", "S1": "8001", "S2": "8002"}
    for variable, value in values.items():
        filled = filled.replace(f"${{GREENLB_{variable}}}", value)
    return filled


@pytest.mark.parametrize("name", EXAMPLES)
def test_greenlb_takes_it(name: str, folder: Path) -> None:
    file = folder / name
    file.write_text(text(name, folder))
    done = subprocess.run(
        [sys.executable, "-m", "greenlb", "-c", "-f", file], capture_output=True, text=True, check=False
    )
    warned = WARNED_OF.get(name, "")
    said = "Configuration file is valid\n"
    assert (done.returncode, done.stdout) == (0, f"Warnings were found.\n{said}" if warned else said)
    assert bool(done.stderr) is bool(warned) and warned in done.stderr


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name not in HAPROXY_LACKS])
def test_haproxy_takes_it(name: str, folder: Path) -> None:
    need_haproxy()
    file = folder / "haproxy.cfg"
    file.write_text(as_cfg(text(name, folder)))
    done = subprocess.run(["haproxy", "-c", "-f", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Configuration file is valid\n", "")


@pytest.mark.parametrize("name", HAPROXY_LACKS)
def test_an_example_left_out_above_has_a_reason(name: str) -> None:
    assert HAPROXY_LACKS[name] in (CONF / name).read_text()
