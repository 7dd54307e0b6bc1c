"""Commands about lists of patterns and maps: those of all processes, and of processes to come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final

import gevent

from greenlb.admin.runtime.command import Command, Function, command
from greenlb.admin.runtime.session import Session
from greenlb.policy.patterns import Patterns, Reference, Way

_ROOM: Final = 1 << 15
"""Bytes of edits that go into one message."""
_TYPES: Final = {"str": "str", "int": "sint", "ip": "ipv4"}
"""What a value is read as, in HAProxy's words."""
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


def apply(
    patterns: object, as_map: bool, name: str, edits: Sequence[Edit], part: int = 0, parts: int = 1
) -> None:
    """The same in another process, where it was found good; all ``parts`` of it at once."""
    reference = patterns.find(name, as_map) if isinstance(patterns, Patterns) else None
    if reference is None:
        return
    reference.staged = [*(reference.staged if part else ()), *edits]
    if part == parts - 1:
        edits, reference.staged = reference.staged, []
        edit(reference, edits)


def _find(session: Session, name: str, as_map: bool) -> Reference:
    patterns = session.farm.config.patterns
    found = patterns.find(name, as_map) if isinstance(patterns, Patterns) else None
    if found is None:
        raise _Unknown(f"Unknown {_NAMES[as_map][1]} identifier. Please use #<id> or <file>.\n")
    return found


def _everywhere(session: Session, reference: Reference, edits: Sequence[Edit]) -> None:
    """Raises ValueError, and then nothing has changed."""
    before = list(reference.items())
    try:
        edit(reference, edits)
    except ValueError:
        edit(reference, [("clear",), *(("add", *entry) for entry in before)])
        raise
    pieces = list(_pieces(edits))
    for part, some in enumerate(pieces):
        about = {"map": reference.is_map, "name": reference.path, "edits": some}
        about |= {"part": part, "parts": len(pieces)}
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


def _about(session: Session, reference: Reference) -> str:
    uses = f" used by {', by '.join(reference.uses)}" if reference.uses else ""
    versions = session.farm.versions.of(reference)
    return (
        f"{reference.number} ({reference.path}) pattern loaded from file '{reference.path}'{uses}."
        f" curr_ver={versions.current} next_ver={versions.next} entry_cnt={len(reference)}\n"
    )


def _version(words: Sequence[str]) -> tuple[int | None, Sequence[str]]:
    """What ``@VERSION`` says, and the words after it; None: nothing."""
    if not words or not words[0].startswith("@"):
        return None, words
    number = words[0][1:]
    return int(number) if number.isdecimal() else 0, words[1:]


def _show(as_map: bool) -> Function:
    def show(session: Session, words: Sequence[str]) -> str:
        version, words = _version(words)
        if words:
            reference = _find(session, words[0], as_map)
            entries = session.farm.versions.of(reference).entries(version, reference)
            place = 0x10
            return "".join(
                f"{place + 16 * number:#x} {f'{key} {value}'.rstrip()}\n"
                for number, (key, value) in enumerate(entries)
            )
        known = session.farm.config.patterns
        shown = [each for each in known if each.is_map == as_map] if isinstance(known, Patterns) else []
        return "".join(["# id (file) description\n", *(_about(session, each) for each in shown)])

    return _said(show)


def _add(session: Session, reference: Reference, version: int | None, edits: Sequence[Edit]) -> str:
    """To what is in use, or to a version that is being prepared."""
    versions = session.farm.versions.of(reference)
    if version is None or version == versions.current:
        _everywhere(session, reference, edits)
    elif not versions.add(version, {key: "".join(value) for _, key, *value in edits}):
        kind = _NAMES[reference.is_map][1]
        return f"Version number in the future, please use 'prepare {kind.lower()}' before.\n"
    return ""


def _add_map(session: Session, words: Sequence[str]) -> str:
    version, words = _version(words)
    if len(words) < 3 and not (len(words) == 1 and session.payload):
        return (
            "'add map' expects three parameters (map identifier, key and value) or one parameter"
            " (map identifier) and a payload\n"
        )
    reference = _find(session, words[0], True)
    if len(words) >= 3:
        return _add(session, reference, version, [("add", words[1], words[2])])
    edits = []
    for line in session.payload.splitlines():
        key, _, value = line.strip().partition(" ")
        if not value.strip():
            return f"Missing value for key '{key}'. Nothing was added.\n"
        edits.append(("add", key, value.strip()))
    return _add(session, reference, version, edits)


def _add_acl(session: Session, words: Sequence[str]) -> str:
    version, words = _version(words)
    if len(words) < 2 and not (len(words) == 1 and session.payload):
        return "'add acl' expects two parameters: ACL identifier and pattern.\n"
    keys = words[1:2] or [line.strip() for line in session.payload.splitlines()]
    return _add(session, _find(session, words[0], False), version, [("add", key) for key in keys])


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
        version, words = _version(words)
        if not words:
            return f"Missing {_NAMES[as_map][1]} identifier.\n"
        reference = _find(session, words[0], as_map)
        versions = session.farm.versions.of(reference)
        if version is None or version == versions.current:
            _everywhere(session, reference, [("clear",)])
        else:
            versions.clear(version)
        return ""

    return _said(clear)


def _prepare(as_map: bool) -> Function:
    def prepare(session: Session, words: Sequence[str]) -> str:
        reference = _find(session, words[0] if words else "", as_map)
        return f"New version created: {session.farm.versions.of(reference).begin()}\n"

    return _said(prepare)


def _commit(as_map: bool) -> Function:
    def commit(session: Session, words: Sequence[str]) -> str:
        version, words = _version(words)
        if version is None:
            return "Missing version number.\n"
        reference = _find(session, words[0] if words else "", as_map)
        versions = session.farm.versions.of(reference)
        if not versions.current <= version <= versions.next:
            return "Version number out of range.\n"
        if version != versions.current:
            adds = [("add", *entry) for entry in versions.entries(version, reference)]
            _everywhere(session, reference, [("clear",), *adds])
            versions.commit(version)
        return ""

    return _said(commit)


def _get(as_map: bool) -> Function:
    def get(session: Session, words: Sequence[str]) -> str:
        if len(words) < 2:
            return f"Missing {_NAMES[as_map][1]} identifier and/or key.\n"
        reference = _find(session, words[0], as_map)
        said = []
        for found in reference.ask(words[1]):
            if found is None:
                gevent.sleep(0)
            else:
                said.append(_found(reference, *found))
        return "".join(said)

    return _said(get)


def _found(reference: Reference, way: Way, key: str | None) -> str:
    about = f"type={way.method}, case={'in' * way.fold}sensitive"
    verb = "found" if reference.is_map else "match"
    if key is None:
        return f"{about}, {verb}=no\n"
    about += f", {verb}=yes, idx={'tree' if way.indexed else 'list'}"
    if not reference.is_map:
        return f'{about}, pattern="{key}"\n'
    return f'{about}, key="{key}", value="{reference.get(key) or ""}", type="{_TYPES[way.gives]}"\n'


COMMANDS: Final[tuple[Command, ...]] = (
    command("add acl", "admin", "[@<ver>] <acl> <pattern>", "add an acl entry", _said(_add_acl)),
    command(
        "add map",
        "admin",
        "[@<ver>] <map> <key> <val>",
        "add a map entry (payload supported instead of key/val)",
        _said(_add_map),
    ),
    command("clear acl", "admin", "[@<ver>] <acl>", "clear the contents of this acl", _clear(False)),
    command("clear map", "admin", "[@<ver>] <map>", "clear the contents of this map", _clear(True)),
    command("commit acl", "admin", "@<ver> <acl>", "commit the ACL at this version", _commit(False)),
    command("commit map", "admin", "@<ver> <map>", "commit the map at this version", _commit(True)),
    command("del acl", "admin", "<acl> <key>", "delete acl entries matching <key>", _delete(False)),
    command("del map", "admin", "<map> <key>", "delete map entries matching <key>", _delete(True)),
    command(
        "get acl", "user", "<acl> <value>", "report the patterns matching a sample for an ACL", _get(False)
    ),
    command(
        "get map",
        "user",
        "<acl> <value>",
        "report the keys and values matching a sample for a map",
        _get(True),
    ),
    command(
        "prepare acl", "admin", "<acl>", "prepare a new version for atomic ACL replacement", _prepare(False)
    ),
    command(
        "prepare map", "admin", "<acl>", "prepare a new version for atomic map replacement", _prepare(True)
    ),
    command("set map", "admin", "<map> <key> <value>", "modify a map entry", _said(_set_map)),
    command(
        "show acl", "user", "[@<ver>] <acl>]", "report available acls or dump an acl's contents", _show(False)
    ),
    command(
        "show map", "user", "[@<ver>] <map>]", "report available maps or dump a map's contents", _show(True)
    ),
)
