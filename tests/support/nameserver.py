"""A real DNS server (NSD) whose records a test changes while it runs."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from tests.support.stream import WAIT, eventually

ZONE = "example.test"
_HEAD = "$ORIGIN example.test.\n$TTL 1\n@ SOA ns admin {serial} 60 60 60 1\n@ NS ns\nns A 127.0.0.1\n"
_CONF = """
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{dir}"
  database: ""
  pidfile: "{dir}/pid"
  xfrdfile: "{dir}/xfrd.state"
  xfrdir: "{dir}"
  zonelistfile: "{dir}/zone.list"
  logfile: "{dir}/log"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: {zone}
  zonefile: zone
"""


def _free_port() -> int:
    """One that is free for UDP and TCP."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            try:
                tcp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Nameserver:
    """Authoritative for example.test alone: it refuses to answer for any other name."""

    def __init__(self, directory: Path, records: str) -> None:
        path = shutil.which("nsd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
        if path is None:
            if os.environ.get("CI", "").lower() == "true":
                pytest.fail("no nsd here: the tests of names need a real name server")
            pytest.skip("NOT TRIED WITH A NAME SERVER: nsd is not installed (apt-get install nsd)")
        self.directory = directory / "nsd"
        self.directory.mkdir()
        self.port = _free_port()
        self._serial = 0
        self._write(records)
        conf = self.directory / "nsd.conf"
        conf.write_text(_CONF.format(port=self.port, dir=self.directory, zone=ZONE))
        with (self.directory / "out").open("wb") as out:
            self.process = subprocess.Popen([path, "-d", "-c", str(conf)], stdout=out, stderr=out)
        try:
            self._wait()
        except BaseException:
            self.close()
            raise

    def _write(self, records: str) -> None:
        self._serial += 1
        text = _HEAD.format(serial=self._serial) + f"serial TXT {self._serial}\n{records}\n"
        fresh = self.directory / "fresh"
        fresh.write_text(text)
        fresh.replace(self.directory / "zone")

    def change(self, records: str) -> None:
        """Have these records from now on.  Returns when they are answered."""
        self._write(records)
        self.process.send_signal(signal.SIGHUP)
        self._wait()

    def _wait(self) -> None:
        eventually(self._answers, f"the name server knows its records: {self.directory}")

    def _answers(self) -> bool:
        query = dns.message.make_query(f"serial.{ZONE}", "TXT")
        try:
            found = dns.query.udp(query, "127.0.0.1", timeout=0.2, port=self.port)
        except (OSError, dns.exception.DNSException):
            return False
        return any(f'"{self._serial}"' in rrset.to_text() for rrset in found.answer)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT)
