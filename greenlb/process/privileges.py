"""What a child gives up before it meets a client: the file system, root, and all that comes with it."""

from __future__ import annotations

# What would be looked for on its first use must be there before the jail closes.
import encodings.idna  # noqa: F401
import linecache  # noqa: F401
import os
import pprint  # noqa: F401

import gevent.resolver.thread
import gevent.threadpool  # noqa: F401

from greenlb.model import Global


class CannotDrop(Exception):
    """A privilege that should be given up and cannot: the process must not go on."""


def drop(settings: Global) -> None:
    """Enter ``chroot`` and become ``user`` and ``group``, in the order that is possible.  Raises
    CannotDrop."""
    try:
        if settings.chroot:
            os.chroot(settings.chroot)
            os.chdir("/")
        if settings.gid is not None:
            os.setgroups([])
            os.setgid(settings.gid)
        if settings.uid is not None:
            if settings.gid is None and os.geteuid() == 0:
                os.setgroups([])
            os.setuid(settings.uid)
    except OSError as error:
        what = f"chroot {settings.chroot}, uid {settings.uid}, gid {settings.gid}"
        raise CannotDrop(f"cannot give up privileges ({what}): {error.strerror}") from None


def remaining(settings: Global) -> str:
    """What is wrong with who the children will be; empty when nothing is."""
    if os.geteuid() == 0 and not settings.uid:
        return "started as root without 'user' in [global]: the workers, who talk to clients, are root too"
    return ""
