"""A metric family on its way: `prometheus_client`'s, filled without its detours.

The library makes dictionaries anew for each sample at each scrape; see `proxy.telemetry.labels`.
"""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from proxy.tally import Histogram
from proxy.telemetry.labels import bucket_labels, labels_of

SUFFIXES = {"counter": "_total", "info": "_info"}
"""What the type adds to a name in the text."""


class Family(Metric):
    """One family, of samples with these labels."""

    def __init__(self, name: str, text: str, kind: str, labels: tuple[str, ...]) -> None:
        super().__init__(name, text, kind)
        self.label_names = labels
        self.sample_name = name + SUFFIXES.get(kind, "")


def add(family: Family, labels: Iterable[str], value: float) -> None:
    """Add one sample to a family of any type that has single numbers."""
    found = labels_of(family.label_names, tuple(labels))
    family.samples.append(Sample(family.sample_name, found, float(value)))


def add_histogram(family: Family, labels: tuple[str, ...], histogram: Histogram) -> None:
    """Add all samples of a histogram."""
    names, samples, counts = family.label_names, family.samples, histogram.counts
    bucket = family.name + "_bucket"
    buckets = bucket_labels(names, labels, tuple(histogram.bounds))
    for found, count in zip(buckets, accumulate(counts), strict=True):
        samples.append(Sample(bucket, found, float(count)))
    whole = labels_of(names, labels)
    samples.append(Sample(family.name + "_count", whole, samples[-1].value))
    samples.append(Sample(family.name + "_sum", whole, histogram.total))
