"""Python of others: WSGI applications that are servers, and functions that rules call.  It is imported in the
processes that serve, and nowhere else.

Their code expects that sockets, locks and sleeping let others work, so such a process is patched before their
import.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Final

from gevent.timeout import Timeout

from greenlb.model import Backend, Config, Server, Where, Wsgi
from greenlb.process import privileges
from greenlb.process.pulse import Pulse
from greenlb.protocol.wsgi import Application
from greenlb.proxy.checks import python
from greenlb.proxy.checks.applications import Inquire, answer
from greenlb.proxy.plane import Plane
from greenlb.proxy.upstream.wsgi import AppUpstream
from greenlb.script import PythonCheck

_SKIPPED: Final = (os.path.dirname(importlib.__file__), "<frozen importlib", __file__)


class CannotImport(Exception):
    """An application that is not there, or failed when it was imported."""


def servers(config: Config) -> Iterator[tuple[Backend, Server, Wsgi]]:
    """The servers that are applications."""
    for backend in config.backends:
        for server in backend.servers:
            if server.app is not None and not backend.disabled:
                yield backend, server, server.app


def imports(config: Config) -> list[tuple[Where, str, Wsgi]]:
    """All that is imported: where it stands, what messages call it, and what it is."""
    found = [(s.where, f"'server {b.name}/{s.name}'", app) for b, s, app in servers(config)]
    found += [(h.where, f"'{h}'", Wsgi(h.module, h.attribute)) for h in config.hooks]
    return list({(where, str(app)): (where, text, app) for where, text, app in found}.values())


def patch(config: Config) -> None:
    """Before anything of theirs is imported, and only when there is anything of theirs."""
    if imports(config):
        from gevent import monkey

        monkey.patch_all()


def find(config: Config) -> None:
    """Let what is imported be found where ``python-path`` says."""
    folders = [os.path.abspath(folder) for folder in config.settings.python_path]
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]


def install(config: Config, plane: Plane) -> Pulse | None:
    """Import the applications and functions, and put them where they are called; then somebody has to watch
    whether they keep the process from its work.  Raises CannotImport."""
    find(config)
    for backend, server, app in servers(config):
        upstream = plane.backends[backend.name].state_of(server).app
        assert upstream is not None
        upstream.application = load(app)
    functions(config, plane.log.failure)
    if not imports(config):
        return None
    return Pulse(lambda text: plane.log.event(4, text, plane.settings.log_targets))


def functions(config: Config, report: Callable[[str, BaseException], None]) -> None:
    """Import the functions of rules; ``report`` is told when one fails.  Raises CannotImport."""
    for hook in config.hooks:
        hook.function = load(Wsgi(hook.module, hook.attribute))
        hook.report = report


def inquirer(config: Config, plane: Plane) -> Inquire:
    """What calls the applications and functions of this process for health checks."""
    upstreams: dict[str, AppUpstream] = {}
    for backend, server, _ in servers(config):
        app = plane.backends[backend.name].state_of(server).app
        if app is not None:
            upstreams[f"{backend.name}/{server.name}"] = app
    hooks = {
        f"{backend.name}/{server.name}": backend.health_check.hook
        for backend in config.backends
        for server in backend.servers
        if isinstance(backend.health_check, PythonCheck)
    }

    def inquire(name: str, data: bytes, seconds: float) -> bytes | None:
        limit = Timeout.start_new(seconds)
        try:
            if name.startswith(python.PREFIX):
                name = name.removeprefix(python.PREFIX)
                return python.answer(hooks[name], name, data, plane.log.failure)
            return answer(upstreams, name, data, plane.log.failure)
        except Timeout as late:
            if late is not limit:
                raise
            return None
        finally:
            limit.close()

    return inquire


def load(app: Wsgi) -> Application:
    """Import it.  Raises CannotImport, with the line that is to blame."""
    try:
        folder = app.chdir or os.getcwd()
        if folder not in sys.path:
            sys.path.insert(0, folder)
        if app.chdir:
            os.chdir(app.chdir)
        found: object = importlib.import_module(app.module)
        for name in app.attribute.split("."):
            found = getattr(found, name)
        if app.factory and callable(found):
            found = found()
    except (Exception, SystemExit) as error:
        raise CannotImport(
            f"cannot import '{app}': {type(error).__name__}: {error}{_place(error)}"
        ) from error
    if not callable(found):
        raise CannotImport(f"'{app}' is not callable: it is {type(found).__name__}")
    return found


def _place(error: BaseException) -> str:
    """Where in somebody's code it happened."""
    if isinstance(error, SyntaxError):
        return ""  # its text has it
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_SKIPPED)
    ]
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""


def problems(config: Config) -> list[tuple[Where, str]]:
    """What cannot be imported, tried in a process that is thrown away."""
    tried = imports(config)
    if not tried:
        return []
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        os.close(reader)
        _try(config, writer)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if not said:
        where, name, _ = tried[0]
        how = os.waitstatus_to_exitcode(status)
        return [(where, f"{name}: importing it ended with status {how}")]
    return [(tried[number][0], f"{tried[number][1]}: {text}") for number, text in json.loads(said)]


def _try(config: Config, writer: int) -> None:
    """In the child: import all, as a worker would."""
    status = 1
    try:
        warnings.simplefilter("ignore")  # what was imported before cannot be patched, and nobody serves here
        patch(config)
        find(config)
        privileges.drop(config.settings)
        found = []
        for number, (_, _, app) in enumerate(imports(config)):
            try:
                load(app)
            except CannotImport as problem:
                found.append((number, str(problem)))
        os.write(writer, json.dumps(found).encode())
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
