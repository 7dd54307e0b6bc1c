"""The listening sockets of a configuration: bound once, or taken over from whoever held them before."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection, Iterator, Mapping

from greenlb.model import Bind, Config, Frontend
from greenlb.net import listening

_FIRST_PASSED = 3
"""Where the descriptors of a service manager begin (sd_listen_fds(3))."""


class CannotStart(Exception):
    """What a process cannot do without; ``reasons`` is a sentence for each."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def key(bind: Bind) -> str:
    """What a socket is known by from one configuration to the next: equal keys, the same socket."""
    interface = f" interface {bind.interface}" if bind.interface else ""
    return f"{bind.address}{' v6only' * bind.v6only}{interface}"


def binds(config: Config) -> Iterator[tuple[Frontend, Bind]]:
    """Every address that is to be listened on."""
    for frontend in config.frontends:
        if not frontend.disabled:
            for bind in frontend.binds:
                yield frontend, bind


def bind_all(config: Config, held: Mapping[str, int] | None = None) -> dict[str, socket.socket]:
    """The sockets of ``config`` by their keys: those in ``held`` (descriptors by key), else new ones.
    Raises CannotStart with all that failed, and then has opened nothing."""
    held = held or {}
    opened: dict[str, socket.socket] = {}
    new: list[socket.socket] = []
    failures: list[str] = []
    for frontend, bind in binds(config):
        name = key(bind)
        if name in held:
            sock = socket.socket(fileno=held[name])
            sock.setblocking(False)
            if bind.transparent:
                listening.allow_foreign(sock)
            if bind.address.path:
                listening.own(bind.address.path, _access(bind))
            sock.listen(bind.backlog or socket.SOMAXCONN)  # it may have changed
            opened[name] = sock
            continue
        try:
            opened[name] = _listen(bind)
            new.append(opened[name])
        except OSError as error:
            failures.append(_failure(frontend, bind, error))
    if failures:
        for sock in new:
            sock.close()
        for name, sock in opened.items():
            if name in held:
                sock.detach()
        raise CannotStart(failures)
    return opened


def try_all(config: Config, held: Collection[str]) -> list[str]:
    """Why the sockets of ``config`` could not be had, but for those that are ``held``; a sentence each."""
    failures = []
    for frontend, bind in binds(config):
        if key(bind) not in held and not bind.address.inherited:
            try:
                _listen(bind, stay=False).close()
            except OSError as error:
                failures.append(_failure(frontend, bind, error))
    return failures


def _listen(bind: Bind, stay: bool = True) -> socket.socket:
    return listening.listen(
        *(bind.address, bind.backlog),
        v6only=bind.v6only,
        transparent=bind.transparent,
        interface=bind.interface,
        access=_access(bind),
        stay=stay,
    )


def _access(bind: Bind) -> listening.Access:
    return listening.Access(bind.mode, bind.uid, bind.gid)


def _failure(frontend: Frontend, bind: Bind, error: OSError) -> str:
    advice = ""
    if error.errno == errno.EADDRNOTAVAIL:
        advice = "; 'transparent' binds an address that is not this machine's (yet)"
    return (
        f"Binding [{bind.where}] for frontend {frontend.name}: cannot bind socket "
        f"({error.strerror}) for [{bind.address}]{advice}"
    )


def passed(config: Config, environment: Mapping[str, str]) -> tuple[dict[str, int], list[int]]:
    """The sockets that a service manager has opened for us (sd_listen_fds(3)): those that ``config``
    listens on, by key, and the others."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return {}, []
    count = int(environment.get("LISTEN_FDS", "0"))
    found: dict[str, int] = {}
    strangers = []
    wanted = {_name(bind): key(bind) for _, bind in binds(config)}
    for descriptor in range(_FIRST_PASSED, _FIRST_PASSED + count):
        os.set_inheritable(descriptor, False)
        try:
            sock = socket.socket(fileno=descriptor)
        except OSError:
            strangers.append(descriptor)
            continue
        known = wanted.get(_bound(sock))
        sock.detach()
        if known is None:
            strangers.append(descriptor)
        else:
            found[known] = descriptor
    return found, strangers


def _name(bind: Bind) -> tuple[str, int]:
    address = bind.address
    if address.unix:
        return address.host, 0
    return address.host or "0.0.0.0", address.port


def _bound(sock: socket.socket) -> tuple[str, int]:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return str(name), 0
    return name[0], name[1]
