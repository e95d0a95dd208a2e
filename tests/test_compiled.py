"""The compiled build: what is compiled, and that the program says so."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxy.cli import version
from proxy.compiled import is_compiled

ROOT = Path(__file__).parent.parent
ROAD = [
    line.strip(' ",')
    for line in (ROOT / "setup.py").read_text().splitlines()
    if line.startswith(('    "protocol/', '    "proxy/'))
]
REQUIRED = os.environ.get("REQUIRE_COMPILED") == "1"


def test_the_road_is_compiled_as_a_whole_or_not_at_all() -> None:
    found = {is_compiled(path.removesuffix(".py").replace("/", ".")) for path in ROAD}
    assert found == {is_compiled()}


def test_what_is_to_be_compiled_exists() -> None:
    assert len(ROAD) == len(set(ROAD)) > 40
    assert [path for path in ROAD if not (ROOT / path).is_file()] == []


def test_nobody_else_inherits_from_what_is_compiled() -> None:
    """The compiled build would refuse it, when the class is made."""
    compiled = {path.removesuffix(".py").replace("/", ".") for path in ROAD}
    for path in (*ROOT.glob("protocol/**/*.py"), *ROOT.glob("proxy/**/*.py")):
        if str(path.relative_to(ROOT)) in ROAD:
            continue
        tree = ast.parse(path.read_text("utf-8"))
        nodes = list(ast.walk(tree))
        theirs = {
            alias.asname or alias.name
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module in compiled
            for alias in node.names
        }
        bases = [base for node in nodes if isinstance(node, ast.ClassDef) for base in node.bases]
        named = {base.id for base in bases if isinstance(base, ast.Name)}
        assert not named & theirs, path


@pytest.mark.parametrize("path", ROAD)
def test_what_has_a_length_says_itself_whether_it_is_empty(path: str) -> None:
    """Of a class that has no `__bool__`, mypyc does not ask for the length: all are true."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            assert "__bool__" in methods or "__len__" not in methods, node.name


@pytest.mark.parametrize("path", ROAD)
def test_nothing_is_done_in_the_bounds_of_a_slice(path: str) -> None:
    """Of a memoryview, mypyc (2.4) does it twice."""
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Slice):
            done = (ast.Call, ast.Await, ast.NamedExpr)
            calls = [ast.unparse(part) for part in ast.walk(node) if isinstance(part, done)]
            assert [call for call in calls if not call.startswith("len(")] == [], node.lineno


def test_a_compiled_module_is_told_from_others() -> None:
    assert is_compiled("_ctypes")
    assert not is_compiled("proxy.settings")
    assert not is_compiled("proxy.no_such_module")


def test_the_program_says_that_it_is_compiled() -> None:
    assert version().count("compiled") == is_compiled()


@pytest.mark.skipif(not REQUIRED, reason="for `make test-compiled`")
def test_these_tests_run_against_the_compiled_build() -> None:
    assert is_compiled()


def test_only_0_and_1_are_understood() -> None:
    argv = [sys.executable, "setup.py", "--quiet", "--version"]
    env = os.environ | {"COMPILE_UWSGI_FRONTEND": "yes"}
    done = subprocess.run(argv, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode
    assert "say 1 to compile, 0 not to" in done.stderr
