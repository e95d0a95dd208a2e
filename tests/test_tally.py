"""Counts: buckets, results and retries."""

import pytest

from proxy import errors
from proxy.tally import BYTES, RETRIED, SECONDS, BackendTally, Histogram, UpstreamTally
from proxy.upstream.retry import _REASONS, _STATUSES


@pytest.mark.parametrize("bounds", [SECONDS, BYTES])
def test_buckets_hold_their_upper_bound(bounds: tuple[float, ...]) -> None:
    histogram = Histogram(bounds)
    for bound in bounds:
        histogram.observe(bound)
    histogram.observe(bounds[-1] + 1)
    counts = [count for _, count in histogram.cumulative()]
    assert counts == [float(number) for number in range(1, len(bounds) + 2)]
    assert [bound for bound, _ in histogram.cumulative()][-1] == "+Inf"
    assert histogram.total == pytest.approx(sum(bounds) + bounds[-1] + 1)


def test_bounds_rise() -> None:
    assert list(SECONDS) == sorted(set(SECONDS))
    assert list(BYTES) == sorted(set(BYTES))


def test_failures_are_counted_by_reason_also_unusual_ones() -> None:
    tally = BackendTally()
    before = dict(tally.failures)
    assert set(before.values()) == {0}
    tally.count_failure(errors.EOF_MID_BODY)
    tally.count_failure(errors.SPOOL_FAILED)
    tally.count_failure(errors.SPOOL_FAILED)
    assert tally.failures == before | {"eof_mid_body": 1, "spool_failed": 2}


def test_retries_are_counted_by_reason_or_status() -> None:
    tally = UpstreamTally()
    tally.count_retry(errors.CONNECT_REFUSED, None)
    tally.count_retry(None, 503)
    assert {word: count for word, count in tally.retries.items() if count} == {
        "connect_refused": 1,
        "http_503": 1,
    }


def test_all_that_is_retried_is_counted_from_zero_on() -> None:
    never = {"backlog_full"}  # for that one waits in line
    assert set(RETRIED) == (_REASONS.keys() - never) | {f"http_{status}" for status in _STATUSES}


def test_the_backends_of_an_upstream_share_its_tally() -> None:
    shared = UpstreamTally()
    assert BackendTally(shared).upstream is BackendTally(shared).upstream
    assert BackendTally().upstream is not BackendTally().upstream
