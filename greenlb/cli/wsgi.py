"""``greenlb --wsgi MODULE:CALLABLE``: an application is served without a configuration file."""

from __future__ import annotations

from typing import Final

from greenlb.cli.flags import Options
from greenlb.net import selfsigned

NAME: Final = "(--wsgi)"
"""What stands for the file in messages."""

_TEXT: Final = """\
[global]
log = stdout format raw local0
[defaults]
mode = http
log = global
option httplog = yes
timeout client = 60s
timeout server = 60s
timeout connect = 5s
timeout http-request = 10s
[frontend wsgi]
bind = {bind}
default_backend = app
[backend app]
server app = wsgi:{app}
"""


def configuration(options: Options) -> str:
    """The INI text that the command line stands for.  Raises ValueError."""
    bind = options.bind
    if options.tls:
        try:
            bind += f" ssl crt {options.certificate or selfsigned.certificate()}"
        except OSError as error:
            raise ValueError(f"--tls: no certificate could be made: {error}") from None
    return _TEXT.format(app=options.wsgi, bind=bind)
