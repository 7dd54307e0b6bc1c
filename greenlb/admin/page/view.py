"""The figures as the page shows them: lines of cells, each a text; tiles; what needs somebody's attention.

Every text is made here, for the first look and for what is sent afterwards, so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from greenlb.admin.page.feed import SHOWN, Series, Snapshot
from greenlb.model import StatsPage

KINDS: Final = {"0": "frontend", "1": "backend", "2": "server", "3": "listener"}
"""What column ``type`` says."""


class Heading(NamedTuple):
    """A column of the page: what its cells are, and the columns of the CSV that tell more."""

    title: str
    doc: str
    chart: str = ""


HEADINGS: Final = {
    "rate": Heading("Rate", "Sessions or requests in the last second, and the most in one.", "rate"),
    "sessions": Heading(
        "Sessions", "Now, the most at one time, and the limit; then those in queues.", "scur"
    ),
    "errors": Heading(
        "Errors", "Answers with a 5xx status, and what failed to connect or broke off.", "errors"
    ),
    "time": Heading("Response", "Average time until a response's head, and of the whole exchange.", "rtime"),
    "traffic": Heading("Traffic", "Bytes from clients, and to clients."),
    "health": Heading("Health", "The last check, and how often the server went down."),
}

_STATES: Final = (  # the beginning of a status, the colour's name; the first that fits
    ("UP 1/", "going"),
    ("UP ", "going"),
    ("UP", "up"),
    ("OPEN", "up"),
    ("DOWN", "down"),
    ("STOP", "down"),
    ("FULL", "down"),
    ("NOLB", "drain"),
    ("DRAIN", "drain"),
    ("MAINT", "maint"),
    ("PAUSED", "maint"),
    ("WAITING", "maint"),
    ("no check", "plain"),
)
COLOURS: Final = ("up", "going", "drain", "maint", "down", "plain")
_TROUBLE: Final = ("down", "maint", "drain")


@dataclass(slots=True)
class Line:
    """One row of the page.  ``key`` is unique and safe in an id; ``values`` are this second's points of the
    charts."""

    key: str
    proxy: str
    name: str
    kind: str
    colour: str
    state: str
    cells: dict[str, str]
    details: dict[str, str]
    series: Series
    values: tuple[float, ...]

    @property
    def server(self) -> str:
        return f"{self.proxy}/{self.name}"

    @property
    def fingerprint(self) -> tuple[Any, ...]:
        return (self.state, *self.cells.values(), *self.values)


@dataclass(slots=True)
class Group:
    """A proxy: what both its sides show."""

    name: str
    mode: str
    note: str
    sides: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)


class Tile(NamedTuple):
    """A figure of the whole: ``series`` is what its chart shows."""

    key: str
    title: str
    text: str
    note: str
    series: tuple[float, ...]


@dataclass(slots=True)
class View:
    groups: list[Group]
    tiles: list[Tile]

    @property
    def lines(self) -> Iterator[Line]:
        for group in self.groups:
            yield from group.lines

    @property
    def servers(self) -> list[Line]:
        return [line for line in self.lines if line.kind == "server"]

    @property
    def trouble(self) -> list[Line]:
        """What does not take all the traffic that it could."""
        return [line for line in self.lines if line.colour in _TROUBLE]


def view(snapshot: Snapshot, page: StatsPage, notes: Mapping[str, str]) -> View:
    """What ``page`` shows of a snapshot.  ``notes`` are the descriptions of proxies."""
    groups: dict[str, Group] = {}
    for row in snapshot.rows:
        name = row["pxname"]
        if page.scope and name not in page.scope:
            continue
        group = groups.get(name)
        if group is None:
            group = groups[name] = Group(name, row.get("mode", ""), notes.get(name, ""))
        line = _line(row, snapshot, page)
        if line.kind in ("frontend", "backend") and line.kind not in group.sides:
            group.sides.append(line.kind)
        group.lines.append(line)
    whole = View(list(groups.values()), [])
    whole.tiles = _tiles(whole)
    return whole


def _line(row: Mapping[str, str], snapshot: Snapshot, page: StatsPage) -> Line:
    kind = KINDS.get(row.get("type", ""), "server")
    proxy, name = row["pxname"], row["svname"]
    history = snapshot.history.get((proxy, name), Series())
    state = row.get("status", "")
    return Line(
        key=f"{proxy}/{name}" if kind != "backend" else f"{proxy}/BACKEND",
        proxy=proxy,
        name=name,
        kind=kind,
        colour=colour(state),
        state=state,
        cells=_cells(row, kind),
        details=_details(row, kind, page),
        series=history,
        values=history.last,
    )


def colour(state: str) -> str:
    """The name of a state's colour."""
    return next((name for word, name in _STATES if state.startswith(word)), "plain")


def _cells(row: Mapping[str, str], kind: str) -> dict[str, str]:
    def number(name: str) -> int:
        return int(row.get(name) or 0)

    http = row.get("mode") == "http"
    rate = number("req_rate") if kind == "frontend" and http else number("rate")
    most = number("req_rate_max") if kind == "frontend" and http else number("rate_max")
    limit = number("slim")
    failed = sum(number(name) for name in ("econ", "eresp", "ereq"))
    cells = {
        "rate": f"{count(rate)}/s",
        "rate2": f"most {count(most)}",
        "sessions": count(number("scur")),
        "sessions2": f"most {count(number('smax'))}" + (f" of {count(limit)}" if limit else ""),
        "errors": count(number("hrsp_5xx") if http else failed),
        "errors2": f"{count(failed)} failed" if http else f"{count(number('stot'))} sessions",
        "traffic": f"{size(number('bin'))} in",
        "traffic2": f"{size(number('bout'))} out",
    }
    if kind in ("server", "backend"):
        if number("qcur"):
            cells["sessions2"] += f", {count(number('qcur'))} queued"
        cells["time"] = span_ms(number("rtime"))
        cells["time2"] = f"whole {span_ms(number('ttime'))}"
        cells["health"], cells["health2"] = _health(row, kind)
    return cells


def _health(row: Mapping[str, str], kind: str) -> tuple[str, str]:
    since = f"for {span(int(row['lastchg']))}" if row.get("lastchg") else ""
    if kind == "backend":
        active, backup = row.get("act") or "0", row.get("bck") or "0"
        text = f"{active} active" + (f", {backup} backup" if backup != "0" else "")
        return text, since
    status = row.get("check_status", "").removeprefix("* ")
    code = row.get("check_code", "")
    check = " ".join(part for part in (status, code) if part)
    return check or "not checked", since


def _details(row: Mapping[str, str], kind: str, page: StatsPage) -> dict[str, str]:
    """The small print under a name."""
    parts: dict[str, str] = {}
    if kind == "server":
        if row.get("bck") == "1":
            parts["role"] = "backup"
        weight = row.get("weight", "")
        if weight not in ("", "1"):
            parts["weight"] = f"weight {weight}"
        if row.get("tracked"):
            parts["tracked"] = f"as {row['tracked']}"
    if page.legends:
        for name, text in (("addr", "{}"), ("cookie", "cookie {}"), ("algo", "{}")):
            if row.get(name):
                parts[name] = text.format(row[name])
        parts["id"] = f"id {row.get('iid', '')}" + (f"/{row['sid']}" if row.get("sid", "0") != "0" else "")
    return parts


# -- the whole -----------------------------------------------------------------------------------------


def _tiles(whole: View) -> list[Tile]:
    fronts = [line for line in whole.lines if line.kind == "frontend"]
    backs = [line for line in whole.lines if line.kind == "backend"]
    doors = fronts or backs
    servers = whole.servers
    good = sum(line.colour in ("up", "going", "plain") for line in servers)
    rates, sessions = _sum(line.series.rate for line in doors), _sum(line.series.scur for line in doors)
    errors = _sum(line.series.errors for line in doors)
    times = _mean([(line.series.rtime, line.series.rate) for line in backs])
    return [
        Tile("rate", "Sessions a second", count(round(rates[-1])), f"most {count(round(max(rates)))}", rates),
        Tile(
            "scur",
            "Sessions now",
            count(round(sessions[-1])),
            f"most {count(round(max(sessions)))}",
            sessions,
        ),
        Tile(
            "errors",
            "Errors a second",
            count(round(errors[-1])),
            f"{count(round(sum(errors)))} in a minute",
            errors,
        ),
        Tile("rtime", "Response time", span_ms(times[-1]), f"most {span_ms(max(times))}", times),
        Tile("servers", "Servers at work", f"{good}/{len(servers)}", _away(servers), ()),
    ]


def _away(servers: Sequence[Line]) -> str:
    """``1 down, 2 in maintenance``, or that all is well."""
    words = {"down": "down", "maint": "in maintenance", "drain": "draining"}
    counted = ((sum(line.colour == name for line in servers), word) for name, word in words.items())
    return ", ".join(f"{number} {word}" for number, word in counted if number) or "all is well"


def _sum(many: Any) -> tuple[float, ...]:
    """Series added up, each aligned at its end."""
    total = [0.0] * SHOWN
    for one in many:
        for n, value in enumerate(one[-SHOWN:], SHOWN - len(one[-SHOWN:])):
            total[n] += value
    return tuple(total)


def _mean(many: Sequence[tuple[Sequence[float], Sequence[float]]]) -> tuple[float, ...]:
    """Values, each as heavy as its weight."""
    weights = _sum(weight for _, weight in many)
    products = _sum([value * by for value, by in zip(*pair, strict=True)] for pair in many)
    return tuple(value / weight if weight else 0.0 for value, weight in zip(products, weights, strict=True))


# -- texts -----------------------------------------------------------------------------------------------


def count(number: int) -> str:
    """1234567 as 1.23M: three digits that count."""
    for power, unit in ((9, "G"), (6, "M"), (4, "k")):
        if number >= 10**power:
            return f"{number / 10 ** (power // 3 * 3):.3g}{unit}"
    return str(number)


def size(number: int) -> str:
    """Bytes, in powers of 1024."""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.4g} TiB"


def span(seconds: int) -> str:
    """``5 s``, ``3 min``, ``2 h``, ``4 d``: the greatest unit alone, so it seldom changes."""
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def span_ms(milliseconds: float) -> str:
    """``0.4 ms``, ``12 ms``, ``12.3 s``."""
    if milliseconds >= 10000:
        return f"{milliseconds / 1000:.3g} s"
    return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def points(values: Sequence[float], width: int = 2, height: int = 20) -> str:
    """A chart's line: its newest point at the right, the highest at the top.  One of zeroes has two points
    only, for most servers rest.  ``page.js`` draws alike, and reads the line that it finds."""
    top = max(values, default=0)
    if not top:
        return f"0,{height - 1} {(SHOWN - 1) * width},{height - 1}"
    start = (SHOWN - len(values)) * width
    return " ".join(
        f"{start + n * width},{height - 1 - value / top * (height - 2):.3g}" for n, value in enumerate(values)
    )
