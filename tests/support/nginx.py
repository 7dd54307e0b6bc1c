"""A real nginx as the web server behind the balancer."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from greenlb.testing.launch import Reserved
from tests.support.kernel import listening_ports
from tests.support.stream import WAIT, eventually

CONF = """
daemon off;
master_process off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log {dir}/access.log combined;
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  client_max_body_size 100m;
  sendfile on;
  gzip on;
  gzip_min_length 100;
  gzip_types text/plain;
  set_real_ip_from 127.0.0.1;
  real_ip_header X-Forwarded-For;
{server}}}
"""

SERVER = """\
  server {{
    listen 127.0.0.1:{port}{ssl};
    {more}
    root {dir}/www;
    add_header X-Served-By {name};
    location = /who {{ default_type text/plain; return 200 "{name}\\n"; }}
    location = /client {{
      default_type text/plain;
      return 200 "$remote_addr|$http_x_forwarded_proto|$http_x_forwarded_port|$http_cookie\\n";
    }}
    location = /move {{ return 301 /moved/; }}
    location /dav/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
  }}
"""


class Nginx:
    """A running nginx: /who, /client, /move, uploads to /dav/ and the files of ``www``.  With ``pem`` it
    speaks TLS; ``more`` are directives of its server, ``listen`` words of its listen directive.
    ``server`` is another server block in place of all that, with {port}."""

    def __init__(
        self,
        name: str,
        directory: Path,
        pem: Path | None = None,
        more: str = "",
        listen: str = "",
        server: str = "",
    ) -> None:
        path = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if path is None:
            if os.environ.get("CI", "").lower() == "true":
                pytest.fail("no nginx here: the wire tests need a real web server")
            pytest.skip("NOT TRIED WITH NGINX: it is not installed (apt-get install nginx)")
        self.directory = directory / name
        self.www = self.directory / "www"
        self.www.mkdir(parents=True)
        self.reserved = Reserved()
        conf = self.directory / "nginx.conf"
        if pem is not None:
            more = f"ssl_certificate {pem}; ssl_certificate_key {pem}; {more}"
        ssl = (" ssl" if pem is not None else "") + listen
        values = {"dir": self.directory, "port": self.port, "name": name, "ssl": ssl, "more": more}
        block = server.replace("{port}", str(self.port)) or SERVER.format(**values)
        conf.write_text(CONF.format(server=block, **values))
        self.stderr = self.directory / "stderr"
        with self.stderr.open("wb") as stderr:
            self.process = subprocess.Popen(
                [path, "-e", "stderr", "-p", str(self.directory), "-c", str(conf)],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
            )
        try:
            eventually(self._started, "nginx listens")
        except BaseException:
            self.close()
            raise

    def _started(self) -> bool:
        assert self.process.poll() is None, self.stderr.read_text()
        return self.port in listening_ports()

    @property
    def port(self) -> int:
        return self.reserved.port

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT)
        self.reserved.sock.close()
