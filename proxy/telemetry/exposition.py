"""Metric families on their way out: carried between processes, merged, and written as text.

    collectors ──► [Metric] ──► to_plain ─ ─ (another process) ─ ─► from_plain ──► merge ──► render

A family is what a collector of `prometheus_client` yields. With several processes each of them
hands in its families; whoever is asked for metrics adds them up. Nothing here knows one metric from
another, except for the table of those that are not sums.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from proxy.telemetry.catalogue import OWN, PREFIX, Rule
from proxy.telemetry.uwsgi_catalogue import PREFIX as UWSGI

Plain = list[dict[str, Any]]
"""Families as JSON can carry them."""

_OF_THE_PROCESS: Mapping[str, Rule] = {
    "process_max_fds": "min",
    "process_open_fds": "max",  # of the process that is nearest to its limit
    "process_start_time_seconds": "max",  # a worker that has been replaced shows
}

RULES: Mapping[str, Rule] = {
    **{entry.name: entry.rule for entry in OWN if entry.rule != "sum"},
    **_OF_THE_PROCESS,
}
"""The families that are not sums. Those of uWSGI are not either: see `rule_for`."""

TEXT = "text/plain; version=0.0.4; charset=utf-8"
"""The content type of what every Prometheus can read. `OPENMETRICS` is that of the other format."""


def to_plain(families: Iterable[Metric]) -> Plain:
    """Return families as JSON can carry them. Timestamps and exemplars stay behind."""
    return [
        {
            "name": family.name,
            "help": family.documentation,
            "type": family.type,
            "unit": family.unit,
            "samples": [[one.name, one.labels, one.value] for one in family.samples],
        }
        for family in families
    ]


def from_plain(plain: Plain) -> list[Metric]:
    """Return the families that `to_plain` was given."""
    return [_family(each) for each in plain]


def _family(plain: dict[str, Any]) -> Metric:
    family = Metric(plain["name"], plain["help"], plain["type"], plain["unit"])
    family.samples = [Sample(name, labels, value) for name, labels, value in plain["samples"]]
    return family


def _is_told(family: Metric) -> bool:
    """Whether uWSGI has said it."""
    return family.name.startswith(UWSGI) and not family.name.startswith(PREFIX)


def rule_for(family: Metric) -> Rule:
    """Return how numbers of this family become one number.

    All processes ask the same uWSGI for its own numbers: those are never sums.
    """
    if _is_told(family):
        return "max" if family.type == "counter" else "any"
    return RULES.get(family.name, "sum")


def merge(processes: Iterable[Iterable[Metric]]) -> list[Metric]:
    """Return the families of several processes as if they were those of one.

    Name, help and type come from the first process that has a family, and the order does, too.
    """
    merged: dict[str, Metric] = {}
    values: dict[str, dict[_Key, Sample]] = {}
    for families in processes:
        for family in families:
            if family.name not in merged:
                merged[family.name] = _empty(family)
            _add(values.setdefault(family.name, {}), family)
    for name, family in merged.items():
        family.samples = list(values[name].values())
    return list(merged.values())


_Key = tuple[str, frozenset[tuple[str, str]]]


def _empty(family: Metric) -> Metric:
    return Metric(family.name, family.documentation, family.type, family.unit)


def _add(values: dict[_Key, Sample], family: Metric) -> None:
    rule = rule_for(family)
    for sample in family.samples:
        key = sample.name, frozenset(sample.labels.items())
        known = values.get(key)
        if known is None:
            values[key] = sample
        elif rule != "any":
            value = _combine(rule, known.value, sample.value)
            values[key] = known._replace(value=value)


def _combine(rule: Rule, one: float, other: float) -> float:
    if rule == "max":
        return max(one, other)
    return min(one, other) if rule == "min" else one + other


def remains(families: Iterable[Metric]) -> list[Metric]:
    """Return what stays true of a process that has ended: what it has counted.

    To be merged with the families of those that run, so that no counter ever goes back. What it
    had been told by others (uWSGI) ends with it: those may have begun anew.
    """
    return [
        family
        for family in families
        if family.type in ("counter", "histogram") and not _is_told(family)
    ]


def render(families: Sequence[Metric], accept: str = "") -> tuple[bytes, str]:
    """Return the families as text, and its content type.

    Args:
        accept: the Accept header of who asks; OpenMetrics is for those who name it. The library's
            own reading of this header raises on versions that are no numbers.
    """
    if any(_wants_openmetrics(wish) for wish in accept.split(",")):
        text: bytes = generate_openmetrics(_Given(families))  # type: ignore[no-untyped-call]
        return text, OPENMETRICS
    return generate_latest(_Given(families)), TEXT


def _wants_openmetrics(wish: str) -> bool:
    kind, *parameters = (part.strip() for part in wish.lower().split(";"))
    version = dict(part.partition("=")[::2] for part in parameters).get("version", "1.0.0")
    return kind == "application/openmetrics-text" and version == "1.0.0"


class _Given(Collector):
    """What `prometheus_client` asks for metrics."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families
