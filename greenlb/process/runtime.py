"""The runtime sockets, bound by who may."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator, Mapping

from greenlb.model import Global
from greenlb.net import listening
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
                if made.address.path:
                    listening.own(made.address.path, _access(made))
            else:
                sock = _listen(made)
        except OSError as error:
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
        if key(made) not in held and not made.address.inherited:
            try:
                _listen(made, stay=False).close()
            except OSError as error:
                failures.append(_failure(made, error))
    return failures


def levels(
    settings: Global, opened: Mapping[str, socket.socket], master: bool = False
) -> Iterator[tuple[socket.socket, str]]:
    """Each socket with what its clients may do: the runtime's, or those of the ``master``."""
    for made in settings.runtime_sockets:
        if made.master == master:
            yield opened[key(made)], made.level


def _listen(made: RuntimeSocket, stay: bool = True) -> socket.socket:
    """Raises OSError."""
    return listening.listen(made.address, access=_access(made), stay=stay)


def _access(made: RuntimeSocket) -> listening.Access:
    return listening.Access(made.mode, made.uid, made.gid)


def _failure(made: RuntimeSocket, error: OSError) -> str:
    reason = error.strerror
    return f"Binding [{made.where}] for stats socket: cannot bind socket ({reason}) for [{made}]"
