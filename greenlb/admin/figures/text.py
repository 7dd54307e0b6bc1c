"""The forms that figures are given in: CSV, typed lines, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from greenlb.observe.columns import COLUMNS, MODULES, Column, Subject, Value

ORIGINS: Final = {"M": "Metric", "S": "Status", "K": "Key", "C": "Config", "P": "Product"}
NATURES: Final = {
    "G": "Gauge",
    "L": "Limit",
    "m": "Min",
    "M": "Max",
    "R": "Rate",
    "C": "Counter",
    "D": "Duration",
    "A": "Age",
    "T": "Time",
    "N": "Name",
    "O": "Output",
    "a": "Avg",
}
SCOPES: Final = {"C": "Cluster", "P": "Process", "S": "Service", "s": "System"}
"""What the three letters of a nature say."""
KINDS: Final = {"F": "Frontend", "B": "Backend", "S": "Server", "L": "Listener"}

SHOWN: Final[tuple[Column, ...]] = (*COLUMNS, *MODULES)
HEAD: Final = "# " + "".join(
    f"{name}," for name in (*(c.name for c in COLUMNS), "-", *(c.name for c in MODULES))
)
"""The CSV's first line: behind the dash stands what modules count."""


class Typed(NamedTuple):
    """One value with all that is known of it."""

    place: int
    name: str
    nature: str
    type: str
    value: int | str | float
    doc: str

    def line(self, before: str, described: bool) -> str:
        doc = f':"{self.doc}"' if described else ""
        return f"{before}{self.place}.{self.name}.1:{self.nature}:{self.type}:{self.value}{doc}\n"

    def plain(self, described: bool) -> str:
        """``Name: value``."""
        doc = f':"{self.doc}"' if described else ""
        return f"{self.name}: {self.value}{doc}\n"

    def document(self) -> dict[str, Any]:
        origin, nature, scope = (self.nature[n] for n in range(3))
        return {
            "field": {"pos": self.place, "name": self.name},
            "processNum": 1,
            "tags": {"origin": ORIGINS[origin], "nature": NATURES[nature], "scope": SCOPES[scope]},
            "value": {"type": self.type, "value": self.value},
        }


def value(column: Column, subject: Subject, secrets: bool) -> Value:
    """What a column shows of ``subject`` to whom may see ``secrets``, or may not."""
    return None if column.secret and not secrets else column.value(subject)


def typed(subject: Subject, secrets: bool) -> Iterator[Typed]:
    """All that there is to show."""
    for place, column in enumerate(SHOWN):
        shown = value(column, subject, secrets)
        if shown is not None:
            yield Typed(place, column.name, column.nature_of(subject.kind), column.type, shown, column.doc)


# -- CSV -----------------------------------------------------------------------------------------------


def _quoted(shown: Value) -> str:
    if shown is None:
        return ""
    text = str(shown)
    if any(letter in text for letter in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def csv(subjects: Iterable[Subject], secrets: bool) -> str:
    """HAProxy's CSV: each line ends with a comma."""
    static = len(COLUMNS)
    lines = [HEAD]
    for subject in subjects:
        cells = [_quoted(value(column, subject, secrets)) for column in SHOWN]
        lines.append(",".join([*cells[:static], "-", *cells[static:], ""]))
    return "\n".join([*lines, ""])


# -- typed and JSON ------------------------------------------------------------------------------------


def lines(subjects: Iterable[Subject], secrets: bool, described: bool) -> str:
    """A line a value, with what kind of value it is."""
    found = []
    for subject in subjects:
        before = f"{subject.kind}.{subject.row.proxy.number}.{subject.told.get('sid', 0)}."
        found += [each.line(before, described) for each in typed(subject, secrets)]
    return "".join(found)


def documents(subjects: Iterable[Subject], secrets: bool) -> str:
    """A JSON list of objects, each a list of values."""
    found: list[str] = []
    for subject in subjects:
        whose = {
            "objType": KINDS[subject.kind],
            "proxyId": subject.row.proxy.number,
            "id": subject.told.get("sid", 0),
        }
        found.append(_json([whose | each.document() for each in typed(subject, secrets)]))
    return f"[{','.join(found)}]\n"


def _json(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))


def compact(document: Any) -> str:
    """A document on one line."""
    return _json(document) + "\n"
