"""Reports made up for tests: what was measured is what the test says."""

from collections.abc import Mapping, Sequence

from proxy.lab.load.latency import Latencies
from proxy.lab.report.results import Report, Row, Sample, Scenario, Shown
from proxy.lab.report.verdict import AGAIN
from proxy.lab.stand.topologies import TOPOLOGIES

FRONTS = {each.name: each.front for each in TOPOLOGIES}
TITLES = {each.name: each.title for each in TOPOLOGIES}

Values = Mapping[str, Sequence[float]]
"""Of a row: each value in each round."""


def row(topology: str, values: Values, outcomes: Mapping[str, int] | None = None) -> Row:
    """Return a row with as many rounds as the values have."""
    rounds = max((len(each) for each in values.values()), default=1)
    samples = [
        Sample(
            at,
            {name: each[at] for name, each in values.items()},
            dict(outcomes if outcomes is not None else {"ok": 100}),
            Latencies.of([0.001, 0.002, 0.1]).encode(),
        )
        for at in range(rounds)
    ]
    return Row(topology, samples)


def report(**scenarios: Sequence[Row]) -> Report:
    """Return a report; `slow_uploads=` is the scenario `slow-uploads`."""
    made = Report(
        "2026-01-01T00:00:00+00:00", "mysite.wsgi:application", 1, False, 8,
        {"cpu": "x", "cores": "2"}, {"Python": "3.11"}, {"workers": "2"}, ["GET /"],
        not_measured=["TLS"],
    )  # fmt: skip
    names: dict[str, None] = {}
    for name, rows in scenarios.items():
        key = name.replace("_", "-")
        made.scenarios.append(Scenario(key, f"About {key}", "a load", list(rows)))
        names |= dict.fromkeys(each.topology for each in rows)
    facts = {"workers": "2", "listen queue": "100", "keep-alive": "600 s", "link": "unix"}
    for each in names:
        title = TITLES.get(each, "the first one, measured again (A/A)")
        shown = Shown(each, title, FRONTS.get(each, "none"), dict(facts), ["uwsgi --x"])
        made.topologies.append(shown)
    return made


def steady(value: float, rounds: int = 8) -> list[float]:
    """Return a value with a little noise of its own in each round."""
    return [value * (1 + 0.002 * ((at * 7) % 5 - 2)) for at in range(rounds)]


AGAIN_ROW = AGAIN
