"""Families of several processes: carried as JSON, merged by their rules, written as text."""

import json
from collections.abc import Sequence

import pytest
from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from proxy.telemetry.catalogue import OWN, PREFIX
from proxy.telemetry.exposition import (
    RULES,
    from_plain,
    merge,
    remains,
    render,
    rule_for,
    to_plain,
)
from proxy.telemetry.family import Family, add
from proxy.telemetry.metrics import Metrics
from tests.records import a_record


def counter(name: str, **values: float) -> Metric:
    family = CounterMetricFamily(name, "Help", labels=("one",))
    for label, value in values.items():
        family.add_metric((label,), value)
    return family


def gauge(name: str, value: float) -> Metric:
    return GaugeMetricFamily(name, "Help", value)


def histogram(*counts: float, total: float) -> Metric:
    family = HistogramMetricFamily("took_seconds", "Help", labels=("one",))
    bounds = ("0.5", "1.0", "+Inf")
    family.add_metric(("a",), list(zip(bounds, counts, strict=True)), total)
    return family


def values(families: Sequence[Metric]) -> dict[str, float]:
    """Return each sample of a merge by its text."""
    lines = render(families)[0].decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_json_carries_everything() -> None:
    families = [
        counter("seen", a=1, b=2.5),
        gauge("level", float("inf")),
        histogram(1, 2, 3, total=1.5),
        InfoMetricFamily("build", 'With "quotes"\nand \\', {"version": "1"}),
    ]
    carried = from_plain(json.loads(json.dumps(to_plain(families))))
    assert carried == families
    assert render(carried) == render(families)


def test_counters_and_histograms_add_up() -> None:
    one = [counter("seen", a=1, b=2), histogram(1, 2, 3, total=1.5)]
    two = [counter("seen", b=3, c=4), histogram(0, 1, 5, total=10.25)]
    assert values(merge([one, two])) == {
        'seen_total{one="a"}': 1,
        'seen_total{one="b"}': 5,
        'seen_total{one="c"}': 4,
        'took_seconds_bucket{le="0.5",one="a"}': 1,
        'took_seconds_bucket{le="1.0",one="a"}': 3,
        'took_seconds_bucket{le="+Inf",one="a"}': 8,
        'took_seconds_count{one="a"}': 8,
        'took_seconds_sum{one="a"}': 11.75,
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("uwsgi_frontend_http_requests_in_flight", 8),
        ("process_open_fds", 5),
        ("process_max_fds", 3),
        ("uwsgi_frontend_backend_state", 5),
        ("uwsgi_frontend_backend_serves", 3),
        ("uwsgi_workers", 3),
        ("uwsgi_up", 3),
    ],
)
def test_gauges_follow_their_rule(name: str, expected: float) -> None:
    assert values(merge([[gauge(name, 3)], [gauge(name, 5)]])) == {name: expected}


def test_what_all_have_asked_the_same_server_is_not_added() -> None:
    name = "uwsgi_worker_requests"
    merged = merge([[counter(name, a=100)], [counter(name, a=103)], [counter(name, a=101)]])
    assert values(merged) == {name + '_total{one="a"}': 103}


def test_names_and_help_come_from_the_first() -> None:
    one = GaugeMetricFamily("level", "First", 1)
    two = GaugeMetricFamily("level", "Second", 2)
    build = InfoMetricFamily("uwsgi_frontend_build", "Version", {"version": "1"})
    merged = merge([[build, one], [gauge("other", 1), two, build]])
    assert [family.name for family in merged] == ["uwsgi_frontend_build", "level", "other"]
    assert merged[1].documentation == "First"
    assert values(merged)['uwsgi_frontend_build_info{version="1"}'] == 1


def test_nothing_that_was_merged_is_changed() -> None:
    one, two = [counter("seen", a=1)], [counter("seen", a=2)]
    merge([one, two])
    assert merge([one, two]) == merge([[counter("seen", a=1)], [counter("seen", a=2)]])
    assert one == [counter("seen", a=1)]


def test_a_merge_of_nothing_is_nothing() -> None:
    assert merge([]) == merge([[], []]) == []


def test_a_process_that_has_ended_leaves_its_counts() -> None:
    told = counter("uwsgi_worker_requests", a=7)
    own = [counter("seen", a=1), gauge("level", 1), histogram(1, 1, 1, total=0.1)]
    left = remains([*own, told])
    assert [family.name for family in left] == ["seen", "took_seconds"]


def test_rules() -> None:
    assert rule_for(gauge("anything", 1)) == "sum"
    assert {name for name in RULES if name.startswith(PREFIX)} <= {entry.name for entry in OWN}
    assert set(RULES.values()) <= {"max", "min", "any"}


# -- text -----------------------------------------------------------------------------------------

FAMILIES = [
    counter("seen", **{'a"\\\n': 1}),
    gauge("level", 2),
    histogram(1, 2, 3, total=1.5),
    InfoMetricFamily("build", "Version", {"version": "1"}),
]


class Given(Collector):
    """What the library asks for metrics."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


NUMBERS = (0, 1, 999_999, 1e6, 1234567.5, 1e21, 1e-7, 0.1, -3, float("inf"), float("nan"))


def test_text_is_that_of_the_library() -> None:
    hostile = 'a"b\\c\nd\u00e9'
    numbers = Family("n", hostile, "gauge", ("of", "at"))
    for number in NUMBERS:
        add(numbers, (str(number), hostile), number)
    metrics = Metrics()
    metrics(a_record(b"127.0.0.1", 0.0, status=599, ended=2e6, sent_bytes=123_456_789))
    shown = [*metrics.families(), *ProcessCollector(registry=None).collect()]
    families = [*FAMILIES, numbers, *(entry.family() for entry in OWN), *shown]
    assert render(families)[0] == generate_latest(Given(families))
    text: bytes = generate_openmetrics(Given(families))  # type: ignore[no-untyped-call]
    assert render(families, "application/openmetrics-text") == (text, CONTENT_TYPE_LATEST)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain;version=0.0.4",
        "text/plain;version=1.0.0;escaping=allow-utf-8",
        "application/openmetrics-text;version=x",
        "application/openmetrics-text;version=9.0.0",
        ";;,,q==;=",
    ],
)
def test_plain_text_for_everybody(accept: str) -> None:
    body, content_type = render(FAMILIES, accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert body.decode().splitlines()[:3] == [
        "# HELP seen_total Help",
        "# TYPE seen_total counter",
        r'seen_total{one="a\"\\\n"} 1.0',
    ]
    assert [family.name for family in parse_text(body.decode())] == [
        "seen",
        "level",
        "took_seconds",
        "build_info",
    ]


@pytest.mark.parametrize(
    "accept",
    [
        "application/openmetrics-text",
        "Application/OpenMetrics-Text; Version=1.0.0",
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
        "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",  # Prometheus 2
    ],
)
def test_openmetrics_for_those_who_ask(accept: str) -> None:
    body, content_type = render(FAMILIES, accept)
    assert content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert body.endswith(b"# EOF\n")
    assert list(parse_openmetrics(body.decode())) == FAMILIES  # type: ignore[no-untyped-call]
