"""The house rules that no type checker knows: who may import whom, and what every module has."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

ROOMS = (
    ("__main__",),
    ("cli",),
    ("testing",),
    ("lab",),
    ("client", "embedding", "migration"),
    ("process", "config"),
    ("fleet",),
    ("server", "worker"),
    ("reception",),
    ("listener", "control", "telemetry"),
    ("tls",),
    ("connection",),
    ("exchange",),
    ("relay", "tunnel"),
    ("downstream", "upstream"),
    ("descriptors", "disclosure", "pace", "spool", "stream"),
    ("waiting",),
    ("record", "loops"),
    ("tally",),
    ("clock", "compiled", "errors", "early", "exits", "settings", "share", "token"),
)
"""The rooms of `proxy`, from the street inwards. A room imports only from itself and from rooms in
rows below its own; anything may import `protocol`. A new room has to be given its place here."""

LEAVES = set(ROOMS[-1]) | {"record", "tally"}

VISITORS = {
    "client": set[str](),
    "config": {"cli", "client", "embedding", "migration"},
    "embedding": set[str](),
    "migration": set[str](),
    "control": {"server", "fleet"},
    "fleet": {"process"},
    "telemetry": {"server", "fleet", "process", "config"},
    "worker": {"process", "embedding"},
    "testing": set[str](),
    "lab": {"cli"},
}
"""Side rooms, off the road of a request, and the only rooms that may import them."""

PURE = {"asyncio", "socket", "ssl", "select", "selectors", "time", "logging", "threading", "os"}
PURE |= {"subprocess", "multiprocessing", "signal", "tempfile", "random", "uvloop", "proxy"}
"""What `protocol` may not import: time, chance and bytes arrive as arguments."""

EXCHANGE_IMPORTS = 8

TESTED_ELSEWHERE = {
    "proxy/testing/__init__.py": "tests/testing/test_public.py",
    "proxy/__init__.py": "tests/test_public.py",
    "proxy/__main__.py": "tests/test_cli.py",  # a few lines around cli.main
}
"""Modules without a test file of their own, and the one that has their tests. Keep it tiny."""


@cache
def _modules() -> dict[str, Path]:
    """Return all modules of `protocol` and `proxy` by their dotted names."""
    files = sorted(path for top in ("protocol", "proxy") for path in (ROOT / top).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    return {name.removesuffix(".__init__"): path for name, path in zip(names, files, strict=True)}


@cache
def _tree(name: str) -> ast.Module:
    return ast.parse(_modules()[name].read_text("utf-8"))


@cache
def _imports(name: str) -> frozenset[str]:
    """Return the dotted names that a module imports, wherever in it the import stands."""
    return frozenset(_walk_imports(_tree(name)))


def _walk_imports(tree: ast.AST) -> Iterator[str]:
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            assert node.module is not None
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                yield dotted if dotted in _modules() else node.module


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes but those under `if TYPE_CHECKING:`, which are never run."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield child
            yield from _walk(child)


def _own_imports(name: str) -> set[str]:
    """Return the modules of this project that a module imports."""
    return {imported for imported in _imports(name) if imported in _modules()}


def _room(name: str) -> str:
    """Return `upstream` for `proxy.upstream.pool`; empty for the packages' own `__init__`."""
    return [*name.split("."), ""][1]


every_module = pytest.mark.parametrize("name", _modules())
pure_module = pytest.mark.parametrize("name", [m for m in _modules() if m.startswith("protocol")])
impure_module = pytest.mark.parametrize("name", [m for m in _modules() if m.startswith("proxy")])


@pure_module
def test_protocol_is_pure(name: str) -> None:
    assert not {imported.split(".")[0] for imported in _imports(name)} & PURE
    waits = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    assert not [node.lineno for node in ast.walk(_tree(name)) if isinstance(node, waits)]


def test_files_import_in_no_circle() -> None:
    TopologicalSorter({name: _own_imports(name) for name in _modules()}).prepare()


def test_rooms_import_in_no_circle() -> None:
    """By folder: `proxy.upstream` counts as one, like the single modules beside it."""
    graph: dict[str, set[str]] = {}
    for name in _modules():
        room = ".".join(name.split(".")[:2])
        others = {".".join(imported.split(".")[:2]) for imported in _own_imports(name)}
        graph.setdefault(room, set()).update(others - {room})
    TopologicalSorter(graph).prepare()


def test_folders_within_rooms_import_in_no_circle() -> None:
    """Like `proxy.lab.report`; files directly in a room count each for itself."""
    graph: dict[str, set[str]] = {}
    for name in _modules():
        folder = ".".join(name.split(".")[:3])
        others = {".".join(imported.split(".")[:3]) for imported in _own_imports(name)}
        graph.setdefault(folder, set()).update(others - {folder})
    TopologicalSorter(graph).prepare()


@impure_module
def test_rooms_import_only_from_below(name: str) -> None:
    row = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
    own = _room(name)
    assert not own or own in row, "this room has no place in ROOMS"
    for imported in _own_imports(name):
        other = _room(imported)
        if imported.startswith("proxy.") and other != own:
            assert row[other] > row[own], f"{name} must not import {imported}"
            assert own in VISITORS.get(other, {own}) | {"testing", "lab"}, (
                f"{name} must not visit {imported}"
            )


def test_exchange_knows_few_others() -> None:
    """It orders a request's life and does little of it. Leaves and `protocol`'s nouns are free."""
    imported = [name for name in _own_imports("proxy.exchange") if name.startswith("proxy.")]
    assert len([name for name in imported if _room(name) not in LEAVES]) <= EXCHANGE_IMPORTS


@every_module
def test_a_module_says_what_it_is(name: str) -> None:
    assert ast.get_docstring(_tree(name))


@every_module
def test_a_module_has_a_test_file(name: str) -> None:
    """`proxy/a/b.py` has `tests/a/test_b.py`, `protocol/a/b.py` `tests/protocol/a/test_b.py`."""
    path = _modules()[name].relative_to(ROOT)
    defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    if path.name == "__init__.py" and not any(isinstance(n, defines) for n in _tree(name).body):
        return  # nothing in it that could be wrong
    mirrored = Path("tests", *path.parts[path.parts[0] == "proxy" :])
    test = TESTED_ELSEWHERE.get(str(path)) or mirrored.with_name(f"test_{path.name}")
    assert (ROOT / test).exists(), f"{test} is missing"


def test_exemptions_are_still_needed() -> None:
    paths = {str(path.relative_to(ROOT)) for path in _modules().values()}
    assert set(TESTED_ELSEWHERE) <= paths
    assert set(VISITORS) <= {room for rooms in ROOMS for room in rooms}
