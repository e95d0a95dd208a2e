"""Plans and results survive the way to the generator and back; doubts are put into words."""

import json

import pytest

from proxy.lab.load.ask import Wanted
from proxy.lab.load.plan import Load, Plan, class_of, warnings_of


def test_a_plan_through_json() -> None:
    plan = Plan(1, loop="open", requests=(Wanted("/a", headers=(("X", "y"),)), Wanted("/b")))
    assert Plan.from_json(plan.to_json()) == plan


def test_a_load_through_json() -> None:
    load = Load(1.0, 3, {"ok": 2, "5xx": 1}, {"200": 2, "502": 1}, 2, {}, {}, {}, "", 0.1)
    assert Load.from_json(json.loads(load.to_json())) == load
    assert (load.good, load.failed, load.errors) == (2, 1, {"5xx": 1})


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [(200, "ok"), (304, "ok"), (404, "4xx"), (502, "5xx"), (999, "5xx"), ("reset", "reset")],
)
def test_classes(outcome: int | str, kind: str) -> None:
    assert class_of(outcome) == kind


def test_a_busy_generator_is_said_to_be() -> None:
    plan = Plan(1)
    assert warnings_of(plan, 0.5, 1.0, 0.0) == []
    assert "may be the bottleneck" in warnings_of(plan, 0.9, 1.0, 0.0)[0]
    assert warnings_of(plan, 0.0, 0.0, 5000.0) == []


def test_a_late_generator_is_said_to_be() -> None:
    assert "5.0 ms late" in warnings_of(Plan(1, loop="open"), 0.1, 1.0, 5000.0)[0]
