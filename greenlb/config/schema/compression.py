"""What is compressed on its way to clients."""

from __future__ import annotations

from typing import Final

from greenlb.compression import ALGORITHMS
from greenlb.config.options import Option
from greenlb.config.schema.where import EVERY
from greenlb.config.values import Flag, Line, Size

COMPRESSION: Final = (
    Option(
        name="compression algo",
        where=EVERY,
        kind=Line("ALGORITHM...", f"one or more of {', '.join(ALGORITHMS)}"),
        field="compression",
        http=True,
        many=True,
        doc="Answers are compressed for clients that accept it.  What a backend says holds, else the "
        "frontend's.  identity changes nothing but the framing.",
        example="gzip",
    ),
    Option(
        name="compression type",
        where=EVERY,
        kind=Line("TYPE...", "media types, such as text/html"),
        field="compression",
        default="all",
        http=True,
        many=True,
        doc="Only answers whose Content-Type begins with one of these are compressed.",
        example="text/html text/plain text/css application/json",
    ),
    Option(
        name="compression offload",
        where=EVERY,
        kind=Flag(),
        field="compression",
        default="no",
        http=True,
        doc="Servers do not see Accept-Encoding, so they leave it to greenlb.",
        example="yes",
    ),
    Option(
        name="compression minsize",
        where=EVERY,
        kind=Size(),
        field="compression",
        default="0",
        http=True,
        doc="greenlb's own: a body that is known to be smaller stays as it is.",
        example="1k",
    ),
)
