"""The rule language as its tables have it, for people: actions, conditions, samples, converters, formats.

The manual page and ``greenlb reference`` print the same chapters.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

from greenlb.policy import actions, converters, logformat, samples, transaction
from greenlb.policy.actions.words import HTTP, TCP
from greenlb.policy.conditions import PREDEFINED
from greenlb.policy.kinds import CASTS
from greenlb.policy.logvariables import VARIABLES
from greenlb.policy.matching import METHODS
from greenlb.policy.samples import refused
from greenlb.policy.vocabulary import Converter, Needs, Sample, usage

WHERE: Final[dict[Needs, str]] = {
    "": "Everywhere.",
    "request": "Mode http, from the request on.",
    "response": "Mode http, in rules of responses and in logs.",
    "server": "Once there is a server: in rules of responses and in logs.",
    "bytes": "Mode tcp, in rules of content.",
    "server bytes": "Mode tcp, in rules of tcp-response.",
    "inspection": "In rules of content, and in mode http.",
}
"""Where a sample may stand, by what it needs."""

_CONDITIONS: Final = (
    "A condition is names of acls and criteria between braces, { SAMPLE [FLAGS] [PATTERNS] }, that must all "
    "hold; '!' before one is its opposite, 'or' between them is an alternative.  -i compares without case, "
    "-f FILE takes the patterns from a file, -M -f MAP the keys of a map, -n reads no names of hosts, -m "
    "METHOD says how they are compared; beg, end, sub, dir, dom, reg, len and str may be appended to a "
    "sample's name instead, as in path_beg."
)
_SAMPLES: Final = "What is known of a connection, a request or a response."
_FORMATS: Final = (
    "A format is text with %variables and %[samples]; %{+Q}variable sets a flag for one, %{+Q}o for all that "
    "follow, and %% is a percent sign."
)
_PYTHON: Final = (
    "The function of an action 'python' is called with a Transaction and the words behind its name, which"
    " are formats; that of the sample 'py' with a Transaction and its arguments, and returns the value; "
    "that of 'balance python' with a Transaction and a list of Choices, and returns one of them, its name"
    " or None; that of 'option python-check' with a ServerCheck, and returns True or None for a server "
    "that is well, False or what is wrong for one that is not.  They are imported in the processes that "
    "serve, which gevent has patched before, so that what waits lets others work; python-path says from "
    "where.  An exception is a 500 and a traceback in the log."
)
_TYPES: Final = (
    "bool, int, ip (an address), str, bin (octets), meth (a method), any: known at run time only.  One is "
    "turned into another where a sample, a converter or a match method asks for it."
)


class Entry(NamedTuple):
    """``term`` as one writes it, ``facts`` its types and where it may stand, ``doc`` what it is."""

    term: str
    facts: str
    doc: str


class Chapter(NamedTuple):
    """``name`` is what ``greenlb reference`` calls it; ``heading`` the manual page."""

    name: str
    heading: str
    intro: str
    entries: tuple[Entry, ...]


def chapters() -> tuple[Chapter, ...]:
    """All of them, in the order of the manual page."""
    return (
        *(_actions(keyword) for keyword in (*HTTP, *TCP)),
        _plain("conditions", "CONDITIONS", _CONDITIONS, {f"-m {m.name}": m.doc for m in METHODS.values()}),
        _plain("acls", "ACLS THAT EXIST", "", {name: " ".join(words) for name, words in PREDEFINED.items()}),
        _plain("types", "TYPES", _TYPES, _casts()),
        Chapter("samples", "SAMPLES", _SAMPLES, tuple(map(_sample, dict.fromkeys(samples.TABLE.values())))),
        Chapter(
            "converters",
            "CONVERTERS",
            "After a sample and a comma.",
            tuple(map(_converter, converters.TABLE.values())),
        ),
        _plain(
            "formats",
            "LOG FORMATS",
            _FORMATS,
            {f"%{row.name}": row.doc + ("  Mode http only." if row.http else "") for row in VARIABLES},
        ),
        _plain(
            "flags",
            "FLAGS OF LOG VARIABLES",
            "",
            {f"+{name}": doc for name, doc in logformat.FLAGS.items()},
        ),
        _plain("named", "NAMED LOG FORMATS", "", logformat.NAMED),
        _python(),
        _refused(),
    )


def _python() -> Chapter:
    """What functions of rules are given, from its docstrings."""
    entries = []
    for kind in transaction.PUBLIC:
        entries.append(Entry(f"greenlb.{kind.__name__}", "", _said(kind)))
        for name, member in vars(kind).items():
            if name.startswith("_") or not member.__doc__:
                continue
            call = "" if isinstance(member, property) else _call(member)
            entries.append(Entry(f"{kind.__name__}.{name}{call}", "", _said(member)))
    return Chapter("python", "PYTHON IN RULES", _PYTHON, tuple(entries))


def _call(function: Callable[..., object]) -> str:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return f"({', '.join(str(each.replace(annotation=each.empty)) for each in parameters)})"


def _said(thing: object) -> str:
    return re.sub(r"\n+", " ", (inspect.getdoc(thing) or "").replace("``", ""))


def _plain(name: str, heading: str, intro: str, entries: Mapping[str, str]) -> Chapter:
    return Chapter(name, heading, intro, tuple(Entry(term, "", doc) for term, doc in entries.items()))


def _actions(keyword: str) -> Chapter:
    rows = [row for row in actions.TABLE.values() if keyword in row.stages]
    article = "a" if keyword.startswith("tcp") else "an"
    return Chapter(
        keyword.replace(" ", "-"),
        f"{keyword.upper()} ACTIONS",
        f"What {article} {keyword} rule does, before 'if CONDITION' or 'unless CONDITION'.",
        tuple(Entry(f"{row.name} {row.arguments}".strip(), "", row.doc) for row in rows),
    )


def _sample(row: Sample) -> Entry:
    also = f"  Also {', '.join(row.aliases)}." if row.aliases else ""
    return Entry(usage(row), f"Gives {row.kind}.  {WHERE[row.needs]}", row.doc + also)


def _converter(row: Converter) -> Entry:
    gives = "what it takes" if row.takes == row.gives == "any" else row.gives
    return Entry(usage(row), f"Takes {row.takes}, gives {gives}.", row.doc)


def _casts() -> dict[str, str]:
    kinds = dict.fromkeys(source for source, _ in CASTS)
    return {kind: "into " + ", ".join(to for source, to in CASTS if source == kind) for kind in kinds}


def _refused() -> Chapter:
    words: Iterable[tuple[str, str]] = [
        *((f"action {name}", why) for name, why in sorted(actions.REFUSED.items())),
        *((f"{keyword} {name}", why) for (keyword, name), why in sorted(actions.MISPLACED.items())),
        *((f"sample {name}", why) for name, why in sorted(refused.REASONS.items())),
        *((f"converter {name}", why) for name, why in sorted(converters.REFUSED.items())),
    ]
    return _plain("refused", "WORDS OF HAPROXY THAT ARE REFUSED", "Each with the reason.", dict(words))
