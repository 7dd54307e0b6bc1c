"""The section http-errors."""

from __future__ import annotations

from typing import Final

from greenlb.config.options import Option, Table
from greenlb.config.values import Line

HTTP_ERRORS: Final = Table(
    "option",
    (
        Option(
            name="errorfile",
            where=("http-errors",),
            kind=Line("CODE FILE", "a status code and a file"),
            many=True,
            doc="The page for a status: a file with a whole HTTP response.",
            example="503 /etc/greenlb/errors/503.http",
        ),
    ),
)
