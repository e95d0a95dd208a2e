"""The tree itself: the shape that sources rely on."""

import dataclasses
from typing import Any

from proxy.settings import Settings


def test_trees_are_values() -> None:
    assert Settings() == Settings()
    assert hash(Settings()) == hash(Settings())
    assert Settings() != dataclasses.replace(Settings(), client=Settings().client.__class__(1.0))


def test_a_tree_has_only_defaults() -> None:
    """A source may leave out whatever it has nothing to say about."""

    def visit(node: Any) -> None:
        for field in dataclasses.fields(node):
            no_default = field.default is field.default_factory is dataclasses.MISSING
            assert not no_default, field.name
            if dataclasses.is_dataclass(value := getattr(node, field.name)):
                visit(value)

    visit(Settings())
