"""An application that shows what it was told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{name}={value}\n".encode() for name, value in sorted(environ.items()) if isinstance(value, str)]
