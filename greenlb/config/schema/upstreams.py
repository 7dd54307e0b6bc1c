"""What follows ``server`` where it is something else than an HTTP/1 server."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option
from greenlb.config.values import Choice, Matching, Text

UPSTREAM: Final = (
    Option(
        name="proto",
        kind=Choice("h1", "uwsgi"),
        field="proto",
        default="h1",
        http=True,
        doc="What is spoken to it: HTTP/1, or uWSGI's own protocol.",
        example="uwsgi",
    ),
    Option(
        name="chdir",
        kind=Text("FOLDER", "a folder"),
        field="chdir",
        default="where greenlb was started",
        http=True,
        doc="Of a WSGI application: where it is imported from, and its working directory.",
        example="/srv/shop",
    ),
    Option(
        name="mount",
        kind=Matching("PREFIX", "a path such as /shop", r"/[!-~]*[!-.0-~]"),
        field="mount",
        http=True,
        doc="Of a WSGI application: the part of the path that it gets as SCRIPT_NAME.  A request whose path "
        "does not begin with it is answered with 404.",
        example="/shop",
    ),
)
"""Words of ``server`` for applications, and for servers of other protocols."""
