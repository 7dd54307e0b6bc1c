"""``greenlb -f FILE``: serve."""

from __future__ import annotations

import os
import signal
import sys

from greenlb.cli import serve
from greenlb.cli.configuration import NoConfiguration, read
from greenlb.cli.flags import Options
from greenlb.cli.messages import Messages
from greenlb.model import Config
from greenlb.process import farm, handover, single
from greenlb.process.listening import CannotStart


def run(options: Options) -> int:
    """Serve until told to stop.  Returns the exit status: 0 after an orderly end, 1 when it could not
    start."""
    left = handover.take()
    if left is not None:
        return _as_told(serve.resume(options, left), options)
    messages = Messages(quiet=options.quiet)
    try:
        ready = read(options, messages)
    except NoConfiguration:
        return 1
    if not ready.listens:
        messages.alert("No enabled listener found (check for 'bind' options) ! Exiting.")
        return 1
    if options.verbose:
        sys.stderr.write(outline(ready.config))
    try:
        if farm.workers_of(ready.config):
            return _as_told(serve.serve(options, ready, messages), options)
        return single.run(ready.config, ready.prepared)
    except CannotStart as failure:
        for reason in failure.reasons:
            messages.alert(reason)
        messages.alert("Some listeners could not be started! Exiting.")
        return 1


def _as_told(status: int, options: Options) -> int:
    """How a master ends that SIGINT has ended: with -W by its status, else by the signal, as one process
    would."""
    if status == 128 + signal.SIGINT and not options.mastered:
        sys.stdout.flush()
        sys.stderr.flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return status


def outline(config: Config) -> str:
    """What will be listened on and which servers stand behind it, a line each."""
    lines = [
        f"frontend {frontend.name} ({frontend.mode}) listens on {bind.address}{', TLS' * bool(bind.tls)}"
        for frontend in config.frontends
        for bind in frontend.binds
    ]
    lines += [
        f"backend {backend.name} ({backend.mode}) has server {server.name} at {server.app or server.address}"
        f"{', TLS' * bool(server.tls)}"
        for backend in config.backends
        for server in backend.servers
    ]
    return "".join(f"Note: {line}.\n" for line in lines)
