"""INI text to statements; what configparser reads, we read."""

import configparser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlb.config.ini import parse, read
from greenlb.config.problems import Problems

TEXT = """\
; a comment
[global]
log = 127.0.0.1 local0
  # a comment within a value
      10.0.0.1 local1

[frontend main *:80]   # a comment
  bind=*:443 ssl crt a=b.pem
       *:80

       [::1]:80
  timeout   client = 5s
  acl api = path_beg /api
            path_beg /v2
  server s1 = 10.0.0.1:80 ; check
empty =
[backend [::1]:80]
"""


def sections(text):
    problems = Problems()
    parsed = parse(text, "f", problems)
    return parsed, [str(error) for error in problems.errors]


def test_statements_know_their_lines():
    (settings, main, last), errors = sections(TEXT)
    assert errors == []
    assert (settings.kind, settings.words, str(settings.where)) == ("global", [], "f:2")
    assert [(s.keyword, s.arguments, s.where.line, s.continues) for s in settings.statements] == [
        ("log", "127.0.0.1 local0", 3, False),
        ("log", "10.0.0.1 local1", 5, True),
    ]
    assert (main.kind, main.words) == ("frontend", ["main", "*:80"])
    assert [(s.keyword, s.arguments, s.where.line) for s in main.statements] == [
        ("bind", "*:443 ssl crt a=b.pem", 8),
        ("bind", "*:80", 9),
        ("bind", "[::1]:80", 11),
        ("timeout client", "5s", 12),
        ("acl", "api path_beg /api", 13),
        ("acl", "api path_beg /v2", 14),
        ("server", "s1 10.0.0.1:80 ; check", 15),
        ("empty", "", 16),
    ]
    assert last.words == ["[::1]:80"]


def as_configparser(text):
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser.sections()}


def as_greenlb(text):
    return {
        block.header: {entry.name: entry.value for entry in block.entries}
        for block in read(text, "f", Problems())
    }


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "[a]\nb = c\n  d = e\n\n  f\n\ng = h\n",
        "[a]\nb =\n  c\n  d\n",
        "[a]\n    b = c\n    d = e\n      f\n",
        "[a]\nb = c # d\n# e\n  f\n",
        "[a]\n\tb = c\n\t\td\n[e]\nf = g = h\n",
        "[a] trailing\r\nb = c\r\n",
    ],
)
def test_configparser_reads_the_same(text):
    assert as_greenlb(text) == as_configparser(text)


LINES = st.builds(
    lambda indent, text: " " * indent + text,
    st.integers(0, 3),
    st.sampled_from(
        [
            "",
            "[a]",
            "[b c] # d",
            "k = v",
            "k=",
            "l = v = w",
            "m = #",
            "n = ; x",
            "# k = v",
            "; x",
            "item",
            "[d",
            "=",
            "o x = '",
        ]
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=12))
def test_what_we_take_configparser_takes_too(lines):
    text = "[first]\n" + "\n".join(lines)
    problems = Problems()
    ours = read(text, "f", problems)
    headers = [block.header for block in ours]
    if problems.errors or len(set(headers)) < len(
        headers
    ):  # [defaults] may stand twice; not for configparser
        return
    assert as_greenlb(text) == as_configparser(text)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a = b\n", "f:1: expected a section such as [global] before 'a = b'"),
        ("[a\n", "f:1: expected ']' at the end of '[a'"),
        ("[ ]\n", "f:1: a section needs a kind, such as [global] or [frontend NAME]"),
        ("[a] b\n", "f:1: nothing but a comment may follow ']', not 'b'"),
        (
            "[a]\nb = c\nb = d\n",
            "f:3: 'b' stands at f:2 already: give it once, with a line for each item of its value",
        ),
        ("[a]\n= b\n", "f:2: expected NAME = VALUE, not '= b'"),
        ("[a]\nmode http\n", "f:2: expected NAME = VALUE, not 'mode http'; write 'mode = http'"),
        ("[a]\nmode: http\n", "f:2: expected NAME = VALUE, not 'mode: http'; write 'mode = http'"),
        ("[a]\nbind *:80\n", "f:2: expected NAME = VALUE, not 'bind *:80'; write 'bind = *:80'"),
        (
            "[a]\noption httplog\n  further\n",
            "f:2: expected NAME = VALUE, not 'option httplog'; write 'option httplog = yes'",
        ),
        (
            "[a]\ntimeout client\n",
            "f:2: expected NAME = VALUE, not 'timeout client'; write 'timeout client = TIME'",
        ),
        (
            "[a]\nserver s1 1.2.3.4:80 check\n",
            "f:2: expected NAME = VALUE, not 'server s1 1.2.3.4:80 check';"
            " write 'server s1 = 1.2.3.4:80 check'",
        ),
        ("[a]\nwhat\n", "f:2: expected NAME = VALUE, not 'what'"),
        ("[a]\nacl = path /\n", "f:2: expected 'acl NAME = VALUE', not 'acl'"),
        (
            "[a]\nhttp-request deny = if x\n",
            "f:2: the name is 'http-request': write 'http-request = deny if x'",
        ),
    ],
)
def test_errors(text, error):
    assert sections(text)[1] == [error]
