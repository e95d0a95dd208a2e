"""What is measured when nothing is said, and with --quick."""

import pytest

from proxy.lab import effort
from proxy.lab.ask import Wanted
from proxy.lab.effort import QUICK, Effort, fit
from proxy.lab.scenarios import SCENARIOS
from proxy.lab.setup import Installed
from proxy.lab.topologies import TOPOLOGIES
from proxy.worker.command import Uwsgi

ALL = Installed(Uwsgi("2"), True, "/usr/sbin/nginx")


def by_name(name: str):  # type: ignore[no-untyped-def]
    return next(each for each in SCENARIOS if each.name == name)


def test_six_pairs_are_the_least_for_an_interval() -> None:
    assert QUICK.rounds >= 6
    assert Effort().rounds >= 6


def test_a_quick_run_is_expected_to_take_less_than_a_minute() -> None:
    scenarios = effort.scenarios([], True)
    count = len(effort.topologies([], ALL, True))
    expected_s = sum(
        (count + each.paired) * QUICK.rounds_of(each) * QUICK.step_s(each) for each in scenarios
    )
    assert expected_s + 1.5 * count < 60


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
