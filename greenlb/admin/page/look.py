"""What pages are made of: templates, compiled, and the files beside them."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from jinja2 import DictLoader, Environment, StrictUndefined

from greenlb.admin.page.feed import SHOWN
from greenlb.admin.page.view import COLOURS, HEADINGS, points

_LEGEND: Final = dict(
    zip(COLOURS, ("up", "changing", "draining", "maintenance", "down", "not checked"), strict=True)
)
_TEMPLATES: Final = ("page.html", "row.html", "chart.html")
_ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript"}


class Look:
    """Read once, before a process gives up the file system.  ``assets`` are bytes with their type,
    ``version`` changes when one of them does."""

    def __init__(self) -> None:
        here = files(__package__)
        self.assets = {name: ((here / name).read_bytes(), kind) for name, kind in _ASSETS.items()}
        digest = hashlib.sha256(b"".join(data for data, _ in self.assets.values()))
        self.version = "=" + digest.hexdigest()[:12]
        environment = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            loader=DictLoader({name: (here / name).read_text("utf-8") for name in _TEMPLATES}),
        )
        environment.filters |= {"points": points, "numeral": numeral}
        environment.globals |= {"headings": HEADINGS, "legend": _LEGEND, "width": SHOWN * 2 - 1}
        environment.globals["chart"] = vars(environment.get_template("chart.html").module)["chart"]
        self.page = environment.get_template("page.html")
        self.row = environment.get_template("row.html")


def numeral(value: float) -> str:
    """A number without needless digits."""
    return f"{value:g}"
