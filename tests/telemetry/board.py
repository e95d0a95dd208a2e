"""Metrics as a test reads them: by name and labels, parsed by Prometheus's own parser."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, cast
from weakref import WeakKeyDictionary

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from proxy.record import Record
from proxy.telemetry.catalogue import PREFIX
from proxy.telemetry.exposition import render
from proxy.telemetry.metrics import Metrics
from proxy.telemetry.pool_metrics import PoolMetrics
from proxy.testing.harness import Harness
from proxy.upstream.group import Upstream

_SEEN: WeakKeyDictionary[Harness, tuple[Metrics, list[Record]]] = WeakKeyDictionary()


def _show_pool(metrics: Metrics, wire: Harness) -> None:
    parts: Any = SimpleNamespace(
        settings=wire.settings.upstream, pool=wire.pool, means=wire.upstream, checks=None
    )
    metrics.show(PoolMetrics(lambda: [cast(Upstream, parts)], dict, wire.clock).collect)


class Board:
    """An exposition."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self.text = render(families)[0].decode()

    @classmethod
    def of(cls, wire: Harness) -> "Board":
        """Show what has happened to the exchanges of a harness."""
        if wire not in _SEEN:
            _SEEN[wire] = Metrics(), []
            _show_pool(_SEEN[wire][0], wire)
        metrics, seen = _SEEN[wire]
        for record in wire.records[len(seen) :]:  # each is counted once
            metrics(record)
            seen.append(record)
        return cls(metrics.families())

    def samples(self) -> Iterator[Sample]:
        for family in text_string_to_metric_families(self.text):
            yield from family.samples

    def get(self, name: str, **labels: str) -> float:
        """Return the one sample with this name and these labels."""
        (value,) = [
            sample.value
            for sample in self.samples()
            if sample.name.removeprefix(PREFIX) == name and sample.labels == labels
        ]
        return value

    def all(self, name: str, *labels: str) -> dict[tuple[str, ...], float]:
        """Return all samples of a name that are not 0, by the values of these labels."""
        return {
            tuple(sample.labels[label] for label in labels): sample.value
            for sample in self.samples()
            if sample.name.removeprefix(PREFIX) == name and sample.value
        }
