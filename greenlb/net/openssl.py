"""What OpenSSL can do and pyOpenSSL does not offer, or offers only at the price of an exception.

pyOpenSSL's private ``_lib`` is used here and nowhere else, and ``NEEDED`` names every function and
constant that is taken from it: a test holds the installed version against the list, so a release that
drops one of them fails there and not in somebody's handshake.

Reading and writing give a count instead of raising: a socket that has nothing yet is the most common
answer of all on a non-blocking socket.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from OpenSSL._util import ffi, lib

NEEDED: Final = (
    "BIO_free",
    "BIO_new_mem_buf",
    "DH_free",
    "ERR_GET_REASON",
    "ERR_clear_error",
    "ERR_peek_error",
    "ERR_reason_error_string",
    "PEM_read_bio_DHparams",
    "SSL_CIPHER_get_bits",
    "SSL_CTX_set1_curves_list",
    "SSL_CTX_set_tlsext_servername_callback",
    "SSL_CTX_set_tmp_dh",
    "SSL_ERROR_SYSCALL",
    "SSL_ERROR_WANT_READ",
    "SSL_ERROR_WANT_WRITE",
    "SSL_ERROR_ZERO_RETURN",
    "SSL_MODE_ENABLE_PARTIAL_WRITE",
    "SSL_R_UNEXPECTED_EOF_WHILE_READING",
    "SSL_TLSEXT_ERR_ALERT_FATAL",
    "SSL_do_handshake",
    "SSL_get0_param",
    "SSL_get_current_cipher",
    "SSL_get_error",
    "SSL_get_session",
    "SSL_get_verify_result",
    "SSL_pending",
    "SSL_read",
    "SSL_session_reused",
    "SSL_set1_curves_list",
    "SSL_set_options",
    "SSL_shutdown",
    "SSL_write",
    "X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS",
    "X509_VERIFY_PARAM_set1_host",
    "X509_VERIFY_PARAM_set1_ip",
    "X509_VERIFY_PARAM_set_hostflags",
    "X509_V_ERR_HOSTNAME_MISMATCH",
    "X509_V_ERR_IP_ADDRESS_MISMATCH",
    "X509_verify_cert_error_string",
    "i2d_SSL_SESSION",
)

Handle = Any
"""An ``SSL *``.  It lives as long as the Connection that it came from."""

WANT_READ: Final[int] = lib.SSL_ERROR_WANT_READ
WANT_WRITE: Final[int] = lib.SSL_ERROR_WANT_WRITE
CLOSED: Final[int] = lib.SSL_ERROR_ZERO_RETURN
"""The peer's close_notify has come (RFC 8446 section 6.1)."""
CUT: Final = -1
"""The connection ended without close_notify."""
FAILED: Final = -2
"""A socket's error or a protocol error."""

PARTIAL_WRITE: Final[int] = lib.SSL_MODE_ENABLE_PARTIAL_WRITE

Callback = Callable[[SSL.Connection], int]


def handle(connection: SSL.Connection) -> Handle:
    """The ``SSL *`` of ``connection``, for the functions of this module."""
    return connection._ssl


do_handshake: Final[Callable[[Handle], int]] = lib.SSL_do_handshake
pending: Final[Callable[[Handle], int]] = lib.SSL_pending
shutdown: Final[Callable[[Handle], int]] = lib.SSL_shutdown
clear_errors: Final[Callable[[], None]] = lib.ERR_clear_error
new_buffer: Final = ffi.new_allocator(should_clear_after_alloc=False)
"""``new_buffer("char[]", size)``: memory for ``read`` that is not zeroed first."""
view: Final = ffi.buffer
read: Final[Callable[[Handle, Any, int], int]] = lib.SSL_read
"""SSL_read(handle, buffer, size): a count, or <= 0 and ``outcome`` tells why."""
write: Final[Callable[[Handle, Any, int], int]] = lib.SSL_write
from_buffer: Final = ffi.from_buffer


class Outcome(NamedTuple):
    """Why a call gave nothing.  ``wants`` is WANT_READ, WANT_WRITE, CLOSED, CUT or FAILED; ``errno`` is
    the socket's error or 0; ``reason`` is OpenSSL's word."""

    wants: int
    errno: int = 0
    reason: str = ""


_PLAIN = {number: Outcome(number) for number in (WANT_READ, WANT_WRITE, CLOSED, CUT)}


def outcome(ssl: Handle, result: int) -> Outcome:
    """Why a call gave ``result`` <= 0.

    Empties OpenSSL's error queue, which belongs to the thread and not to the connection: an entry
    left there would be taken for the next connection's.
    """
    error = lib.SSL_get_error(ssl, result)
    if error in _PLAIN:
        return _PLAIN[error]
    errno = ffi.errno if error == lib.SSL_ERROR_SYSCALL else 0
    entry = lib.ERR_peek_error()
    text = lib.ERR_reason_error_string(entry) if entry else ffi.NULL
    lib.ERR_clear_error()
    if error == lib.SSL_ERROR_SYSCALL and not errno:
        return _PLAIN[CUT]
    if entry and lib.ERR_GET_REASON(entry) == lib.SSL_R_UNEXPECTED_EOF_WHILE_READING:
        return _PLAIN[CUT]
    return Outcome(FAILED, errno, "" if text == ffi.NULL else ffi.string(text).decode())


def _cipher_bits(connection: SSL.Connection) -> tuple[int, int] | None:
    """How many bits of the cipher's key are secret, and how many there are."""
    cipher = lib.SSL_get_current_cipher(connection._ssl)
    if cipher == ffi.NULL:
        return None
    whole = ffi.new("int *")
    return int(lib.SSL_CIPHER_get_bits(cipher, whole)), int(whole[0])


def _session_id(connection: SSL.Connection) -> bytes | None:
    """Out of the session as OpenSSL writes it down: a SEQUENCE of two INTEGERs (the format's and the
    protocol's version), the cipher, and the id (i2d_SSL_SESSION(3)).  None when it has none."""
    session = lib.SSL_get_session(connection._ssl)
    size = lib.i2d_SSL_SESSION(session, ffi.NULL) if session != ffi.NULL else 0
    if size <= 0:
        return None
    buffer = ffi.new("unsigned char[]", size)
    lib.i2d_SSL_SESSION(session, ffi.new("unsigned char **", buffer))
    der = bytes(ffi.buffer(buffer, size))
    position = 2 + (der[1] & 0x7F if der[1] & 0x80 else 0)
    for _ in range(3):  # each of these is shorter than 128 bytes, as the id itself
        position += 2 + der[position + 1]
    return der[position + 2 : position + 2 + der[position + 1]] or None


def _own_certificate(connection: SSL.Connection) -> bytes | None:
    certificate = connection.get_certificate(as_cryptography=True)
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def _peer_certificate(connection: SSL.Connection) -> bytes | None:
    certificate = connection.get_peer_certificate(as_cryptography=True)
    return None if certificate is None else certificate.public_bytes(Encoding.DER)


def _chain(connection: SSL.Connection) -> bytes | None:
    """What the peer sent beside its own certificate, which of a server is among them (as OpenSSL has it)."""
    chain = connection.get_peer_cert_chain(as_cryptography=True) or []
    return b"".join(certificate.public_bytes(Encoding.DER) for certificate in chain) or None


def _bits(which: int) -> Callable[[SSL.Connection], int | None]:
    return lambda connection: None if (bits := _cipher_bits(connection)) is None else bits[which]


FACTS: Final[dict[str, Callable[[SSL.Connection], Any]]] = {
    "bits": _bits(0),
    "alg_bits": _bits(1),
    "chain": _chain,
    "client_random": lambda connection: connection.client_random(),
    "finished": lambda connection: connection.get_finished(),
    "master_key": lambda connection: connection.master_key(),
    "own_certificate": _own_certificate,
    "peer_certificate": _peer_certificate,
    "peer_finished": lambda connection: connection.get_peer_finished(),
    "server_random": lambda connection: connection.server_random(),
    "session_id": _session_id,
}
"""What rules may ask of a connection after its handshake; None where it has no such thing."""


def forgive_sudden_ends(connection: SSL.Connection) -> None:
    """Take an end without close_notify for one with it.  OpenSSL would else strike the session from the
    cache, and many clients leave so."""
    lib.SSL_set_options(connection._ssl, SSL.OP_IGNORE_UNEXPECTED_EOF)


def session_reused(connection: SSL.Connection) -> bool:
    return bool(lib.SSL_session_reused(connection._ssl))


def verify_result(connection: SSL.Connection) -> int:
    """X509_V_OK (0) or the X509_V_ERR number of the peer's certificate."""
    return int(lib.SSL_get_verify_result(connection._ssl))


def is_name_mismatch(error: int) -> bool:
    return error in (lib.X509_V_ERR_HOSTNAME_MISMATCH, lib.X509_V_ERR_IP_ADDRESS_MISMATCH)


def verify_text(error: int) -> str:
    """OpenSSL's words for an X509_V_ERR number."""
    return str(ffi.string(lib.X509_verify_cert_error_string(error)).decode())


def expect_host(connection: SSL.Connection, name: str) -> None:
    """Let the handshake fail unless the peer's certificate is for ``name``, a host name or an address.
    A wildcard stands for one whole label (RFC 6125 section 6.4.3)."""
    param = lib.SSL_get0_param(connection._ssl)
    try:
        packed = ipaddress.ip_address(name).packed
    except ValueError:
        lib.X509_VERIFY_PARAM_set_hostflags(param, lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS)
        host = name.encode()
        done = lib.X509_VERIFY_PARAM_set1_host(param, host, len(host))
    else:
        done = lib.X509_VERIFY_PARAM_set1_ip(param, packed, len(packed))
    if done != 1:
        lib.ERR_clear_error()
        raise ValueError(f"{name!r} is not a host name that a certificate can be checked for")


def set_curves(context: SSL.Context, names: str) -> bool:
    """Offer and accept these groups, in this order, ``:`` between them.  False: one is unknown."""
    done = lib.SSL_CTX_set1_curves_list(context._context, names.encode())
    lib.ERR_clear_error()
    return bool(done)


def set_connection_curves(connection: SSL.Connection, names: str) -> None:
    """``set_curves`` for one connection; the names are known to be good."""
    lib.SSL_set1_curves_list(connection._ssl, names.encode())
    lib.ERR_clear_error()


def set_dh_parameters(context: SSL.Context, pem: bytes) -> bool:
    """Use these parameters for DHE key exchange.  False: they cannot be read, or are too weak."""
    bio = ffi.gc(lib.BIO_new_mem_buf(pem, len(pem)), lib.BIO_free)
    parameters = lib.PEM_read_bio_DHparams(bio, ffi.NULL, ffi.NULL, ffi.NULL)
    done = False
    if parameters != ffi.NULL:
        done = lib.SSL_CTX_set_tmp_dh(context._context, ffi.gc(parameters, lib.DH_free)) == 1
    lib.ERR_clear_error()
    return done


def on_client_hello(context: SSL.Context, choose: Callback, failed: Callable[[Exception], None]) -> Any:
    """Call ``choose`` in every handshake of ``context`` once the client's server name is known (also
    when it sent none).  It may give the connection another context, and returns 0 or the number of
    the alert that ends the handshake (RFC 8446 section 6.2), which pyOpenSSL's own hook cannot send.

    What ``choose`` raises ends the handshake with internal_error and goes to ``failed``: pyOpenSSL
    would print it to stderr.  The result has to be kept as long as ``context``.
    """
    connections = SSL.Connection._reverse_mapping
    fatal = lib.SSL_TLSEXT_ERR_ALERT_FATAL

    def server_name(ssl: Handle, alert: Any, _: object) -> int:
        try:
            number = choose(connections[ssl])
        except Exception as error:
            failed(error)
            number = INTERNAL_ERROR
        if not number:
            return 0
        alert[0] = number
        return int(fatal)

    callback = ffi.callback("int (*)(SSL *, int *, void *)", server_name)
    lib.SSL_CTX_set_tlsext_servername_callback(context._context, callback)
    return callback


PROTOCOL_VERSION: Final = 70
INTERNAL_ERROR: Final = 80
UNRECOGNIZED_NAME: Final = 112
