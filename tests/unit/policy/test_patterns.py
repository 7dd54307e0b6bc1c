"""Files of patterns and maps: read once, looked into by many, changed at run time."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from greenlb.config.words import split_words
from greenlb.exchange import Client, Exchange
from greenlb.message import Fields, Request
from greenlb.model import NOWHERE, Address, Bind, Condition, Frontend
from greenlb.policy import rules, samples
from greenlb.policy.patterns import (
    Combined,
    Exact,
    Ordered,
    Patterns,
    Prefixes,
    Read,
    Reference,
    Surrounding,
    Way,
)
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import octets

BIND = Bind("1", Address("127.0.0.1", 80), NOWHERE)


def exchange(path: bytes = b"/a", src: str = "10.1.2.3") -> Exchange:
    x = Exchange(Client(Frontend("fe", 1, NOWHERE), BIND, src, 1234, "127.0.0.1", 80))
    x.request = Request(b"GET", path, True, Fields(b"\r\nHost: h\r\n"))
    return x


def file(directory: Path, text: str) -> Path:
    path = directory / "patterns"
    path.write_text(text)
    return path


def condition(text: str, scope: Scope) -> Condition:
    return rules.compile_condition(split_words(text), scope)


@pytest.mark.parametrize("method", ["str", "beg", "end", "sub", "dir", "reg", "-i str"])
def test_an_acl_file_changes(tmp_path: Path, method: str) -> None:
    """What is added counts at once, what is taken away no more, whatever the method."""
    path, scope = file(tmp_path, "# comment\n/one\n/two\n"), Scope()
    flags = f"-i -m {method[3:]}" if method.startswith("-i") else f"-m {method}"
    test = condition(f"{{ path {flags} -f {path} /inline }}", scope)
    assert [test(exchange(p)) for p in (b"/one", b"/inline", b"/new")] == [True, True, False]
    (reference,) = scope.patterns
    assert (reference.path, reference.is_map, list(reference.items())) == (
        str(path),
        False,
        [("/one", ""), ("/two", "")],
    )
    reference.add("/new")
    assert reference.delete("/one")
    assert not reference.delete("/one")
    assert [test(exchange(p)) for p in (b"/one", b"/inline", b"/new")] == [False, True, True]
    reference.clear()
    assert [test(exchange(p)) for p in (b"/two", b"/inline", b"/new")] == [False, True, False]
    assert (len(reference), reference.get("/two")) == (0, None)


def test_users_of_one_file_share_it(tmp_path: Path) -> None:
    path, scope = file(tmp_path, "10.0.0.0/8 ten\n10.1.0.0/16 near\n"), Scope(place=" at file 'x' line 3")
    inside = condition(f"{{ src -M -f {path} }}", scope)
    value = samples.compile_bytes(f"src,map_ip({path},none)", scope)
    text = samples.compile_bytes(f"path,map_beg({path})", scope)
    (reference,) = scope.patterns
    assert (inside(exchange()), value(exchange()), text(exchange())) == (True, b"near", None)
    assert reference.uses == ["acl at file 'x' line 3", "map at file 'x' line 3"]
    assert scope.patterns.find("#0", as_map=True) is scope.patterns.find(str(path), as_map=True) is reference
    assert scope.patterns.find("#0", as_map=False) is None
    assert reference.set("10.1.0.0/16", "nearer")
    assert not reference.set("10.9.0.0/16", "nothing")
    assert value(exchange()) == b"nearer"
    assert reference.delete("10.1.0.0/16")
    assert value(exchange()) == b"ten"
    assert reference.delete("10.0.0.0/8")
    assert (inside(exchange()), value(exchange())) == (False, b"none")


def test_what_a_user_cannot_read_is_refused_whole(tmp_path: Path) -> None:
    """A string map would take it, the network and the integers of the other users not."""
    path, scope = file(tmp_path, "10.0.0.0/8 1\n"), Scope()
    text = samples.compile_bytes(f"path,map_str({path})", scope)
    number = samples.compile_bytes(f"src,map_ip_int({path})", scope)
    (reference,) = scope.patterns
    with pytest.raises(ValueError, match="not a valid"):
        reference.add("/a", "2")
    with pytest.raises(ValueError, match="integer"):
        reference.set("10.0.0.0/8", "x")
    assert (text(exchange()), number(exchange()), reference.get("10.0.0.0/8")) == (None, b"1", "1")


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read '.*none'"):
        condition(f"{{ path -f {tmp_path}/none }}", Scope())
    with pytest.raises(ValueError, match=r"map '.*patterns': .*is not a valid"):
        samples.compile_bytes(f"src,map_ip({file(tmp_path, 'x y')})", Scope())
    with pytest.raises(ValueError, match=r"'.*patterns': .*is not a valid regular expression"):
        condition(f"{{ path_reg -f {file(tmp_path, '(')} }}", Scope())


def test_the_first_of_two_equal_keys_counts(tmp_path: Path) -> None:
    path = file(tmp_path, "/a one\n/a two\n")
    assert samples.compile_bytes(f"path,map({path})", Scope())(exchange()) == b"one"


def test_finders() -> None:
    """The longest prefix, the smallest network, the first pattern, any pattern."""
    prefixes, around = Prefixes(octets), Surrounding(octets)
    ordered, combined = Ordered(octets, lambda key: octets(key).startswith), Combined(lambda keys: bool)
    for key in ("/a", "/a/b"):
        prefixes.add(key, key)
    assert (prefixes.find(b"/a/bc"), prefixes.find(b"/ab"), prefixes.find(b"/")) == (b"/a/b", b"/a", None)
    for key in ("2001:db8::/32", "2001:db8:1::/48", "10.0.0.0/8"):
        around.add(key, key)
    assert around.find(ipaddress.ip_address("2001:db8:1::1")) == b"2001:db8:1::/48"
    assert around.find(ipaddress.ip_address("::ffff:10.0.0.1")) == b"10.0.0.0/8"
    around.remove("2001:db8:1::/48")
    assert around.find(ipaddress.ip_address("2001:db8:1::1")) == b"2001:db8::/32"
    ordered.add("/abc", "1")
    ordered.add("/abd", "2")
    assert (ordered.find(b"/ab"), ordered.find(b"/abd"), ordered.find(b"x")) == (b"1", b"2", None)
    assert combined.find(b"x") is None
    combined.add("any", "")
    assert combined.find(b"x") is True
    fold = Exact(octets, fold=True)
    fold.add("AbC", "v")
    assert fold.find(b"aBc") == b"v"


def test_a_hundred_thousand_networks() -> None:
    reference = Reference(0, "networks")
    for number in range(100_000):
        reference.add(str(ipaddress.ip_network((number << 8, 24))), str(number))
    find = reference.look(Surrounding(octets), Way("ip", False, "str", Surrounding)).find
    assert find(ipaddress.ip_address(99_999 << 8 | 7)) == b"99999"
    assert find(ipaddress.ip_address(100_000 << 8)) is None


def test_ids_of_their_own(tmp_path: Path) -> None:
    """-u; an id is one file's, and what comes after takes a free one."""
    told: list[str] = []
    scope = Scope(warn=told.append)
    first, second = file(tmp_path, "/a\n"), tmp_path / "second"
    second.write_text("/b\n")
    condition(f"{{ path -u 1 -f {first} }} {{ path -f {second} }}", scope)
    assert [(reference.number, reference.path) for reference in scope.patterns] == [
        (1, str(first)),
        (0, str(second)),
    ]
    with pytest.raises(ValueError, match="'-u 1' is the id of"):
        condition(f"{{ path -u 1 -f {second} }}", scope)
    assert told == []
    condition("{ path -u 9 /a }", scope)
    assert len(told) == 1


def test_references_are_numbered(tmp_path: Path) -> None:
    path = str(file(tmp_path, "a b\n"))
    patterns = Patterns()
    as_list, as_map = patterns.reference(path, False), patterns.map(path)
    assert [reference.number for reference in patterns] == [0, 1]
    assert patterns.find("#1", as_map=True) is as_map
    assert patterns.find(path, as_map=False) is as_list
    assert (as_list.get("a b"), as_map.get("a")) == ("", "b")


def test_each_use_says_which_key_it_finds(tmp_path: Path) -> None:
    """Of many patterns too, with a breath now and then; one that changes keeps its place."""
    patterns = Patterns()
    lines = "".join(f"^/{number}$ {number}\n" for number in range(200))
    reference = patterns.map(str(file(tmp_path, f"^/a.* first\n^/ab second\n{lines}")))

    def ordered(read: Read) -> Ordered:
        return Ordered(read, lambda key: re.compile(octets(key)).search)

    find = reference.look(ordered(octets), Way("reg", False, "str", ordered)).find
    assert reference.set("^/a.*", "changed")
    assert find(b"/abc") == b"changed"
    found = list(reference.ask("/abc"))
    assert [key for _, key in filter(None, found)] == ["^/a.*"]
    assert None in found
    assert [key for _, key in filter(None, reference.ask("/nothing"))] == [None]


def test_a_value_that_a_use_cannot_read_changes_nothing(tmp_path: Path) -> None:
    reference = Patterns().map(str(file(tmp_path, "a 1\n")))
    text = reference.look(Exact(octets), Way("str", False, "str", Exact))
    number = reference.look(Exact(int), Way("str", False, "int", Exact))
    with pytest.raises(ValueError, match="invalid literal"):
        reference.set("a", "x")
    assert (text.find(b"a"), number.find(b"a"), reference.get("a")) == (b"1", 1, "1")
