"""The list of reasons is closed: none is without a test that provokes it for real."""

import ast
from pathlib import Path

from proxy import errors

ELSEWHERE = {
    "internal_error": "a bug cannot be asked for",
}
FOLDERS = ("failures", "lifecycle", "tls")


def test_every_reason_is_provoked() -> None:
    named = {
        name
        for folder in FOLDERS
        for file in Path(__file__).parent.parent.joinpath(folder).glob("test_*.py")
        for name in names_in(ast.parse(file.read_text()))
    }
    constants = {
        value.word: name for name, value in vars(errors).items() if isinstance(value, errors.Reason)
    }
    provoked = {word for word, name in constants.items() if name in named}
    provoked |= set(errors.BAD_REQUEST)  # test_clients has each of them
    assert set(errors.ALL) - provoked - set(ELSEWHERE) == set()


def names_in(tree: ast.AST) -> set[str]:
    """Return the names and attributes that a module uses."""
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)} | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name)
    }
