"""``compression``: which answers are compressed on their way, as a section of the configuration says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from greenlb.model import Backend, Config

ALGORITHMS: Final = {"identity": b"", "gzip": b"gzip", "deflate": b"deflate", "raw-deflate": b"deflate"}
"""By the names of the configuration, the content coding of each (RFC 9110 section 8.4.1)."""


@dataclass(frozen=True, slots=True)
class Compression:
    """``types`` are the beginnings of media types, in lower case; empty: all of them.  ``offload``: servers
    are not told that the client takes it.  Bodies that are known to be smaller than ``minsize`` stay as
    they are."""

    algorithms: tuple[str, ...] = ()
    types: tuple[bytes, ...] = ()
    offload: bool = False
    minsize: int = 0


def between(front: Compression | None, back: Compression | None) -> Compression | None:
    """What holds for requests that come through a frontend and go to a backend: what the backend says, else
    the frontend; None when nothing is compressed."""
    front, back = front or Compression(), back or Compression()
    algorithms = back.algorithms or front.algorithms
    if not algorithms:
        return None
    return Compression(
        algorithms,
        back.types or front.types,
        front.offload or back.offload,
        back.minsize or front.minsize,
    )


def compresses(config: Config, backend: Backend) -> bool:
    """Whether answers of a backend may be compressed, for it or for some frontend."""
    return any(between(front.compression, backend.compression) is not None for front in config.frontends)
