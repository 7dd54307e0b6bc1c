"""The option table is whole and agrees with itself and with the model."""

import dataclasses

import pytest

from greenlb.config import schema
from greenlb.config.manual import LINES
from greenlb.config.words import split_words
from greenlb.model import (
    Backend,
    Bind,
    BindTls,
    Cookie,
    ForwardFor,
    Frontend,
    Global,
    LogTarget,
    Timeouts,
)  # fmt: skip
from greenlb.runtime import RuntimeSocket

SECTION_OPTIONS = list(dict.fromkeys(option for kind in schema.KINDS.values() for option in kind.table))
KEYWORD_TABLES = [
    schema.BIND, schema.BIND_DEFAULTS, schema.CRT_LIST, schema.SERVER, schema.SERVER_DEFAULTS, schema.COOKIE,
    schema.FORWARDFOR, schema.LOG, schema.STATS_SOCKET,
]  # fmt: skip


def names(options):
    return [
        f"{option.where[0]} {option.name}" if len(option.where) == 1 else option.name for option in options
    ]


@pytest.mark.parametrize("option", SECTION_OPTIONS, ids=names(SECTION_OPTIONS))
def test_an_option_has_a_sentence_a_place_and_an_example_that_works(option):
    assert option.doc.endswith(".")
    assert option.doc[0].isupper() or option.doc.startswith(("greenlb's own: ", "http "))
    assert option.where and set(option.where) <= {*schema.KINDS, "named defaults"}
    option.kind.read(split_words(option.example))


@pytest.mark.parametrize("table", KEYWORD_TABLES, ids=lambda table: table.what)
def test_a_keyword_has_a_sentence_and_an_example_that_works(table):
    for option in table:
        assert option.doc.endswith("."), option.name
        assert option.field, option.name
        assert bool(option.example) == bool(option.kind.length), option.name
        table.read([option.name, *split_words(option.example)])


def model_default(option):
    """The model's default for a field that one option fills as it is read; None: there is none."""
    if option.where == ("global",):
        made = [Global]
    elif option.field.startswith("timeouts."):
        made = [Timeouts]
    else:
        made = [Frontend, Backend]
    name = option.field.removeprefix("timeouts.")
    for kind in made:
        for field in dataclasses.fields(kind):
            if field.name == name and field.default is not dataclasses.MISSING:
                return field
    return None


DIRECT = [
    option
    for option in SECTION_OPTIONS
    if option.kind.direct and option.default and model_default(option)
    and option.field not in ("compression", "connection", "log_format", "log_send_hostname", "node", "stats")
]  # fmt: skip


@pytest.mark.parametrize("option", DIRECT, ids=names(DIRECT))
def test_what_the_manual_calls_the_default_is_the_model_s(option):
    default = model_default(option).default
    word = option.default.split(" (")[0]
    if word.startswith(("none", "timeout")) or word in ("inter", "the global one"):
        assert not default
    else:
        assert option.kind.read([word]) == default


def test_there_are_direct_options():
    assert len(DIRECT) > 20


def test_every_field_of_the_model_is_filled_by_an_option():
    given = {option.field.removeprefix("timeouts.") for option in SECTION_OPTIONS}
    given |= {
        "request_captures",
        "response_captures",
        "cookie_capture",
        "log_fields",
        "connection_rules",
        "session_rules",
        "inspect_delay",
        "response_delay",
        "splice_request",
        "splice_response",
        "keepalive",
        "name",
        "number",
        "where",
    }
    given |= {"timeouts"}
    for made in (Frontend, Backend, Global, Timeouts):
        assert {field.name for field in dataclasses.fields(made)} <= given, made


@pytest.mark.parametrize(
    ("table", "made", "elsewhere"),
    [
        (schema.COOKIE, Cookie, {"name", "dynamic_key"}),
        (schema.FORWARDFOR, ForwardFor, set()),
        (schema.STATS_SOCKET, RuntimeSocket, {"address", "where"}),
        (schema.LOG, LogTarget, {"kind", "address", "port", "facility", "level", "minimum", "where"}),
    ],
)
def test_keywords_fill_their_line(table, made, elsewhere):
    assert {field.name for field in dataclasses.fields(made)} == {o.field for o in table} | elsewhere


def test_keywords_of_bind_fill_a_bind():
    fields = {field.name for made in (Bind, BindTls) for field in dataclasses.fields(made)}
    assert {o.field for o in schema.BIND} <= fields | {"ssl", "crt", "crt_list", "without", "only"}


def test_nothing_is_both_known_and_unsupported():
    for table in (*(kind.table for kind in schema.KINDS.values()), *KEYWORD_TABLES):
        assert not set(table.options) & set(table.unsupported)


def test_lines_with_keywords_are_options():
    assert all(name in schema.PROXY or name in schema.GLOBAL for name in LINES)
