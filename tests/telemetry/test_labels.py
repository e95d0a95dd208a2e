"""Labels: made once, written as Prometheus wants them, forgotten when there are too many."""

from proxy.telemetry.labels import (
    MAX_REMEMBERED,
    Labels,
    bucket_labels,
    known,
    labels_from,
    labels_of,
)

HOSTILE = 'a"b\\c\nd'


def test_the_same_are_found_again() -> None:
    one = labels_of(("upstream", "backend"), ("default", "unix:/a"))
    assert one is labels_of(("upstream", "backend"), ("default", "unix:/a"))
    assert one == {"upstream": "default", "backend": "unix:/a"}


def test_text_is_sorted_and_quoted() -> None:
    assert labels_of((), ()).text == ""
    labels = labels_of(("b", "a"), (HOSTILE, "é"))
    assert labels.text == r'{a="é",b="a\"b\\c\nd"}'


def test_buckets_have_their_bound_besides() -> None:
    first, last = bucket_labels(("code",), ("2xx",), (0.5,))
    assert first.text == '{code="2xx",le="0.5"}'
    assert last.text == '{code="2xx",le="+Inf"}'


def test_another_process_can_be_told() -> None:
    labels = labels_of(("b", "a"), (HOSTILE, "\udc80"))
    assert labels_from(labels.plain) == labels
    assert labels_from(labels.plain) is labels_from(labels.plain)


def test_those_of_the_library_get_their_text() -> None:
    assert known({"a": "1"}).text == '{a="1"}'
    labels = Labels({"a": "1"})
    assert known(labels) is labels


def test_what_is_remembered_is_bounded() -> None:
    for number in range(MAX_REMEMBERED + 10):
        labels_of(("backend",), (str(number),))
    assert labels_of.cache_info().currsize == MAX_REMEMBERED
