"""What a changed value does: each answer turns round without its effect."""

from proxy.lab.report import differences
from proxy.lab.report.results import HELD, Report
from proxy.lab.scenarios import SCENARIOS
from tests.lab.made import report, row, steady


def taking(by: float, rounds: int = 8) -> Report:
    """Return a report in which replies with another size take so many times as long."""
    rows = [
        row("nginx-uwsgi", {"p50_us": steady(1000.0, rounds)}),
        row("nginx-uwsgi+16k", {"p50_us": steady(1000.0 * by, rounds)[::-1]}),
    ]
    return report(buffers_1m=rows)


def held(base_us: float, varied_us: float) -> Report:
    rows = [
        row("uwsgi-direct", {HELD: steady(base_us)}),
        row("uwsgi-direct+16k", {HELD: steady(varied_us)[::-1]}),
    ]
    return report(buffers_held=rows)


def word(made: Report) -> str:
    found = differences.buffers(made)
    assert found is not None
    return found.word


def test_transfers_turn_round_with_the_effect() -> None:
    assert word(taking(1.6)) == "kernel"
    assert word(taking(0.6)) == "tune"
    assert word(taking(1.0)) == "alike"


def test_a_small_effect_or_few_rounds_are_none() -> None:
    assert word(taking(1.03)) == "alike"
    assert word(taking(1.05)) == "unclear"
    assert word(taking(1.6, rounds=5)) == "unclear"


def test_time_of_a_worker_turns_round_with_the_effect() -> None:
    assert word(held(3_000.0, 1_500_000.0)) == "kernel"
    assert word(held(1_500_000.0, 3_000.0)) == "tune"
    assert word(held(3_000.0, 9_000.0)) == "alike"  # three times of nothing
    assert word(held(1_500_000.0, 1_500_000.0)) == "alike"


def test_the_answer_has_its_numbers() -> None:
    made = taking(1.6)
    made.scenarios += held(3_000.0, 1_500_000.0).scenarios
    found = differences.buffers(made)
    assert found is not None
    assert found.answer.endswith("No size did better than the kernel's own: leave them alone.")
    assert "replies of 1 MB: 1.60 times as long (1.59 to 1.61);" in found.answer
    assert "3 ms became 1.5 s" in found.answer
    assert [name for name, _ in found.numbers] == [
        "the first one, measured again (A/A)", "uwsgi-direct+16k",
    ]  # fmt: skip


def test_without_a_base_there_is_no_answer() -> None:
    assert differences.buffers(report()) is None
    assert (
        differences.buffers(report(buffers_1m=[row("nginx-uwsgi+16k", {"p50_us": [1.0]})])) is None
    )
    lost = [row("nginx-uwsgi", {"p50_us": [0.0]}), row("nginx-uwsgi+16k", {"p50_us": [1.0]})]
    assert differences.buffers(report(buffers_1m=lost)) is None


def test_each_scenario_of_buffers_is_judged() -> None:
    names = [each.name for each in SCENARIOS if each.name.startswith("buffers")]
    assert list(differences.BUFFERS) == names
