"""Words are cut, unquoted and unescaped as HAProxy's manual says (section 2.2)."""

import os

import pytest

from greenlb.config.words import split_words

ENVIRONMENT = {"PORT": "8080", "TWO": "a b", "EMPTY": ""}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  \t ", []),
        ("a b\tc", ["a", "b", "c"]),
        ("X-Forwarded-Proto:\\ https", ["X-Forwarded-Proto: https"]),
        ("a # comment", ["a"]),
        ("a#comment", ["a"]),
        ("a\\#b", ["a#b"]),
        ('"a # b"', ["a # b"]),
        ("'it''s'", ["its"]),
        ("''", [""]),
        ("a '' b", ["a", "", "b"]),
        ("pre'a b'post", ["prea bpost"]),
        ("^/a\\.b$", ["^/a\\.b$"]),
        ("^/a\\\\.b", ["^/a\\.b"]),
        ("'a\\b'", ["a\\b"]),
        ("tab\\tend", ["tab\tend"]),
        ("\\x41\\x7e", ["A~"]),
        ("end\\", ["end\\"]),
        ('say\\ \\"hi\\"', ['say "hi"']),
        ('%[path,regsub(\\"^/(a|b)\\",x)]', ['%[path,regsub("^/(a|b)",x)]']),
        ("*:${PORT}", ["*:8080"]),
        ('"$PORT ${PORT}"', ["8080 8080"]),
        ("$PORT", ["$PORT"]),
        ("'${PORT}'", ["${PORT}"]),
        ("\\${PORT}", ["${PORT}"]),
        ("${TWO}", ["a b"]),
        ("${EMPTY}", [""]),
        ("${NONE-9090} ${NONE-}", ["9090", ""]),
        ("a$", ["a$"]),
        ("^/(here)(/|$)", ["^/(here)(/|$)"]),
    ],
)
def test_words(text, words):
    assert split_words(text, ENVIRONMENT) == words


@pytest.mark.parametrize(
    "log_format",
    [
        "%{+Q}o\\ %t\\ %s\\ %{-Q}r",
        '"%{+Q}o %t %s %{-Q}r"',
        "'%{+Q}o %t %s %{-Q}r'",
        "\"%{+Q}o %t\"' %s %{-Q}r'",
        "\"%{+Q}o %t\"' %s'\\ %{-Q}r",
    ],
)
def test_the_manuals_equivalent_spellings(log_format):
    assert split_words(log_format) == ["%{+Q}o %t %s %{-Q}r"]


def test_an_octet_that_is_no_text_survives_to_the_wire():
    (word,) = split_words("\\xff\\xc3")
    assert os.fsencode(word) == b"\xff\xc3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 'b", "the quote at column 3 is not closed: expected another '"),
        ('"b', 'the quote at column 1 is not closed: expected another "'),
        ("\\x4", "expected two hexadecimal digits after '\\x' at column 1"),
        ("a ${NONE}", "the environment has no variable 'NONE' (${NONE-} would be empty without it)"),
    ],
)
def test_errors(text, message):
    with pytest.raises(ValueError) as raised:
        split_words(text, ENVIRONMENT)
    assert str(raised.value) == message


def test_the_environment_is_the_process_s(monkeypatch):
    monkeypatch.setenv("GREENLB_TEST_PORT", "81")
    assert split_words("*:${GREENLB_TEST_PORT}") == ["*:81"]
