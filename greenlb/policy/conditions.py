"""Conditions: what follows ``if`` and ``unless``, and the ``acl`` lines it names.

A condition is an OR of ANDs of criteria.  A criterion is a sample expression, a match method and its
patterns; each is compiled to one function, so ``{ ssl_fc }`` costs one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from weakref import WeakKeyDictionary

from greenlb.exchange import Exchange, Undecided
from greenlb.model import Condition
from greenlb.policy import samples
from greenlb.policy.expression import Call, parse
from greenlb.policy.kinds import can_cast
from greenlb.policy.matching import DEFAULT_METHOD, METHODS, OPERATORS, SUFFIXES, Method, Pattern, Test
from greenlb.policy.patterns import (
    Combined,
    Exact,
    Finder,
    Ordered,
    Patterns,
    Read,
    Reference,
    Surrounding,
    Way,
)
from greenlb.policy.samples import refused
from greenlb.policy.scope import Scope
from greenlb.policy.vocabulary import WAITING, Kind, Needs, blaming, nearest

PREDEFINED: dict[str, tuple[str, ...]] = {
    "TRUE": ("always_true",),
    "FALSE": ("always_false",),
    "LOCALHOST": ("src", "127.0.0.1/8", "::1"),
    "HTTP": ("req.proto_http",),
    "HTTP_1.0": ("req.ver", "1.0"),
    "HTTP_1.1": ("req.ver", "1.1"),
    "HTTP_2.0": ("req.ver", "2.0"),
    "HTTP_CONTENT": ("req.hdr_val(content-length)", "gt", "0"),
    "HTTP_URL_ABS": ("url_reg", "^[^/:]*://"),
    "HTTP_URL_SLASH": ("url_beg", "/"),
    "HTTP_URL_STAR": ("url", "*"),
    "METH_CONNECT": ("method", "CONNECT"),
    "METH_DELETE": ("method", "DELETE"),
    "METH_GET": ("method", "GET", "HEAD"),
    "METH_HEAD": ("method", "HEAD"),
    "METH_OPTIONS": ("method", "OPTIONS"),
    "METH_POST": ("method", "POST"),
    "METH_PUT": ("method", "PUT"),
    "METH_TRACE": ("method", "TRACE"),
    "REQ_CONTENT": ("req.len", "gt", "0"),
    "WAIT_END": ("wait_end",),
}
"""ACLs that exist without being declared; a declaration of the same name comes first."""

_CONSTANT: WeakKeyDictionary[Condition, bool] = WeakKeyDictionary()
"""Conditions that hold always, or never."""

_NEEDS: WeakKeyDictionary[Condition, frozenset[Needs]] = WeakKeyDictionary()
"""What a named condition reads, so that its use in the wrong place is found where it is used."""


@dataclass(slots=True)
class _Flags:
    method: str = ""
    loaded: bool = False
    patterns: list[Pattern] = field(default_factory=list)
    files: list[tuple[Reference, bool]] = field(default_factory=list)  # and whether -i stood before it
    number: int | None = None  # what -u says
    given: bool = False  # a pattern, a file or -- stood there


def compile_acl(words: Sequence[str], scope: Scope) -> Condition:
    """One ``acl`` line without its name, or what stands between braces: a criterion, flags, patterns.

    What the criterion reads need not exist in ``scope``: that is checked where the ACL is used.
    Raises ValueError."""
    if not words:
        raise ValueError("a criterion is expected, such as 'path_beg /static' or 'src 10.0.0.0/8'")
    calls = parse(words[0])
    fetch_name, method = _criterion(calls)
    expression = samples.compile_expression(calls, scope, fetch_name)
    if len(calls) > 1 or not method:
        method = DEFAULT_METHOD.get(expression.kind, "")
    flags = _read_flags(words, expression.kind, method, scope.patterns)
    method = flags.method
    if flags.number is not None:
        _number(flags, scope)
    if not method:
        raise ValueError(
            f"'{words[0]}' gives {expression.kind}: say how to match it with '-m' and one of "
            + ", ".join(METHODS)
        )
    if not flags.given and method not in ("found", "bool"):
        raise ValueError(
            f"'{words[0]}' has no pattern and would never match; "
            "use '-m found' to test whether there is a value"
        )
    matching = METHODS[method]
    rewrite = samples.TABLE[fetch_name].pattern
    if rewrite is not None and len(calls) == 1:
        flags.patterns = [pattern._replace(text=rewrite(pattern.text)) for pattern in flags.patterns]
    try:
        test = _with_files(matching, flags, scope.place) if flags.files else matching.compile(flags.patterns)
    except ValueError as error:
        raise ValueError(f"'{words[0]}': {error}") from None
    if method != "found":
        takes: Kind = expression.kind if method == "bool" and expression.kind == "bool" else matching.takes
        expression = samples.cast_expression(expression, takes)
    condition = _criterion_test(expression, method, test)
    if len(calls) == 1 and fetch_name in ("always_true", "always_false") and method == "bool":
        condition = (lambda x: True) if fetch_name == "always_true" else (lambda x: False)
        _CONSTANT[condition] = fetch_name == "always_true"
    if expression.needs in WAITING:
        condition = _patient(condition)
    _NEEDS[condition] = frozenset((expression.needs,))
    return condition


def any_of(conditions: Sequence[Condition]) -> Condition:
    """True when one of ``conditions`` is: the lines of one ``acl`` name."""
    tests = tuple(conditions)
    if len(tests) == 1:
        return tests[0]
    needs = _needs_of(tests)
    condition = _either(tests, bool(needs & WAITING))
    _NEEDS[condition] = needs
    return condition


def compile_condition(words: Sequence[str], scope: Scope) -> Condition:
    """What follows ``if``: names of ACLs and ``{ criterion }``, each maybe negated by ``!``, side by
    side (and) or with ``or``/``||`` between.  Raises ValueError."""
    alternatives: list[list[tuple[Condition, bool]]] = [[]]
    position, negated = 0, False
    read = frozenset[Needs]()
    while position < len(words):
        word = words[position]
        position += 1
        while word.startswith("!"):
            negated = not negated
            word = word[1:]
        if word == "":
            continue
        if word in ("or", "||"):
            if not alternatives[-1] or negated:
                raise ValueError(f"an ACL is expected before '{word}'")
            alternatives.append([])
            continue
        if word == "{":
            end = _closing(words, position)
            with blaming(words[position]):
                test = compile_acl(words[position:end], scope)
            used = "{ " + " ".join(words[position:end]) + " }"
            position = end + 1
        else:
            with blaming(word):
                test, used = _named(word, scope), word
        read |= _needs_of((test,))
        with blaming(used.removeprefix("{ ").removesuffix(" }")):
            for needs in sorted(_needs_of((test,))):
                samples.check_needs(needs, scope, used)
        alternatives[-1].append((test, negated))
        negated = False
    if not alternatives[-1] or negated:
        raise ValueError("a condition is expected: names of ACLs, or criteria such as '{ path_beg /api }'")
    condition = _either(
        tuple(_all(tuple(_negate(t) if no else t for t, no in group)) for group in alternatives),
        bool(read & WAITING),
    )
    _NEEDS[condition] = read
    certain = _certain(alternatives)
    if certain is not None:
        condition = _own(condition)
        _CONSTANT[condition] = certain
    return condition


def constant(condition: Condition | None) -> bool | None:
    """Whether a condition always holds (True, also where there is none) or never does (False); None: that
    depends."""
    return True if condition is None else _CONSTANT.get(condition)


def _certain(alternatives: list[list[tuple[Condition, bool]]]) -> bool | None:
    """The same of an OR of ANDs: what cannot be otherwise, and what contradicts itself."""
    results = []
    for group in alternatives:
        values = [None if (known := _CONSTANT.get(t)) is None else known != no for t, no in group]
        never = False in values or any((test, not no) in group for test, no in group)
        results.append(False if never else True if all(values) else None)
    if True in results:
        return True
    return None if None in results else False


def _own(condition: Condition) -> Condition:
    """The same in a function of its own: what is said of it is not said of what it is made of."""
    return lambda x: condition(x)


def _needs_of(conditions: Sequence[Condition]) -> frozenset[Needs]:
    return frozenset[Needs]().union(*(_NEEDS.get(condition, frozenset[Needs]()) for condition in conditions))


def _closing(words: Sequence[str], start: int) -> int:
    for position in range(start, len(words)):
        if words[position] == "}":
            return position
    raise ValueError("a closing '}' is missing; braces must stand between spaces")


def _named(name: str, scope: Scope) -> Condition:
    condition = scope.acls.get(name)
    if condition is not None:
        scope.used.add(name)
        return condition
    if name in PREDEFINED:
        return _predefined(name)
    if name in ("if", "unless", "{", "}"):
        raise ValueError(f"'{name}' is not expected here")
    hint = nearest(name, [*scope.acls, *PREDEFINED])
    if not hint and name.split("(")[0].split(",")[0] in samples.TABLE:
        hint = f" (to use it as a criterion write '{{ {name} ... }}')"
    raise ValueError(f"unknown ACL '{name}'{hint}")


@lru_cache
def _predefined(name: str) -> Condition:
    return compile_acl(PREDEFINED[name], Scope())


def _criterion(calls: list[Call]) -> tuple[str, str]:
    """The fetch a criterion's name stands for, and the method in its name: ``path_beg`` is path, beg.
    ``hdr`` and ``cookie`` are the request's in a condition, whatever the rule."""
    name = calls[0].name
    if name == "cookie":
        return "req.cook", ""
    if name in samples.TABLE:
        return samples.TABLE[name].name, ""
    base, _, method = name.rpartition("_")
    row = samples.TABLE.get(base)
    if row is not None and method in SUFFIXES and row.kind in ("str", "bin", "meth"):
        return row.name, method
    if name in refused.REASONS:
        return samples.find(name).name, ""
    known = [f"{sample}_{suffix}" for sample in samples.TABLE for suffix in SUFFIXES]
    raise ValueError(f"unknown criterion '{name}'{nearest(name, [*samples.TABLE, *known])}")


def _read_flags(words: Sequence[str], kind: Kind, method: str, patterns: Patterns) -> _Flags:
    """Flags and patterns after the criterion."""
    flags = _Flags(method)
    ignore_case, resolve, as_map = False, True, False
    position = 1
    while position < len(words) and words[position].startswith("-"):
        flag = words[position]
        position += 1
        if flag == "--":
            flags.given = True
            break
        if flag == "-i":
            ignore_case = True
        elif flag == "-n":
            resolve = False
        elif flag == "-M":
            as_map = True
        elif flag in ("-f", "-m", "-u"):
            if position == len(words):
                raise ValueError(f"'{flag}' lacks its argument")
            argument = words[position]
            position += 1
            if flag == "-m":
                flags.method = _method(argument, kind, flags.loaded, words[0])
            elif flag == "-f":
                flags.files.append((patterns.reference(argument, as_map), ignore_case))
                flags.loaded = flags.given = True
            elif argument.isdigit():
                flags.number = int(argument)
            else:
                raise ValueError(f"'-u' takes an integer, got '{argument}'")
        else:
            raise ValueError(
                f"unknown flag '{flag}': expected -i, -f, -m, -M, -n, -u, "
                "or '--' before a pattern that begins with '-'"
            )
    rest = words[position:]
    flags.patterns += [Pattern(text, ignore_case, resolve) for text in rest]
    flags.given = flags.given or bool(rest)
    if rest and flags.method in ("int", "len") and rest[-1] in OPERATORS:
        raise ValueError(f"an integer is expected after '{rest[-1]}'")
    return flags


def _number(flags: _Flags, scope: Scope) -> None:
    """``-u``: the id of a file's patterns.  Raises ValueError."""
    assert flags.number is not None
    if flags.files:
        scope.patterns.number(flags.files[0][0], flags.number)
    else:
        scope.warn("'-u' numbers what can be changed at run time: the patterns of a file, and there is none")


def _with_files(method: Method, flags: _Flags, place: str) -> Test:
    """A test over the patterns of files, which may change, and those beside them.  Raises ValueError."""
    finders = []
    for reference, ignore_case in flags.files:
        reference.note_use(f"acl{place}")
        try:
            finders.append(reference.look(_finder(method, ignore_case), _way(method, ignore_case)))
        except ValueError as error:
            raise ValueError(f"'{reference.path}': {error}") from None
    if flags.patterns or len(finders) > 1:
        beside = method.compile(flags.patterns) if flags.patterns else lambda value: False
        return lambda value: beside(value) or any(finder.find(value) is not None for finder in finders)
    (only,) = finders
    return lambda value: only.find(value) is not None


def _finder(method: Method, ignore_case: bool) -> Finder:
    if method.name == "str":
        return Exact(lambda value: True, ignore_case)
    if method.name == "ip":
        return Surrounding(lambda value: True)
    compile_patterns = method.compile
    return Combined(lambda keys: compile_patterns([Pattern(key, ignore_case, False) for key in keys]))


def _way(method: Method, ignore_case: bool) -> Way:
    def make(read: Read) -> Finder:
        if method.name == "str":
            return Exact(read, ignore_case)
        if method.name == "ip":
            return Surrounding(read)
        return Ordered(read, lambda key: method.compile([Pattern(key, ignore_case, False)]))

    return Way(method.name, ignore_case, "", make)


def _method(name: str, kind: Kind, loaded: bool, criterion: str) -> str:
    if name not in METHODS:
        raise ValueError(
            f"unknown match method '{name}': expected one of {', '.join(METHODS)}{nearest(name, METHODS)}"
        )
    if loaded:
        raise ValueError("'-m' must stand before '-f' and the patterns")
    if name != "found" and not can_cast(kind, METHODS[name].takes):
        raise ValueError(f"'{criterion}' gives {kind}, which '-m {name}' cannot match")
    return name


def _criterion_test(expression: samples.Expression, method: str, test: Test) -> Condition:
    fetch = expression.fetch
    if expression.every is not None:
        every = expression.every
        if method == "found":
            return lambda x: len(every(x)) > 0

        def any_value(x: Exchange) -> bool:
            for value in every(x):  # noqa: SIM110 - a generator costs more than what it tests
                if test(value):
                    return True
            return False

        return any_value
    if method == "found":
        return lambda x: fetch(x) is not None
    if method == "bool":
        # A fetch of booleans is the condition itself; None counts as false.
        return fetch if expression.kind == "bool" else lambda x: bool(fetch(x))

    def matches(x: Exchange) -> bool:
        value = fetch(x)
        return value is not None and bool(test(value))

    return matches


def _negate(test: Condition) -> Condition:
    return lambda x: not test(x)


def _all(tests: tuple[Condition, ...]) -> Condition:
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda x: first(x) and second(x)

    def every_test(x: Exchange) -> bool:
        for test in tests:  # noqa: SIM110
            if not test(x):
                return False
        return True

    return every_test


def _patient(test: Condition) -> Condition:
    """A criterion over bytes that may still grow: what does not match yet may match later."""

    def decided(x: Exchange) -> bool:
        sides = [ahead for ahead in (x.ahead, x.ahead_response) if ahead is not None and not ahead.final]
        for ahead in sides:
            ahead.growing = False
        if test(x):
            return True
        if any(ahead.growing for ahead in sides):
            raise Undecided
        return False

    return decided


def _either(tests: tuple[Condition, ...], waits: bool = False) -> Condition:
    """True when one of ``tests`` is.  ``waits``: some may be undecided, which counts when none is true."""
    if len(tests) == 1:
        return tests[0]
    if waits:
        return _either_decided(tests)
    if len(tests) == 2:
        first, second = tests
        return lambda x: first(x) or second(x)

    def any_test(x: Exchange) -> bool:
        for test in tests:  # noqa: SIM110
            if test(x):
                return True
        return False

    return any_test


def _either_decided(tests: tuple[Condition, ...]) -> Condition:
    def any_test(x: Exchange) -> bool:
        waiting: Undecided | None = None
        for test in tests:
            try:
                if test(x):
                    return True
            except Undecided as undecided:
                waiting = undecided
        if waiting is not None:
            raise waiting
        return False

    return any_test
