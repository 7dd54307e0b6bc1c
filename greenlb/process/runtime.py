"""The runtime sockets: bound by who may, with a path that is there from one moment to the next."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Collection, Iterator, Mapping

from greenlb.model import Global
from greenlb.net import sockets
from greenlb.process.listening import CannotStart
from greenlb.runtime import RuntimeSocket

_KEY = "runtime "


def key(made: RuntimeSocket) -> str:
    """What a socket is known by from one configuration to the next."""
    return f"{_KEY}{made}"


def bind_all(settings: Global, held: Mapping[str, int] | None = None) -> dict[str, socket.socket]:
    """The runtime sockets of a configuration by their keys: those in ``held``, else new ones.  Raises
    CannotStart with all that failed."""
    held = held or {}
    opened: dict[str, socket.socket] = {}
    failures: list[str] = []
    for made in settings.runtime_sockets:
        name = key(made)
        try:
            if name in held:
                sock = socket.socket(fileno=held[name])
                sock.setblocking(False)
                _own(made, made.address.host)
            else:
                sock = _listen(made)
        except (OSError, ValueError) as error:
            failures.append(_failure(made, error))
        else:
            opened[name] = sock
    if failures:
        for name, sock in opened.items():
            if name in held:
                sock.detach()
            else:
                sock.close()
        raise CannotStart(failures)
    return opened


def try_all(settings: Global, held: Collection[str]) -> list[str]:
    """Why sockets that are not ``held`` could not be had; a sentence each."""
    failures = []
    for made in settings.runtime_sockets:
        if key(made) not in held and not made.inherited:
            try:
                _listen(made, stay=False).close()
            except OSError as error:
                failures.append(_failure(made, error))
    return failures


def levels(settings: Global, opened: Mapping[str, socket.socket]) -> Iterator[tuple[socket.socket, str]]:
    """Each socket with what its clients may do."""
    for made in settings.runtime_sockets:
        yield opened[key(made)], made.level


def _listen(made: RuntimeSocket, stay: bool = True) -> socket.socket:
    """``stay`` False: only to see whether it could be done.  Raises OSError, ValueError."""
    if made.inherited:
        sock = socket.socket(fileno=os.dup(made.address.port))
        if sock.type != socket.SOCK_STREAM or not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.close()
            raise ValueError("it is not a listening socket")
        sock.setblocking(False)
        return sock
    if not made.address.unix:
        return sockets.listen(made.address)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if made.address.host.startswith("\0"):
            sock.bind(made.address.host)
        else:
            _bind_path(sock, made, stay)
        sock.listen(socket.SOMAXCONN)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _bind_path(sock: socket.socket, made: RuntimeSocket, stay: bool) -> None:
    """Under a name of its own first, then renamed: who connects finds the one before or this one, with its
    owner and permissions.  Raises OSError."""
    path = made.address.host
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(17, "there is a file of that name that is no socket")
    early = f"{path}.{os.getpid()}.tmp"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(early)
    before = os.umask(0o177)  # nobody else before it is as it shall be
    os.umask(before if made.mode is None else 0o177)
    try:
        sock.bind(early)
    finally:
        os.umask(before)
    try:
        _own(made, early)
        if stay:
            sock.listen(socket.SOMAXCONN)
            os.rename(early, path)
        else:
            os.unlink(early)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(early)
        raise


def _own(made: RuntimeSocket, path: str) -> None:
    """Owner and permissions, where they are set.  Raises OSError."""
    if not made.address.unix or path.startswith("\0") or made.inherited:
        return
    if made.uid is not None or made.gid is not None:
        os.chown(path, -1 if made.uid is None else made.uid, -1 if made.gid is None else made.gid)
    if made.mode is not None:
        os.chmod(path, made.mode)


def _failure(made: RuntimeSocket, error: OSError | ValueError) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"Binding [{made.where}] for stats socket: cannot bind socket ({reason}) for [{made}]"
