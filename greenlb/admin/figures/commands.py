"""The runtime commands that show figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from greenlb.admin.figures import activity, info, servers, text
from greenlb.admin.figures.exposition import exposition
from greenlb.admin.figures.history import history
from greenlb.admin.figures.schema import schema
from greenlb.admin.figures.subjects import Subjects
from greenlb.admin.runtime.command import command
from greenlb.admin.runtime.session import Session
from greenlb.observe.columns import Subject
from greenlb.observe.sampler import KEPT

_BITS: Final = {"F": 1, "B": 2, "S": 4, "L": 8}
"""What the second of ``show stat``'s numbers is made of."""
_NO_PROXY: Final = "No such proxy."
_NO_BACKEND: Final = "Can't find backend."
_NO_DOMAIN: Final = "Invalid statistics domain."


def _sees_secrets(session: Session) -> bool:
    return session.may("operator")


# -- show stat -----------------------------------------------------------------------------------------


class Unknown(Exception):
    """There is no proxy of that name."""


def _selected(session: Session, words: Sequence[str]) -> Iterator[Subject]:
    """Those that ``[{iid|-1|name} type {sid|-1}]`` means, and ``up`` and ``no-maint`` leave."""
    subjects: Iterable[Subject] = Subjects(session.farm)
    if len(words) >= 3 and words[0] not in _FORMS:
        proxy, bits, server = _number(words[0]), _number(words[1]) or 0, _number(words[2])
        names = {each.name for each in (*session.farm.config.frontends, *session.farm.config.backends)}
        if proxy is None and words[0] not in names:
            raise Unknown
        subjects = (
            subject
            for subject in subjects
            if _BITS[subject.kind] & bits
            and (subject.row.pxname == words[0] if proxy is None else proxy in (-1, subject.row.proxy.number))
            and (server in (None, -1) or subject.told.get("sid") == server)
        )
    servers_up: list[bool] = []
    for subject in subjects:
        status = str(subject.told.get("status", ""))
        if subject.kind == "S":
            servers_up.append(not status.startswith(("DOWN", "MAINT")))
            if ("up" in words and not servers_up[-1]) or ("no-maint" in words and status.startswith("MAINT")):
                continue
        elif subject.kind == "B":
            if "up" in words:
                subject.told["status"] = f"{status} ({sum(servers_up)}/{len(servers_up)})"
            servers_up = []
        yield subject


_FORMS: Final = ("typed", "json", "desc", "up", "no-maint")


def _number(word: str) -> int | None:
    try:
        return int(word)
    except ValueError:
        return None


def _show_stat(session: Session, words: Sequence[str]) -> str:
    if words[:1] == ["domain"]:
        if words[1:2] == ["resolvers"]:
            return session.farm.names.figures() if session.farm.names is not None else ""
        if words[1:2] != ["proxy"]:
            return _NO_DOMAIN
        words = words[2:]
    secrets = _sees_secrets(session)
    try:
        selected = _selected(session, words)
        if "json" in words:
            return text.documents(selected, secrets)
        if "typed" in words:
            return text.lines(selected, secrets, "desc" in words)
        return text.csv(selected, secrets)
    except Unknown:
        return _NO_PROXY


# -- show info -----------------------------------------------------------------------------------------


def _show_info(session: Session, words: Sequence[str]) -> str:
    items = list(info.typed(session.farm, exact="float" in words))
    described = "desc" in words
    if "json" in words:
        return text.compact([each.document() for each in items])
    if "typed" in words:
        return "".join(each.line("", described) for each in items)
    return "".join(each.plain(described) for each in items)


# -- the rest ------------------------------------------------------------------------------------------


def _of_backend(session: Session, words: Sequence[str]) -> str | None:
    """The backend that a command is about, all for "", None when there is none of that name."""
    name = words[0] if words else ""
    return name if not name or session.farm.config.backend(name) is not None else None


def _show_servers_state(session: Session, words: Sequence[str]) -> str:
    name = _of_backend(session, words)
    return _NO_BACKEND if name is None else servers.state(session.farm, name)


def _show_servers_conn(session: Session, words: Sequence[str]) -> str:
    name = _of_backend(session, words)
    return _NO_BACKEND if name is None else servers.connections(session.farm, name)


def _show_metrics(session: Session, words: Sequence[str]) -> str:
    return exposition(session.farm, words, "no-maint" in words)


def _show_activity(session: Session, words: Sequence[str]) -> str:
    return "".join(activity.lines(session.farm.books.board))


def _show_pools(session: Session, words: Sequence[str]) -> str:
    return "".join(activity.memory(session.farm.books.board))


def _show_history(session: Session, words: Sequence[str]) -> str:
    last = _number(words[0]) if words else KEPT
    if last is None or last < 1:
        return "'show history json' expects a number of seconds."
    return history(session.farm, last)


COMMANDS: Final = (
    command(
        "show info", "user", "[desc|json|typed|float]*", "report information about the processes", _show_info
    ),
    command(
        "show stat",
        "user",
        "[desc|json|no-maint|typed|up]*",
        "report counters for each proxy and server",
        _show_stat,
    ),
    command("show activity", "operator", "", "show what each process does", _show_activity),
    command("show pools", "operator", "", "report the memory of each process", _show_pools),
    command("show schema json", "user", "", "report schema used for stats", lambda session, words: schema()),
    command(
        "show servers state",
        "user",
        "[<backend>]",
        "dump how servers stand (all or for a single backend)",
        _show_servers_state,
    ),
    command(
        "show servers conn",
        "user",
        "[<backend>]",
        "dump connections to servers (all or for a single backend)",
        _show_servers_conn,
    ),
    command(
        "show metrics",
        "operator",
        "[<scope>|no-maint]*",
        "report what the Prometheus exporter does",
        _show_metrics,
    ),
    command(
        "show history json",
        "operator",
        "[<seconds>]",
        "report the last seconds of each proxy and server",
        _show_history,
    ),
)
