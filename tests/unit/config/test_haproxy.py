"""haproxy.cfg text to the statements that INI text makes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenlb.config import haproxy, ini
from greenlb.config.load import load_text
from greenlb.config.predicates import Facts
from greenlb.config.problems import Problems
from greenlb.config.words import quote, split_words


def read(text: str, **environment: str) -> tuple[list[ini.Section], Problems]:
    problems = Problems()
    return haproxy.parse(text, "x.cfg", problems, environment, Facts(environment)), problems


def said(text: str, **environment: str) -> list[tuple[str, str]]:
    """The statements of a text that begins with a section, none of them wrong."""
    sections, problems = read(text, **environment)
    assert not problems.errors
    return [(s.keyword, s.arguments) for section in sections for s in section.statements]


def errors(text: str) -> list[str]:
    return [str(problem) for problem in read(text)[1].errors]


def test_sections_and_lines() -> None:
    """Words, names and addresses on the section's line, with the place of each."""
    sections, problems = read("  global\n maxconn 10 # ten\n\nfrontend main *:80\n\tbind :81 name x\n")
    assert [(s.kind, s.words, s.where.line) for s in sections] == [
        ("global", [], 1),
        ("frontend", ["main", "*:80"], 4),
    ]
    statement = sections[1].statements[0]
    assert (statement.keyword, statement.arguments, str(statement.where)) == ("bind", ":81 name x", "x.cfg:5")
    assert sections[0].statements[0].arguments == "10"
    assert not problems.errors


@pytest.mark.parametrize(
    ("line", "keyword", "arguments"),
    [
        ("mode http", "mode", "http"),
        ("timeout  client   5s", "timeout client", "5s"),
        ("option forwardfor except 10.0.0.0/8", "option forwardfor", "except 10.0.0.0/8"),
        ("option httplog", "option httplog", "yes"),
        ("no option httplog", "option httplog", "no"),
        ("option redispatch", "option redispatch", "yes"),
        ("redispatch", "option redispatch", "yes"),
        ("clitimeout 5000", "timeout client", "5000"),
        ("contimeout 5000", "timeout connect", "5000"),
        ("srvtimeout 5000", "timeout server", "5000"),
        ("option forceclose", "option httpclose", "yes"),
        ("acl a path /x", "acl", "a path /x"),
        (r"reqadd X-Forwarded-Proto:\ https", "reqadd", r"X-Forwarded-Proto:\ https"),
        ('log-format "%ci #%ST" # what', "log-format", '"%ci #%ST"'),
        ("log-format '%ci \"' # x", "log-format", "'%ci \"'"),
        (r"acl a path \# # x", "acl", r"a path \#"),
    ],
)
def test_statements(line: str, keyword: str, arguments: str) -> None:
    assert said(f"defaults\n  {line}") == [(keyword, arguments)]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ("server a ${HOST}:80", "a ${HOST}:80"),
        ('server a "$HOST:80"', 'a "$HOST:80"'),
        ("server a ${NONE}1.2.3.4:80", "a 1.2.3.4:80"),
        ('acl a path "$NONE"', "a path ''"),
        ('acl a path "${NONE-x}"', 'a path "${NONE-x}"'),
        ("acl a path_reg ^/${HOST}$", "a path_reg '^/${HOST}$'"),
        ("acl a path_reg ^/x$", "a path_reg ^/x$"),
    ],
)
def test_variables(line: str, arguments: str) -> None:
    """What is not set is empty, and outside of quotes only addresses have variables, as in HAProxy."""
    found = said(f"backend b\n {line}", HOST="h")
    assert found[0][1] == arguments


def test_the_environment_can_be_set() -> None:
    text = 'global\nsetenv A 1\npresetenv A 2\npresetenv B 3\nunsetenv C\nbackend b\nacl x str("$A$B$C") a'
    assert said(text, C="9") == [("acl", "x str(13) a")]


BLOCKS = """global
.if defined(A)
  maxconn 1
  .if 0
    maxconn 2
  .else
    maxconn 3
  .endif
.elif 1
  maxconn 4
.elif 1
  maxconn 5
.else
  maxconn 6
.endif
"""


@pytest.mark.parametrize(
    ("environment", "expected"), [({"A": ""}, ["1", "3"]), ({}, ["4"])], ids=["taken", "not taken"]
)
def test_conditional_blocks(environment: dict[str, str], expected: list[str]) -> None:
    assert [arguments for _, arguments in said(BLOCKS, **environment)] == expected


def test_what_a_file_says_itself() -> None:
    _, problems = read('global\n.notice "a b"\n.warning w\n.alert "x"\n.diag d\n.if 0\n.alert y\n.endif')
    assert [str(p) for p in problems.notices] == ["x.cfg:2: 'a b'"]
    assert [str(p) for p in problems.warnings] == ["x.cfg:3: 'w'"]
    assert [str(p) for p in problems.errors] == ["x.cfg:4: 'x'"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("mode http", "x.cfg:1: unknown keyword 'mode' out of section"),
        ("global\n.if 1", "x.cfg:2: this '.if' has no '.endif'"),
        ("global\n.endif", "x.cfg:2: '.endif' without an '.if' before it"),
        (
            "global\n.if 1\n.else\n.elif 1\n.endif",
            "x.cfg:4: '.elif' after the '.else' of the '.if' at x.cfg:2",
        ),
        ("global\n.if (1\n.endif", "x.cfg:2: a ')' is missing in the condition '(1'"),
        ("defaults\nno mode http", "x.cfg:2: 'no' stands before 'option' and 'log' alone, not before 'mode'"),
        ("defaults\nno option httplog x", "x.cfg:2: nothing may follow 'no option httplog', not 'x'"),
        ("global\nsetenv A", "x.cfg:2: 'setenv' expects a name and a value"),
        ("global\nlog 'a", "x.cfg:2: the quote at column 5 is not closed: expected another '"),
    ],
)
def test_errors(text: str, error: str) -> None:
    assert errors(text)[0].startswith(error)


@pytest.mark.parametrize(
    ("text", "statements", "notices"),
    [
        ("global\nnbthread 4", [], ["'nbthread' has no effect: processes are set by 'workers'"]),
        ("global\nno busy-polling", [], ["'busy-polling' has no effect: the event loop is gevent's"]),
        (
            "listen a\nbind :443 ssl crt x alpn h2,http/1.1 process 1 tfo",
            [("bind", ":443 ssl crt x alpn http/1.1")],
            ["'h2' of 'alpn' has no effect", "'process' of 'bind'", "'tfo' of 'bind'"],
        ),
        ("listen a\nbind :443 alpn h2", [("bind", ":443")], ["'h2' of 'alpn' has no effect"]),
        (
            "listen a\nserver tfo 1.2.3.4:80 tfo proto h1",
            [("server", "tfo 1.2.3.4:80")],
            ["'tfo' of 'server'"],
        ),
    ],
)
def test_without_effect(text: str, statements: list[tuple[str, str]], notices: list[str]) -> None:
    """What changes nothing that anybody sees is left out, and said."""
    _, problems = read(text)
    assert said(text) == statements
    assert [n in str(p) for n, p in zip(notices, problems.notices, strict=True)] == [True] * len(notices)


def test_said_again() -> None:
    """What was said last counts, where an INI file has to say a thing once."""
    text = (
        "defaults\nmode tcp\nmode http\ntimeout client 1s\ntimeout client 2s\nlisten f\nbind :80\nbind :81\n"
    )
    loaded = load_text(text)
    assert not loaded.errors
    assert loaded.config is not None
    front = loaded.config.frontends[0]
    assert (front.mode, front.timeouts.client, len(front.binds)) == ("http", 2.0, 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("global\n", True),
        ("# x\n\n  listen a :1\n", True),
        (".if 1\n[x\n", True),
        ("globl\n", True),
        ("; x\n[global]\n", False),
        ("stray\n[global]\n", False),
        ("", False),
    ],
)
def test_is_haproxy(text: str, expected: bool) -> None:
    assert haproxy.is_haproxy(text) is expected


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=30))
def test_quoted_words_are_read_back(word: str) -> None:
    assert split_words(quote(word), {}) == [word]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but errors with a place come of garbage."""
    _, problems = read(text.replace("\0", ""))
    assert all(problem.where.file == "x.cfg" for problem in problems.errors)


def test_a_keyword_of_blanks_is_an_unknown_one() -> None:
    loaded = load_text("global\n  \\  gid 99\n")
    assert any("unknown option" in str(problem) for problem in loaded.errors)
