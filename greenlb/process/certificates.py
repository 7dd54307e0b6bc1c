"""Certificates, authorities and revocation lists that change on disk: seen, read, checked, and put in use
without a reload.

The master looks, because it may read the files; what it has found good it uses itself, so that every
later worker has it, and sends it to those who run.  What is broken is told of once, and the old one
serves on.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from greenlb.model import NOWHERE, Where
from greenlb.net import certs
from greenlb.net.certs import Certificate, TlsConfigError
from greenlb.net.contexts import SYSTEM_AUTHORITIES
from greenlb.process.channel import Message
from greenlb.process.prepared import Prepared

_WARNING, _NOTICE = 4, 5
_BESIDE: Final = ("", ".key", ".ocsp")
"""What belongs to a certificate: files whose names begin with its own."""

Signature = tuple[tuple[int, int, int] | None, ...]
Log = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """The contents of one certificate's files: certificate, chain and key, and an OCSP answer; or of a
    ca-file or crl-file."""

    file: str
    pem: bytes
    ocsp: bytes | None


class Certificates:
    """What a configuration's binds and servers show and trust, in this process.  ``log`` takes a severity and
    a line."""

    def __init__(self, prepared: Prepared, log: Log) -> None:
        self._prepared = prepared
        self._log = log
        self._lines: dict[str, Where] = {}
        self._trusted: dict[str, tuple[str, Where]] = {}
        contexts = prepared.contexts
        for of_bind in contexts.binds.values():
            for line in of_bind.bind.certificates:
                self._lines |= dict.fromkeys(certs.files_of(line.file), line.where)
                self._trust(line.where, line.ca_file)
            self._trust(of_bind.bind.where, of_bind.bind.ca_file, of_bind.bind.crl_file)
        for of_server in (*contexts.servers.values(), *contexts.checks.values()):
            tls = of_server.server
            if tls.crt:
                self._lines.setdefault(tls.crt, tls.where)
            self._trust(tls.where, tls.ca_file, tls.crl_file)
        self._used = {file: _signature(file) for file in (*self._lines, *self._trusted)}
        self._seen = dict(self._used)

    def _trust(self, where: Where, ca_file: str, crl_file: str = "") -> None:
        for what, file in (("ca-file", ca_file), ("crl-file", crl_file)):
            if file and file != SYSTEM_AUTHORITIES:
                self._trusted.setdefault(file, (what, where))

    def look(self) -> Iterator[Bundle]:
        """What has changed since the last look and is now in use."""
        for file in self._used:
            now = _signature(file)
            # One that changed since the last look may still be being written.
            settled, self._seen[file] = now == self._seen[file], now
            if now == self._used[file] or not settled:
                continue
            self._used[file] = now
            shown = file in self._lines
            what, where = ("certificate", self._lines[file]) if shown else self._trusted[file]
            try:
                bundle = _read(file, where) if shown else _read_trusted(file, what, where)
                self.use(bundle)
            except TlsConfigError as problem:
                self._log(_WARNING, f"{what} not changed, the old one serves on: {problem}")
                continue
            left = ""
            if shown:
                left = f"; {self._prepared.store.get(file, where).days_left:.0f} days left"
            self._log(_NOTICE, f"{what} {file} has changed and is in use{left}")
            yield bundle

    def use(self, bundle: Bundle) -> None:
        """Serve with ``bundle``, or trust whom it names, from the next handshake on.  Raises TlsConfigError,
        and then nothing has changed."""
        if bundle.file in self._lines:
            self._use_certificate(bundle)
        if bundle.file in self._trusted:
            self._use_trusted(bundle)

    def _use_certificate(self, bundle: Bundle) -> None:
        store, where = self._prepared.store, self._lines[bundle.file]
        before = store.get(bundle.file, where)
        store.replace(bundle.file, bundle.pem, where, bundle.ocsp)
        try:
            self._rebuild(bundle.file)
        except TlsConfigError:
            store.put(before)
            self._rebuild(bundle.file)
            raise

    def _use_trusted(self, bundle: Bundle) -> None:
        before = self._prepared.store.trust(bundle.file, bundle.pem)
        try:
            self._distrust(bundle.file)
        except TlsConfigError:
            self._prepared.store.trust(bundle.file, before)
            self._distrust(bundle.file)
            raise

    def bundle(self, file: str) -> Bundle | None:
        """What is in use of a file, if it is one of ours.  Raises TlsConfigError."""
        store = self._prepared.store
        if file in self._lines:
            found = store.get(file, self._lines[file])
            return Bundle(file, found.pem, found.ocsp)
        if file not in self._trusted:
            return None
        what, where = self._trusted[file]
        return Bundle(file, store.trusted(file, what, where), None)

    def files(self) -> list[str]:
        """All of them, in the order of the configuration."""
        return list(self._lines)

    def current(self, file: str) -> Certificate | None:
        """What is in use in the place of ``file``."""
        where = self._lines.get(file)
        return None if where is None else self._prepared.store.get(file, where)

    def parse(self, file: str, pem: bytes) -> Certificate:
        """What ``pem`` would be in the place of ``file``.  Raises TlsConfigError."""
        return certs.parse(pem, file, self._lines[file])

    def _rebuild(self, file: str) -> None:
        for context in self._prepared.contexts.binds.values():
            context.rebuild()
        self._rebuild_clients(file)

    def _distrust(self, file: str) -> None:
        for context in self._prepared.contexts.binds.values():
            if context.trusts(file):
                context.distrust()
        self._rebuild_clients(file)

    def _rebuild_clients(self, file: str) -> None:
        contexts = self._prepared.contexts
        for context in (*contexts.servers.values(), *contexts.checks.values()):
            if context.uses(file):
                context.rebuild()


class Desk:
    """Certificates as the runtime changes them: in this process, then by ``spread`` in the others."""

    def __init__(self, certificates: Certificates) -> None:
        self._certificates = certificates
        self.files = certificates.files
        self.current = certificates.current
        self.parse = certificates.parse
        self.spread: Callable[[Bundle], None] = lambda bundle: None

    def commit(self, file: str, pem: bytes) -> None:
        """Serve with ``pem`` in the place of ``file``, until that changes.  Raises TlsConfigError."""
        bundle = Bundle(file, pem, None)
        self._certificates.use(bundle)
        self.spread(bundle)


def _signature(file: str) -> Signature:
    """What changes when one of a certificate's files does, or one of a folder's."""
    found: list[tuple[int, int, int] | None] = []
    paths: Iterable[str] = (file + suffix for suffix in _BESIDE)
    if os.path.isdir(file):
        with contextlib.suppress(TlsConfigError):
            paths = certs.trusted_files(file, NOWHERE)
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append(None)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def _read(file: str, where: Where) -> Bundle:
    pem = certs.read_file(file, where, "certificate")
    key, answer = file + ".key", file + ".ocsp"
    if os.path.exists(key) and b"PRIVATE KEY-----" not in pem:
        pem += b"\n" + certs.read_file(key, where, "key")
    return Bundle(
        file, pem, certs.read_file(answer, where, "OCSP answer") if os.path.exists(answer) else None
    )


def _read_trusted(file: str, what: str, where: Where) -> Bundle:
    return Bundle(file, certs.read_trusted(file, what, where), None)


def to_descriptor(bundle: Bundle) -> int:
    """A memfd with a bundle: the PEM, then the OCSP answer.  Nobody finds a key there by a name."""
    descriptor = os.memfd_create("greenlb-certificate", os.MFD_CLOEXEC)
    os.write(descriptor, bundle.pem + (bundle.ocsp or b""))
    return descriptor


def from_message(message: Message) -> Bundle:
    """The bundle that came with a message; its descriptor is closed."""
    fields = message.fields
    return from_descriptor(fields["file"], fields["length"], message.descriptors.pop(0))


def from_descriptor(file: str, length: int, descriptor: int) -> Bundle:
    """The bundle in a memfd, whose PEM is ``length`` bytes long; the descriptor is closed."""
    with open(descriptor, "rb") as opened:
        opened.seek(0)
        data = opened.read()
    return Bundle(file, data[:length], data[length:] or None)
