"""``http-request auth`` with user lists."""

from __future__ import annotations

import base64

import crypt_r  # type: ignore[import-untyped]
import pytest

from tests.support.lb import Launcher
from tests.support.stream import get

HASH = crypt_r.crypt("secret", "$5$rounds=1000$salt$")
WHO = "%[http_auth_user] %[http_auth_pass] %[http_auth_type] %[http_auth_group(staff)]"
INI = rf"""
[userlist staff]
group readers = users ann,bob
group writers =
group others =
user ann = password {HASH} groups writers
user bob = insecure-password hello

[frontend fe]
bind = 127.0.0.1:{{fe}}
http-request = auth realm My\ Realm unless {{ http_auth(staff) }}
               return status 202 hdr who "{WHO}" if {{ http_auth_group(staff) writers }}
               return status 200 hdr who "{WHO}" if {{ http_auth_group(staff) others readers }}
               deny
"""


def asked(user: str) -> str:
    return f"Authorization: Basic {base64.b64encode(user.encode()).decode()}"


def test_users_and_groups(proxy: Launcher) -> None:
    lb = proxy(INI)
    for user, status, who in (
        ("ann:secret", 202, "ann secret Basic ann"),
        ("bob:hello", 200, "bob hello Basic bob"),
        ("ann:hello", 401, None),
        ("bob:", 401, None),
        ("nobody:hello", 401, None),
        ("ann", 401, None),
    ):
        answer = lb.ask(get("/", asked(user)))
        assert (answer.status, answer.get("who")) == (status, who), user
    refused = lb.ask(get("/"))
    assert refused.status == 401
    assert refused.get("www-authenticate") == 'Basic realm="My Realm"'
    lines = [lb.log() for _ in range(7)]
    assert [line.flags for line in lines] == ["LR--"] * 7


@pytest.mark.parametrize("field", ["Basic =", "Basic", "Bearer abc", "Basic " + "x" * 200])
def test_what_is_no_password_is_asked_again(proxy: Launcher, field: str) -> None:
    assert proxy(INI).ask(get("/", f"Authorization: {field}")).status == 401
