"""What things cost: each answer turns round without its effect, and noise says nothing."""

import random
from collections.abc import Callable

import pytest

from proxy.lab.report import costs
from proxy.lab.report.results import Report
from proxy.lab.report.verdict import AGAIN, Verdict
from tests.lab.made import report, row, steady

Judge = Callable[[Report], Verdict | None]


def word(judge: Judge, made: Report) -> str:
    found = judge(made)
    assert found is not None
    return found.word


def hop(added_us: float) -> Report:
    base = {"p50_us": steady(200.0), "cpu_us": steady(100.0)}
    front = {"p50_us": steady(200.0 + added_us)[::-1], "cpu_us": steady(100.0 + added_us)[::-1]}
    return report(hop=[row("uwsgi-direct", base), row("proxy-uwsgi", front)])


def test_a_hop_that_costs() -> None:
    found = costs.hop(hop(60.0))
    assert found is not None
    assert found.word == "costs"
    assert "this proxy before uWSGI (unix) 60 us" in found.answer


def test_a_hop_that_costs_nothing() -> None:
    assert word(costs.hop, hop(0.0)) == "unclear"


def test_without_anything_direct_there_is_no_hop() -> None:
    assert costs.hop(report(hop=[row("proxy-uwsgi", {"p50_us": [1.0]})])) is None
    assert costs.hop(report(hop=[row("uwsgi-direct", {"p50_us": [1.0]})])) is None


def saturation(direct: float, front: float, lost: int = 0) -> Report:
    outcomes = {"ok": 100, "reset": lost}
    return report(
        saturation=[
            row("uwsgi-direct", {"per_s": steady(direct)}, outcomes),
            row("proxy-uwsgi", {"per_s": steady(front)[::-1]}),
        ]
    )


def test_throughput() -> None:
    assert word(costs.throughput, saturation(2000, 1000)) == "uwsgi-direct"
    assert word(costs.throughput, saturation(1000, 2000)) == "proxy-uwsgi"
    assert word(costs.throughput, saturation(1000, 1000)) == "alike"
    # Requests per second of those who fail are worth nothing.
    assert word(costs.throughput, saturation(2000, 1000, lost=50)) == "unknown"
    assert costs.throughput(report()) is None


def test_one_alone_is_not_said_to_have_failed() -> None:
    found = costs.throughput(report(saturation=[row("uwsgi-direct", {"per_s": steady(9.0)})]))
    assert found is not None
    assert (found.word, found.answer) == ("unknown", "Only one was measured.")


def test_a_throughput_of_few_answers_is_none() -> None:
    made = saturation(2000, 1000)
    for each in made.scenarios[0].rows[1].samples:
        each.outcomes = {"ok": 8}
    found = costs.throughput(made)
    assert found is not None
    assert found.word == "unknown"
    assert "8 within a load. Give them more time (--seconds)" in found.answer


def test_doubts_of_the_generator_stand_with_the_numbers() -> None:
    made = saturation(2000, 1000)
    made.scenarios[0].rows[0].samples[0].warnings.append("the generator was the limit")
    found = costs.throughput(made)
    assert found is not None
    assert ("doubt", "the generator was the limit") in found.numbers


def rates(direct: float, front: float) -> Report:
    def values(p99: float) -> dict[str, list[float]]:
        return {"p50_us": steady(300), "p99_us": steady(p99), "max_us": steady(p99)}

    return report(rate_80=[row("uwsgi-direct", values(direct)), row("proxy-uwsgi", values(front))])


def test_latency() -> None:
    assert word(costs.latency, rates(1000, 3000)) == "uwsgi-direct"
    assert word(costs.latency, rates(3000, 1000)) == "proxy-uwsgi"
    assert word(costs.latency, rates(1000, 1000)) == "alike"
    assert costs.latency(report()) is None
    few = report(rate_50=[row("uwsgi-direct", {"p99_us": [1.0]})])
    assert word(costs.latency, few) == "unknown"


PAIRS = (
    (costs.socket, "proxy-uwsgi", "proxy-uwsgi-tcp"),
    (costs.socket_nginx, "nginx-uwsgi", "nginx-uwsgi-tcp"),
    (costs.persistent, "proxy-uwsgi", "proxy-persistent"),
    (costs.instances, "proxy-uwsgi", "proxy-instances"),
    (costs.instances_nginx, "nginx-uwsgi", "nginx-instances"),
)


@pytest.mark.parametrize(("judge", "a", "b"), PAIRS)
def test_pairs_turn_round_with_the_effect(judge: Judge, a: str, b: str) -> None:
    def made(cpu: float, per_s: float) -> Report:
        one = {"p50_us": steady(200.0), "cpu_us": steady(100.0)}
        other = {"p50_us": steady(200.0), "cpu_us": steady(cpu)[::-1]}
        return report(
            hop=[row(a, one), row(b, other)],
            saturation=[
                row(a, {"per_s": steady(1000.0)}), row(b, {"per_s": steady(per_s)[::-1]})
            ],
        )  # fmt: skip

    assert word(judge, made(150, 700)) == "less"
    assert word(judge, made(60, 1300)) == "more"
    assert word(judge, made(100, 1000)) == "alike"
    assert word(judge, made(150, 1000)) == "less"  # the same speed, for more CPU
    assert judge(report()) is None


def aa(factor: float, spread: float) -> Report:
    rng = random.Random(5)

    def values(by: float) -> dict[str, list[float]]:
        names = ("per_s", "p50_us", "cpu_us")
        return {
            n: [100 * by * rng.uniform(1 - spread, 1 + spread) for _ in range(8)] for n in names
        }

    rows = [row("uwsgi-direct", values(1.0)), row(AGAIN, values(factor))]
    return report(hop=rows, saturation=rows)


def test_the_same_compared_with_itself() -> None:
    assert word(costs.noise, aa(1.0, 0.01)) == "equal"
    assert word(costs.noise, aa(1.3, 0.01)) == "different"
    assert word(costs.noise, aa(1.0, 0.6)) == "unclear"
    assert word(costs.noise, aa(1.03, 0.01)) in (
        "equal",
        "unclear",
    )  # sure, and too small to matter
    assert costs.noise(report()) is None


def kept(saved: float) -> Report:
    fresh = row("proxy-uwsgi", {"p50_us": steady(300.0)})
    again = row("proxy-uwsgi", {"p50_us": steady(300.0 - saved)})
    return report(hop=[fresh], kept=[again])


def test_keep_alive() -> None:
    assert word(costs.keep_alive, kept(100.0)) == "yes"
    assert word(costs.keep_alive, kept(0.0)) == "unclear"
    # Not measured in turns: a machine that has become a little faster meanwhile does as much.
    assert word(costs.keep_alive, kept(12.0)) == "unclear"
    never = kept(100.0)
    never.topologies[0].facts["keep-alive"] = "never"
    assert costs.keep_alive(never) is None
