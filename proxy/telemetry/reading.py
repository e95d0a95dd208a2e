"""All metrics of one moment, and one number out of them by name and labels: for tests.

Pure. A mistake in a name must not look like a zero, so names are checked; so are the reasons of
errors, which are a closed list of words.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

from prometheus_client.core import Metric
from prometheus_client.samples import Sample

from proxy import errors
from proxy.telemetry.catalogue import PREFIX
from proxy.telemetry.family import SUFFIXES


class Reading:
    """Metrics as they were. Call it with a name and labels."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.families = list(families)

    def __call__(self, name: str, /, **labels: object) -> float:
        """Return the sum of the samples of this name that have these labels; 0 if there are none.

        Args:
            name: as it stands in /metrics; our own prefix may be left out.
            labels: those that matter; over the others is summed.

        Raises:
            LookupError: no metric has that name, or not those labels, or there is no such reason.
        """
        wanted = {label: str(value) for label, value in labels.items()}
        family, samples = _find(self.families, name)
        if not samples:  # nothing has made a series of it yet
            return 0.0
        _check(family, samples, wanted)
        return sum(one.value for one in samples if wanted.items() <= one.labels.items())


def _find(families: Sequence[Metric], name: str) -> tuple[Metric, list[Sample]]:
    known: list[str] = []
    for family in families:
        for word in (name, PREFIX + name):
            found = [sample for sample in family.samples if sample.name == word]
            if found or word in _names(family):
                return family, found
        known += _names(family)
    short = [word.removeprefix(PREFIX) for word in known]
    near = difflib.get_close_matches(name.removeprefix(PREFIX), short, n=1)
    hint = f"did you mean {near[0]}?" if near else "docs/observability.md has them all"
    raise LookupError(f"no metric {name!r}: {hint}")


def _names(family: Metric) -> list[str]:
    """Return what stands in /metrics for a family."""
    if family.type == "histogram":
        return [f"{family.name}_{part}" for part in ("count", "sum", "bucket")]
    return [family.name + SUFFIXES.get(family.type, "")]


def _check(family: Metric, samples: Sequence[Sample], wanted: Mapping[str, str]) -> None:
    known = sorted({label for sample in samples for label in sample.labels})
    for label, value in wanted.items():
        if label not in known:
            there = f"its labels are {', '.join(known)}" if known else "it has none"
            raise LookupError(f"{family.name} has no label {label!r}; {there}")
        words = {sample.labels[label] for sample in samples} | set(errors.ALL)
        if family.name == PREFIX + "errors" and label == "reason" and value not in words:
            near = difflib.get_close_matches(value, words, n=1)
            hint = f"did you mean {near[0]}?" if near else "docs/reasons.md has them all"
            raise LookupError(f"no reason {value!r}: {hint}")
