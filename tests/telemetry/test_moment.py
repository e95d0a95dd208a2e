"""Times as logs say them."""

import time

import pytest

from proxy.telemetry.moment import Moment, iso_time, local_time


def test_the_time_is_local_and_independent_of_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    assert local_time(0.0) == "01/Jan/1970:00:00:00 +0000"
    assert iso_time(0.0) == "1970-01-01T00:00:00+00:00"
    monkeypatch.setenv("TZ", "IST-5:30")
    time.tzset()
    assert local_time(0.0) == "01/Jan/1970:05:30:00 +0530"
    assert iso_time(0.0) == "1970-01-01T05:30:00+05:30"
    assert iso_time(0.0625, "milliseconds") == "1970-01-01T05:30:00.062+05:30"


def test_a_moment_knows_the_times_of_its_records() -> None:
    moment = Moment(100.0)
    assert moment.local(0.9) == "01/Jan/1970:00:01:40 +0000"
    assert moment.local(0.0) == "01/Jan/1970:00:01:40 +0000"
    assert moment.local(1.0) == "01/Jan/1970:00:01:41 +0000"
    assert moment.iso(0.9) == moment.iso(0.0) == "1970-01-01T00:01:40+00:00"
    assert moment.iso(1.0) == "1970-01-01T00:01:41+00:00"
