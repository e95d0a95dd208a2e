"""The labels of samples, remembered: the same ones are wanted at every scrape.

What takes long in an exposition is not the numbers but their names: dictionaries, sorting, quoting.
So a set of labels is made once, together with its text, and found again by its values. What has not
been wanted for long is forgotten: backends come and go.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache

MAX_REMEMBERED = 32768
"""Sets of labels; some 500 bytes each. 200 backends have 11,000."""

_MAX_HISTOGRAMS = MAX_REMEMBERED // 16


class Labels(dict[str, str]):
    """The labels of one sample, and how both formats write them. Shared: not to be changed."""

    __slots__ = ("plain", "text")

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__(labels)
        self.text = _write(labels)
        self.plain = json.dumps(labels)
        """For another process; see `labels_from`."""


@lru_cache(MAX_REMEMBERED)
def labels_of(names: tuple[str, ...], values: tuple[str, ...]) -> Labels:
    """Return the labels with these names and values."""
    return Labels(dict(zip(names, values, strict=True)))


@lru_cache(_MAX_HISTOGRAMS)
def bucket_labels(
    names: tuple[str, ...], values: tuple[str, ...], bounds: tuple[float, ...]
) -> tuple[Labels, ...]:
    """Return those of all buckets of a histogram, the one without a bound last."""
    wanted = [*(str(float(bound)) for bound in bounds), "+Inf"]
    return tuple(labels_of((*names, "le"), (*values, bound)) for bound in wanted)


@lru_cache(MAX_REMEMBERED)
def labels_from(plain: str) -> Labels:
    """Return the labels that another process calls by this text."""
    return Labels(json.loads(plain))


def known(labels: Mapping[str, str]) -> Labels:
    """Return labels, which may be those of `prometheus_client`, with their text."""
    if type(labels) is Labels:
        return labels
    return labels_of(tuple(labels), tuple(labels.values()))


def escape_value(value: str) -> str:
    """Return a text as it stands between quotes."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _write(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs: Sequence[str] = [f'{name}="{escape_value(labels[name])}"' for name in sorted(labels)]
    return "{" + ",".join(pairs) + "}"
