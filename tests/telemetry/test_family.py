"""Families: filled by us, they are those that the library would have made."""

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from proxy.tally import Histogram
from proxy.telemetry.family import Family, add, add_histogram


def test_single_numbers() -> None:
    counter = CounterMetricFamily("seen", "Help", labels=("one",))
    counter.add_metric(("a",), 3)
    gauge = GaugeMetricFamily("level", "Help", labels=())
    gauge.add_metric((), 1.5)
    info = InfoMetricFamily("build", "Help", labels=("version",))
    info.add_metric(("1",), {})
    made: list[Metric] = []
    for name, kind, labels, values, number in (
        ("seen", "counter", ("one",), ("a",), 3),
        ("level", "gauge", (), (), 1.5),
        ("build", "info", ("version",), ("1",), 1),
    ):
        family = Family(name, "Help", kind, labels)
        add(family, values, number)
        made.append(family)
    assert made == [counter, gauge, info]


def test_histograms() -> None:
    histogram = Histogram((0.5, 1.0))
    for number in (0.1, 0.7, 0.7, 3):
        histogram.observe(number)
    expected = HistogramMetricFamily("took_seconds", "Help", labels=("one",))
    expected.add_metric(("a",), histogram.cumulative(), sum_value=histogram.total)
    family = Family("took_seconds", "Help", "histogram", ("one",))
    add_histogram(family, ("a",), histogram)
    assert family == expected
