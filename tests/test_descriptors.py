"""Descriptors that run out: somebody has to say so."""

import os
import resource

import pytest

from proxy.descriptors import TELL_S, DescriptorWatch


def test_a_lack_of_descriptors_is_told_and_not_too_often(caplog: pytest.LogCaptureFixture) -> None:
    watch = DescriptorWatch()
    watch.look(0.0)
    assert caplog.records == []
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, before[1]))
    try:
        for now in (1.0, 2.0, TELL_S, 1.0 + TELL_S):
            watch.look(now)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert messages[0].startswith("no descriptors left, new clients are turned away; next: raise")
    watch.look(100.0)
    assert len(caplog.records) == 2
