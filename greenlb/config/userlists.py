"""``userlist`` sections to the lists that rules ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from greenlb.config.context import Context
from greenlb.config.schema.userlists import GROUP, USER
from greenlb.config.sections import Given, Settings
from greenlb.config.values import ConfigError
from greenlb.policy.users import User, UserList, UserLists, usable
from greenlb.policy.vocabulary import nearest


def userlists(context: Context, sections: Mapping[str, Settings]) -> UserLists:
    """The lists of a configuration."""
    return UserLists({name: _userlist(context, settings) for name, settings in sections.items()})


def _userlist(context: Context, settings: Settings) -> UserList:
    users: dict[str, dict[str, Any]] = {}
    members: dict[str, set[str]] = {}
    for line in settings.given("user"):
        with context.problems.at(line.where, f"user '{line.words[0]}': "):
            users[line.words[0]] = _user(line, users)
    for line in settings.given("group"):
        with context.problems.at(line.where, f"group '{line.words[0]}': "):
            members[line.words[0]] = _members(line, users, members)
    made = []
    for line in settings.given("user"):
        name = line.words[0]
        with context.problems.at(line.where, f"user '{name}': "):
            groups = {group for group, names in members.items() if name in names}
            made.append(_made(name, users.get(name, {}), groups, members))
    return UserList(settings.name, made)


def _user(line: Given, known: Mapping[str, Any]) -> dict[str, Any]:
    if line.words[0] in known:
        raise ConfigError("the name is taken already")
    fields = USER.read(line.words[1:])
    if ("password" in fields) == ("insecure_password" in fields):
        raise ConfigError("expected either 'password' or 'insecure-password'")
    if "password" in fields and not usable(fields["password"]):
        raise ConfigError("this is no hash that crypt(3) of this machine knows: mkpasswd prints one")
    return fields


def _members(line: Given, users: Mapping[str, Any], known: Mapping[str, Any]) -> set[str]:
    if line.words[0] in known:
        raise ConfigError("the name is taken already")
    names = set(GROUP.read(line.words[1:]).get("users", ()))
    for name in sorted(names - set(users)):
        raise ConfigError(f"there is no user '{name}'{nearest(name, users)}")
    return names


def _made(name: str, fields: Mapping[str, Any], groups: set[str], known: Mapping[str, Any]) -> User:
    for group in fields.get("groups", ()):
        if group not in known:
            raise ConfigError(f"there is no group '{group}'{nearest(group, known)}")
        groups.add(group)
    hashed = "password" in fields
    secret = fields["password"] if hashed else fields.get("insecure_password", "")
    return User(name, secret, hashed, frozenset(groups))
