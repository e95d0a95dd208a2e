"""The table of options is complete and consistent with the settings tree."""

import dataclasses
import types
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from proxy.config.kinds import DURATION, NUMBERS, SECONDS, SIZE
from proxy.config.option import DEFAULTS, Option
from proxy.config.options import BY_ENVIRONMENT, BY_PATH, GROUPS, OPTIONS
from proxy.settings import Settings

WHOLE = {"upstream.balance.sticky"}
"""Branches that one option gives as a whole."""

every_option = pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)


def leaves() -> Iterator[tuple[str, Any]]:
    """Yield path and type of every field of the tree that is no branch of it."""
    yield from _leaves("", Settings)


def _leaves(prefix: str, branch: Any) -> Iterator[tuple[str, Any]]:
    for name, kind in get_type_hints(branch).items():
        path = prefix + name
        if dataclasses.is_dataclass(kind) and path not in WHOLE:
            yield from _leaves(f"{path}.", kind)
        else:
            yield path, kind


def test_every_field_of_the_tree_has_one_option() -> None:
    assert sorted(option.path for option in OPTIONS) == sorted(path for path, _ in leaves())


def test_no_name_is_taken_twice() -> None:
    assert len({option.flag for option in OPTIONS}) == len(OPTIONS)
    assert len(BY_PATH) == len(BY_ENVIRONMENT) == len(OPTIONS)
    assert len({group.title for group in GROUPS}) == len(GROUPS)


@every_option
def test_what_shows_as_default_is_read_back_as_default(option: Option) -> None:
    default = option.read(DEFAULTS)
    if texts := option.show(default):
        assert option.parse(texts) == default


@every_option
def test_an_option_reads_what_its_field_holds(option: Option) -> None:
    value = option.parse([option.kind.example])
    kind = dict(leaves())[option.path]
    if option.many or get_origin(kind) is tuple:
        assert isinstance(value, tuple)
    elif isinstance(kind, types.UnionType):
        assert isinstance(value, get_args(kind))
    elif isinstance(kind, type):
        assert type(value) is kind
    else:  # Literal: the option offers exactly the values of the field
        assert option.kind.choices == get_args(kind)


@every_option
def test_units_and_danger_are_in_the_names(option: Option) -> None:
    assert option.path.endswith("_s") == (option.kind in (DURATION, SECONDS))
    assert option.path.endswith("_bytes") == (option.kind is SIZE)
    assert option.name.startswith("dangerously-") == (".dangerously_" in option.path)
    if ".dangerously_" in option.path:
        assert option.default == "off"


@every_option
def test_a_number_has_a_lower_bound_and_a_default_within(option: Option) -> None:
    if option.kind not in NUMBERS:
        assert option.low is option.high is None
        return
    assert option.low is not None
    assert option.low <= option.read(DEFAULTS) <= (option.high or float("inf"))


@every_option
def test_help_is_a_sentence(option: Option) -> None:
    assert option.help.endswith((".", ")."))
    assert "  " not in option.help
    assert all(" " in alike for alike in option.alike)


def test_the_tree_is_frozen_to_its_leaves() -> None:
    def visit(node: Any) -> None:
        for field in dataclasses.fields(node):
            value = getattr(node, field.name)
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(node, field.name, value)
            hash(value)
            if dataclasses.is_dataclass(value):
                visit(value)

    visit(DEFAULTS)
