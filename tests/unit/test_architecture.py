"""The law of the house, read from the source itself: who imports whom, and how big a thing may grow."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = "greenlb"
ROOT = Path(__file__).parents[2] / PACKAGE

ROWS = [
    {"__main__"},
    {"library", "testing"},
    {"cli"},
    {"process"},
    {"admin"},
    {"proxy", "config"},
    {"policy", "protocol", "net", "observe"},
    {"replies"},
    {
        "exchange",
        "message",
        "board",
        "model",
        "live",
        "names",
        "script",
        "checksum",
        "client",
        "runtime",
        "compression",
    },
    {"address"},
]
"""A row imports rows below it.  Packages of one row do not know each other."""

LEAVES = ROWS[-2] | ROWS[-1]

ONE_IMPORTER = {
    "h11": {"greenlb.protocol.http1"},
    "crypt_r": {"greenlb.policy.users"},
    "dns": {"greenlb.protocol.dns"},
    "OpenSSL": {"greenlb.net"},
    "structlog": {"greenlb.observe.log"},
    "lmdb": {"greenlb.policy.stick.store"},
    "jinja2": {"greenlb.admin.page.look"},
    "mmap": {"greenlb.board"},
}
"""Libraries that one module, or one package, owns."""

GEVENT_ROWS = {"net", "proxy", "admin", "process"}
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "tools"}
MASTER = {
    f"greenlb.process.{name}"
    for name in ("channel", "checker", "child", "handover", "master", "notify", "plan", "seat", "timers")
}
"""The modules of the process that must never fail."""
PATCHERS = {"greenlb.process.applications", "greenlb.process.pulse"}
LONG_MODULES = {"greenlb.config.schema"}
MODULE_LINES, FUNCTION_LINES = 500, 60


@dataclass(frozen=True)
class Module:
    """A module's dotted name, its source and its tree."""

    name: str
    text: str
    tree: ast.Module
    package: bool

    @property
    def row(self) -> str:
        """The part of the house that it belongs to: the first name below greenlb."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""


@dataclass(frozen=True)
class Import:
    """One imported dotted name.  ``typing`` marks an import for the type checker only."""

    name: str
    line: int
    typing: bool


def modules() -> list[Module]:
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
        package = parts[-1] == "__init__"
        text = path.read_text()
        found.append(Module(".".join(parts[:-1] if package else parts), text, ast.parse(text), package))
    return found


def is_typing_guard(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports(module: Module, node: ast.AST | None = None, typing: bool = False) -> Iterator[Import]:
    """Every import of the module, those inside functions too."""
    for child in ast.iter_child_nodes(node or module.tree):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, typing)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                own = module.name.split(".")
                up = child.level - 1 if module.package else child.level
                base = ".".join([*own[: len(own) - up], *([base] if base else [])])
            for alias in child.names:
                yield Import(f"{base}.{alias.name}", child.lineno, typing)
        elif is_typing_guard(child):
            assert isinstance(child, ast.If)
            for inner in child.body:
                yield from imports(module, ast.Module([inner], []), True)
            for inner in child.orelse:
                yield from imports(module, ast.Module([inner], []), typing)
        else:
            yield from imports(module, child, typing)


MODULES = modules()
NAMES = {module.name for module in MODULES}


def target(name: str) -> str | None:
    """The module of ours that an imported name stands for or stands in; None for others' libraries."""
    while name not in NAMES and "." in name:
        name = name.rpartition(".")[0]
    return name if name in NAMES else None


def row_number(part: str) -> int | None:
    return next((number for number, row in enumerate(ROWS) if part in row), None)


def arrows() -> Iterator[tuple[Module, Import, str]]:
    """(module, import, imported module of ours) for each import inside the package that counts: an
    import for the type checker is an arrow too, save between leaves, which name each other's types."""
    for module in MODULES:
        for imported in imports(module):
            name = target(imported.name)
            if name is None or name == module.name:
                continue
            if imported.typing and module.row in LEAVES and part_of(name) in LEAVES:
                continue
            yield module, imported, name


def part_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_there_is_something_to_read() -> None:
    """The walk finds the house: a moved package must not turn these tests into nothing."""
    assert {"greenlb.exchange", "greenlb.message", "greenlb.model", "greenlb.board"} <= NAMES
    assert {part_of(name) for name in NAMES} - {""} <= set().union(*ROWS)
    assert len(list(arrows())) > 5


def test_imports_point_down() -> None:
    """A row imports the rows below it, never one above, never its neighbour."""
    wrong = []
    for module, imported, name in arrows():
        here, there = row_number(module.row), row_number(part_of(name))
        if here is None or there is None or module.row == part_of(name):
            continue  # the package itself (its version), or one's own package
        if here >= there:
            wrong.append(f"{module.name}:{imported.line} imports {name}")
    assert wrong == []


def test_the_package_itself_imports_nothing_of_its_own() -> None:
    """``import greenlb`` costs nothing: everybody imports it on the way to its own module."""
    assert [f"{m.name}:{i.line} {n}" for m, i, n in arrows() if m.name == PACKAGE and not i.typing] == []


@pytest.mark.parametrize("part", sorted(set().union(*ROWS)))
def test_no_circle_inside_a_package(part: str) -> None:
    """Inside a package imports are free but make no circle."""
    edges: dict[str, set[str]] = {}
    for module, imported, name in arrows():
        if module.row == part and part_of(name) == part and not imported.typing:
            edges.setdefault(module.name, set()).add(name)
    circles = []
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> None:
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for following in sorted(edges.get(name, ())):
                visit(following, [*path, name])
            done.add(name)

    for start in sorted(edges):
        visit(start, [])
    assert circles == []


@pytest.mark.parametrize("library", sorted(ONE_IMPORTER))
def test_a_library_has_one_owner(library: str) -> None:
    """What only one module imports can be replaced there."""
    owners = ONE_IMPORTER[library]
    wrong = []
    for module in MODULES:
        for imported in imports(module):
            if imported.name.split(".")[0] == library and not any(
                module.name == owner or module.name.startswith(owner + ".") for owner in owners
            ):
                wrong.append(f"{module.name}:{imported.line} imports {imported.name}")
    assert wrong == []


def test_gevent_stays_where_connections_are() -> None:
    """Configuration, rules, protocol and statistics are pure: their tests need no hub."""
    wrong = [
        f"{module.name}:{imported.line}"
        for module in MODULES
        for imported in imports(module)
        if imported.name.split(".")[0] in ("gevent", "greenlet") and module.row not in GEVENT_ROWS
    ]
    assert wrong == []


def test_nothing_is_patched() -> None:
    """gevent's monkey gets in where somebody else's Python does, and nowhere else: blocking calls of the
    standard library stay what they are."""
    wrong = [
        f"{module.name}:{imported.line}"
        for module in MODULES
        for imported in imports(module)
        if imported.name.startswith("gevent.monkey") and module.name not in PATCHERS
    ]
    assert wrong == []


def test_the_master_stays_small() -> None:
    """The process that must never fail is made of the standard library, the board and its own modules."""
    wrong = []
    for module in MODULES:
        if module.name not in MASTER:
            continue
        for imported in imports(module):
            ours = target(imported.name)
            first = imported.name.split(".")[0]
            if ours not in MASTER | {"greenlb.board", None} or (
                ours is None and first not in sys.stdlib_module_names
            ):
                wrong.append(f"{module.name}:{imported.line} imports {imported.name}")
    assert NAMES >= MASTER
    assert wrong == []


def test_no_module_grows_beyond_reading() -> None:
    """A module stays under 500 lines; the option table is one list and may be long."""
    long = [
        f"{m.name}: {n}"
        for m in MODULES
        if (n := m.text.count("\n")) >= MODULE_LINES and m.name not in LONG_MODULES
    ]
    assert long == []


def test_no_function_grows_beyond_reading() -> None:
    """A function stays under 60 lines."""
    long = []
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines >= FUNCTION_LINES:
                    long.append(f"{module.name}:{node.lineno} {node.name}: {lines}")
    assert long == []


def test_every_module_has_a_subject() -> None:
    """No drawer for everything."""
    assert [name for name in sorted(NAMES) if name.rpartition(".")[2] in VAGUE] == []


def test_every_module_says_what_it_is_for() -> None:
    """Each module begins with a docstring."""
    assert [m.name for m in MODULES if m.text.strip() and ast.get_docstring(m.tree) is None] == []
