"""One number out of all: names and labels are checked, since a mistake would look like a zero."""

import pytest
from prometheus_client.core import GaugeMetricFamily

from proxy.telemetry.metrics import Metrics
from proxy.telemetry.reading import Reading


def test_a_sum_over_the_labels_that_are_not_named() -> None:
    family = GaugeMetricFamily("uwsgi_frontend_x", "", labels=("a", "b"))
    for a, b, value in (("1", "1", 1), ("1", "2", 2), ("2", "1", 4)):
        family.add_metric((a, b), value)
    read = Reading([family])
    assert read("x") == read("uwsgi_frontend_x") == 7
    assert read("x", a=1) == 3
    assert read("x", a=2, b=1) == 4
    assert read("x", a=2, b=2) == 0


def test_every_name_of_the_text_is_known() -> None:
    metrics = Metrics()
    read = metrics.reading()
    names = {sample.name for family in metrics.families() for sample in family.samples}
    assert names
    assert all(read(name) == 0 for name in names)


@pytest.mark.parametrize(
    ("name", "labels", "complaint"),
    [
        ("http_request_total", {}, "did you mean http_requests_total"),
        ("errors", {}, "did you mean errors_total"),
        ("http_request_size_bytes", {}, "did you mean http_request_size_bytes_"),
        ("@", {}, "docs/observability.md"),
        ("errors_total", {"word": "x"}, "no label 'word'; its labels are blame, reason"),
        ("sent_bytes_total", {"code": 1}, "no label 'code'; it has none"),
        ("errors_total", {"reason": "read_timout"}, "did you mean read_timeout"),
        ("errors_total", {"reason": "@"}, "docs/reasons.md"),
    ],
)
def test_mistakes(name: str, labels: dict[str, object], complaint: str) -> None:
    with pytest.raises(LookupError, match=complaint):
        Metrics().reading()(name, **labels)


def test_a_metric_without_any_series_is_zero() -> None:
    empty = GaugeMetricFamily("uwsgi_frontend_x", "", labels=("a",))
    assert Reading([empty])("x", a="1") == 0
