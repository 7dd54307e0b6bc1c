"""Heads as data: a spliced block against a plain list of pairs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenlb.message import Fields, Request, one_line, split_list

Pairs = list[tuple[bytes, bytes]]

NAMES = [b"X", b"x", b"X-One", b"x-one", b"X-ONE", b"X-One-More", b"Host", b"Set-Cookie"]
names = st.sampled_from(NAMES)
anything = st.sampled_from([b"", b"1", b"a, b", b"x: y", b"X-One:", b"\xff", b"a\tb"]) | st.binary(max_size=8)
clean = anything.map(lambda value: one_line(value).strip(b" \t"))
pairs = st.lists(st.tuples(names, clean), max_size=6)


def block(items: Pairs, spaces: bytes = b" ") -> Fields:
    return Fields(b"\r\n" + b"".join(name + b":" + spaces + value + b" \r\n" for name, value in items))


def written(value: bytes) -> bytes:
    """A value as it has to look after an edit wrote it."""
    return value.replace(b"\r", b" ").replace(b"\n", b" ").replace(b"\0", b" ").strip(b" \t")


def without(model: Pairs, name: bytes) -> Pairs:
    return [pair for pair in model if pair[0].lower() != name]


Edit = tuple[Callable[[Fields], object], Callable[[Pairs], Pairs]]


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    """The same edit of a block and of a list."""
    kind = draw(st.sampled_from(["add", "set", "remove", "append", "replace"]))
    name, value = draw(names), draw(anything)
    if kind == "add":
        return lambda f: f.add(name, value), lambda m: [*m, (name, written(value))]
    if kind == "set":
        return lambda f: f.set(name, value), lambda m: [*without(m, name.lower()), (name, written(value))]
    if kind == "remove":
        return lambda f: f.remove(name.lower()), lambda m: without(m, name.lower())
    if kind == "append":
        kept = written(value)
        return lambda f: f.append(b"%b:%b\r\n" % (name, kept)), lambda m: [*m, (name, kept)]
    items = draw(st.lists(st.tuples(names, anything), max_size=3))
    return lambda f: f.replace(items), lambda m: [(name, written(value)) for name, value in items]


@settings(max_examples=300, deadline=None)
@given(pairs, st.sampled_from([b"", b" ", b"\t "]), st.lists(edits(), max_size=6))
def test_a_block_is_a_list_of_pairs(items: Pairs, spaces: bytes, changes: list[Edit]) -> None:
    fields, model = block(items, spaces), items
    nothing: Edit = (lambda f: None, lambda m: m)
    for edit, same in [nothing, *changes]:
        edit(fields)
        model = same(model)
        assert list(fields.items()) == model
        assert fields.raw[:2] == fields.raw[-2:] == b"\r\n"
        assert fields.raw.count(b"\r\n") == len(model) + 1
        assert fields.lower == fields.raw.lower()
        for name in {name.lower() for name in NAMES}:
            values = [value for field, value in model if field.lower() == name]
            assert fields.get_all(name) == values
            assert fields.get(name) == (values[0] if values else None)
            assert fields.has(name) is bool(values)


@given(pairs, names)
def test_remove_tells_whether_there_was_one(items: Pairs, name: bytes) -> None:
    assert block(items).remove(name.lower()) is any(n.lower() == name.lower() for n, _ in items)


def test_what_no_edit_touches_keeps_its_spelling() -> None:
    fields = Fields(b"\r\nhOsT:a\r\nX-A:  1 \r\nX-B:\t2\r\n")
    fields.remove(b"x-a")
    fields.add(b"X-C", b"3")
    assert fields.raw == b"\r\nhOsT:a\r\nX-B:\t2\r\nX-C: 3\r\n"


def test_a_splice_keeps_both_spellings_in_step() -> None:
    fields = Fields(b"\r\nHost: a\r\nX: 1\r\n")
    fields.splice(8, 9, b"BC")
    assert (fields.raw, fields.lower) == (b"\r\nHost: BC\r\nX: 1\r\n", b"\r\nhost: bc\r\nx: 1\r\n")


@pytest.mark.parametrize("value", [b"a\r\nX-Evil: 1", b"a\nX-Evil: 1", b"a\rX-Evil: 1", b"a\0X-Evil: 1"])
def test_a_value_cannot_begin_another_field(value: bytes) -> None:
    """A rule may write what it decoded from the request: ``%0d%0a`` must not split the head."""
    added, replaced, put = Fields(), Fields(), Fields(b"\r\nX: 1\r\n")
    added.add(b"X", value)
    put.set(b"X", value)
    replaced.replace([(b"X", value)])
    for fields in (added, put, replaced):
        assert [name for name, _ in fields.items()] == [b"X"]
        assert not {0, 10, 13} & set(fields.raw[2:-2])


def test_removing_many_fields_is_no_work_for_each_of_them() -> None:
    """A head full of one name costs one pass, not one copy a field."""
    fields = Fields(b"\r\n" + b"a:\r\n" * 200_000 + b"b: 1\r\n")
    assert fields.remove(b"a")
    assert fields.raw == b"\r\nb: 1\r\n"


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        (b"", []),
        (b" , ,", []),
        (b"a", [b"a"]),
        (b"a,b ,\tc", [b"a", b"b", b"c"]),
        (b'"a, b", c', [b'"a, b"', b"c"]),
        (b'a="x\\", y", b', [b'a="x\\", y"', b"b"]),
        (b'"open, a', [b'"open, a']),
    ],
)
def test_a_list_is_cut_at_its_commas(value: bytes, elements: list[bytes]) -> None:
    assert split_list(value) == elements
    assert Fields(b"\r\nx: " + value + b"\r\nX: last\r\n").elements(b"x") == [*elements, b"last"]


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b?c?d", b"/a/b", b"c?d"),
        (b"/?", b"/", b""),
        (b"//a/b", b"//a/b", b""),
        (b"/a://b/c", b"/a://b/c", b""),
        (b"http://a", b"/", b""),
        (b"http://a?b=/c", b"/", b"b=/c"),
        (b"http://a/b?c", b"/b", b"c"),
        (b"*", b"*", b""),
        (b"a:443", b"a:443", b""),
    ],
)
def test_path_and_query_of_a_target(target: bytes, path: bytes, query: bytes) -> None:
    request = Request(b"GET", target, True, Fields(b"\r\nHost: a\r\n"))
    assert (request.path, request.query) == (path, query)
