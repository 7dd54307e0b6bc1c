"""Listening sockets: of the internet, by a path, in the abstract namespace, or open already."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
from typing import NamedTuple

from greenlb.model import Address

_IP_FREEBIND = 15
_IPV6_TRANSPARENT = 75


class Access(NamedTuple):
    """Whose a path is, and its permissions; None: as the process makes it."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def listen(
    address: Address,
    backlog: int = 0,
    *,
    v6only: bool = False,
    transparent: bool = False,
    interface: str = "",
    access: Access | None = None,
    stay: bool = True,
) -> socket.socket:
    """A listening, non-blocking socket.  ``backlog`` 0 is the kernel's own limit; ``interface`` is the one
    that connections must come by; ``access`` is of a path; ``transparent`` is as ``allow_foreign`` has it.
    ``stay`` False: only to see whether it could be done.  Raises OSError."""
    if address.inherited:
        return _inherited(address.port)
    if address.unix:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        sock = socket.socket(socket.AF_INET6 if address.ipv6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if address.host.startswith("\0"):
            sock.bind(address.host)
        elif address.unix:
            _bind_path(sock, address.host, access or Access(), backlog, stay)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            # A greenlb that is to replace another one (-sf) listens beside it until that one ends.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if address.ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6only))
            if transparent:
                allow_foreign(sock)
            if interface:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")
            sock.bind((address.host, address.port))
        sock.listen(backlog or socket.SOMAXCONN)
        sock.setblocking(False)
        return sock
    except BaseException:
        sock.close()
        raise


def _inherited(descriptor: int) -> socket.socket:
    """The socket that whoever started us has opened.  It becomes ours: what listens beside us would get
    connections that nobody accepts.  Raises OSError."""
    sock = socket.socket(fileno=descriptor)
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        sock.detach()
        raise OSError(errno.EINVAL, "it is not a listening socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _bind_path(sock: socket.socket, path: str, access: Access, backlog: int, stay: bool) -> None:
    """Under a name of its own first, then renamed: who connects finds the one before or this one, with its
    owner and permissions.  Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "there is a file of that name that is no socket")
    early = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(early)
    before = os.umask(0o177)  # nobody else before it is as it shall be
    os.umask(before if access.mode is None else 0o177)
    try:
        sock.bind(early)
    finally:
        os.umask(before)
    try:
        own(early, access)
        if stay:
            sock.listen(backlog or socket.SOMAXCONN)
            os.rename(early, path)
        else:
            os.unlink(early)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(early)
        raise


def own(path: str, access: Access) -> None:
    """Owner and permissions, where they are set.  Raises OSError."""
    if access.uid is not None or access.gid is not None:
        os.chown(path, -1 if access.uid is None else access.uid, -1 if access.gid is None else access.gid)
    if access.mode is not None:
        os.chmod(path, access.mode)


def allow_foreign(sock: socket.socket) -> None:
    """Let an internet socket have an address that this machine does not.  With CAP_NET_ADMIN that is
    IP_TRANSPARENT, which takes foreign traffic that is routed here as well; without, as the kernel lets
    everybody do that much, IP_FREEBIND (ip(7)).  Raises OSError."""
    option = (
        (socket.IPPROTO_IPV6, _IPV6_TRANSPARENT)
        if sock.family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TRANSPARENT)
    )
    try:
        sock.setsockopt(*option, 1)
    except PermissionError:
        sock.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
