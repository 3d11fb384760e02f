"""The rooms of the house and the doors between them, as the imports of every module tell them."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

from kg.releases.bundled import BUILDING

_ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("kg", "server", "benchmarks")
_MODULES = sorted(
    path.relative_to(_ROOT) for room in _ROOMS for path in (_ROOT / room).rglob("*.py")
)
_TESTS = sorted(path.relative_to(_ROOT) for path in (_ROOT / "tests").rglob("*.py"))


def _imports(path: Path, within: ast.AST | None = None) -> Iterator[str]:
    """Yield the full name of every module that a file, or a part of it, imports anywhere."""
    package = path.parent.parts
    for node in ast.walk(within or _tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *(node.module.split(".") if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _tree(path: Path) -> ast.Module:
    return ast.parse((_ROOT / path).read_text(encoding="utf-8"))


def _importing(wanted: str, modules: list[Path]) -> set[str]:
    """Return the files that import a package or anything inside it."""
    return {
        path.as_posix()
        for path in modules
        for name in _imports(path)
        if name == wanted or name.startswith(f"{wanted}.")
    }


def _in_room(*parts: str) -> list[Path]:
    return [path for path in _MODULES if path.parts[: len(parts)] == parts]


def test_imports_are_seen_wherever_they_stand() -> None:
    """An import inside a function or a relative one counts like any other."""
    assert "kg.validate" in set(_imports(Path("kg/releases/bundled.py")))
    assert _importing("pyoxigraph", _MODULES)


@pytest.mark.parametrize("upward", ["server", "tests", "benchmarks", "flask", "httptools", "click"])
def test_kg_knows_no_http_and_nothing_above_it(upward: str) -> None:
    """The library imports neither the service nor what the service is made of."""
    assert _importing(upward, _in_room("kg")) == set()


_ORDER: Final = {
    "kg": (
        *("text_files", "rdf", "sparql", "engine", "results", "search", "physics"),
        *("catalogue", "builder"),
        *("validate", "resources", "graph", "releases", "curation"),
    ),
    "server": (
        *("data", "log", "http1", "config", "context", "protocol", "cache", "web", "delegation"),
        *("answers", "sparql", "queries", "resources", "search", "openapi", "operating"),
        *("dispatcher", "app"),
        *("__init__", "prefork", "runner", "serve", "cli"),
    ),
}
"""The rooms of each package: each imports only from itself and from those before it."""


@pytest.mark.parametrize(
    ("package", "room"), [(package, room) for package, rooms in _ORDER.items() for room in rooms]
)
def test_rooms_import_only_from_those_before_them(package: str, room: str) -> None:
    """A room needs none that comes later, but for the sake of types: each can be read without those."""
    below = _ORDER[package][: _ORDER[package].index(room) + 1]
    modules = [path for path in _in_room(package) if path.with_suffix("").parts[1] == room]
    above = {
        (path.as_posix(), name)
        for path in modules
        for name in _imports(path, _without_type_checking(_tree(path)))
        if name.startswith(f"{package}.") and name.split(".")[1] not in below
    }

    assert modules
    assert above == set()


@pytest.mark.parametrize("package", _ORDER)
def test_every_room_has_its_place_in_the_order(package: str) -> None:
    """A new room says what it may import."""
    rooms = {path.with_suffix("").parts[1] for path in _in_room(package)}

    assert rooms - {"__init__"} == set(_ORDER[package]) - {"__init__"}


def test_http1_imports_nothing_else_of_ours() -> None:
    """What speaks HTTP/1.1 can be replaced, and taken elsewhere."""
    foreign = {
        (path.as_posix(), name)
        for path in _in_room("server", "http1")
        for name in _imports(path)
        if name.split(".")[0] in _ROOMS and not f"{name}.".startswith("server.http1.")
    }

    assert foreign == set()


def test_only_what_asks_endpoints_and_speaks_http_opens_connections() -> None:
    """No other module of kg can reach the network."""
    allowed = {"kg/engine/endpoint_client.py"}

    for library in ("http.client", "urllib.request", "ssl"):
        assert _importing(library, _in_room("kg")) <= allowed


def test_a_class_has_a_name_of_its_own() -> None:
    """Whoever looks for a class by its name finds one."""
    named = Counter(
        node.name
        for path in _MODULES
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, times in named.items() if times > 1] == []


@pytest.mark.parametrize("room", sorted({path.parent for path in _MODULES}), ids=str)
def test_a_room_has_a_dozen_modules(room: Path) -> None:
    """A folder has one subject, and can be taken in at a glance."""
    assert len([path for path in _MODULES if path.parent == room]) <= 15


def test_one_engine_speaks_to_oxigraph() -> None:
    """All but the engine in this process and its store is free of Oxigraph, so that engines are interchangeable."""
    speaking = {"kg/engine/oxigraph/engine.py", "kg/engine/oxigraph/store.py"}

    assert _importing("pyoxigraph", _MODULES) == speaking
    assert _importing("kg.engine.oxigraph.store", _MODULES) == {"kg/engine/oxigraph/engine.py"}


def _without_type_checking(tree: ast.AST) -> ast.AST:
    """Take out what is imported for the sake of types only, which is never run."""
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                kept = [
                    each
                    for each in value
                    if not (isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING")
                ]
                setattr(node, name, kept)
    return tree


def _file_of(module: str) -> Path | None:
    """Return the file of a module of ours, or of a package, if there is one of this name."""
    path = Path(*module.split("."))
    found = (each for each in (path.with_suffix(".py"), path / "__init__.py") if each in _MODULES)
    return next(found, None)


def _needed(start: Path, part: ast.AST) -> tuple[set[Path], set[str]]:
    """Return the files of ours that a part of a file comes to run, and foreign packages by name."""
    files, foreign = {start}, set()
    waiting = [(start, part)]
    while waiting:
        path, within = waiting.pop()
        for name in _imports(path, _without_type_checking(within)):
            parts = name.split(".")
            if parts[0] != "kg":
                foreign.add(parts[0])
                continue
            above = [_file_of(".".join(parts[: n + 1])) for n in range(len(parts))]
            new = {each for each in above if each is not None} - files
            files |= new
            waiting += [(each, _tree(each)) for each in new]
    return files, foreign - sys.stdlib_module_names


def test_the_key_of_a_build_covers_what_builds_and_nothing_else() -> None:
    """A kept build is taken as long as nothing changed that took part in it, by its imports."""
    shipped = Path("kg/releases/bundled.py")
    made = [
        node
        for node in _tree(shipped).body
        if isinstance(node, ast.FunctionDef) and node.name in ("_made", "built_and_valid")
    ]
    assert len(made) == 2
    files, foreign = _needed(shipped, ast.Module([*made], []))
    keyed = {path for name in BUILDING["modules"] for path in (_ROOT / "kg").glob(f"{name}.py")}
    listed = {path.relative_to(_ROOT) for path in keyed}
    distributions = packages_distributions()

    assert files - listed == set(), "List them in kg/releases/building.json."
    assert listed - files == set(), "Take them off kg/releases/building.json."
    # pandas only takes answers further.
    assert {distributions[name][0].lower() for name in foreign - {"pandas"}} == set(
        BUILDING["libraries"]
    )


def test_what_builds_a_wheel_is_installed_to_build_it() -> None:
    """A wheel holds the built dataset: where it is made alone there is nothing but what it requires."""
    system = tomllib.loads((_ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    required = {re.split("[<>=]", each)[0] for each in system["requires"]}

    assert set(BUILDING["libraries"]) - required == {"pyparsing"}  # which rdflib requires


def test_tests_speak_through_the_door_of_a_room() -> None:
    """No test imports a private name of a module."""
    private = {
        (path.as_posix(), name)
        for path in _TESTS
        for name in _imports(path)
        if name.split(".")[0] in _ROOMS
        and any(part.startswith("_") and not part.startswith("__") for part in name.split("."))
    }

    assert private == set()


@pytest.mark.parametrize("path", [*_MODULES, *_TESTS], ids=str)
def test_every_module_says_what_lives_in_it(path: Path) -> None:
    """A module begins with a docstring whose first paragraph is a sentence."""
    docstring = ast.get_docstring(ast.parse((_ROOT / path).read_text(encoding="utf-8")))

    assert docstring is not None
    assert docstring.split("\n\n")[0].endswith((".", ":"))


@pytest.mark.parametrize("path", _MODULES, ids=str)
def test_every_public_function_and_class_is_documented(path: Path) -> None:
    """Whatever a module offers says what it is for."""
    silent = [
        node.name
        for node in _public(ast.parse((_ROOT / path).read_text(encoding="utf-8")))
        if ast.get_docstring(node) is None
    ]

    assert silent == []


def _public(
    node: ast.Module | ast.ClassDef,
) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if child.name.startswith("_"):
                continue
            if not any(
                isinstance(each, ast.Name) and each.id == "overload"
                for each in child.decorator_list
            ):
                yield child
        if isinstance(child, ast.ClassDef):
            yield from _public(child)


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    """No module is named for having no subject."""
    drawers = {"utils", "util", "helpers", "common", "base", "misc", "manager"}

    assert {path.as_posix() for path in _MODULES if path.stem in drawers} == set()
