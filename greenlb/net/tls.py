"""TLS contexts: what a bind offers its clients, and how a server is spoken to.

A bind has one lasting context for its whole life: session tickets and the session cache hang on it,
and made before the fork it is every worker's.  In each handshake a callback puts the context of the
certificate that the server name asks for in its place.  A context never changes once it is in use: a
changed certificate means new contexts, which are swapped in at once (``rebuild``).
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from greenlb.exchange import TlsFacts
from greenlb.model import BindTls, CertificateLine, ServerTls, Where
from greenlb.net import certs, contexts, openssl
from greenlb.net.certs import Certificate, Store, TlsConfigError
from greenlb.net.contexts import Settings
from greenlb.net.sni import NameTable
from greenlb.net.sockets import Stream, Timeout
from greenlb.net.tlsstream import HandshakeFailure, HandshakeTimeout, TlsStream

__all__ = [
    "ClientContext",
    "HandshakeFailure",
    "HandshakeTimeout",
    "ServerContext",
    "TlsConfigError",
    "TlsServerFailure",
    "TlsStream",
]

# What HAProxy's log says of a handshake that came to nothing.
FAILED: Final = "SSL handshake failure"
CLOSED: Final = "Connection closed during SSL handshake"
TIMED_OUT: Final = "Timeout during SSL handshake"
CLIENT_NOT_TRUSTED: Final = "SSL client certificate not trusted"
CHAIN_NOT_TRUSTED: Final = "SSL client CA chain cannot be verified"

_VERIFY: Final = {
    "none": SSL.VERIFY_NONE,
    "optional": SSL.VERIFY_PEER,
    "required": SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
}
_HELLO: Final = (0, 0)
"""What ``_note_verification`` has to improve on; a connection without it has had no whole ClientHello."""
_LONGEST_NAME: Final = 255
"""Of a server name, for OpenSSL as for the DNS (RFC 1035 section 2.3.4)."""
_SESSIONS: Final = 256
"""Names a server's sessions are kept for."""


@dataclass(frozen=True, slots=True, eq=False)
class _Served:
    """One certificate of a bind, and what it is served with."""

    certificate: Certificate
    settings: Settings
    line: CertificateLine


class ServerContext:
    """The TLS side of a bind.  ``warnings`` are (where, text) about certificates that work but will not
    please clients."""

    def __init__(self, bind: BindTls, store: Store | None = None) -> None:
        """Read and check everything.  Raises TlsConfigError."""
        if not bind.certificates:
            raise TlsConfigError(bind.where, "'ssl' on a bind line needs a certificate: crt FILE")
        self.bind = bind
        self.store = Store() if store is None else store
        self.warnings: list[tuple[Where, str]] = []
        self._problem: Exception | None = None
        self._settings = _bind_settings(bind)
        self._callbacks: list[object] = []  # handshakes that have begun may still call the former ones
        self._begin()

    def _begin(self) -> None:
        """Make the context that every handshake begins with: it has the keys of the tickets."""
        served = self._load()
        first = _group(served, _default(served))
        lasting = self._context(served, first)
        self._swap_in(served, lasting)
        self._lasting = lasting
        self._lasting_verify = served[first[0]].settings.verify
        self._callbacks.append(openssl.on_client_hello(lasting, self._choose, self._note_problem))

    def rebuild(self) -> None:
        """Take up the certificates that ``store`` holds now.  Connections that are open keep what they have;
        sessions and tickets stay good.  Raises TlsConfigError, and then nothing changed."""
        self._swap_in(self._load(), None)

    def trusts(self, file: str) -> bool:
        """Whether it checks clients by that ca-file or crl-file."""
        files = {line.ca_file for line in self.bind.certificates} | {self.bind.ca_file, self.bind.crl_file}
        return file in files

    def distrust(self) -> None:
        """Take up whom ``store`` trusts now.  Who was let in before has to show his certificate again: no
        session or ticket of before is good.  Raises TlsConfigError, and then nothing changed."""
        self._begin()

    # -- handshakes ------------------------------------------------------------------------------

    def accept(self, stream: Stream, timeout: float | None = None) -> TlsStream:
        """Shake hands with a client within ``timeout`` seconds; ``stream`` must not be used after.
        When that fails, closes the connection and raises HandshakeFailure (HandshakeTimeout, which is
        a Timeout too)."""
        tls = TlsStream(stream, self._lasting)
        connection = tls.connection
        try:
            outcome = tls.handshake(timeout, server=True)
            if outcome is not None:
                tls.drain()
                raise self._failure(connection, outcome)
        except Timeout:
            tls.close()
            raise HandshakeTimeout(TIMED_OUT, empty=connection.get_app_data() is None) from None
        except BaseException:
            tls.close()
            raise
        openssl.forgive_sudden_ends(connection)
        tls.facts = _facts(tls)
        return tls

    def _choose(self, connection: SSL.Connection) -> int:
        """Give the connection the context for its server name; or the number of the alert to send."""
        connection.set_app_data(_HELLO)
        name = connection.get_servername()
        found = self._names.find(name.decode("ascii", "replace")) if name else None
        if found:
            context, settings = self._contexts[tuple(found)]
        elif self.bind.strict_sni:
            return openssl.UNRECOGNIZED_NAME
        else:
            context, settings = self._default
        if context is not connection.get_context():
            connection.set_context(context)
        if settings.verify != self._lasting_verify:
            # OpenSSL took this from the lasting context when the connection was made.
            connection.set_verify(_VERIFY[settings.verify], _note_verification)
        return 0

    def _note_problem(self, error: Exception) -> None:
        self._problem = error

    def _failure(self, connection: SSL.Connection, outcome: openssl.Outcome) -> HandshakeFailure:
        problem, self._problem = self._problem, None
        if problem is not None:
            failure = HandshakeFailure(FAILED, detail=repr(problem))
            failure.__cause__ = problem
            return failure
        if outcome.wants == openssl.CUT and connection.get_app_data() is None:
            return HandshakeFailure(CLOSED, empty=True)
        error, depth = connection.get_app_data() or _HELLO
        if error:
            text = CHAIN_NOT_TRUSTED if depth else CLIENT_NOT_TRUSTED
            return HandshakeFailure(text, detail=openssl.verify_text(error))
        return HandshakeFailure(FAILED, detail=outcome.reason)

    # -- building --------------------------------------------------------------------------------

    def _load(self) -> list[_Served]:
        """Every certificate of the bind, in order, as ``store`` has it."""
        served = []
        warnings = []
        now = datetime.datetime.now(datetime.UTC)
        for line in self.bind.certificates:
            settings = self._line_settings(line)
            for file in certs.files_of(line.file):
                certificate = self.store.get(file, line.where)
                problem = certificate.validity_problem(now)
                if problem is not None:
                    warnings.append((line.where, problem))
                served.append(_Served(certificate, settings, line))
        self.warnings = warnings
        return served

    def _line_settings(self, line: CertificateLine) -> Settings:
        """The bind's settings (the same object where the line says nothing) with the line's own."""
        for keyword, value, common in (
            ("ssl-min-ver", line.min_version, self._settings.min_version),
            ("ssl-max-ver", line.max_version, self._settings.max_version),
            ("curves", line.curves, self._settings.curves),
        ):
            if value and value != common:
                raise TlsConfigError(
                    line.where,
                    f"{keyword} {value}: one bind has one {keyword} (here {common or 'the default'}),"
                    " whichever certificate is asked for; set it on the bind line, or use another bind",
                )
        settings = replace(
            self._settings,
            ciphers=line.ciphers or self._settings.ciphers,
            ciphersuites=line.ciphersuites or self._settings.ciphersuites,
            alpn=self._settings.alpn if line.alpn is None else line.alpn,
            verify=line.verify or self._settings.verify,
            ca_file=line.ca_file or self._settings.ca_file,
        )
        return self._settings if settings == self._settings else settings

    def _swap_in(self, served: list[_Served], default: SSL.Context | None) -> None:
        """Make the contexts for every name and put them in use together.  ``default``: the context of
        the default certificate, where it exists already."""
        names: NameTable[int] = NameTable()
        for index, one in enumerate(served):
            names.add(index, one.certificate.names, one.line.filters)
        first = _group(served, _default(served))
        made = {first: self._context(served, first) if default is None else default}
        chosen = {}
        for name in names.known():
            found = tuple(names.find(name))
            if found:
                group = _group(served, found)
                if group not in made:
                    made[group] = self._context(served, group)
                chosen[found] = (made[group], served[group[0]].settings)
        self._names = names
        self._contexts = chosen
        self._default = (made[first], served[first[0]].settings)

    def _context(self, served: list[_Served], group: tuple[int, ...]) -> SSL.Context:
        """A context that serves the certificates of ``group``, with the settings of its first."""
        where = served[group[0]].line.where
        settings = served[group[0]].settings
        context = contexts.new_context(SSL.TLS_SERVER_METHOD, settings, where)
        if not self.bind.prefer_client_ciphers:
            context.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
        context.set_session_id(b"greenlb")
        if _differ_in_trust(served):
            # A session that one name's rules let in must not open another's (RFC 8446 section 4.6.1).
            context.set_options(SSL.OP_NO_TICKET)
            context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        contexts.use_certificates(context, [served[i].certificate for i in group], where)
        if settings.alpn:
            context.set_alpn_select_callback(_select_alpn(settings.alpn))
        answers = {c.leaf: c.ocsp for c in (served[i].certificate for i in group) if c.ocsp}
        if answers:
            context.set_ocsp_server_callback(_staple, answers)
        if settings.verify != "none":
            if not settings.ca_file:
                raise TlsConfigError(where, f"verify {settings.verify} needs a ca-file: whom to trust")
            contexts.trust(context, settings, where, self.store, announce=True)
        context.set_verify(_VERIFY[settings.verify], _note_verification)
        return context


def _bind_settings(bind: BindTls) -> Settings:
    return Settings(
        min_version=bind.min_version,
        max_version=bind.max_version,
        ciphers=bind.ciphers,
        ciphersuites=bind.ciphersuites,
        curves=bind.curves,
        alpn=bind.alpn,
        verify=bind.verify,
        ca_file=bind.ca_file,
        crl_file=bind.crl_file,
        tickets=bind.tickets,
    )


def _default(served: list[_Served]) -> tuple[int, ...]:
    """The certificates for a client that names nothing we know: the first, and those of its line and of
    other lines that stand for the same names with another kind of key."""
    names = set(served[0].certificate.names)
    return tuple(
        i for i, one in enumerate(served) if one.line is served[0].line or set(one.certificate.names) == names
    )


def _group(served: list[_Served], candidates: Sequence[int]) -> tuple[int, ...]:
    """Of ``candidates``, best first: the first one, and the first of every other kind of key with the
    same settings, so that old clients get RSA and all others ECDSA."""
    settings = served[candidates[0]].settings
    kinds: dict[str, int] = {}
    for i in candidates:
        if served[i].settings == settings:
            kinds.setdefault(served[i].certificate.kind, i)
    return tuple(kinds.values())


def _differ_in_trust(served: list[_Served]) -> bool:
    return len({(one.settings.verify, one.settings.ca_file) for one in served}) > 1


def _select_alpn(ours: tuple[str, ...]) -> Callable[[SSL.Connection, list[bytes]], Any]:
    """Our first protocol that the client offers too; none when there is no such (RFC 7301 section 3.2
    would have the handshake fail, HAProxy goes on without)."""
    preferred = [name.encode() for name in ours]

    def select(_: SSL.Connection, offered: list[bytes]) -> Any:
        return next((name for name in preferred if name in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

    return select


def _staple(connection: SSL.Connection, answers: dict[x509.Certificate, bytes] | None) -> bytes:
    """The OCSP answer for the certificate that this client gets; empty when there is none."""
    certificate = connection.get_certificate(as_cryptography=True)
    return answers.get(certificate, b"") if answers and certificate is not None else b""


def _note_verification(connection: SSL.Connection, _: object, error: int, depth: int, ok: int) -> bool:
    """Keep what was wrong with a client's certificate, and how far from the leaf."""
    if not ok:
        connection.set_app_data((error, depth))
    return bool(ok)


def _facts(tls: TlsStream) -> TlsFacts:
    """What a handshake settled."""
    connection = tls.connection
    name = connection.get_servername()
    certificate = None
    if connection.get_verify_mode():
        peer = connection.get_peer_certificate(as_cryptography=True)
        certificate = None if peer is None else peer.public_bytes(Encoding.DER)
    return TlsFacts(
        version=connection.get_protocol_version_name(),
        cipher=connection.get_cipher_name() or "",
        sni=name.decode("ascii", "replace") if name else "",
        alpn=connection.get_alpn_proto_negotiated().decode("ascii", "replace"),
        resumed=openssl.session_reused(connection),
        certificate=certificate,
        ask=tls.ask,
    )


class TlsServerFailure(OSError):
    """The TLS handshake with a server failed: as bad as a refused connection.  ``text`` says why;
    ``mismatch``: its certificate is not for the name that was asked for, so trying again is no use."""

    def __init__(self, text: str, *, mismatch: bool = False) -> None:
        super().__init__(text)
        self.text = text
        self.mismatch = mismatch


class ClientContext:
    """The TLS side of a server line.  Keeps the last session with each name it asked for."""

    def __init__(self, server: ServerTls, store: Store | None = None) -> None:
        """Read and check everything.  Raises TlsConfigError."""
        self.server = server
        self.warnings: list[tuple[Where, str]] = []
        self._store = Store() if store is None else store
        self._sessions: dict[str, SSL.Session] = {}
        self._context = self._build()

    def uses(self, file: str) -> bool:
        """Whether it checks servers by that ca-file or crl-file, or shows them that certificate."""
        return file in (self.server.ca_file, self.server.crl_file, self.server.crt)

    def rebuild(self) -> None:
        """Take up what the store holds now, from the next connection on; no session of before is good.
        Raises TlsConfigError, and then nothing changed."""
        self._context = self._build()
        self._sessions.clear()

    def _build(self) -> SSL.Context:
        server = self.server
        self.warnings = []
        settings = Settings(
            min_version=server.min_version,
            max_version=server.max_version,
            ciphers=server.ciphers,
            ciphersuites=server.ciphersuites,
            curves=server.curves,
            verify=server.verify,
            ca_file=server.ca_file,
            crl_file=server.crl_file,
            tickets=server.tickets,
        )
        where = server.where
        context = contexts.new_context(SSL.TLS_CLIENT_METHOD, settings, where)
        context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        if server.crt:
            certificate = self._store.get(server.crt, where)
            problem = certificate.validity_problem(datetime.datetime.now(datetime.UTC))
            if problem is not None:
                self.warnings.append((where, problem))
            contexts.use_certificates(context, [certificate], where)
        if server.alpn:
            context.set_alpn_protos([name.encode() for name in server.alpn])
        if server.verify == "required":
            if not server.ca_file:
                raise TlsConfigError(
                    where,
                    "'verify required' (the default) needs a ca-file: whom to trust; '@system-ca' is the"
                    " system's authorities, and 'verify none' trusts any server",
                )
            contexts.trust(context, settings, where, self._store)
        context.set_verify(SSL.VERIFY_PEER if server.verify == "required" else SSL.VERIFY_NONE)
        return context

    def connect(self, stream: Stream, server_name: str | None, timeout: float | None = None) -> TlsStream:
        """Shake hands with a server within ``timeout`` seconds; ``stream`` must not be used after.
        ``server_name`` is the name to ask for (SNI), which its certificate must then have; without one,
        ``verifyhost``.  Closes the connection and raises TlsServerFailure or Timeout when that fails."""
        tls = TlsStream(stream, self._context)
        connection = tls.connection
        expected = server_name or self.server.verifyhost
        try:
            if server_name:
                if len(server_name) > _LONGEST_NAME or not server_name.isascii() or "\0" in server_name:
                    raise TlsServerFailure(f"{FAILED}: {server_name!r} is not a host name", mismatch=True)
                connection.set_tlsext_host_name(server_name.encode())
            if expected and self.server.verify == "required":
                openssl.expect_host(connection, expected)
            session = self._sessions.get(expected)
            if session is not None:
                connection.set_session(session)
            outcome = tls.handshake(timeout, server=False)
            if outcome is not None:
                self._sessions.pop(expected, None)
                raise self._failure(connection, outcome, named=bool(server_name))
        except BaseException:
            tls.close()
            raise
        tls.facts = _facts(tls)
        tls.after_first_read(lambda c: self._keep(expected, c))
        return tls

    def _failure(
        self, connection: SSL.Connection, outcome: openssl.Outcome, *, named: bool
    ) -> TlsServerFailure:
        error = openssl.verify_result(connection)
        if error:
            mismatch = named and openssl.is_name_mismatch(error)
            return TlsServerFailure(f"{FAILED}: {openssl.verify_text(error)}", mismatch=mismatch)
        if outcome.wants in (openssl.CUT, openssl.CLOSED):
            return TlsServerFailure(CLOSED)
        return TlsServerFailure(f"{FAILED}: {outcome.reason}" if outcome.reason else FAILED)

    def _keep(self, name: str, connection: SSL.Connection) -> None:
        """Keep the session for the next connection that asks for ``name``."""
        session = connection.get_session()
        if session is not None and connection.get_context() is self._context:
            if name not in self._sessions and len(self._sessions) >= _SESSIONS:
                del self._sessions[next(iter(self._sessions))]
            self._sessions[name] = session


def client_hello(name: str) -> bytes:
    """The first bytes of a client that asks for ``name``, as this OpenSSL sends them."""
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    connection.set_connect_state()
    connection.set_tlsext_host_name(name.encode("idna"))
    with contextlib.suppress(SSL.WantReadError):
        connection.do_handshake()
    return connection.bio_read(65536)
