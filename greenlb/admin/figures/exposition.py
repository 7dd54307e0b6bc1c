"""The figures in Prometheus' text format, by the names that HAProxy's exporter gives them.

Names, labels and types are HAProxy's, so what was drawn for it can be used.  What greenlb knows beyond that
is called ``greenlb_...``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, NamedTuple

import gevent

from greenlb.admin.figures.info import ITEMS, VERSION, Facts
from greenlb.admin.figures.standing import coarse
from greenlb.admin.figures.subjects import Subjects
from greenlb.admin.runtime.operations import Operations
from greenlb.observe.columns import COLUMNS, Column, Subject, Value
from greenlb.observe.vitals import FIGURES
from greenlb.policy.stick.registry import Tables

_SCOPES: Final = {"frontend": "F", "listener": "L", "backend": "B", "server": "S"}
_STATES: Final = {
    "F": ("DOWN", "UP"),
    "L": ("WAITING", "OPEN", "FULL"),
    "B": ("DOWN", "UP"),
    "S": ("DOWN", "UP", "MAINT", "DRAIN", "NOLB"),
}
"""The states of ``..._status``: one of them is 1."""
_CHECKS: Final = (
    *("HANA", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP"),
    *("L7TOUT", "L7RSP", "L7OK", "L7OKC", "L7STS", "PROCERR", "PROCTOUT", "PROCOK"),
)
_NAN: Final = "NaN"
_CHECKED_ONLY: Final = ("check_status", "check_code", "check_duration")

Sample = tuple[str, str]
"""Labels and value."""


class Metric(NamedTuple):
    """One metric and all its samples."""

    name: str
    doc: str
    counter: bool
    samples: list[Sample]

    def text(self) -> str:
        kind = "counter" if self.counter else "gauge"
        lines = [f"# HELP {self.name} {self.doc}", f"# TYPE {self.name} {kind}"]
        lines += [f"{self.name}{labels} {value}" for labels, value in self.samples]
        return "\n".join(lines) + "\n"


def labels(**values: str) -> str:
    """``{name="value",...}``, escaped as the format wants it."""
    if not values:
        return ""
    quoted = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in values.items())
    return "{" + ",".join(quoted) + "}"


_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(farm: Operations, scopes: Collection[str], no_maint: bool) -> str:
    """All metrics of ``scopes``."""
    found: list[Metric] = []
    if "global" in scopes:
        facts = Facts(farm)
        found += [*_of_process(facts), *_of_processes(facts), *_of_certificates(farm)]
    kinds = [kind for scope, kind in _SCOPES.items() if scope in scopes]
    if kinds:
        found += _of_objects(list(Subjects(farm)), scopes, no_maint)
    if "sticktable" in scopes:
        found += _of_tables(farm)
    pieces = []
    for metric in found:
        gevent.sleep(0)  # a thousand servers have a hundred thousand samples
        if metric.samples:
            pieces.append(metric.text())
    return "".join(pieces)


# -- processes -----------------------------------------------------------------------------------------


def _of_process(facts: Facts) -> Iterator[Metric]:
    for item in ITEMS:
        built = item.name == "Build info"
        sample = (labels(version=VERSION), "1") if built else ("", str(item.tell(facts)))
        if item.metric:
            yield Metric(f"haproxy_process_{item.metric}", item.doc, item.counter, [sample])


def _of_processes(facts: Facts) -> Iterator[Metric]:
    """What each process says of itself."""
    for name, figure in FIGURES.items():
        samples = []
        for each in facts.processes:
            value = each.figures[name]
            shown = str(value) if figure.scale == 1 else f"{value / figure.scale:.6f}"
            samples.append((labels(process=each.name), shown))
        yield Metric(f"greenlb_process_{figure.metric}", figure.doc, figure.counter, samples)


def _of_certificates(farm: Operations) -> Iterator[Metric]:
    days: list[Sample] = []
    for file in farm.desk.files():
        certificate = farm.desk.current(file)
        if certificate is not None:
            days.append((labels(file=file), f"{certificate.days_left:.3f}"))
    doc = "days until the certificate runs out; negative when it has"
    yield Metric("greenlb_certificate_days_left", doc, False, days)


# -- objects -------------------------------------------------------------------------------------------


def _of_objects(subjects: list[Subject], scopes: Collection[str], no_maint: bool) -> Iterator[Metric]:
    for scope, kind in _SCOPES.items():
        if scope not in scopes:
            continue
        mine = [subject for subject in subjects if subject.kind == kind]
        if no_maint:
            mine = [subject for subject in mine if not _status(subject).startswith("MAINT")]
        servers = _by_backend(subjects) if kind == "B" else {}
        by_name: dict[str, Metric] = {}
        for column in COLUMNS:
            if not column.exported(kind):
                continue
            name = f"haproxy_{scope}_{column.metric}"
            metric = by_name.setdefault(name, Metric(name, column.doc, column.nature[1] == "C", []))
            gevent.sleep(0)
            for subject in mine:
                metric.samples.extend(_samples(column, subject, servers))
        yield from by_name.values()


def _by_backend(subjects: Iterable[Subject]) -> dict[str, list[Subject]]:
    found: dict[str, list[Subject]] = {}
    for subject in subjects:
        if subject.kind == "S":
            found.setdefault(subject.row.pxname, []).append(subject)
    return found


def _whose(subject: Subject) -> dict[str, str]:
    whose = {"proxy": subject.row.pxname}
    if subject.kind == "S":
        whose["server"] = subject.row.svname
    elif subject.kind == "L":
        whose["listener"] = subject.row.svname
    return whose


def _samples(column: Column, subject: Subject, servers: dict[str, list[Subject]]) -> Iterator[Sample]:
    whose = _whose(subject)
    special = _SPECIAL.get(column.name)
    if special is not None:
        if column.name != "check_status" or "check_status" in subject.told:
            counts = special(subject, servers.get(subject.row.pxname, ()))
            yield from ((labels(**whose, state=state), str(count)) for state, count in counts.items())
        return
    if (column.http or column.metric_http) and not subject.http:
        return
    if column.name in _CHECKED_ONLY and "check_status" not in subject.told:
        return
    if column.labels:
        name, _, text = column.labels.partition("=")
        whose[name] = text.strip('"')
    yield labels(**whose), _number(column, column.value(subject))


def _number(column: Column, value: Value) -> str:
    if value is None:
        return _NAN
    return str(value) if column.scale == 1 else f"{int(value) / column.scale:.6f}"


def _status(subject: Subject) -> str:
    return str(subject.told.get("status", ""))


def _check(subject: Subject) -> str:
    return str(subject.told.get("check_status", "")).removeprefix("* ")


def _one_of(subject: Subject, _: Iterable[Subject]) -> dict[str, int]:
    now = _status(subject)
    if subject.kind == "S":
        now = coarse(now)
    elif subject.kind == "F":
        now = "UP" if now == "OPEN" else "DOWN"
    return {state: int(state == now) for state in _STATES[subject.kind]}


def _check_of(subject: Subject, _: Iterable[Subject]) -> dict[str, int]:
    now = _check(subject)
    return {state: int(state == now) for state in _CHECKS}


def _servers_by(states: Iterable[str], state_of: Callable[[Subject], str]) -> _Count:
    def count(_: Subject, servers: Iterable[Subject]) -> dict[str, int]:
        counted = Counter(map(state_of, servers))
        return {state: counted[state] for state in states}

    return count


_Count = Callable[[Subject, Iterable[Subject]], dict[str, int]]
_SPECIAL: Final[dict[str, _Count]] = {
    "status": _one_of,
    "check_status": _check_of,
    "agg_server_status": _servers_by(_STATES["S"], lambda server: coarse(_status(server))),
    "agg_server_check_status": _servers_by(_STATES["S"], lambda server: coarse(_status(server))),
    "agg_check_status": _servers_by(_CHECKS, _check),
}
"""Columns whose metrics have a sample for each state that there can be."""


# -- stick tables --------------------------------------------------------------------------------------


def _of_tables(farm: Operations) -> Iterator[Metric]:
    tables = farm.config.tables
    sizes: list[Sample] = []
    used: list[Sample] = []
    for table in tables if isinstance(tables, Tables) else ():
        whose = labels(name=table.name, type=table.spec.type)
        sizes.append((whose, str(table.spec.size)))
        used.append((whose, str(table.used())))
    yield Metric("haproxy_sticktable_size", "entries that a stick table has room for", False, sizes)
    yield Metric("haproxy_sticktable_used", "entries of a stick table", False, used)
