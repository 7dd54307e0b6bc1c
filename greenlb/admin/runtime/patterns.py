"""Commands about lists of patterns and maps: those of all processes, and of processes to come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

from greenlb.admin.runtime.command import Command, Function, command
from greenlb.admin.runtime.session import Session
from greenlb.policy.patterns import Patterns, Reference

_ROOM: Final = 1 << 15
"""Bytes of edits that go into one message."""
_NAMES: Final = {True: ("map", "map"), False: ("acl", "ACL")}
Edit = Sequence[str]
"""``add KEY VALUE``, ``set KEY VALUE``, ``delete KEY`` or ``clear``."""


class _Unknown(Exception):
    """There is nothing of that name: what is to be said of it."""


def edit(reference: Reference, edits: Sequence[Edit]) -> None:
    """Do so much to a file's patterns.  Raises ValueError: a key that its use cannot read."""
    for kind, *words in edits:
        if kind == "add":
            reference.add(*words)
        elif kind == "set":
            reference.set(*words)
        elif kind == "delete":
            reference.delete(*words)
        else:
            reference.clear()


def apply(patterns: object, as_map: bool, name: str, edits: Sequence[Edit]) -> None:
    """The same in another process, where it was found good."""
    reference = patterns.find(name, as_map) if isinstance(patterns, Patterns) else None
    if reference is not None:
        edit(reference, edits)


def _find(session: Session, name: str, as_map: bool) -> Reference:
    patterns = session.farm.config.patterns
    found = patterns.find(name, as_map) if isinstance(patterns, Patterns) else None
    if found is None:
        raise _Unknown(f"Unknown {_NAMES[as_map][1]} identifier. Please use #<id> or <file>.\n")
    return found


def _everywhere(session: Session, reference: Reference, edits: Sequence[Edit]) -> None:
    """Raises ValueError, and then nothing has changed."""
    new = [words[0] for kind, *words in edits if kind == "add" and reference.get(words[0]) is None]
    try:
        edit(reference, edits)
    except ValueError:
        for key in new:
            reference.delete(key)
        raise
    for some in _pieces(edits):
        about = {"map": reference.is_map, "name": reference.path, "edits": some}
        session.farm.remember(about)
        session.farm.ask("patterns", **about)


def _pieces(edits: Sequence[Edit]) -> Iterator[list[Edit]]:
    piece: list[Edit] = []
    size = 0
    for each in edits:
        length = len(json.dumps(each))
        if piece and size + length > _ROOM:
            yield piece
            piece, size = [], 0
        piece.append(each)
        size += length
    if piece:
        yield piece


def _said(do: Function) -> Function:
    """What goes wrong is the answer."""

    def run(session: Session, words: Sequence[str]) -> str:
        try:
            return do(session, words)
        except _Unknown as unknown:
            return str(unknown)
        except ValueError as error:
            return f"{error}.\n"

    return run


def _about(reference: Reference) -> str:
    uses = f" used by {', '.join(reference.uses)}" if reference.uses else ""
    return (
        f"{reference.number} ({reference.path}) pattern loaded from file '{reference.path}'{uses}."
        f" curr_ver=0 next_ver=0 entry_cnt={len(reference)}\n"
    )


def _show(as_map: bool) -> Function:
    def show(session: Session, words: Sequence[str]) -> str:
        if words:
            entries = _find(session, words[0], as_map).items()
            place = 0x10
            return "".join(
                f"{place + 16 * number:#x} {f'{key} {value}'.rstrip()}\n"
                for number, (key, value) in enumerate(entries)
            )
        known = session.farm.config.patterns
        shown = [each for each in known if each.is_map == as_map] if isinstance(known, Patterns) else []
        return "".join(["# id (file) description\n", *map(_about, shown)])

    return _said(show)


def _add_map(session: Session, words: Sequence[str]) -> str:
    if len(words) < 3 and not (len(words) == 1 and session.payload):
        return (
            "'add map' expects three parameters (map identifier, key and value) or one parameter"
            " (map identifier) and a payload\n"
        )
    reference = _find(session, words[0], True)
    if len(words) >= 3:
        _everywhere(session, reference, [("add", words[1], words[2])])
        return ""
    edits = []
    for line in session.payload.splitlines():
        key, _, value = line.strip().partition(" ")
        if not value.strip():
            return f"Missing value for key '{key}'. Nothing was added.\n"
        edits.append(("add", key, value.strip()))
    _everywhere(session, reference, edits)
    return ""


def _add_acl(session: Session, words: Sequence[str]) -> str:
    if len(words) < 2 and not (len(words) == 1 and session.payload):
        return "'add acl' expects two parameters: ACL identifier and pattern.\n"
    keys = words[1:2] or [line.strip() for line in session.payload.splitlines()]
    _everywhere(session, _find(session, words[0], False), [("add", key) for key in keys])
    return ""


def _set_map(session: Session, words: Sequence[str]) -> str:
    if len(words) < 3:
        return "'set map' expects three parameters: map identifier, key and value.\n"
    reference = _find(session, words[0], True)
    if reference.get(words[1]) is None:
        return "entry not found.\n"
    _everywhere(session, reference, [("set", words[1], words[2])])
    return ""


def _delete(as_map: bool) -> Function:
    def delete(session: Session, words: Sequence[str]) -> str:
        if len(words) < 2:
            return f"This command expects two parameters: {_NAMES[as_map][1]} identifier and key.\n"
        reference = _find(session, words[0], as_map)
        if reference.get(words[1]) is None:
            return "Key not found.\n"
        _everywhere(session, reference, [("delete", words[1])])
        return ""

    return _said(delete)


def _clear(as_map: bool) -> Function:
    def clear(session: Session, words: Sequence[str]) -> str:
        if not words:
            return f"Missing {_NAMES[as_map][1]} identifier.\n"
        _everywhere(session, _find(session, words[0], as_map), [("clear",)])
        return ""

    return _said(clear)


COMMANDS: Final[tuple[Command, ...]] = (
    command("add acl", "admin", "<acl> <pattern>", "add an acl entry", _said(_add_acl)),
    command(
        "add map",
        "admin",
        "<map> <key> <val>",
        "add a map entry (payload supported instead of key/val)",
        _said(_add_map),
    ),
    command("clear acl", "admin", "<acl>", "clear the contents of this acl", _clear(False)),
    command("clear map", "admin", "<map>", "clear the contents of this map", _clear(True)),
    command("del acl", "admin", "<acl> <key>", "delete acl entries matching <key>", _delete(False)),
    command("del map", "admin", "<map> <key>", "delete map entries matching <key>", _delete(True)),
    command("set map", "admin", "<map> <key> <value>", "modify a map entry", _said(_set_map)),
    command("show acl", "user", "[<acl>]", "report available acls or dump an acl's contents", _show(False)),
    command("show map", "user", "[<map>]", "report available maps or dump a map's contents", _show(True)),
)
