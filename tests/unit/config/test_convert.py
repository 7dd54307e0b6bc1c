"""A haproxy.cfg as INI: comments and order kept, and the same configuration."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from greenlb.config.convert import convert
from greenlb.config.load import load_text
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems

CFG = r"""# The site.
global
    maxconn 100   # enough
    maxconn 200
    nbthread 4

# What all have.
defaults
    mode http
    # Times.
    timeout connect 5s
    timeout client  5s
    timeout server  5s
    option httplog
    no option dontlognull

frontend main 127.0.0.1:81
    bind 127.0.0.1:80 alpn h2,http/1.1
    acl api path_beg /api

    # The order of rules matters.
    http-request set-header X-A 1
    acl img path_end .png # pictures
    acl api path_beg /v2
    http-request set-header X-B "two words" if api
    use_backend farm if api or img
    default_backend farm

backend farm
    server a 127.0.0.1:1 weight 2
    default-server weight 7
    server b 127.0.0.1:2
    default-server maxconn 5
    server c:1 127.0.0.1:3 weight 9
# The end.
"""

INI = r"""# The site.
[global]
maxconn = 200
# nbthread 4

# What all have.
[defaults]
mode = http
# Times.
timeout connect = 5s
timeout client = 5s
timeout server = 5s
option httplog = yes
option dontlognull = no

[frontend main]
bind = 127.0.0.1:81
       127.0.0.1:80 alpn http/1.1
acl api = path_beg /api
          path_beg /v2

# The order of rules matters.
http-request = set-header X-A 1
               set-header X-B "two words" if api
acl img = path_end .png # pictures
use_backend = farm if api or img
default_backend = farm

[backend farm]
server a = 127.0.0.1:1 weight 2
server b = 127.0.0.1:2 weight 7
server c_1 = 127.0.0.1:3 weight 7 maxconn 5 weight 9
# The end.
"""


def converted(text: str, **environment: str) -> tuple[str, Problems]:
    problems = Problems()
    return convert(text, "x.cfg", problems, environment, Facts(environment)), problems


def test_layout() -> None:
    text, problems = converted(CFG)
    assert text == INI
    assert [str(p) for p in problems.warnings] == [
        "x.cfg:34: an INI file cannot have the name 'c:1': it is 'c_1' now"
    ]


def test_the_same_configuration() -> None:
    """Read as it is and read converted, it comes to the same."""
    cfg = CFG.replace("c:1", "c_1")
    before, after = load_text(cfg), load_text(converted(cfg)[0])
    assert not before.errors
    assert not after.errors
    assert before.config is not None
    assert after.config is not None
    assert before.config.text == after.config.text
    assert "weight 9" in before.config.text


def test_configparser_reads_it() -> None:
    parser = ConfigParser(interpolation=None)
    parser.read_string(converted(CFG)[0])
    assert parser["frontend main"]["bind"].split("\n") == ["127.0.0.1:81", "127.0.0.1:80 alpn http/1.1"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('acl a path "$X"', 'acl a = path "$X"'),
        ('acl a path "$NONE"', "acl a = path ''"),
        ("acl a path ;x", "acl a = path ;x"),
        ("acl a path_reg ^/${X}", "acl a = path_reg '^/${X}'"),
    ],
)
def test_words(line: str, expected: str) -> None:
    """What means the same stays as it is written; what does not is written so that it does."""
    assert expected in converted(f"listen l\n{line}\n", X="1")[0]


def test_variables_that_the_file_sets() -> None:
    text, _ = converted('global\nsetenv P 80\nlisten l\nbind "127.0.0.1:$P"\n', P="1")
    assert "bind = 127.0.0.1:80\n" in text
    assert "setenv" not in text


def test_conditional_blocks() -> None:
    text, _ = converted("global\n.if 1\nmaxconn 1\n.else\nmaxconn 2\n.endif\n")
    assert text.startswith("# The conditional blocks were decided")
    assert "maxconn = 1\n" in text
    assert "maxconn = 2" not in text
