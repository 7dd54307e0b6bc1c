from __future__ import annotations

from greenlb.net.sni import NameTable


def table(*rows: tuple[str, tuple[str, ...], tuple[str, ...]]) -> NameTable[str]:
    names: NameTable[str] = NameTable()
    for candidate, own, filters in rows:
        names.add(candidate, own, filters)
    return names


def test_exact_goes_before_wildcard_whatever_the_order() -> None:
    names = table(("star", ("*.example.com",), ()), ("www", ("www.example.com",), ()))
    assert names.find("www.example.com") == ["www"]
    assert names.find("img.example.com") == ["star"]


def test_a_wildcard_stands_for_one_label() -> None:
    names = table(("star", ("*.example.com",), ()))
    assert names.find("a.b.example.com") == []
    assert names.find("example.com") == []
    assert names.find("localhost") == []


def test_case_does_not_matter() -> None:
    names = table(("a", ("WWW.Example.com", "*.X.test"), ()))
    assert names.find("www.exAMPLE.com") == ["a"]
    assert names.find("1.x.TEST") == ["a"]


def test_the_earlier_line_comes_first() -> None:
    names = table(("one", ("x.test",), ()), ("two", ("x.test",), ()), ("one", ("x.test",), ()))
    assert names.find("x.test") == ["one", "two"]


def test_filters_replace_the_names_of_the_certificate() -> None:
    names = table(("a", ("own.test",), ("other.test",)))
    assert names.find("own.test") == []
    assert names.find("other.test") == ["a"]


def test_an_exclusion_concerns_its_own_line() -> None:
    names = table(
        ("a", ("*.example.com",), ("*.example.com", "!secret.example.com")),
        ("b", ("*.example.com",), ()),
    )
    assert names.find("x.example.com") == ["a", "b"]
    assert names.find("secret.example.com") == ["b"]


def test_exclusions_alone_leave_the_other_names_of_the_certificate() -> None:
    names = table(("a", ("a.test", "b.test", "*.w.test"), ("!b.test", "!x.w.test")))
    assert names.find("a.test") == ["a"]
    assert names.find("b.test") == []
    assert names.find("y.w.test") == ["a"]
    assert names.find("x.w.test") == []


def test_excluding_everything_leaves_the_default_only() -> None:
    names = table(("a", ("a.test",), ("!*",)))
    assert names.find("a.test") == []
    assert list(names.known()) == []


def test_known_names_bring_out_every_answer() -> None:
    names = table(
        ("a", ("*.example.com",), ("*.example.com", "!secret.example.com")),
        ("b", ("*.example.com", "b.test"), ()),
    )
    answers = {tuple(names.find(name)) for name in names.known()}
    assert answers >= {("a", "b"), ("b",)}
