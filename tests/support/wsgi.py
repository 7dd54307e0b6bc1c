"""Real WSGI servers to stand behind a balancer: gunicorn, waitress, uWSGI."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from greenlb.testing.launch import Reserved
from tests.support.lb import PROJECT
from tests.support.stream import WAIT, eventually

APPS = PROJECT / "tests" / "wire" / "apps"


class WsgiServer:
    """One that serves ``app`` at a port, or at a unix socket when ``unix``.  ``address`` is as a server line
    has it."""

    def __init__(self, kind: str, app: str, directory: Path, *, unix: bool) -> None:
        self._reserved = Reserved()
        path = directory / f"{kind}.sock"
        self.listens = str(path) if unix else f"127.0.0.1:{self._reserved.port}"
        self.address = f"unix@{path}" if unix else self.listens
        self._log = (directory / f"{kind}-{'unix' if unix else 'tcp'}.log").open("wb")
        self._process = subprocess.Popen(
            getattr(self, f"_{kind}")(app, unix),
            cwd=APPS,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        try:
            eventually(lambda: self._listens(unix), f"{kind} listens", 3 * WAIT)
        except BaseException:
            self.close()
            raise

    def _gunicorn(self, app: str, unix: bool) -> list[str]:
        bind = f"unix:{self.listens}" if unix else self.listens
        return [sys.executable, "-m", "gunicorn", "-b", bind, "--threads", "4", app]

    def _waitress(self, app: str, unix: bool) -> list[str]:
        listen = f"--unix-socket={self.listens}" if unix else f"--listen={self.listens}"
        return [sys.executable, "-m", "waitress", listen, "--no-clear-untrusted-proxy-headers", app]

    def _uwsgi(self, app: str, unix: bool) -> list[str]:
        program = shutil.which("uwsgi-core") or shutil.which("uwsgi")
        if program is None:
            if os.environ.get("CI") == "true":
                pytest.fail("no uWSGI here")
            pytest.skip("NOT TRIED WITH UWSGI: it is not installed (apt-get install uwsgi-plugin-python3)")
        packages = sysconfig.get_path("purelib")
        return [program, "--plugin", "python3", "--socket", self.listens, "--module", app, "--master",
                "--pythonpath", packages, "--pythonpath", str(APPS), "--need-app", "--die-on-term",
                "--buffer-size", "16384"]  # fmt: skip

    def _listens(self, unix: bool) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(Path(self._log.name).read_text())
        with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as sock:
            where = self.listens if unix else ("127.0.0.1", self._reserved.port)
            return sock.connect_ex(where) == 0

    def close(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        self._reserved.sock.close()
