"""What is measured when nothing is said, and with --quick."""

import pytest

from proxy.lab import effort
from proxy.lab.effort import QUICK, Effort, fit
from proxy.lab.load.ask import Wanted
from proxy.lab.scenarios import SCENARIOS
from proxy.lab.stand.setup import Installed
from proxy.lab.stand.topologies import TOPOLOGIES, select
from proxy.worker.command import Uwsgi

ALL = Installed(Uwsgi("2"), True, "/usr/sbin/nginx")


def by_name(name: str):  # type: ignore[no-untyped-def]
    return next(each for each in SCENARIOS if each.name == name)


def test_six_pairs_are_the_least_for_an_interval() -> None:
    assert QUICK.rounds >= 6
    assert Effort().rounds >= 6


def test_a_quick_run_takes_less_than_a_minute_by_its_plan() -> None:
    scenarios = effort.scenarios([], True)
    topologies = effort.topologies([], ALL, True)
    assert len(topologies) == len(effort.QUICK_TOPOLOGIES)
    assert 20 < effort.planned_s(topologies, scenarios, QUICK) <= 55


def test_the_plan_counts_everything() -> None:
    """Starts, rounds, the A/A row, and the waiting for answers that do not come."""
    some = Effort(rounds=6, others=2, seconds=1.0)
    alone, behind = select(["uwsgi-direct", "proxy-uwsgi"])
    start_s = effort.planned_s([alone], [], some)
    assert start_s > 0
    kept, slow = by_name("kept"), by_name("slow-uploads")
    paired_s = effort.planned_s([alone], [kept], some) - start_s
    assert paired_s == pytest.approx(2 * 6 * some.step_s(kept))
    assert paired_s > 2 * 6 * 0.5
    waited_s = effort.planned_s([alone], [slow], some) - effort.planned_s([behind], [slow], some)
    assert waited_s == pytest.approx(2 * slow.plan.timeout_s)


def test_choices() -> None:
    assert effort.scenarios([], False) == list(SCENARIOS)
    assert [each.name for each in effort.scenarios(["slow"], True)] == [
        "slow-uploads", "slow-downloads",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="there are: hop"):
        effort.scenarios(["nonsense"], False)
    assert effort.topologies([], ALL, False) == list(TOPOLOGIES)
    assert [each.name for each in effort.topologies(["proxy-builtin"], ALL, True)] == [
        "proxy-builtin"
    ]
    without = [each.name for each in effort.topologies([], Installed(), False)]
    assert "proxy-builtin" in without
    assert len([name for name in without if "uwsgi" in name]) == 1


def test_loads_are_fitted_to_the_run() -> None:
    users = (Wanted("/mine"),)
    plan = fit(by_name("saturation"), Effort(seconds=2.0), users, 3, 7)
    assert (plan.clients, plan.seconds, plan.requests, plan.seed) == (12, 2.0, users, 7)
    assert fit(by_name("hop"), Effort(seconds=2.0), users, 3, 7).requests != users
    assert fit(by_name("burst"), Effort(), users, 2, 1).seconds == 1.0
    assert fit(by_name("hop"), Effort(seconds=0.1), users, 3, 7).seconds == 0.2
    assert Effort().rounds_of(by_name("kill")) == 3
    assert Effort().step_s(by_name("burst")) > Effort().step_s(by_name("kill")) - 1
